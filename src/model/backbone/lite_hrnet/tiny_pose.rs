//! PP-TinyPose whole: the feature of [`LiteHrNet`] and, beside it, the heatmaps that the published network
//! draws from that feature.

use super::LiteHrNet;
use super::layers::{SeparableConv, pointwise};
use crate::cpu::{Activation, Epilogue, NetBuilder, Part};
use crate::model::backbone::{ConvMismatch, ConvWeights, fill_convolutions};
use crate::model::conv::filter;
use crate::pose::Size;
use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::activation::relu;

/// `[B,3,H,W] -> [B,57,H/4,W/4]`: 40 feature channels and 17 heatmaps in COCO's order.
#[derive(Module, Debug)]
pub struct TinyPose {
    /// Feature map of [`LiteHrNet::CHANNELS`] channels.
    pub features: LiteHrNet,
    /// The layers of the published heatmap head.
    pub hidden: SeparableConv,
    /// Heatmaps of COCO's 17 joints from the last feature map; a 1x1 convolution.
    pub heatmaps: Conv2d,
}

impl TinyPose {
    /// Heatmaps of the published network, COCO's 17 keypoints.
    pub const HEATMAPS: usize = 17;
    /// Feature channels and heatmaps.
    pub const CHANNELS: usize = LiteHrNet::CHANNELS + Self::HEATMAPS;

    /// A network with random weights.
    pub fn new(device: &Device) -> Self {
        let width = LiteHrNet::CHANNELS;
        Self {
            features: LiteHrNet::new(device),
            hidden: SeparableConv::new(width, width, 1, device),
            heatmaps: pointwise(width, Self::HEATMAPS, device),
        }
    }

    /// Normalised RGB to features and heatmaps.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let feature = self.features.forward(images);
        let heatmaps = self.heatmaps.forward(relu(self.hidden.forward(feature.clone())));
        Tensor::cat(vec![feature, heatmaps], 1)
    }

    /// Writes the network down for the CPU's engine.
    pub fn build(&self, net: &mut NetBuilder, picture: Part) -> Part {
        let (height, width) = net.size(picture);
        let output = net.map(height / 4, width / 4, Self::CHANNELS);
        let feature = output.channels(0, LiteHrNet::CHANNELS);
        self.features.build_into(net, picture, feature);
        let hidden = self.hidden.build(net, feature, Epilogue::new(Activation::Relu));
        let heatmaps = output.channels(LiteHrNet::CHANNELS, Self::HEATMAPS);
        let linear = Epilogue::new(Activation::None);
        net.convolution_into(heatmaps, &[hidden], filter(&self.heatmaps), 1, linear);
        output
    }

    /// The same function with fewer passes; inference only.
    pub fn fold(self) -> Self {
        Self { features: self.features.fold(), hidden: self.hidden.fold(), ..self }
    }

    /// Multiply-adds of one picture of `input` (height, width).
    pub fn macs(&self, input: Size) -> u64 {
        let width = LiteHrNet::CHANNELS;
        let area = Size::new(input.width / 4, input.height / 4).area();
        self.features.macs(input) + ((9 + width + Self::HEATMAPS) * width * area) as u64
    }

    /// Replaces all weights: those of [`LiteHrNet::with_weights`], then the three convolutions of the
    /// heatmap head.
    ///
    /// # Errors
    /// Another number of convolutions than the network has, or one of another shape.
    pub fn with_weights(mut self, mut given: Vec<ConvWeights>) -> Result<Self, ConvMismatch> {
        let (found, wanted) = (given.len(), LiteHrNet::CONVOLUTIONS + 3);
        if found != wanted {
            return Err(ConvMismatch::Count { wanted, found });
        }
        let head = given.split_off(LiteHrNet::CONVOLUTIONS);
        self.features = self.features.with_weights(given)?;
        let mut convolutions = Vec::new();
        self.hidden.convolutions(&mut convolutions);
        convolutions.push(&mut self.heatmaps);
        fill_convolutions(convolutions, head, LiteHrNet::CONVOLUTIONS)?;
        Ok(self)
    }
}
