//! The building blocks of CSPNeXt: convolutions with their rectifier, and the layer that sends half of its channels
//! through a row of blocks.
//!
//! Batch norms are folded into convolutions with bias, as in the published file; all of it stays trainable.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, PaddingConfig2d};
use burn::prelude::*;

/// Convolution with bias and SiLU.
#[derive(Module, Debug)]
pub struct ConvSilu {
    /// `[B,inputs,H,W] -> [B,outputs,ceil(H/stride),ceil(W/stride)]`.
    pub conv: Conv2d,
}

impl ConvSilu {
    /// A square kernel of odd size with zero padding, in `groups` groups.
    pub(super) fn new(
        [inputs, outputs]: [usize; 2],
        kernel: usize,
        stride: usize,
        groups: usize,
        device: &Device,
    ) -> Self {
        let config = Conv2dConfig::new([inputs, outputs], [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(kernel / 2, kernel / 2, kernel / 2, kernel / 2))
            .with_groups(groups);
        Self { conv: with_bias(config.init(device), 0.0, device) }
    }

    /// A convolution of single pixels.
    pub(super) fn pointwise(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self::new([inputs, outputs], 1, 1, 1, device)
    }
}

/// A depthwise and a pointwise convolution, each with SiLU.
#[derive(Module, Debug)]
pub struct Separable {
    /// Each channel by itself; has the stride.
    pub depthwise: ConvSilu,
    /// 1x1, to the outputs.
    pub pointwise: ConvSilu,
}

impl Separable {
    pub(super) fn new(inputs: usize, outputs: usize, kernel: usize, stride: usize, device: &Device) -> Self {
        Self {
            depthwise: ConvSilu::new([inputs, inputs], kernel, stride, inputs, device),
            pointwise: ConvSilu::pointwise(inputs, outputs, device),
        }
    }

    pub(super) fn convolutions<'a>(&'a mut self, list: &mut Vec<&'a mut Conv2d>) {
        list.extend([&mut self.depthwise.conv, &mut self.pointwise.conv]);
    }
}

/// Two separable convolutions, of 3x3 and of 5x5, with or without the input added.
#[derive(Module, Debug)]
pub struct Block {
    /// 3x3.
    pub near: Separable,
    /// 5x5.
    pub far: Separable,
    /// Whether the input is added to the result.
    pub residual: bool,
}

impl Block {
    fn new(channels: usize, residual: bool, device: &Device) -> Self {
        Self {
            near: Separable::new(channels, channels, 3, 1, device),
            far: Separable::new(channels, channels, 5, 1, device),
            residual,
        }
    }
}

/// Cross-stage partial layer: half of the channels go through the blocks, the other half around them. In the
/// backbone a gate then weighs the channels by what they hold on average.
#[derive(Module, Debug)]
pub struct Csp {
    /// 1x1, to the half of the channels that goes round the blocks.
    pub short: ConvSilu,
    /// 1x1, to the half that goes through them.
    pub main: ConvSilu,
    /// One after the other.
    pub blocks: Vec<Block>,
    /// Means of all channels to the gate of each.
    pub gate: Option<Conv2d>,
    /// 1x1, over both halves.
    pub last: ConvSilu,
}

impl Csp {
    /// Of the backbone: with a gate, and a way around the blocks if `residual`.
    pub(super) fn gated(channels: usize, blocks: usize, residual: bool, device: &Device) -> Self {
        let gate = Conv2dConfig::new([channels, channels], [1, 1]).init(device);
        let gate = Some(with_bias(gate, 0.0, device));
        Self { gate, ..Self::new([channels, channels], blocks, residual, device) }
    }

    /// Of the neck: neither gate nor a way around the blocks.
    pub(super) fn plain(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self::new([inputs, outputs], 1, false, device)
    }

    fn new([inputs, outputs]: [usize; 2], blocks: usize, residual: bool, device: &Device) -> Self {
        let half = outputs / 2;
        Self {
            short: ConvSilu::pointwise(inputs, half, device),
            main: ConvSilu::pointwise(inputs, half, device),
            blocks: (0..blocks).map(|_| Block::new(half, residual, device)).collect(),
            gate: None,
            last: ConvSilu::pointwise(outputs, outputs, device),
        }
    }

    pub(super) fn convolutions<'a>(&'a mut self, list: &mut Vec<&'a mut Conv2d>) {
        list.extend([&mut self.short.conv, &mut self.main.conv]);
        for block in &mut self.blocks {
            block.near.convolutions(list);
            block.far.convolutions(list);
        }
        list.extend(&mut self.gate);
        list.push(&mut self.last.conv);
    }
}

/// The convolution with all its biases at `value`; Burn would draw them like weights.
pub(super) fn with_bias(mut conv: Conv2d, value: f64, device: &Device) -> Conv2d {
    let [outputs, _, _, _] = conv.weight.lazy_shape().dims();
    conv.bias = Some(Initializer::Constant { value }.init([outputs], device));
    conv
}
