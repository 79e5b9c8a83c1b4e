//! The detector's losses: quality focal loss of the scores (generalized focal loss, arXiv 2006.04388), whose target is
//! the overlap of the anchor's box, and generalized IoU of the boxes (arXiv 1902.09630), weighted by that overlap.

use super::assign::{Anchor, AnchorLabel};
use burn::prelude::*;
use burn::tensor::activation::{relu, sigmoid};

/// Guard against a division by an empty area, in square pixels.
const EPSILON: f32 = 1e-7;

/// What the anchors of several pictures have to learn, `A` for each of `N`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnchorTargets {
    /// `[N, A]`: what the score should be.
    pub quality: Vec<f32>,
    /// `[N, A]`: 0 where the score learns nothing.
    pub counted: Vec<f32>,
    /// `[N, A, 4]`: what the distances should be; 1 where nobody is.
    pub distances: Vec<f32>,
}

impl AnchorTargets {
    /// Adds a picture.
    pub fn push(&mut self, anchors: &[Anchor], labels: &[AnchorLabel], people: &[[f32; 4]]) {
        for (anchor, label) in anchors.iter().zip(labels) {
            self.quality.push(label.quality);
            self.counted.push(if label.silent { 0.0 } else { 1.0 });
            let [x, y] = anchor.at;
            self.distances.extend(match label.person.map(|p| people[p]) {
                Some([left, top, right, bottom]) => [x - left, y - top, right - x, bottom - y],
                None => [1.0; 4],
            });
        }
    }

    /// What the losses of a step are divided by together: the sum of all qualities.
    pub fn weight(&self) -> f64 {
        self.quality.iter().map(|q| f64::from(*q)).sum()
    }

    /// Anchors that learn a person.
    pub fn positives(&self) -> usize {
        self.quality.iter().filter(|q| **q > 0.0).count()
    }
}

/// Sums of the score loss and of the box loss over all anchors of `scores` `[N, A]` (logits) and `distances`
/// `[N, A, 4]`. `device` has no autodiff.
pub fn losses(
    scores: Tensor<2>,
    distances: Tensor<3>,
    targets: &AnchorTargets,
    device: &Device,
) -> [Tensor<1>; 2] {
    let [n, a] = scores.dims();
    let plain =
        |values: &[f32], shape| Tensor::<3>::from_data(TensorData::new(values.to_vec(), shape), device);
    let quality = plain(&targets.quality, [n, a, 1]);
    let counted = plain(&targets.counted, [n, a, 1]).reshape([n, a]).autodiff();
    let wanted = plain(&targets.distances, [n, a, 4]).autodiff();
    let [weight, goal] = [quality.clone().autodiff(), quality.autodiff()];
    let score = focal(scores, goal.reshape([n, a])) * counted;
    let boxes = unlike(distances, wanted) * weight;
    [score.sum(), boxes.sum()]
}

/// Quality focal loss: cross-entropy, times the squared distance of the score from its goal.
fn focal(logits: Tensor<2>, goal: Tensor<2>) -> Tensor<2> {
    let off = sigmoid(logits.clone()) - goal.clone();
    // max(x, 0) - x * goal + ln(1 + exp(-|x|)) never overflows.
    let soft = logits.clone().abs().neg().exp().log1p();
    let cross_entropy = relu(logits.clone()) - logits * goal + soft;
    cross_entropy * off.clone() * off
}

