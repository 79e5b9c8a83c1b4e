//! The three building blocks of the backbone: a separable convolution, the stem and the shuffle block.

use crate::cpu::{Activation, Epilogue, NetBuilder, Part};
use crate::model::conv::filter;
use burn::module::Param;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;
use burn::tensor::activation::relu;

/// A 3x3 depthwise convolution and the 1x1 convolution behind it, both with bias (batch norms are folded).
#[derive(Module, Debug)]
pub struct SeparableConv {
    pub depthwise: Conv2d,
    pub pointwise: Conv2d,
}

impl SeparableConv {
    pub(super) fn new(channels_in: usize, channels_out: usize, stride: usize, device: &Device) -> Self {
        Self {
            depthwise: depthwise(channels_in, stride, device),
            pointwise: pointwise(channels_in, channels_out, device),
        }
    }

    /// `[B,C,H,W] -> [B,C_out,H/stride,W/stride]`, no activation.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.pointwise.forward(self.depthwise.forward(x))
    }

    /// Writes the two convolutions down for the CPU's engine.
    pub(super) fn build(&self, net: &mut NetBuilder, x: Part, epilogue: Epilogue) -> Part {
        let filters = [filter(&self.depthwise), filter(&self.pointwise)];
        net.separable(&[x], filters, self.depthwise.stride[0], Activation::None, epilogue)
    }

    pub(super) fn convolutions<'a>(&'a mut self, list: &mut Vec<&'a mut Conv2d>) {
        list.extend([&mut self.depthwise, &mut self.pointwise]);
    }

    /// The depthwise convolution's bias moved into the one behind it: no activation lies between the two, so
    /// that `W (x + b) + c = W x + (W b + c)`, and a pass over the map is saved.
    pub(super) fn fold(mut self) -> Self {
        if let (Some(inner), Some(outer)) = (self.depthwise.bias.take(), &mut self.pointwise.bias) {
            let [channels_out, channels_in, _, _] = self.pointwise.weight.dims();
            let weight = self.pointwise.weight.val().reshape([channels_out, channels_in]);
            let moved = weight.matmul(inner.val().unsqueeze_dim(1)).squeeze_dim(1);
            *outer = Param::from_tensor(outer.val() + moved);
        }
        self
    }
}

/// Picture to 32 channels at a quarter of its size.
#[derive(Module, Debug)]
pub struct LiteStem {
    pub conv: Conv2d,
    pub near: SeparableConv,
    pub expand: Conv2d,
    pub far: SeparableConv,
}

impl LiteStem {
    pub(super) fn new(device: &Device) -> Self {
        Self {
            conv: Conv2dConfig::new([3, 32], [3, 3])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device),
            near: SeparableConv::new(16, 16, 2, device),
            expand: pointwise(16, 32, device),
            far: SeparableConv::new(32, 16, 2, device),
        }
    }

    /// `[B,3,H,W] -> [B,32,H/4,W/4]`.
    pub fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        let [left, right] = halves(relu(self.conv.forward(image)));
        let left = relu(self.near.forward(left));
        let right = relu(self.far.forward(relu(self.expand.forward(right))));
        interleave(left, right)
    }

    /// Writes the stem down for the CPU's engine.
    pub(super) fn build(&self, net: &mut NetBuilder, picture: Part) -> Part {
        let relu = || Epilogue::new(Activation::Relu);
        let [left, right] = net.convolution(&[picture], filter(&self.conv), 2, relu()).halves();
        let left = self.near.build(net, left, relu());
        let right = net.convolution(&[right], filter(&self.expand), 1, relu());
        self.far.build(net, right, relu().shuffled(left))
    }

    pub(super) fn fold(self) -> Self {
        Self { near: self.near.fold(), far: self.far.fold(), ..self }
    }

    pub(super) fn convolutions<'a>(&'a mut self, list: &mut Vec<&'a mut Conv2d>) {
        list.push(&mut self.conv);
        self.near.convolutions(list);
        list.push(&mut self.expand);
        self.far.convolutions(list);
    }
}

/// ShuffleNet-V2 unit: half of the channels pass unchanged, the other half goes through 1x1, depthwise 3x3
/// and 1x1, and the two are interleaved so that the next unit mixes them.
#[derive(Module, Debug)]
pub struct ShuffleBlock {
    pub enter: Conv2d,
    pub leave: SeparableConv,
}

impl ShuffleBlock {
    pub(super) fn new(channels: usize, device: &Device) -> Self {
        let half = channels / 2;
        Self { enter: pointwise(half, half, device), leave: SeparableConv::new(half, half, 1, device) }
    }

    /// `[B,C,H,W] -> [B,C,H,W]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [pass, work] = halves(x);
        let work = relu(self.leave.forward(relu(self.enter.forward(work))));
        interleave(pass, work)
    }

    /// Writes the unit down for the CPU's engine.
    pub(super) fn build(&self, net: &mut NetBuilder, x: Part) -> Part {
        let relu = || Epilogue::new(Activation::Relu);
        let [pass, work] = x.halves();
        let work = net.convolution(&[work], filter(&self.enter), 1, relu());
        self.leave.build(net, work, relu().shuffled(pass))
    }

    pub(super) fn fold(self) -> Self {
        Self { leave: self.leave.fold(), ..self }
    }

    pub(super) fn convolutions<'a>(&'a mut self, list: &mut Vec<&'a mut Conv2d>) {
        list.push(&mut self.enter);
        self.leave.convolutions(list);
    }
}

pub(super) fn pointwise(channels_in: usize, channels_out: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([channels_in, channels_out], [1, 1]).init(device)
}

fn depthwise(channels: usize, stride: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([channels, channels], [3, 3])
        .with_groups(channels)
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .init(device)
}

fn halves(x: Tensor<4>) -> [Tensor<4>; 2] {
    let half = x.dims()[1] / 2;
    [x.clone().narrow(1, 0, half), x.narrow(1, half, half)]
}

/// Concatenation and channel shuffle with two groups in one copy: channels `a0 b0 a1 b1 ...`.
fn interleave(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = a.dims();
    let column = |t: Tensor<4>| t.reshape([batch, channels, 1, height * width]);
    Tensor::cat(vec![column(a), column(b)], 2).reshape([batch, 2 * channels, height, width])
}
