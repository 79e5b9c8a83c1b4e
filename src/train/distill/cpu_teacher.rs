//! A teacher's heatmaps by the CPU's engine.

use crate::cpu::{NetBuilder, Plan, Workspaces, simd, team};
use crate::infer::{CpuModel, EnteringTokens};
use crate::model::backbone::TinyPose;
use crate::model::{PoseNet, PositionMode, numbers};
use crate::pose::Size;
use burn::prelude::*;

/// A teacher of which heatmaps alone are learnt.
pub enum CpuTeacher {
    /// PP-TinyPose as published, for crops of one size.
    Published { plan: Box<Plan>, workspaces: Workspaces, heatmap: Size },
    /// A network of tmpose.
    Ours { model: Box<CpuModel>, tokens: Vec<usize>, heatmap: Size },
}

impl CpuTeacher {
    /// PP-TinyPose for crops of `input` pixels.
    pub fn published(network: &TinyPose, input: Size, heatmap: Size) -> CpuTeacher {
        let [height, width] = input.hw();
        let mut net = NetBuilder::new();
        let picture = net.input(height, width, 3);
        let output = network.build(&mut net, picture);
        let plan = Plan::new(&net.finish(&[output]), simd::kernels(), team::threads());
        CpuTeacher::Published { plan: Box::new(plan), workspaces: Workspaces::default(), heatmap }
    }

    /// A folded network of tmpose, if the engine knows its family.
    pub fn ours(model: &PoseNet) -> Option<CpuTeacher> {
        let config = model.config();
        let (tokens, heatmap) = ((0..config.tokens()).collect(), config.heatmap());
        Some(CpuTeacher::Ours { model: Box::new(CpuModel::new(model)?), tokens, heatmap })
    }

    /// Heatmaps [B, J, H, W] of normalised crops [B, 3, H, W].
    pub fn heatmaps(&self, images: Tensor<4>) -> Tensor<4> {
        let device = images.device();
        let [batch, channels, height, width] = images.dims();
        let pixels = numbers(images.permute([0, 2, 3, 1]));
        let crops: Vec<Vec<f32>> =
            pixels.chunks_exact(channels * height * width).map(<[f32]>::to_vec).collect();
        let (values, size) = match self {
            CpuTeacher::Published { plan, workspaces, heatmap } => {
                let fill = |i: usize, workspace: &mut crate::cpu::Workspace| {
                    workspace.map(plan, plan.inputs[0]).copy_from_slice(&crops[i]);
                };
                let read = |workspace: &mut crate::cpu::Workspace| {
                    let cells = workspace.map(plan, plan.outputs[0]).as_chunks::<{ TinyPose::CHANNELS }>().0;
                    (TinyPose::CHANNELS - TinyPose::HEATMAPS..TinyPose::CHANNELS)
                        .flat_map(|channel| cells.iter().map(move |cell| cell[channel]))
                        .collect::<Vec<f32>>()
                };
                (workspaces.run(plan, batch, fill, read), heatmap)
            }
            CpuTeacher::Ours { model, tokens, heatmap } => {
                let entering = EnteringTokens { kept: tokens, positions: PositionMode::Gathered };
                let maps = model.heatmaps(&crops, entering).maps;
                (maps.into_iter().map(|maps| maps.values).collect(), heatmap)
            }
        };
        let values = values.concat();
        let [height, width] = size.hw();
        let joints = values.len() / (batch * height * width).max(1);
        Tensor::from_data(TensorData::new(values, [batch, joints, height, width]), &device)
    }
}
