//! HRNet's stem and layer1: the whole backbone of TokenPose-S, the beginning of HRNet.

use crate::cpu::{Activation, Epilogue, NetBuilder, Part};
use crate::model::conv::ConvBn;
use crate::pose::Size;
use burn::prelude::*;
use burn::tensor::activation::relu;

/// 1x1 to 64, 3x3, 1x1 to 256 channels, with a residual (docs/METHOD.md, "HRNet").
#[derive(Module, Debug)]
pub struct Bottleneck {
    pub c1: ConvBn,
    pub c2: ConvBn,
    pub c3: ConvBn,
    /// Projection of the residual where the channel count changes.
    pub down: Option<ConvBn>,
}

impl Bottleneck {
    fn new(inputs: usize, planes: usize, device: &Device) -> Bottleneck {
        let outputs = planes * 4;
        Bottleneck {
            c1: ConvBn::new(inputs, planes, 1, 1, device),
            c2: ConvBn::new(planes, planes, 3, 1, device),
            c3: ConvBn::new(planes, outputs, 1, 1, device),
            down: (inputs != outputs).then(|| ConvBn::new(inputs, outputs, 1, 1, device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.c1.forward(x.clone()));
        let y = relu(self.c2.forward(y));
        let y = self.c3.forward(y);
        let residual = match &self.down {
            Some(down) => down.forward(x),
            None => x,
        };
        relu(y + residual)
    }

    fn build(&self, net: &mut NetBuilder, x: Part) -> Part {
        let relu = || Epilogue::new(Activation::Relu);
        let y = net.convolution(&[x], self.c1.filter(), 1, relu());
        let y = net.convolution(&[y], self.c2.filter(), 1, relu());
        let residual = match &self.down {
            Some(down) => net.convolution(&[x], down.filter(), 1, Epilogue::new(Activation::None)),
            None => x,
        };
        net.convolution(&[y], self.c3.filter(), 1, relu().plus(residual.once()))
    }

    fn fold(self) -> Bottleneck {
        Bottleneck {
            c1: self.c1.fold(),
            c2: self.c2.fold(),
            c3: self.c3.fold(),
            down: self.down.map(ConvBn::fold),
        }
    }

    fn macs(&self, size: Size) -> u64 {
        [Some(&self.c1), Some(&self.c2), Some(&self.c3), self.down.as_ref()]
            .into_iter()
            .flatten()
            .map(|conv| conv.macs(size).1)
            .sum()
    }
}

/// Two strided convolutions and four bottlenecks: 256 channels at a quarter of the size.
#[derive(Module, Debug)]
pub struct StemNet {
    /// 3 to 64 channels at half the picture's size.
    pub stem1: ConvBn,
    /// 64 channels at a quarter of it.
    pub stem2: ConvBn,
    /// Four bottlenecks, from 64 to 256 channels.
    pub layer1: Vec<Bottleneck>,
}

impl StemNet {
    /// Channels of the output.
    pub const CHANNELS: usize = 256;

    /// Fresh weights.
    pub fn new(device: &Device) -> StemNet {
        let layer1 =
            (0..4).map(|i| Bottleneck::new(if i == 0 { 64 } else { Self::CHANNELS }, 64, device)).collect();
        StemNet { stem1: ConvBn::new(3, 64, 3, 2, device), stem2: ConvBn::new(64, 64, 3, 2, device), layer1 }
    }

    /// `[B,3,H,W]` to `[B,256,H/4,W/4]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let x = relu(self.stem1.forward(images));
        let x = relu(self.stem2.forward(x));
        self.layer1.iter().fold(x, |x, block| block.forward(x))
    }

    /// Writes the network down for the CPU's engine.
    pub fn build(&self, net: &mut NetBuilder, picture: Part) -> Part {
        let strided = [&self.stem1, &self.stem2];
        let x = strided.iter().fold(picture, |x, conv| {
            net.convolution(&[x], conv.filter(), 2, Epilogue::new(Activation::Relu))
        });
        self.layer1.iter().fold(x, |x, block| block.build(net, x))
    }

    /// Batch norms folded into the convolutions; inference only.
    pub fn fold(self) -> StemNet {
        StemNet {
            stem1: self.stem1.fold(),
            stem2: self.stem2.fold(),
            layer1: self.layer1.into_iter().map(Bottleneck::fold).collect(),
        }
    }

    /// Multiply-accumulates for an input of `[height, width]`.
    pub fn macs(&self, input: Size) -> u64 {
        let (half, first) = self.stem1.macs(input);
        let (quarter, second) = self.stem2.macs(half);
        first + second + self.layer1.iter().map(|block| block.macs(quarter)).sum::<u64>()
    }
}
