//! The terms of the loss that compare a student with a teacher, or with its own pass with all tokens.

use super::TeacherTargetsBatch;
use crate::model::{EncoderTrace, PoseNetConfig, TokenSelection};
use crate::train::config::TrainConfig;
use burn::prelude::*;

/// Lower limit of attention in logarithms and divisions.
pub const MIN_ATTENTION: f32 = 1e-12;

/// Weights of the terms, before they are divided by the size of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DistillWeights {
    /// Of the heatmaps of the pass with all tokens, in the scale of `loss.mse`.
    pub sandwich: f64,
    /// Of the teacher's heatmaps, in the scale of `loss.mse`.
    pub heatmaps: f64,
    /// Of the teacher's keypoint tokens: factor of the mean squared error.
    pub tokens: f64,
    /// Of the attention of its keypoint tokens: factor of the mean Kullback-Leibler divergence.
    pub attention: f64,
}

impl DistillWeights {
    /// The weights that the settings ask for; 0 for what they leave out.
    pub fn new(config: &TrainConfig) -> DistillWeights {
        let (mse, d) = (config.loss.mse, &config.distillation);
        let of_teacher = |weight| if d.teacher.is_some() { weight } else { 0.0 };
        DistillWeights {
            sandwich: if config.masks.sandwich { mse * config.masks.sandwich_weight } else { 0.0 },
            heatmaps: of_teacher(mse * d.heatmaps),
            tokens: of_teacher(d.tokens),
            attention: of_teacher(d.attention),
        }
    }

    /// Whether keypoint tokens or attention are compared, which needs an [`EncoderTrace`].
    pub fn needs_trace(&self) -> bool {
        self.tokens > 0.0 || self.attention > 0.0
    }

    /// Factors of the sums over persons, joints, layers and numbers, which turn them into weighted means.
    pub fn factors(&self, persons: usize, student: &PoseNetConfig) -> DistillWeights {
        let rows = (persons.max(1) * student.joints()) as f64;
        let cells = rows * student.heatmap().area() as f64;
        let layers = rows * (student.layers()).max(1) as f64;
        DistillWeights {
            sandwich: self.sandwich / cells,
            heatmaps: self.heatmaps / cells,
            tokens: self.tokens / (layers * student.dim() as f64),
            attention: self.attention / layers,
        }
    }
}

/// `factor` times the halved squared error of `maps` to `target`, both [B, J, H, W], and its gradient with respect to
/// `maps`. `person_weights` [B, 1, 1, 1] is 1 for the persons that count and 0 for the others.
pub fn squared_error(
    maps: &Tensor<4>,
    target: Tensor<4>,
    person_weights: &Tensor<4>,
    factor: f64,
) -> (f64, Tensor<4>) {
    let error = (maps.clone() - target) * person_weights.clone();
    let value = f64::from(error.clone().square().sum().into_scalar::<f32>()) * 0.5 * factor;
    (value, error.mul_scalar(factor))
}

/// The terms of the keypoint tokens and of their attention, with autodiff; `None` where neither is compared. `trace` is the
/// student's, `factors` come from [`DistillWeights::factors`], `person_weights` [B, 1, 1] are as in [`squared_error`].
pub fn autodiff_terms(
    trace: &EncoderTrace,
    targets: &TeacherTargetsBatch,
    kept: &TokenSelection,
    person_weights: &Tensor<3>,
    factors: &DistillWeights,
) -> Option<Tensor<1>> {
    let mut terms = Vec::new();
    for (layer, ours) in trace.keypoints.iter().enumerate() {
        if let Some(target) = targets.keypoints(layer) {
            let error = (ours.clone() - target.autodiff()) * person_weights.clone().autodiff();
            terms.push(error.square().sum().mul_scalar(factors.tokens));
        }
    }
    for (layer, ours) in trace.attention.iter().enumerate() {
        if let Some(target) = targets.attention(layer) {
            let target = normalised(of_kept(target, kept));
            let ours = normalised(ours.clone().clamp_min(MIN_ATTENTION));
            let ratio = target.clone().clamp_min(MIN_ATTENTION).log().autodiff() - ours.log();
            let divergence = ratio * (target * person_weights.clone()).autodiff();
            terms.push(divergence.sum().mul_scalar(factors.attention));
        }
    }
    terms.into_iter().reduce(|a, b| a + b)
}

