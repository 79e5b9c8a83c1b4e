//! The loss on heatmaps and its gradient in closed form.
//!
//! Two terms compare heatmaps with the annotations (docs/TRAINING.md says why): the paper's weighted squared error, and a
//! softmax cross-entropy over each map, which keeps the network from learning all-zero maps.
//!
//! The gradient is computed by formula, not by autodiff: heatmaps are the largest tensor of a training step ([B, J, 3072]),
//! and autodiff of a softmax and its logarithm over them would cost more than a transformer layer.

use crate::pose::Size;
use crate::train::config::LossSection;
use crate::train::meter::LossTerms;
use burn::prelude::*;
use burn::tensor::activation::softmax;

/// Gaussian targets of a batch. A Gaussian is the product of its profiles along x and y, so a step sends 112 numbers a joint
/// to the device, not 3072.
pub struct TargetBatch {
    /// Profiles along x, [B, J, W] row-major.
    pub target_x: Vec<f32>,
    /// Profiles along y, [B, J, H] row-major.
    pub target_y: Vec<f32>,
    /// Weights of the joints, [B, J] row-major; 0 for one without a target.
    pub weights: Vec<f32>,
    /// Persons B of the batch.
    pub persons: usize,
    /// Joints J of a person.
    pub joints: usize,
    /// Height and width of a map.
    pub heatmap: Size,
}

impl TargetBatch {
    /// Targets for joints [x, y, weight] in heatmap cells; `sigma` is the standard deviation in cells. Unlike
    /// `vision::gaussian_targets`, a joint of weight 0.5 (a teacher's label) has a Gaussian too: the reference's zero map
    /// would teach that the joint is not there.
    pub fn new<'a>(persons: impl Iterator<Item = &'a [[f32; 3]]>, heatmap: Size, sigma: f32) -> TargetBatch {
        let [height, width] = heatmap.hw();
        let mut batch = TargetBatch {
            target_x: Vec::new(),
            target_y: Vec::new(),
            weights: Vec::new(),
            persons: 0,
            joints: 0,
            heatmap,
        };
        for joints in persons {
            batch.persons += 1;
            batch.joints = joints.len();
            for &[x, y, weight] in joints {
                let seen = weight > 0.0 && reaches(x, width, sigma) && reaches(y, height, sigma);
                batch.weights.push(if seen { weight } else { 0.0 });
                profile(x, width, sigma, seen, &mut batch.target_x);
                profile(y, height, sigma, seen, &mut batch.target_y);
            }
        }
        batch
    }

    /// Whether person number `p` has a joint with a target. A picture that cannot be decoded has none, nor has a crop that
    /// shows no joint.
    pub fn has_targets(&self, p: usize) -> bool {
        self.weights[p * self.joints..(p + 1) * self.joints].iter().any(|w| *w > 0.0)
    }

    /// Sum of the joints' weights.
    pub fn total_weight(&self) -> f32 {
        self.weights.iter().sum()
    }
}

/// Adds the profile of a Gaussian at `at` over `size` cells to `out`; zeros when it is not `seen`.
fn profile(at: f32, size: usize, sigma: f32, seen: bool, out: &mut Vec<f32>) {
    out.extend((0..size).map(|i| {
        let d = i as f32 - at;
        if seen { (-d * d / (2.0 * sigma * sigma)).exp() } else { 0.0 }
    }));
}

/// Whether the 3-sigma window around `at` touches the map (docs/METHOD.md, "Targets"). With sigma 2: from above -8 to below
/// size + 6.
fn reaches(at: f32, size: usize, sigma: f32) -> bool {
    at > -(3.0 * sigma + 2.0) && at < size as f32 + 3.0 * sigma
}

/// The divisors of a whole batch's loss, so that its shards can be computed apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossNormalizer {
    /// Persons of the whole batch.
    pub persons: usize,
    /// Sum of the joints' weights of the whole batch.
    pub weight: f32,
}

