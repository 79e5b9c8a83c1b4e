//! Backbones: a picture to a feature map of a quarter of its size.

mod conv_weights;
mod hrnet;
mod lite_hrnet;
mod stem;

pub use conv_weights::{ConvMismatch, ConvWeights, fill_convolutions};
pub use hrnet::HrNet;
pub use lite_hrnet::{LiteHrNet, TinyPose};
pub use stem::StemNet;

use crate::cpu::{NetBuilder, Part};
use crate::pose::Size;
use burn::prelude::*;

/// The backbone of a [`super::TmPose`]; which one is in [`super::TmPoseConfig::backbone`].
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // One of these exists per model; a box would only add a word to every path.
pub enum Backbone {
    /// The first three stages of HRNet (docs/METHOD.md, "HRNet").
    HrNet(HrNet),
    /// HRNet's stem and its layer1 alone.
    Stem(StemNet),
    /// PP-TinyPose's network.
    TinyPose(TinyPose),
}

impl Backbone {
    /// `[B,3,H,W]` normalised picture to `[B,C,H/4,W/4]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        match self {
            Backbone::HrNet(net) => net.forward(images),
            Backbone::Stem(net) => net.forward(images),
            Backbone::TinyPose(net) => net.forward(images),
        }
    }

    /// Writes the backbone down for the CPU's engine: from the picture's map to the feature's.
    pub fn build(&self, net: &mut NetBuilder, picture: Part) -> Part {
        match self {
            Backbone::HrNet(backbone) => backbone.build(net, picture),
            Backbone::Stem(backbone) => backbone.build(net, picture),
            Backbone::TinyPose(backbone) => backbone.build(net, picture),
        }
    }

    /// Batch norms folded into the convolutions; inference only.
    pub fn fold(self) -> Backbone {
        match self {
            Backbone::HrNet(net) => Backbone::HrNet(net.fold()),
            Backbone::Stem(net) => Backbone::Stem(net.fold()),
            Backbone::TinyPose(net) => Backbone::TinyPose(net.fold()),
        }
    }

    /// Multiply-accumulates of the convolutions for a picture of size `input`.
    pub fn macs(&self, input: Size) -> u64 {
        match self {
            Backbone::HrNet(net) => net.macs(input),
            Backbone::Stem(net) => net.macs(input),
            Backbone::TinyPose(net) => net.macs(input),
        }
    }
}
