//! One person's way through the network and back.

use super::input::{LossFactors, PassInput};
use super::network::CpuNetwork;
use crate::cpu::train::{StepWeights, TrainPlan, TrainWorkspace};
use crate::infer::EnteringTokens;
use crate::model::PositionMode;
use crate::train::pose::loss::PoseLoss;

/// The memory of one thread's passes, used from person to person.
#[derive(Default)]
pub struct PassWorkspace {
    /// Maps and gradients.
    pub(super) maps: TrainWorkspace,
    /// What the losses need for one heatmap.
    pub(super) scratch: Vec<f32>,
    /// Gradient of the distillation with respect to one heatmap.
    pub(super) map_gradient: Vec<f32>,
    /// The gradient of the heatmaps.
    pub(super) heatmaps: Vec<f32>,
}

/// What a pass adds its gradients to.
pub struct PassSums<'a> {
    /// Of the engine's numbers.
    pub numbers: &'a mut [f32],
    /// Of the keypoint tokens, [J, dim].
    pub keypoint_tokens: &'a mut [f32],
    /// Of the feature, [H, W, channels], where it is needed.
    pub feature: Option<&'a mut [f32]>,
}

impl CpuNetwork {
    /// Runs one person through the network and back: adds to the gradients and returns the terms of the loss. `numbers` is
    /// the flat vector, and `weights` are packed from it. The heatmaps `[J, cells]` are copied to `maps` where given.
    #[allow(clippy::too_many_arguments)] // Two forms of the weights, since keypoint tokens are no filter.
    pub fn pass(
        &self,
        numbers: &[f32],
        weights: &[StepWeights],
        input: &PassInput,
        factors: LossFactors,
        gradients: PassSums,
        maps: Option<&mut Vec<f32>>,
        workspace: &mut PassWorkspace,
    ) -> PoseLoss {
        let plan = &*self.plan(input.kept.len());
        self.forward(plan, numbers, weights, input.feature, input.kept, workspace);
        if let Some(maps) = maps {
            maps.clear();
            maps.extend_from_slice(workspace.maps.output(plan, 0));
        }
        let mut loss = self.map_losses(plan, input, factors, workspace);
        loss.teacher += self.distill_layers(plan, input, factors, &mut workspace.maps);
        plan.backward_one(weights, &mut workspace.maps, gradients.numbers);
        let tokens = workspace.maps.wanted(plan, 0).iter();
        gradients.keypoint_tokens.iter_mut().zip(tokens).for_each(|(sum, g)| *sum += *g);
        if let Some(sum) = gradients.feature {
            sum.iter_mut().zip(workspace.maps.wanted(plan, 1)).for_each(|(sum, g)| *sum += *g);
        }
        loss
    }

    /// The heatmaps of one person, `[J, cells]` row-major; they stay in `workspace`. `feature` is that of [`PassInput`].
    pub fn maps<'r>(
        &self,
        numbers: &[f32],
        weights: &[StepWeights],
        feature: &[f32],
        kept: &[usize],
        workspace: &'r mut PassWorkspace,
    ) -> &'r [f32] {
        let plan = &*self.plan(kept.len());
        self.forward(plan, numbers, weights, feature, kept, workspace);
        workspace.maps.output(plan, 0)
    }

    fn forward(
        &self,
        plan: &TrainPlan,
        numbers: &[f32],
        weights: &[StepWeights],
        feature: &[f32],
        kept: &[usize],
        workspace: &mut PassWorkspace,
    ) {
        let maps = &mut workspace.maps;
        maps.fit(plan);
        maps.tokens.clear();
        maps.tokens.extend(kept.iter().map(|&token| token as u32));
        maps.input(plan, Self::FEATURE).copy_from_slice(feature);
        let tokens = match &self.keypoint_tokens {
            Some(range) => &numbers[range.clone()],
            None => self.weights.keypoint_tokens(),
        };
        maps.input(plan, Self::TOKENS)[..tokens.len()].copy_from_slice(tokens);
        let positions = EnteringTokens { kept, positions: PositionMode::Gathered };
        maps.input(plan, Self::POSITIONS).copy_from_slice(&self.weights.position_rows(positions));
        plan.forward_one(weights, maps);
    }
}