impl LossNormalizer {
    /// For batches whose gradients are added: as if they were one.
    pub fn of(batches: &[TargetBatch]) -> LossNormalizer {
        let persons = batches.iter().map(|b| b.persons).sum();
        LossNormalizer { persons, weight: batches.iter().map(TargetBatch::total_weight).sum() }
    }

    /// For each of several passes of the same persons: the loss is the mean over the passes.
    pub fn shared_by(self, passes: usize) -> LossNormalizer {
        LossNormalizer { persons: self.persons * passes, weight: self.weight * passes as f32 }
    }
}

/// The terms of the loss, each with its factor applied; their sum is what is minimised.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PoseLoss {
    /// Squared error of the heatmaps to the annotations.
    pub mse: f64,
    /// Softmax cross-entropy of the heatmaps and the annotations.
    pub cross_entropy: f64,
    /// Squared error of the heatmaps of masked passes to those of the pass with all tokens.
    pub sandwich: f64,
    /// Distance to a teacher: heatmaps, keypoint tokens and attention.
    pub teacher: f64,
}

impl LossTerms for PoseLoss {
    fn sum(&self) -> f64 {
        self.mse + self.cross_entropy + self.sandwich + self.teacher
    }

    fn scaled(self, factor: f64) -> PoseLoss {
        PoseLoss {
            mse: self.mse * factor,
            cross_entropy: self.cross_entropy * factor,
            sandwich: self.sandwich * factor,
            teacher: self.teacher * factor,
        }
    }
}

impl std::ops::AddAssign for PoseLoss {
    fn add_assign(&mut self, other: PoseLoss) {
        self.mse += other.mse;
        self.cross_entropy += other.cross_entropy;
        self.sandwich += other.sandwich;
        self.teacher += other.teacher;
    }
}

