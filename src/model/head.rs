//! The heatmap head, shared by all joints (docs/METHOD.md, "Heatmap head").

use super::TmPoseConfig;
use super::config::linear;
use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear};
use burn::prelude::*;

/// Norm and linear layer, once or twice, from a keypoint token to its heatmap.
#[derive(Module, Debug)]
pub struct HeatmapHead {
    /// Norm of the keypoint tokens of all transformers, side by side.
    pub norm1: LayerNorm,
    /// First layer; in the single-layer head it makes the heatmap.
    pub fc1: Linear,
    /// Second layer of the two-layer head.
    pub norm2: Option<LayerNorm>,
    /// From the hidden numbers to the cells of a heatmap.
    pub fc2: Option<Linear>,
    height: usize,
    width: usize,
}

impl HeatmapHead {
    pub(super) fn new(config: &TmPoseConfig, device: &Device) -> HeatmapHead {
        let inputs = config.dim * config.transformers;
        let [height, width] = config.heatmap.hw();
        let cells = height * width;
        let mut fc2 = config.head_hidden.map(|hidden| linear(hidden, cells, true, device));
        if config.feature_head
            && let Some(fc2) = &mut fc2
        {
            // The maps begin as the feature's own; the tokens learn what to add.
            let hidden = fc2.weight.lazy_shape()[0];
            fc2.weight = Initializer::Zeros.init([hidden, cells], device);
        }
        HeatmapHead {
            norm1: LayerNormConfig::new(inputs).init(device),
            fc1: linear(inputs, config.head_hidden.unwrap_or(cells), true, device),
            norm2: config.head_hidden.map(|hidden| LayerNormConfig::new(hidden).init(device)),
            fc2,
            height,
            width,
        }
    }

    /// `[B,J,dim * transformers]` to `[B,J,height,width]`.
    pub fn forward(&self, keypoints: Tensor<3>) -> Tensor<4> {
        let [batch, joints, _] = keypoints.dims();
        let mut x = self.fc1.forward(self.norm1.forward(keypoints));
        if let (Some(norm), Some(fc)) = (&self.norm2, &self.fc2) {
            x = fc.forward(norm.forward(x));
        }
        x.reshape([batch, joints, self.height, self.width])
    }
}
