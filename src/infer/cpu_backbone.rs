//! The backbone on the CPU, by its engine.

use crate::cpu::profile::OperationTime;
use crate::cpu::{NetBuilder, Plan, Workspace, Workspaces, simd, team};
use crate::model::PoseNet;
use std::sync::{Mutex, PoisonError};

/// A model's backbone, ready for pictures of its input's size.
pub struct CpuBackbone {
    plan: Plan,
    workspaces: Workspaces,
}

impl CpuBackbone {
    /// Takes the backbone of `model`, wherever it lives.
    pub fn new(model: &PoseNet) -> CpuBackbone {
        let [height, width] = model.config().input().hw();
        let mut net = NetBuilder::new();
        let picture = net.input(height, width, 3);
        let feature = model.backbone().build(&mut net, picture);
        let plan = Plan::new(&net.finish(&[feature]), simd::kernels(), team::threads());
        CpuBackbone { plan, workspaces: Workspaces::default() }
    }

    /// How long its operations take on one thread, the fastest of `runs` runs.
    pub fn profile(&self, runs: usize) -> Vec<OperationTime> {
        self.plan.profile(&mut Workspace::new(&self.plan, 1), runs)
    }

    /// From normalised pictures, pixel by pixel with three channels together, to their features, likewise.
    ///
    /// # Panics
    /// When a picture has another size than the model's input.
    pub fn features(&self, pictures: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let (plan, input, output) = (&self.plan, self.plan.inputs[0], self.plan.outputs[0]);
        let made: Vec<Mutex<Vec<f32>>> = pictures.iter().map(|_| Mutex::default()).collect();
        self.workspaces.run(
            plan,
            pictures.len(),
            &|picture, workspace| workspace.map(plan, input).copy_from_slice(&pictures[picture]),
            &|picture, workspace| {
                let feature = workspace.map(plan, output).to_vec();
                *made[picture].lock().unwrap_or_else(PoisonError::into_inner) = feature;
            },
        );
        made.into_iter().map(|feature| feature.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::audit::audit;
    use crate::model::{PoseNetConfig, Variant, fill_params, numbers};
    use crate::pose::Skeleton;
    use burn::prelude::*;
    use burn::tensor::Distribution;

    /// A model whose maps neither fade nor grow.
    fn model(variant: Variant) -> PoseNet {
        let device = Device::flex();
        device.seed(3);
        let model = PoseNetConfig::new(variant, Skeleton::coco17()).init(&device);
        fill_params(model, |param| {
            let (count, fan_in) = (param.shape.iter().product(), param.shape[1..].iter().product::<usize>());
            let seed = param.path.bytes().map(f32::from).sum::<f32>();
            let noise = |i: usize| ((i as f32 * 12.9898 + seed).sin() * 43_758.547).fract();
            match (param.shape.len(), param.path.starts_with("backbone")) {
                (4, true) => Some((0..count).map(|i| noise(i) * (3.0 / fan_in as f32).sqrt()).collect()),
                _ => None,
            }
        })
    }

    #[test]
    fn every_backbone_is_what_burn_computes() {
        for variant in [Variant::T, Variant::S, Variant::B, Variant::LD24] {
            let model = model(variant);
            let [height, width] = model.config().input().hw();
            let shape = [2, 3, height, width];
            let pictures = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex());
            let expected = numbers(model.features(pictures.clone()).permute([0, 2, 3, 1]));
            let pixels = numbers(pictures.permute([0, 2, 3, 1]));
            let pixels: Vec<Vec<f32>> = pixels.chunks(3 * height * width).map(<[f32]>::to_vec).collect();
            let found = CpuBackbone::new(&model).features(&pixels).concat();
            assert_eq!(found.len(), expected.len());
            let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(largest > 1e-3 && worst <= 1e-4 * largest, "{variant}: {worst} of {largest}");
        }
    }

    #[test]
    fn the_plan_of_every_backbone_is_sound_and_counts_the_same_multiply_adds() {
        for variant in [Variant::T, Variant::S, Variant::B, Variant::LD24] {
            let model = model(variant);
            let input = model.config().input();
            let mut builder = NetBuilder::new();
            let picture = builder.input(input.height as usize, input.width as usize, 3);
            let feature = model.backbone().build(&mut builder, picture);
            let net = builder.finish(&[feature]);
            assert_eq!(net.macs(), model.backbone().macs(input), "{variant}");
            for members in [1, 2, 5] {
                audit(&net, &Plan::new(&net, simd::kernels(), members));
            }
        }
    }
}
