//! The heads, one for each map: scores and distances.

use super::layers::{Separable, with_bias};
use burn::nn::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;

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
    /// 3x3, in front of `score`.
    pub score_layers: Vec<Separable>,
    /// 1x1, to one channel: the logit that the cell lies on a person.
    pub score: Conv2d,
    /// 3x3, in front of `distance`.
    pub distance_layers: Vec<Separable>,
    /// 1x1, to four channels: distances to the left, top, right and bottom of the box, in cells.
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

    pub(super) fn convolutions<'a>(&'a mut self, list: &mut Vec<&'a mut Conv2d>) {
        self.score_layers.iter_mut().for_each(|layer| layer.convolutions(list));
        list.push(&mut self.score);
        self.distance_layers.iter_mut().for_each(|layer| layer.convolutions(list));
        list.push(&mut self.distance);
    }
}
