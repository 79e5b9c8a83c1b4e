//! A batch of persons: each on a thread of its own, all together at batch norms.

use super::plan::{Touch, TrainPlan};
use super::program::TrainStep;
use super::weights::StepWeights;
use super::workspace::TrainWorkspace;
use crate::cpu::batch_norm::{ChannelMoments, NormGradient, NormSums, ScaleChannels};
use rayon::prelude::*;

/// What a batch norm saw of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct NormStatistics {
    /// The parameter with its gammas.
    pub gamma: u64,
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Variance of each channel, divided by the number of pixels.
    pub variance: Vec<f32>,
    /// Pixels of all maps.
    pub count: usize,
    /// 1 / standard deviation, epsilon added to the variance.
    inverse: Vec<f32>,
}

impl TrainPlan {
    /// Computes all maps of a batch; returns what its batch norms saw, from the first on.
    ///
    /// # Panics
    /// When a workspace is too small.
    pub fn forward_batch(
        &self,
        weights: &[StepWeights],
        batch: &mut [TrainWorkspace],
    ) -> Vec<NormStatistics> {
        let mut seen: Vec<NormStatistics> = Vec::new();
        let steps = &self.program.steps;
        let mut begin = 0;
        for (number, step) in steps.iter().enumerate() {
            let TrainStep::BatchNorm { .. } = step else { continue };
            batch.par_iter_mut().for_each(|workspace| {
                self.normalise_before(weights, workspace, begin, &seen);
                self.forward_steps(weights, workspace, first_plain(steps, begin)..number);
                self.moments(workspace, number);
            });
            seen.push(self.statistics(batch, number));
            begin = number;
        }
        batch.par_iter_mut().for_each(|workspace| {
            self.normalise_before(weights, workspace, begin, &seen);
            self.forward_steps(weights, workspace, first_plain(steps, begin)..steps.len());
        });
        seen
    }

    /// From the gradients that were given to those of the network's numbers. The batch is cut into as many parts as there
    /// are `gradients`; what its persons have in common is added to that of each part.
    ///
    /// # Panics
    /// When a workspace is too small.
    pub fn backward_batch(
        &self,
        weights: &[StepWeights],
        batch: &mut [TrainWorkspace],
        seen: &[NormStatistics],
        gradients: &mut [Vec<f32>],
    ) {
        let part = batch.len().div_ceil(gradients.len().max(1)).max(1);
        let mut left = seen.len();
        let mut begin = 0;
        for (at, back) in self.back.iter().enumerate() {
            if !matches!(self.program.steps[back.step], TrainStep::BatchNorm { .. }) {
                continue;
            }
            batch.par_chunks_mut(part).zip(gradients.par_iter_mut()).for_each(|(part, gradient)| {
                for workspace in part {
                    self.backward_steps(weights, workspace, gradient, begin..at);
                    self.norm_sums(workspace, at, &seen[left - 1]);
                }
            });
            left -= 1;
            let factors = self.norm_factors(weights, batch, at, &seen[left], &mut gradients[0]);
            batch.par_iter_mut().for_each(|workspace| self.norm_input(workspace, at, &seen[left], &factors));
            begin = at + 1;
        }
        batch.par_chunks_mut(part).zip(gradients.par_iter_mut()).for_each(|(part, gradient)| {
            for workspace in part {
                self.backward_steps(weights, workspace, gradient, begin..self.back.len());
            }
        });
    }

    /// Mean and squared distances of what a batch norm sees of a person.
    fn moments(&self, workspace: &mut TrainWorkspace, number: usize) {
        let TrainStep::BatchNorm { input, .. } = &self.program.steps[number] else { return };
        workspace.sums.resize(2 * input.channels, 0.0);
        let (mean, squares) = workspace.sums.split_at_mut(input.channels);
        let (mean, squares) = (mean.as_mut_ptr(), squares.as_mut_ptr());
        let source = self.back_pass(workspace).values.view(*input);
        // SAFETY: the workspace is that of the plan and borrowed mutably; the sums are as long as there are channels.
        unsafe { (self.kernels.channel_moments)(&ChannelMoments { source, mean, squares }) };
    }

    /// What a batch norm sees of all persons, from what it sees of each (Chan, Golub and LeVeque 1979, equation 2.1).
    fn statistics(&self, batch: &[TrainWorkspace], number: usize) -> NormStatistics {
        let TrainStep::BatchNorm { input, norm, .. } = &self.program.steps[number] else {
            unreachable!("statistics of a batch norm")
        };
        let (channels, pixels) = (input.channels, self.program.maps[input.map].pixels());
        let (mut mean, mut variance, mut inverse) = (Vec::new(), Vec::new(), Vec::new());
        for channel in 0..channels {
            let (mut count, mut center, mut squares) = (0.0f64, 0.0f64, 0.0f64);
            for workspace in batch {
                let own = pixels as f64;
                let apart = f64::from(workspace.sums[channel]) - center;
                squares += f64::from(workspace.sums[channels + channel]);
                squares += apart * apart * count * own / (count + own);
                center += apart * own / (count + own);
                count += own;
            }
            let spread = squares / count.max(1.0);
            mean.push(center as f32);
            variance.push(spread as f32);
            inverse.push((1.0 / (spread + f64::from(norm.epsilon)).sqrt()) as f32);
        }
        NormStatistics { gamma: norm.gamma, mean, variance, count: pixels * batch.len(), inverse }
    }

