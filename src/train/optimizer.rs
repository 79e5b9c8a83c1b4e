//! AdamW over all parameters as one long vector, with gradient clipping and an average of the weights.
//!
//! A flat vector instead of Burn's optimizer of single tensors: an update is three passes over memory instead of about
//! fifteen, the state of a training is four vectors that are restored bit for bit, and the gradients of a batch's shards
//! can be computed at once and summed.

use super::config::ScheduleSection;
use rayon::prelude::*;

/// Numbers that one task of the thread pool updates; small enough to share an update among the cores.
const CHUNK: usize = 1 << 16;

/// The state of a training besides its data position.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    /// The weights that are trained.
    pub weights: Vec<f32>,
    /// Adam's first moment: running mean of the gradient.
    pub first_moment: Vec<f32>,
    /// Adam's second moment: running mean of its square.
    pub second_moment: Vec<f32>,
    /// Running average of the weights: what is validated and saved.
    pub average: Vec<f32>,
    /// Updates made so far.
    pub updates: u64,
}

impl Optimizer {
    /// The state before the first update of `weights`.
    pub fn new(weights: Vec<f32>) -> Optimizer {
        let zeros = vec![0.0; weights.len()];
        Optimizer {
            average: weights.clone(),
            first_moment: zeros.clone(),
            second_moment: zeros,
            weights,
            updates: 0,
        }
    }

    /// One update with the learning rate `rate`. Weight decay applies to number i where `decays[i]` is true. Returns the
    /// norm of the gradient before clipping; when that is not finite, nothing was changed.
    pub fn step(&mut self, gradient: &[f32], decays: &[bool], rate: f64, s: &ScheduleSection) -> f64 {
        let norm = norm(gradient);
        if !norm.is_finite() {
            return norm;
        }
        let clip = if s.gradient_norm > 0.0 && norm > s.gradient_norm { s.gradient_norm / norm } else { 1.0 };
        self.updates += 1;
        let t = self.updates as f64;
        let [b1, b2] = s.betas;
        // Adam's two corrections for starting at zero, moved into the step size and the epsilon.
        let root = (1.0 - b2.powf(t)).sqrt();
        let size = (rate * root / (1.0 - b1.powf(t))) as f32;
        let epsilon = (s.epsilon * root) as f32;
        let kept = 1.0 - (rate * s.weight_decay) as f32;
        let (b1, b2, clip) = (b1 as f32, b2 as f32, clip as f32);
        // The average follows closely at first, so that it forgets the random start.
        let ema = if s.ema > 0.0 { s.ema.min((t + 1.0) / (t + 50.0)) as f32 } else { 0.0 };
        let parts = self
            .weights
            .par_chunks_mut(CHUNK)
            .zip(self.first_moment.par_chunks_mut(CHUNK))
            .zip(self.second_moment.par_chunks_mut(CHUNK))
            .zip(self.average.par_chunks_mut(CHUNK))
            .zip(gradient.par_chunks(CHUNK))
            .zip(decays.par_chunks(CHUNK));
        parts.for_each(|(((((weights, first), second), average), gradient), decays)| {
            for i in 0..weights.len() {
                let g = gradient[i] * clip;
                first[i] = b1 * first[i] + (1.0 - b1) * g;
                second[i] = b2 * second[i] + (1.0 - b2) * g * g;
                let start = if decays[i] { weights[i] * kept } else { weights[i] };
                weights[i] = start - size * first[i] / (second[i].sqrt() + epsilon);
                average[i] = ema * average[i] + (1.0 - ema) * weights[i];
            }
        });
        norm
    }
}

/// Euclidean norm; summed in fixed parts so that it does not depend on the number of threads.
fn norm(values: &[f32]) -> f64 {
    let parts: Vec<f64> = values
        .par_chunks(CHUNK)
        .map(|part| part.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>())
        .collect();
    parts.iter().sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> ScheduleSection {
        ScheduleSection {
            gradient_norm: 0.0,
            weight_decay: 0.0,
            betas: [0.9, 0.999],
            ..ScheduleSection::default()
        }
    }

    #[test]
    fn the_first_update_moves_every_weight_by_the_rate() {
        // Adam's first step is rate * sign(gradient), whatever the gradient's size.
        let mut o = Optimizer::new(vec![1.0, 1.0, 1.0]);
        o.step(&[0.5, -20.0, 0.0], &[false; 3], 0.01, &plain());
        for (w, expected) in o.weights.iter().zip([0.99, 1.01, 1.0]) {
            assert!((w - expected).abs() < 1e-5, "{w}");
        }
    }

    #[test]
    fn a_long_gradient_is_shortened_and_its_length_reported() {
        let mut o = Optimizer::new(vec![0.0, 0.0]);
        let s = ScheduleSection { gradient_norm: 1.0, ..plain() };
        assert_eq!(o.step(&[30.0, 40.0], &[false; 2], 0.01, &s), 50.0);
        assert!((o.first_moment[0] - 0.06).abs() < 1e-6 && (o.first_moment[1] - 0.08).abs() < 1e-6);
    }

    #[test]
    fn a_gradient_that_is_not_finite_changes_nothing() {
        let mut o = Optimizer::new(vec![1.0, 2.0]);
        let before = o.clone();
        assert!(!o.step(&[f32::NAN, 1.0], &[true; 2], 0.01, &plain()).is_finite());
        assert_eq!(o, before);
    }

    #[test]
    fn decay_pulls_only_where_it_may() {
        let mut o = Optimizer::new(vec![2.0, 2.0]);
        let s = ScheduleSection { weight_decay: 0.5, ..plain() };
        o.step(&[0.0, 0.0], &[true, false], 0.1, &s);
        assert!((o.weights[0] - 1.9).abs() < 1e-6);
        assert_eq!(o.weights[1], 2.0);
    }

    #[test]
    fn it_finds_the_bottom_of_a_bowl_and_the_average_follows() {
        let mut o = Optimizer::new(vec![3.0; 4]);
        for _ in 0..2000 {
            let gradient: Vec<f32> = o.weights.iter().map(|w| w - 1.0).collect();
            o.step(&gradient, &[false; 4], 0.01, &plain());
        }
        assert!(o.weights.iter().all(|w| (w - 1.0).abs() < 1e-2), "{:?}", o.weights);
        assert!(o.average.iter().all(|w| (w - 1.0).abs() < 0.5), "{:?}", o.average);
    }
}
