//! The loss of one pass of one person and its gradient: against the annotations, a teacher and the pass with all tokens.

use super::input::{DistillTargets, LossFactors, PassInput};
use super::kernels;
use super::network::CpuNetwork;
use super::pass::PassWorkspace;
use crate::cpu::train::{TrainPlan, TrainWorkspace};
use crate::train::distill::MIN_ATTENTION;
use crate::train::pose::loss::PoseLoss;

/// Makes `v` exactly `len` long, all zeros.
fn zeroed(v: &mut Vec<f32>, len: usize) {
    v.clear();
    v.resize(len, 0.0);
}

impl CpuNetwork {
    /// The terms of the heatmaps; the gradient of the loss with respect to them is given to the backward pass.
    pub(super) fn map_losses(
        &self,
        plan: &TrainPlan,
        input: &PassInput,
        factors: LossFactors,
        workspace: &mut PassWorkspace,
    ) -> PoseLoss {
        let joints = self.config.joints;
        let (width, height) = (input.target_x.len() / joints, input.target_y.len() / joints);
        let cells = width * height;
        let PassWorkspace { maps, scratch, map_gradient, heatmaps } = workspace;
        scratch.resize(cells, 0.0);
        heatmaps.clear();
        heatmaps.extend_from_slice(maps.output(plan, 0));
        let mut sums = PoseLoss::default();
        for (j, map) in heatmaps.chunks_exact_mut(cells).enumerate() {
            zeroed(map_gradient, cells);
            let mut distill = |targets: &[f32], factor: f32| -> f64 {
                if targets.is_empty() {
                    return 0.0;
                }
                let target = &targets[j * cells..(j + 1) * cells];
                0.5 * f64::from(factor) * f64::from(kernels::squared_error(map, target, factor, map_gradient))
            };
            sums.sandwich += distill(input.distill.full, factors.full);
            sums.teacher += distill(input.distill.maps, factors.maps);
            if input.weights[j] <= 0.0 {
                map.copy_from_slice(map_gradient);
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
                scratch,
            );
            sums.mse += 0.5 * f64::from(factors.mse) * f64::from(error);
            sums.cross_entropy += f64::from(factors.cross_entropy) * f64::from(entropy);
            kernels::add(map, map_gradient);
        }
        maps.given(plan, 0).copy_from_slice(heatmaps);
        sums
    }

    /// The sum of the terms of keypoint tokens and their attention; their gradients are given to the backward pass.
    pub(super) fn distill_layers(
        &self,
        plan: &TrainPlan,
        input: &PassInput,
        factors: LossFactors,
        maps: &mut TrainWorkspace,
    ) -> f64 {
        let teacher = self.gradients.teacher;
        let joints = self.config.joints;
        let (size, tokens) = (joints * self.config.dim, joints * self.config.grid.area());
        let DistillTargets { keypoints, attention, .. } = input.distill;
        let (layers, mut sum) = (plan.attentions(), 0.0);
        // Outputs and given gradients: the heatmaps, the tokens behind each layer, the probabilities.
        let first = 1 + if teacher.keypoints { layers } else { 0 };
        for layer in 0..layers {
            if teacher.keypoints {
                let tokens = maps.output(plan, 1 + layer)[..size].to_vec();
                let gradient = maps.given(plan, 1 + layer);
                gradient.fill(0.0);
                if !keypoints.is_empty() {
                    let target = &keypoints[layer * size..(layer + 1) * size];
                    let error = kernels::squared_error(
                        &tokens,
                        target,
                        2.0 * factors.keypoints,
                        &mut gradient[..size],
                    );
                    sum += f64::from(factors.keypoints) * f64::from(error);
                }
            }
            if teacher.attention {
                let rows = maps.probabilities(plan, layer).to_vec();
                let gradient = maps.given(plan, first + layer);
                gradient.fill(0.0);
                if !attention.is_empty() {
                    let target = &attention[layer * tokens..(layer + 1) * tokens];
                    sum += self.distill_attention(target, input.kept, factors.attention, &rows, gradient);
                }
            }
        }
        sum
    }

    /// `factor` times the Kullback-Leibler divergence KL(target || ours) of each keypoint token's attention to the kept
    /// tokens, both divided by their sums over these; its gradient is written to `gradient`. `target` is [J, N];
    /// `probabilities` have a row for each query, head after head.
    fn distill_attention(
        &self,
        target: &[f32],
        kept: &[usize],
        factor: f32,
        probabilities: &[f32],
        gradient: &mut [f32],
    ) -> f64 {
        let (joints, heads, count) = (self.config.joints, self.config.heads, kept.len());
        let wide = (joints + count).next_multiple_of(16);
        let row = heads * wide;
        let mut ours = vec![0f32; count];
        let mut sum = 0.0;
        let rows = probabilities.chunks_exact(row).zip(gradient.chunks_exact_mut(row));
        for (target, (probabilities, gradient)) in target.chunks_exact(target.len() / joints).zip(rows) {
            ours.fill(0.0);
            for head in probabilities.chunks_exact(wide) {
                kernels::add(&mut ours, &head[joints..joints + count]);
            }
            let our_sum = ours.iter().sum::<f32>().max(MIN_ATTENTION);
            let target_sum = kept.iter().map(|&t| target[t]).sum::<f32>().max(MIN_ATTENTION);
            for (place, (a, &token)) in ours.iter().zip(kept).enumerate() {
                let (a, share) = (a.max(MIN_ATTENTION), target[token] / target_sum);
                if share > 0.0 {
                    sum += f64::from(factor * share) * f64::from((share * our_sum / a).ln());
                }
                // With respect to the attention of one head. `ours` is the sum over the heads, not their mean, which
                // is the same once it is divided by its own sum.
                for head in gradient.chunks_exact_mut(wide) {
                    head[joints + place] = factor * (1.0 / our_sum - share / a);
                }
            }
        }
        sum
    }
}
