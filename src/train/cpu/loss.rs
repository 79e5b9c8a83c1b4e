//! What one person's pass comes to: the loss against the truth and against an example, and its gradient.

use super::kernels;
use super::layers::{grow, zeroed};
use super::network::Network;
use super::pass::{BlockTrace, Person, Room};
use crate::train::loss::LossParts;

/// What a pass should come near to besides the truth; a part that is not asked for is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Example<'a> {
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
    /// Of the halved squared error to [`Example::full`], and so on.
    pub full: f32,
    pub maps: f32,
    /// Of the squared error of the keypoint tokens.
    pub keypoints: f32,
    /// Of the divergence of each keypoint's attention.
    pub attention: f32,
}

/// Guards logarithms and divisions of attention.
const SMALLEST_SHARE: f32 = 1e-12;

impl Network {
    /// Replaces the maps by the gradient of the loss.
    pub(super) fn loss(&self, person: &Person, by: LossFactors, room: &mut Room) -> LossParts {
        let (width, height) = (person.across.len() / self.joints, person.down.len() / self.joints);
        let cells = width * height;
        grow(&mut room.scratch, cells);
        let mut sums = LossParts::default();
        for (j, map) in room.maps.chunks_exact_mut(cells).enumerate() {
            zeroed(&mut room.pull, cells);
            let mut pull = |goals: &[f32], factor: f32| -> f64 {
                if goals.is_empty() {
                    return 0.0;
                }
                let goal = &goals[j * cells..(j + 1) * cells];
                0.5 * f64::from(factor) * f64::from(kernels::pull(map, goal, factor, &mut room.pull))
            };
            sums.sandwich += pull(person.example.full, by.full);
            sums.teacher += pull(person.example.maps, by.maps);
            if person.weights[j] <= 0.0 {
                map.copy_from_slice(&room.pull);
                continue;
            }
            let across = &person.across[j * width..(j + 1) * width];
            let down = &person.down[j * height..(j + 1) * height];
            let (weight, t) = (person.weights[j], by.temperature);
            let [error, entropy] =
                kernels::map_loss(map, across, down, weight, by.mse, by.cross_entropy, t, &mut room.scratch);
            sums.mse += 0.5 * f64::from(by.mse) * f64::from(error);
            sums.cross_entropy += f64::from(by.cross_entropy) * f64::from(entropy);
            kernels::add(map, &room.pull);
        }
        sums
    }

    /// Compares keypoint tokens and their attention with the example's: returns the loss and leaves the
    /// gradients in the traces.
    pub(super) fn imitate(&self, person: &Person, by: LossFactors, room: &mut Room) -> f64 {
        let (size, tokens) = (self.joints * self.dim, self.joints * (self.positions.len() / self.dim));
        let Example { keypoints, attention, .. } = person.example;
        let mut sum = 0.0;
        for (l, trace) in room.blocks.iter_mut().enumerate() {
            trace.dkeypoints.clear();
            trace.dattention.clear();
            if !keypoints.is_empty() {
                trace.dkeypoints.resize(size, 0.0);
                let goal = &keypoints[l * size..(l + 1) * size];
                let error = kernels::pull(&trace.keypoints, goal, 2.0 * by.keypoints, &mut trace.dkeypoints);
                sum += f64::from(by.keypoints) * f64::from(error);
            }
            if !attention.is_empty() {
                let goal = &attention[l * tokens..(l + 1) * tokens];
                sum += self.imitate_attention(goal, person.keep, by.attention, trace);
            }
        }
        sum
    }

    /// `factor` times KL(goal || ours) of each keypoint's attention to the kept tokens, both made to sum
    /// to 1 over these. `goal` is [J, N].
    fn imitate_attention(&self, goal: &[f32], keep: &[usize], factor: f32, trace: &mut BlockTrace) -> f64 {
        let (joints, kept) = (self.joints, keep.len());
        let n = joints + kept;
        let head = trace.shares.len() / self.heads;
        let mut ours = vec![0f32; kept];
        let mut sum = 0.0;
        for goal in goal.chunks_exact(goal.len() / joints) {
            let row = trace.dattention.len() / kept * n + joints;
            ours.fill(0.0);
            for shares in trace.shares.chunks_exact(head) {
                kernels::add(&mut ours, &shares[row..row + kept]);
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
                trace.dattention.push(factor * (1.0 / mass - wanted / a));
            }
        }
        sum
    }
}
