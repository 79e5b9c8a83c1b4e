//! The heads, one for each map: scores and distances.

use super::Level;
use super::layers::{Run, Separable, weights, with_bias};
use burn::nn::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;
use burn::tensor::activation::relu;

/// Logit of a score of 0.01: nearly all cells lie on nobody, and a fresh network that says otherwise would spend its
/// first thousand steps on unlearning it (RetinaNet, arXiv 1708.02002).
const FRESH_SCORE: f64 = -4.595;
/// Distance of a fresh network in cells: inside out boxes would teach it nothing.
const FRESH_DISTANCE: f64 = 2.0;
/// Deviation of a fresh last layer's weights.
const FRESH_DEVIATION: f64 = 0.01;

/// The head of one map.
#[derive(Module, Debug)]
pub struct Head {
    pub score_layers: Vec<Separable>,
    pub score: Conv2d,
    pub distance_layers: Vec<Separable>,
    pub distance: Conv2d,
}

impl Head {
    pub(super) fn new(channels: usize, layers: usize, device: &Device) -> Self {
        let row = || (0..layers).map(|_| Separable::new(channels, channels, 3, 1, device)).collect();
        let last = |outputs, bias| {
            let config = Conv2dConfig::new([channels, outputs], [1, 1])
                .with_initializer(Initializer::Normal { mean: 0.0, std: FRESH_DEVIATION });
            with_bias(config.init(device), bias, device)
        };
        Self {
            score_layers: row(),
            score: last(1, FRESH_SCORE),
            distance_layers: row(),
            distance: last(4, FRESH_DISTANCE),
        }
    }

    /// The map at `stride` to what it says.
    pub(super) fn pass(&self, map: Tensor<4>, stride: usize, run: Run) -> Level {
        let row =
            |layers: &[Separable], map, run: Run| layers.iter().fold(map, |x, layer| layer.pass(x, run));
        let scores = self.score.forward(row(&self.score_layers, map.clone(), run));
        let distances = self.distance.forward(row(&self.distance_layers, map, run)) * stride as f64;
        Level { scores, distances: not_negative(distances), stride }
    }

    pub(super) fn macs(&self, cells: u64) -> u64 {
        let rows = self.score_layers.iter().chain(&self.distance_layers).map(|layer| layer.macs(cells));
        rows.sum::<u64>() + (weights(&self.score) + weights(&self.distance)) * cells
    }

    pub(super) fn convolutions<'a>(&'a mut self, list: &mut Vec<&'a mut Conv2d>) {
        self.score_layers.iter_mut().for_each(|layer| layer.convolutions(list));
        list.push(&mut self.score);
        self.distance_layers.iter_mut().for_each(|layer| layer.convolutions(list));
        list.push(&mut self.distance);
    }
}

/// Zero where `x` is negative, with the gradient of `x` itself: a distance that fell below zero can grow again, which
/// the gradient of a rectifier would forbid. The published network leaves such distances negative.
fn not_negative(x: Tensor<4>) -> Tensor<4> {
    let missing = relu(-x.clone()).detach();
    x + missing
}
