//! The gradient of a batch's losses through Burn's autodiff.

use super::assign::{Anchor, assign};
use super::config::BoxLossSection;
use super::loss::{Targets, losses};
use crate::data::BoxSample;
use crate::detect::{DetectorNet, Level};
use crate::train::parameters::Layout;
use burn::prelude::*;
use rayon::prelude::*;
use std::ops::AddAssign;

/// A step's losses, each with its factor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DetectorLoss {
    pub scores: f64,
    pub boxes: f64,
    /// Anchors that learnt a person.
    pub positives: f64,
}

impl DetectorLoss {
    pub fn sum(&self) -> f64 {
        self.scores + self.boxes
    }

    pub fn scaled(self, by: f64) -> DetectorLoss {
        DetectorLoss { scores: self.scores * by, boxes: self.boxes * by, positives: self.positives * by }
    }
}

impl AddAssign for DetectorLoss {
    fn add_assign(&mut self, other: DetectorLoss) {
        self.scores += other.scores;
        self.boxes += other.boxes;
        self.positives += other.positives;
    }
}

/// What the network says about a part of a batch, recorded, and what it should have said.
struct Shard {
    net: DetectorNet,
    scores: Tensor<2>,
    distances: Tensor<3>,
    targets: Targets,
}

/// What stays the same from step to step.
pub struct Work<'a> {
    /// The network, whose trained numbers are replaced.
    pub net: &'a DetectorNet,
    pub layout: &'a Layout,
    pub anchors: &'a [Anchor],
    /// Parts that a batch is cut into; they are worked on at once.
    pub shards: usize,
    pub loss: BoxLossSection,
    /// Without autodiff.
    pub device: &'a Device,
}

impl Work<'_> {
    /// Losses of a batch at `weights` and their gradient, which is added to `out`. The sums do not depend on which part
    /// is done first.
    pub fn gradient(&self, weights: &[f32], batch: &[BoxSample], out: &mut [f32]) -> DetectorLoss {
        let Work { net, layout, anchors, shards, loss: by, device } = self;
        let size = batch.len().div_ceil((*shards).max(1)).max(1);
        let forward = |part: &[BoxSample]| {
            // Parameters of its own, so that each part records a graph of its own.
            let net = layout.write((*net).clone(), weights);
            look(net, anchors, part, device)
        };
        let parts: Vec<Shard> = batch.par_chunks(size).map(forward).collect();
        let weight = parts.iter().map(|shard| shard.targets.weight()).sum::<f64>().max(1.0);
        let backward = |shard: Shard| {
            let positives = shard.targets.positives() as f64;
            let [scores, boxes] = losses(shard.scores, shard.distances, &shard.targets, device);
            let (scores, boxes) = (scores * (by.scores / weight), boxes * (by.boxes / weight));
            let value = |t: &Tensor<1>| f64::from(t.clone().inner().into_scalar::<f32>());
            let loss = DetectorLoss { scores: value(&scores), boxes: value(&boxes), positives };
            let mut gradient = vec![0.0; layout.count()];
            layout.gather(&shard.net, (scores + boxes).backward(), &mut gradient);
            (loss, gradient)
        };
        let done: Vec<(DetectorLoss, Vec<f32>)> = parts.into_par_iter().map(backward).collect();
        let mut sum = DetectorLoss::default();
        for (loss, gradient) in done {
            sum += loss;
            out.iter_mut().zip(&gradient).for_each(|(o, g)| *o += g);
        }
        sum
    }
}

/// The forward pass, and the lessons that follow from what it says.
fn look(net: DetectorNet, anchors: &[Anchor], part: &[BoxSample], device: &Device) -> Shard {
    let n = part.len();
    let values: Vec<f32> = part.iter().flat_map(|sample| sample.pixels.iter().copied()).collect();
    let side = (values.len() / (3 * n)).isqrt();
    let images = Tensor::<4>::from_data(TensorData::new(values, [n, 3, side, side]), device).autodiff();
    let (scores, distances) = joined(net.forward(images));
    let numbers = |data: TensorData| -> Vec<f32> { data.iter::<f32>().collect() };
    let logits = numbers(scores.clone().inner().into_data());
    let reaches = numbers(distances.clone().inner().into_data());
    let reaches = reaches.as_chunks::<4>().0;
    let all = anchors.len();
    let lessons: Vec<_> = part
        .par_iter()
        .enumerate()
        .map(|(i, sample)| {
            let of = i * all..(i + 1) * all;
            assign(anchors, &logits[of.clone()], &reaches[of], &sample.people, &sample.ignored)
        })
        .collect();
    let mut targets = Targets::default();
    for (lessons, sample) in lessons.iter().zip(part) {
        targets.push(anchors, lessons, &sample.people);
    }
    Shard { net, scores, distances, targets }
}

/// All maps as one list of anchors: scores `[N, A]` and distances `[N, A, 4]`.
fn joined(levels: Vec<Level>) -> (Tensor<2>, Tensor<3>) {
    let (mut scores, mut distances) = (Vec::new(), Vec::new());
    for level in levels {
        let [n, _, h, w] = level.scores.dims();
        scores.push(level.scores.reshape([n, h * w]));
        distances.push(level.distances.reshape([n, 4, h * w]).swap_dims(1, 2));
    }
    (Tensor::cat(scores, 1), Tensor::cat(distances, 1))
}