    /// Runs the step `begin` if it is a batch norm: the last one whose statistics were seen.
    fn normalise_before(
        &self,
        weights: &[StepWeights],
        workspace: &mut TrainWorkspace,
        begin: usize,
        seen: &[NormStatistics],
    ) {
        let (Some(TrainStep::BatchNorm { input, output, terms, activation, .. }), Some(seen)) =
            (self.program.steps.get(begin), seen.last())
        else {
            return;
        };
        let StepWeights::BatchNorm(gamma, beta) = &weights[begin] else { return };
        let scale: Vec<f32> = gamma.iter().zip(&seen.inverse).map(|(g, s)| g * s).collect();
        let shift = beta.iter().zip(&seen.mean).zip(&scale).map(|((b, mean), scale)| b - mean * scale);
        let shift: Vec<f32> = shift.collect();
        let values = self.back_pass(workspace).values;
        let (addends, count) = values.addends(terms);
        let job = ScaleChannels {
            source: values.view(*input),
            scale: scale.as_ptr(),
            shift: shift.as_ptr(),
            addends: &addends[..count],
            activation: *activation,
            output: values.view(*output),
        };
        // SAFETY: the workspace is that of the plan and borrowed mutably.
        unsafe { (self.kernels.scale_channels)(&job) };
    }

    /// The sums over a person that the gradient of a batch norm needs, and the gradients of what was added to it.
    fn norm_sums(&self, workspace: &mut TrainWorkspace, at: usize, seen: &NormStatistics) {
        let back = &self.back[at];
        let step = &self.program.steps[back.step];
        let TrainStep::BatchNorm { input, output, terms, .. } = step else { return };
        workspace.sums.resize(2 * input.channels, 0.0);
        let (sum, along) = workspace.sums.split_at_mut(input.channels);
        let (sum, along) = (sum.as_mut_ptr(), along.as_mut_ptr());
        let pass = self.back_pass(workspace);
        // SAFETY: the workspace is that of the plan and borrowed mutably; the sums are as long as there are channels.
        unsafe {
            pass.prepare(step, back);
            let gradient = pass.gradients.view(*output);
            pass.terms(terms, &back.touches[..terms.len()], gradient);
            (self.kernels.norm_sums)(&NormSums {
                source: pass.values.view(*input),
                gradient,
                mean: seen.mean.as_ptr(),
                inverse: seen.inverse.as_ptr(),
                sum,
                along,
            });
        }
    }

    /// Adds the gradients of gamma and beta, and tells the factors of [`NormGradient`] (Ioffe and Szegedy 2015, section 3).
    fn norm_factors(
        &self,
        weights: &[StepWeights],
        batch: &[TrainWorkspace],
        at: usize,
        seen: &NormStatistics,
        gradient: &mut [f32],
    ) -> [Vec<f32>; 3] {
        let number = self.back[at].step;
        let StepWeights::BatchNorm(gamma, _) = &weights[number] else {
            unreachable!("factors of a batch norm")
        };
        let channels = gamma.len();
        let own = &mut gradient[self.learned[number].range.clone()];
        let mut factors = [0; 3].map(|_| Vec::with_capacity(channels));
        for channel in 0..channels {
            let total = |offset: usize| -> f64 {
                batch.iter().map(|workspace| f64::from(workspace.sums[offset + channel])).sum()
            };
            let (sum, along) = (total(0), total(channels));
            own[channel] += along as f32;
            own[channels + channel] += sum as f32;
            factors[0].push((sum / seen.count as f64) as f32);
            factors[1].push((along / seen.count as f64) as f32);
            factors[2].push(gamma[channel]);
        }
        factors
    }

    /// The gradient of what a batch norm saw of a person.
    fn norm_input(
        &self,
        workspace: &mut TrainWorkspace,
        at: usize,
        seen: &NormStatistics,
        factors: &[Vec<f32>; 3],
    ) {
        let back = &self.back[at];
        let TrainStep::BatchNorm { input, output, terms, .. } = &self.program.steps[back.step] else {
            return;
        };
        let touch = back.touches[terms.len()];
        if touch == Touch::Unneeded {
            return;
        }
        let pass = self.back_pass(workspace);
        let job = NormGradient {
            source: pass.values.view(*input),
            gradient: pass.gradients.view(*output),
            mean: seen.mean.as_ptr(),
            inverse: seen.inverse.as_ptr(),
            factors: [0, 1, 2].map(|i| factors[i].as_ptr()),
            output: pass.gradients.view(*input),
            add: touch == Touch::Add,
        };
        // SAFETY: the workspace is that of the plan and borrowed mutably; the factors are as many as channels.
        unsafe { (self.kernels.norm_gradient)(&job) };
    }
}

/// The first step from `begin` on that is no batch norm: that one is run by itself.
fn first_plain(steps: &[TrainStep], begin: usize) -> usize {
    begin + usize::from(matches!(steps.get(begin), Some(TrainStep::BatchNorm { .. })))
}
