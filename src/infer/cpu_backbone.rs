//! The backbone on the CPU, by its engine.

use crate::cpu::{NetBuilder, Plan, Workspaces, simd, team};
use crate::gpu::ComputeDevice;
use crate::model::PoseNet;
use std::sync::Mutex;

/// A model's backbone, ready for pictures of its input's size.
pub struct CpuBackbone {
    plan: Plan,
    workspaces: Workspaces,
}

impl CpuBackbone {
    /// Takes the backbone of `model`, if the CPU computes it; elsewhere Burn does.
    pub fn on(device: &ComputeDevice, model: &PoseNet) -> Option<CpuBackbone> {
        (!device.is_gpu()).then(|| CpuBackbone::new(model))
    }

    /// Takes the backbone of `model`, wherever it lives.
    pub fn new(model: &PoseNet) -> CpuBackbone {
        let [height, width] = model.config().input().hw();
        let mut net = NetBuilder::new();
        let picture = net.input(height, width, 3);
        let feature = model.backbone().build(&mut net, picture);
        let plan = Plan::new(&net.finish(&[feature]), simd::kernels(), team::threads());
        CpuBackbone { plan, workspaces: Workspaces::default() }
    }

    /// Bytes of a run's memory, once for each thread that runs one.
    pub fn bytes(&self) -> usize {
        self.plan.bytes()
    }

    /// From normalised pictures, `[count,3,H,W]` row-major, to their features, `[count,C,H/4,W/4]`.
    ///
    /// # Panics
    /// When there are not as many numbers as pictures need.
    pub fn features(&self, pictures: &[f32], count: usize) -> Vec<f32> {
        let (plan, input, output) = (&self.plan, self.plan.inputs[0], self.plan.outputs[0]);
        let (taken, made) = (plan.maps[input.map].shape.len(), plan.maps[output.map].shape.len());
        assert_eq!(pictures.len(), count * taken, "pictures of the network's input");
        let mut features = vec![0.0; count * made];
        let slots: Vec<Mutex<&mut [f32]>> = features.chunks_exact_mut(made).map(Mutex::new).collect();
        self.workspaces.run(
            plan,
            count,
            &|picture, workspace| {
                let planes = &pictures[picture * taken..][..taken];
                channels_last(planes, 3, workspace.map(plan, input));
            },
            &|picture, workspace| {
                let channels = plan.maps[output.map].shape.channels;
                let mut slot = slots[picture].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                channels_first(workspace.map(plan, output), channels, &mut slot);
            },
        );
        features
    }
}

/// From planes to pixels with all their channels together.
fn channels_last(planes: &[f32], channels: usize, pixels: &mut [f32]) {
    let count = pixels.len() / channels;
    for (i, pixel) in pixels.chunks_exact_mut(channels).enumerate() {
        for (channel, value) in pixel.iter_mut().enumerate() {
            *value = planes[channel * count + i];
        }
    }
}

/// From pixels with all their channels together to planes.
fn channels_first(pixels: &[f32], channels: usize, planes: &mut [f32]) {
    let count = pixels.len() / channels;
    for (channel, plane) in planes.chunks_exact_mut(count).enumerate() {
        for (value, pixel) in plane.iter_mut().zip(pixels.chunks_exact(channels)) {
            *value = pixel[channel];
        }
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
            let expected = numbers(model.features(pictures.clone()));
            let found = CpuBackbone::new(&model).features(&numbers(pictures), 2);
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
