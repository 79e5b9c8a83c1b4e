//! The loss of one pass of one person and its gradient: against the annotations, a teacher and the pass with all tokens.

use super::input::{DistillTargets, LossFactors, PassInput};
use super::kernels;
use super::layers::{grow, zeroed};
use super::network::CpuNetwork;
use super::workspace::{BlockTrace, PassWorkspace};
use crate::train::distill::MIN_ATTENTION;
use crate::train::pose::loss::PoseLoss;

impl CpuNetwork {
    /// The terms of the heatmaps; replaces the heatmaps by the gradient of the loss.
    pub(super) fn map_losses(
        &self,
        input: &PassInput,
        factors: LossFactors,
        workspace: &mut PassWorkspace,
    ) -> PoseLoss {
        let (width, height) = (input.target_x.len() / self.joints, input.target_y.len() / self.joints);
        let cells = width * height;
        grow(&mut workspace.scratch, cells);
        let mut sums = PoseLoss::default();
        for (j, map) in workspace.maps.chunks_exact_mut(cells).enumerate() {
            zeroed(&mut workspace.map_gradient, cells);
            let mut distill = |targets: &[f32], factor: f32| -> f64 {
                if targets.is_empty() {
                    return 0.0;
                }
                let target = &targets[j * cells..(j + 1) * cells];
                0.5 * f64::from(factor)
                    * f64::from(kernels::squared_error(map, target, factor, &mut workspace.map_gradient))
            };
            sums.sandwich += distill(input.distill.full, factors.full);
            sums.teacher += distill(input.distill.maps, factors.maps);
            if input.weights[j] <= 0.0 {
                map.copy_from_slice(&workspace.map_gradient);
                continue;
            }
            let target_x = &input.target_x[j * width..(j + 1) * width];
            let target_y = &input.target_y[j * height..(j + 1) * height];
            let (weight, t) = (input.weights[j], factors.temperature);
            let [error, entropy] = kernels::map_loss(
                map,
                target_x,
                target_y,
                weight,
                factors.mse,
                factors.cross_entropy,
                t,
                &mut workspace.scratch,
            );
            sums.mse += 0.5 * f64::from(factors.mse) * f64::from(error);
            sums.cross_entropy += f64::from(factors.cross_entropy) * f64::from(entropy);
            kernels::add(map, &workspace.map_gradient);
        }
        sums
    }

    /// The sum of the terms of keypoint tokens and their attention; their gradients are kept in the traces of the blocks.
    pub(super) fn distill_layers(
        &self,
        input: &PassInput,
        factors: LossFactors,
        workspace: &mut PassWorkspace,
    ) -> f64 {
        let (size, tokens) = (self.joints * self.dim, self.joints * (self.positions.len() / self.dim));
        let DistillTargets { keypoints, attention, .. } = input.distill;
        let mut sum = 0.0;
        for (l, trace) in workspace.blocks.iter_mut().enumerate() {
            trace.keypoint_gradient.clear();
            trace.attention_gradient.clear();
            if !keypoints.is_empty() {
                trace.keypoint_gradient.resize(size, 0.0);
                let target = &keypoints[l * size..(l + 1) * size];
                let error = kernels::squared_error(
                    &trace.keypoints,
                    target,
                    2.0 * factors.keypoints,
                    &mut trace.keypoint_gradient,
                );
                sum += f64::from(factors.keypoints) * f64::from(error);
            }
            if !attention.is_empty() {
                let target = &attention[l * tokens..(l + 1) * tokens];
                sum += self.distill_attention(target, input.kept, factors.attention, trace);
            }
        }
        sum
    }

    /// `factor` times the Kullback-Leibler divergence KL(target || ours) of each keypoint token's attention to the kept
    /// tokens, both divided by their sums over these. `target` is [J, N].
    fn distill_attention(&self, target: &[f32], kept: &[usize], factor: f32, trace: &mut BlockTrace) -> f64 {
        let (joints, count) = (self.joints, kept.len());
        let n = joints + count;
        let head = trace.attention.len() / self.heads;
        let mut ours = vec![0f32; count];
        let mut sum = 0.0;
        for target in target.chunks_exact(target.len() / joints) {
            let row = trace.attention_gradient.len() / count * n + joints;
            ours.fill(0.0);
            for attention in trace.attention.chunks_exact(head) {
                kernels::add(&mut ours, &attention[row..row + count]);
            }
            let our_sum = ours.iter().sum::<f32>().max(MIN_ATTENTION);
            let target_sum = kept.iter().map(|&t| target[t]).sum::<f32>().max(MIN_ATTENTION);
            for (a, &token) in ours.iter().zip(kept) {
                let (a, share) = (a.max(MIN_ATTENTION), target[token] / target_sum);
                if share > 0.0 {
                    sum += f64::from(factor * share) * f64::from((share * our_sum / a).ln());
                }
                // With respect to the attention of one head. `ours` is the sum over the heads, not their mean, which
                // is the same once it is divided by its own sum.
                trace.attention_gradient.push(factor * (1.0 / our_sum - share / a));
            }
        }
        sum
    }
}