/// Loss of `maps` [B, J, H, W], without autodiff, and its gradient with respect to them.
pub fn loss_and_gradient(
    maps: Tensor<4>,
    targets: &TargetBatch,
    by: LossNormalizer,
    section: &LossSection,
) -> (PoseLoss, Tensor<4>) {
    let [b, j, h, w] = maps.dims();
    let device = maps.device();
    let make = |values: &[f32], shape: [usize; 4]| {
        Tensor::<4>::from_data(TensorData::new(values.to_vec(), shape), &device)
    };
    let target_x = make(&targets.target_x, [b, j, 1, w]);
    let target_y = make(&targets.target_y, [b, j, h, 1]);
    let weights = make(&targets.weights, [b, j, 1, 1]);
    let goal = target_y.clone() * target_x.clone();
    // Sum of each map, again as a product of two profiles.
    let mass = (target_y.sum_dim(2) * target_x.sum_dim(3)).clamp_min(1e-6);

    let error = (maps.clone() - goal.clone()) * weights.clone();
    let mse_factor = section.mse / (j * by.persons.max(1) * h * w) as f64;
    let mse = error.clone().square().sum().mul_scalar(0.5 * mse_factor);
    let mut gradient = error * weights.clone().mul_scalar(mse_factor);

    let mut cross_entropy = 0.0;
    if section.cross_entropy > 0.0 {
        let t = section.temperature;
        let factor = section.cross_entropy / f64::from(by.weight.max(1e-6));
        let logits = maps.mul_scalar(t).reshape([b, j, h * w]);
        let wanted = (goal / mass).reshape([b, j, h * w]);
        let top = logits.clone().max_dim(2);
        let share = softmax(logits.clone(), 2);
        // log softmax at a place = logit - top - log(sum exp(logit - top)), and that sum is
        // 1 / (the share at the top).
        let log_sum = share.clone().max_dim(2).log().neg();
        let weights = weights.reshape([b, j, 1]);
        let picked = (wanted.clone() * logits).sum_dim(2);
        let ce = ((top + log_sum - picked) * weights.clone()).sum();
        cross_entropy = f64::from(ce.into_scalar::<f32>()) * factor;
        let pull = (share - wanted) * weights.mul_scalar(factor * t);
        gradient = gradient + pull.reshape([b, j, h, w]);
    }
    let mse = f64::from(mse.into_scalar::<f32>());
    (PoseLoss { mse, cross_entropy, ..PoseLoss::default() }, gradient)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(persons: usize) -> Vec<f32> {
        (0..persons * 2 * 6 * 5).map(|i| (i as f32 * 0.7).sin() * 0.1 + 0.05).collect()
    }

    fn targets(persons: usize) -> TargetBatch {
        let all = [[[1.3, 2.0, 1.0], [3.0, 4.5, 0.5]], [[4.0, 0.2, 1.0], [0.0, 0.0, 0.0]]];
        TargetBatch::new(all[..persons].iter().map(|p| p.as_slice()), Size::new(5, 6), 1.0)
    }

    fn parts(values: &[f32], section: &LossSection) -> (PoseLoss, Vec<f32>) {
        let t = targets(2);
        let x = Tensor::<4>::from_data(TensorData::new(values.to_vec(), [2, 2, 6, 5]), &Device::flex());
        let by = LossNormalizer { persons: 2, weight: t.total_weight() };
        let (loss, g) = loss_and_gradient(x, &t, by, section);
        (loss, g.into_data().iter::<f32>().collect())
    }

    #[test]
    fn the_squared_error_is_methods() {
        let section = LossSection { mse: 1.0, cross_entropy: 0.0, ..LossSection::default() };
        let values = maps(2);
        let t = targets(2);
        let mut expected = 0.0f64;
        for p in 0..2 {
            for j in 0..2 {
                for y in 0..6 {
                    for x in 0..5 {
                        let m = p * 2 + j;
                        let g = t.target_y[m * 6 + y] * t.target_x[m * 5 + x];
                        let d = t.weights[m] * (values[(m * 6 + y) * 5 + x] - g);
                        expected += f64::from(d * d);
                    }
                }
            }
        }
        expected *= 0.5 / (2.0 * 2.0 * 30.0);
        let (loss, _) = parts(&values, &section);
        assert!((loss.mse - expected).abs() < 1e-7, "{} {expected}", loss.mse);
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let section = LossSection::default();
        let values = maps(2);
        let (_, gradient) = parts(&values, &section);
        for i in [0, 17, 45, 61, 119] {
            let at = |d: f32| {
                let mut moved = values.clone();
                moved[i] += d;
                parts(&moved, &section).0.sum()
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            let g = f64::from(gradient[i]);
            assert!((slope - g).abs() < 2e-2 * (1.0 + g.abs()), "{i}: slope {slope}, gradient {g}");
        }
    }

    #[test]
    fn batches_whose_gradients_are_added_count_as_one_large_batch() {
        let section = LossSection::default();
        let values = maps(2);
        let (whole, gradient) = parts(&values, &section);
        let all = [[[1.3, 2.0, 1.0], [3.0, 4.5, 0.5]], [[4.0, 0.2, 1.0], [0.0, 0.0, 0.0]]];
        let single = all.map(|p| TargetBatch::new([p.as_slice()].into_iter(), Size::new(5, 6), 1.0));
        let by = LossNormalizer::of(&single);
        let (mut loss, mut joined) = (PoseLoss::default(), Vec::new());
        for (targets, values) in single.iter().zip(values.chunks(60)) {
            let data = TensorData::new(values.to_vec(), [1, 2, 6, 5]);
            let (part, g) =
                loss_and_gradient(Tensor::from_data(data, &Device::flex()), targets, by, &section);
            loss += part;
            joined.extend(g.into_data().iter::<f32>());
        }
        assert!((loss.sum() - whole.sum()).abs() < 1e-5 * whole.sum(), "{loss:?} {whole:?}");
        assert!(joined.iter().zip(&gradient).all(|(a, b)| (a - b).abs() < 1e-5 * (1.0 + b.abs())));
    }

    #[test]
    fn a_teachers_joint_is_taught_and_an_absent_one_is_not() {
        let t = targets(2);
        assert_eq!(t.weights, [1.0, 0.5, 1.0, 0.0]);
        let (_, gradient) = parts(&maps(2), &LossSection::default());
        assert!(gradient[90..120].iter().all(|g| *g == 0.0));
        assert!(gradient[30..60].iter().any(|g| *g != 0.0));
    }
}