/// Attention to the kept tokens: [B, J, N] to [B, J, k].
fn of_kept(attention: Tensor<3>, kept: &TokenSelection) -> Tensor<3> {
    let Some(indices) = &kept.indices else { return attention };
    let [batch, joints, _] = attention.dims();
    let [_, count] = indices.dims();
    attention.gather(2, indices.clone().reshape([batch, 1, count]).expand([batch, joints, count]))
}

/// Each row divided by its sum.
fn normalised(rows: Tensor<3>) -> Tensor<3> {
    let mass = rows.clone().sum_dim(2).clamp_min(MIN_ATTENTION);
    rows / mass
}

#[cfg(test)]
mod tests {
    use super::super::{TeacherTargetParts, TeacherTargetsBatch, TeacherTargetsShape};
    use super::*;
    use crate::pose::Size;
    use burn::tensor::Distribution;

    /// One person, two joints, one layer of four tokens of which the first and the last are kept.
    fn divergence(ours: [f32; 4], theirs: [f32; 8]) -> f64 {
        let device = Device::flex();
        let shape = TeacherTargetsShape {
            joints: 2,
            heatmap: Size::square(1),
            layers: 1,
            dim: 3,
            tokens: 4,
            parts: TeacherTargetParts { maps: false, keypoints: false, attention: true },
        };
        let targets = TeacherTargetsBatch::new(theirs.to_vec(), shape, &device);
        let mut trace = EncoderTrace::new(2, true);
        let ours = Tensor::<3>::from_data(TensorData::new(ours.to_vec(), [1, 2, 2]), &device);
        trace.attention.push(ours.autodiff());
        let kept = TokenSelection::per_person(&[vec![0, 3]], &device);
        let factors = DistillWeights { attention: 1.0, ..DistillWeights::default() };
        let person_weights = Tensor::ones([1, 1, 1], &device);
        let terms = autodiff_terms(&trace, &targets, &kept, &person_weights, &factors).unwrap();
        f64::from(terms.inner().into_scalar::<f32>())
    }

    #[test]
    fn attention_is_compared_over_the_kept_tokens_alone() {
        // The teacher's attention to the tokens 0 and 3 is 1 : 3 and 1 : 1; that to the others does not matter.
        let theirs = [0.1, 0.6, 0.0, 0.3, 2.0, 0.0, 5.0, 2.0];
        assert!(divergence([0.05, 0.15, 0.4, 0.4], theirs).abs() < 1e-6);
        let off = divergence([0.2, 0.2, 0.1, 0.3], theirs);
        let kl = |t: [f64; 2], s: [f64; 2]| t[0] * (t[0] / s[0]).ln() + t[1] * (t[1] / s[1]).ln();
        let expected = kl([0.25, 0.75], [0.5, 0.5]) + kl([0.5, 0.5], [0.25, 0.75]);
        assert!((off - expected).abs() < 1e-5, "{off} {expected}");
    }

    #[test]
    fn a_person_of_whom_nothing_is_known_pulls_at_nothing() {
        let device = Device::flex();
        let maps = Tensor::<4>::random([2, 3, 4, 5], Distribution::Default, &device);
        let person_weights = Tensor::from_data(TensorData::new(vec![0f32, 1.0], [2, 1, 1, 1]), &device);
        let (value, gradient) =
            squared_error(&maps, Tensor::zeros([2, 3, 4, 5], &device), &person_weights, 2.0);
        let maps: Vec<f32> = maps.into_data().iter::<f32>().collect();
        let gradient: Vec<f32> = gradient.into_data().iter::<f32>().collect();
        assert!(gradient[..60].iter().all(|g| *g == 0.0));
        assert!(gradient[60..].iter().zip(&maps[60..]).all(|(g, m)| (g - 2.0 * m).abs() < 1e-6));
        let expected: f32 = maps[60..].iter().map(|m| m * m).sum();
        assert!((value - f64::from(expected)).abs() < 1e-4);
    }
}