/// 1 - GIoU of the boxes that two lots of distances `[N, A, 4]` span around the same anchors: `[N, A, 1]`.
fn unlike(a: Tensor<3>, b: Tensor<3>) -> Tensor<3> {
    // Left and top first: a width is left + right, a height top + bottom. The anchor's place cancels.
    let size = |d: Tensor<3>| d.clone().narrow(2, 0, 2) + d.narrow(2, 2, 2);
    let area = |d: Tensor<3>| d.clone().narrow(2, 0, 1) * d.narrow(2, 1, 1);
    let common = area(size(a.clone().min_pair(b.clone())).clamp_min(0.0));
    let union = (area(size(a.clone())) + area(size(b.clone())) - common.clone()).clamp_min(EPSILON);
    let around = area(size(a.max_pair(b)).clamp_min(0.0)).clamp_min(EPSILON);
    let giou = common / union.clone() - (around.clone() - union) / around;
    giou.neg().add_scalar(1.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::assign::{anchors, assign};
    use super::*;
    use serde::Deserialize;

    /// What `tests/fixtures/detector_loss.py` wrote.
    #[derive(Deserialize)]
    pub struct Fixture {
        pub side: usize,
        pub pictures: Vec<Picture>,
        score_loss: f64,
        box_loss: f64,
        logit_gradient: Vec<f32>,
        distance_gradient: Vec<f32>,
    }

    #[derive(Deserialize)]
    pub struct Picture {
        pub people: Vec<[f32; 4]>,
        pub ignored: Vec<[f32; 4]>,
        pub logits: Vec<f32>,
        pub distances: Vec<[f32; 4]>,
        /// Anchor and person.
        pub chosen: Vec<(usize, usize)>,
        pub quality: Vec<f32>,
        pub silent: Vec<usize>,
    }

    pub fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../../../tests/fixtures/detector_loss.json")).unwrap()
    }

    #[test]
    fn losses_and_their_gradients_are_the_references() {
        let f = fixture();
        let all = anchors(f.side, &[8, 16, 32]);
        let (n, a) = (f.pictures.len(), all.len());
        let mut targets = AnchorTargets::default();
        let (mut logits, mut distances) = (Vec::new(), Vec::<f32>::new());
        for p in &f.pictures {
            let labels = assign(&all, &p.logits, &p.distances, &p.people, &p.ignored);
            targets.push(&all, &labels, &p.people);
            logits.extend(p.logits.clone());
            distances.extend(p.distances.iter().flatten());
        }
        assert_eq!(targets.positives(), f.pictures.iter().map(|p| p.chosen.len()).sum::<usize>());
        let device = Device::flex();
        let leaf = |t: Tensor<1>| t.autodiff().require_grad();
        let logits = leaf(Tensor::from_data(TensorData::new(logits, [n * a]), &device));
        let distances = leaf(Tensor::from_data(TensorData::new(distances, [n * a * 4]), &device));
        let [score, boxes] =
            losses(logits.clone().reshape([n, a]), distances.clone().reshape([n, a, 4]), &targets, &device);
        let by = targets.weight().max(1.0);
        let (score, boxes) = (score / by, boxes * (2.0 / by));
        let value = |t: &Tensor<1>| f64::from(t.clone().inner().into_scalar::<f32>());
        assert!((value(&score) - f.score_loss).abs() < 1e-5, "{} {}", value(&score), f.score_loss);
        assert!((value(&boxes) - f.box_loss).abs() < 1e-5, "{} {}", value(&boxes), f.box_loss);
        let gradients = (score + boxes).backward();
        for (leaf, expected) in [(&logits, &f.logit_gradient), (&distances, &f.distance_gradient)] {
            let ours: Vec<f32> = leaf.grad(&gradients).unwrap().into_data().iter::<f32>().collect();
            assert_eq!(ours.len(), expected.len());
            for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
                assert!((a - b).abs() < 1e-5, "{i}: {a} is not {b}");
            }
        }
    }

    #[test]
    fn a_perfect_box_costs_nothing_and_one_far_off_costs_more_than_one_that_misses() {
        let device = Device::flex();
        let of = |d: [f32; 4]| Tensor::<3>::from_data(TensorData::new(d.to_vec(), [1, 1, 4]), &device);
        let cost = |a, b| unlike(of(a), of(b)).into_scalar::<f32>();
        let unit = [5.0, 5.0, 5.0, 5.0];
        assert!(cost(unit, unit).abs() < 1e-6);
        let beside = |at: f32| [-at, 5.0, at + 10.0, 5.0];
        assert!(cost(unit, beside(6.0)) > 1.0 && cost(unit, beside(30.0)) > cost(unit, beside(6.0)));
        assert!(cost([0.0; 4], unit).is_finite() && cost([0.0; 4], [0.0; 4]).is_finite());
    }
}
