//! What one person's pass comes to: the loss against the truth and against an example, and its gradient.

use super::kernels;
use super::layers::{grow, zeroed};
use super::network::CpuNetwork;
use super::pass::{BlockTrace, PassInput, Workspace};
use crate::train::pose::loss::PoseLoss;

/// What a pass should come near to besides the truth; a part that is not asked for is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct DistillTargets<'a> {
    /// The maps that the same network drew of all tokens, [J, cells].
    pub full: &'a [f32],
    /// A teacher's maps, [J, cells].
    pub maps: &'a [f32],
    /// Its keypoint tokens, for each of our layers those of the layer to compare with, [layers, J, dim].
    pub keypoints: &'a [f32],
    /// How much these look at each visual token, up to a factor for each row, [layers, J, N].
    pub attention: &'a [f32],
}

/// Factors of the terms of the loss; they hold the division by the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossFactors {
    pub mse: f32,
    pub cross_entropy: f32,
    pub temperature: f32,
    /// Of the halved squared error to [`DistillTargets::full`], and so on.
    pub full: f32,
    pub maps: f32,
    /// Of the squared error of the keypoint tokens.
    pub keypoints: f32,
    /// Of the divergence of each keypoint's attention.
    pub attention: f32,
}

/// Guards logarithms and divisions of attention.
const SMALLEST_SHARE: f32 = 1e-12;

impl CpuNetwork {
    /// Replaces the maps by the gradient of the loss.
    pub(super) fn loss(&self, person: &PassInput, by: LossFactors, workspace: &mut Workspace) -> PoseLoss {
        let (width, height) = (person.target_x.len() / self.joints, person.target_y.len() / self.joints);
        let cells = width * height;
        grow(&mut workspace.scratch, cells);
        let mut sums = PoseLoss::default();
        for (j, map) in workspace.maps.chunks_exact_mut(cells).enumerate() {
            zeroed(&mut workspace.pull, cells);
            let mut pull = |goals: &[f32], factor: f32| -> f64 {
                if goals.is_empty() {
                    return 0.0;
                }
                let goal = &goals[j * cells..(j + 1) * cells];
                0.5 * f64::from(factor) * f64::from(kernels::pull(map, goal, factor, &mut workspace.pull))
            };
            sums.sandwich += pull(person.example.full, by.full);
            sums.teacher += pull(person.example.maps, by.maps);
            if person.weights[j] <= 0.0 {
                map.copy_from_slice(&workspace.pull);
                continue;
            }
            let target_x = &person.target_x[j * width..(j + 1) * width];
            let target_y = &person.target_y[j * height..(j + 1) * height];
            let (weight, t) = (person.weights[j], by.temperature);
            let [error, entropy] = kernels::map_loss(
                map,
                target_x,
                target_y,
                weight,
                by.mse,
                by.cross_entropy,
                t,
                &mut workspace.scratch,
            );
            sums.mse += 0.5 * f64::from(by.mse) * f64::from(error);
            sums.cross_entropy += f64::from(by.cross_entropy) * f64::from(entropy);
            kernels::add(map, &workspace.pull);
        }
        sums
    }

    /// Compares keypoint tokens and their attention with the example's: returns the loss and leaves the
    /// gradients in the traces.
    pub(super) fn distill_inside(
        &self,
        person: &PassInput,
        by: LossFactors,
        workspace: &mut Workspace,
    ) -> f64 {
        let (size, tokens) = (self.joints * self.dim, self.joints * (self.positions.len() / self.dim));
        let DistillTargets { keypoints, attention, .. } = person.example;
        let mut sum = 0.0;
        for (l, trace) in workspace.blocks.iter_mut().enumerate() {
            trace.keypoint_gradient.clear();
            trace.attention_gradient.clear();
            if !keypoints.is_empty() {
                trace.keypoint_gradient.resize(size, 0.0);
                let goal = &keypoints[l * size..(l + 1) * size];
                let error =
                    kernels::pull(&trace.keypoints, goal, 2.0 * by.keypoints, &mut trace.keypoint_gradient);
                sum += f64::from(by.keypoints) * f64::from(error);
            }
            if !attention.is_empty() {
                let goal = &attention[l * tokens..(l + 1) * tokens];
                sum += self.distill_attention(goal, person.keep, by.attention, trace);
            }
        }
        sum
    }

    /// `factor` times KL(goal || ours) of each keypoint's attention to the kept tokens, both made to sum
    /// to 1 over these. `goal` is [J, N].
    fn distill_attention(&self, goal: &[f32], keep: &[usize], factor: f32, trace: &mut BlockTrace) -> f64 {
        let (joints, kept) = (self.joints, keep.len());
        let n = joints + kept;
        let head = trace.attention.len() / self.heads;
        let mut ours = vec![0f32; kept];
        let mut sum = 0.0;
        for goal in goal.chunks_exact(goal.len() / joints) {
            let row = trace.attention_gradient.len() / kept * n + joints;
            ours.fill(0.0);
            for attention in trace.attention.chunks_exact(head) {
                kernels::add(&mut ours, &attention[row..row + kept]);
            }
            let mass = ours.iter().sum::<f32>().max(SMALLEST_SHARE);
            let goal_mass = keep.iter().map(|&t| goal[t]).sum::<f32>().max(SMALLEST_SHARE);
            for (a, &token) in ours.iter().zip(keep) {
                let (a, wanted) = (a.max(SMALLEST_SHARE), goal[token] / goal_mass);
                if wanted > 0.0 {
                    sum += f64::from(factor * wanted) * f64::from((wanted * mass / a).ln());
                }
                // With respect to one head's share: the sum over the heads takes the place of their mean,
                // which a ratio of sums does not notice.
                trace.attention_gradient.push(factor * (1.0 / mass - wanted / a));
            }
        }
        sum
    }
}
