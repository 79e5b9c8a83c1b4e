//! CSPNeXt: a picture to three maps at 1/8, 1/16 and 1/32 of its size.

use super::layers::{ConvSilu, Csp, Run, Separable};
use crate::detect::DetectorConfig;
use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;

/// Stem and four stages.
#[derive(Module, Debug)]
pub struct Backbone {
    pub stem: Vec<ConvSilu>,
    pub stages: Vec<Stage>,
}

/// Half the size, then a [`Csp`] layer; the last stage looks far around before it.
#[derive(Module, Debug)]
pub struct Stage {
    pub down: Separable,
    pub pyramid: Option<Pyramid>,
    pub csp: Csp,
}

/// Spatial pyramid pooling: the largest values within 5x5, 9x9 and 13x13 cells beside the map itself.
#[derive(Module, Debug)]
pub struct Pyramid {
    pub enter: ConvSilu,
    pub leave: ConvSilu,
}

impl Backbone {
    pub(super) fn new(config: &DetectorConfig, device: &Device) -> Self {
        let half = config.stem / 2;
        let stem = [([3, half], 2), ([half, half], 1), ([half, config.stem], 1)];
        let mut inputs = config.stem;
        let stages = config.widths.iter().zip(config.blocks).enumerate().map(|(i, (&width, blocks))| {
            let last = i + 1 == config.widths.len();
            let stage = Stage {
                down: Separable::new(inputs, width, 3, 2, device),
                pyramid: last.then(|| Pyramid::new(width, device)),
                csp: Csp::gated(width, blocks, !last, device),
            };
            inputs = width;
            stage
        });
        Self {
            stem: stem.map(|(channels, stride)| ConvSilu::new(channels, 3, stride, 1, device)).into(),
            stages: stages.collect(),
        }
    }

    /// `[B,3,H,W]` to the last three stages' maps, finest first.
    pub(super) fn pass(&self, images: Tensor<4>, run: Run) -> [Tensor<4>; 3] {
        let map = self.stem.iter().fold(images, |x, conv| conv.pass(x, run));
        let first = self.stages[0].pass(map, run);
        let second = self.stages[1].pass(first, run);
        let third = self.stages[2].pass(second.clone(), run);
        let fourth = self.stages[3].pass(third.clone(), run);
        [second, third, fourth]
    }

    pub(super) fn macs(&self, cells: impl Fn(usize) -> u64) -> u64 {
        let stem = self.stem.iter().map(|conv| conv.macs(cells(2))).sum::<u64>();
        let stages = self.stages.iter().enumerate().map(|(i, stage)| stage.macs(cells(4 << i)));
        stem + stages.sum::<u64>()
    }

    pub(super) fn convolutions<'a>(&'a mut self, list: &mut Vec<&'a mut Conv2d>) {
        list.extend(self.stem.iter_mut().map(|conv| &mut conv.conv));
        for stage in &mut self.stages {
            stage.down.convolutions(list);
            if let Some(pyramid) = &mut stage.pyramid {
                list.extend([&mut pyramid.enter.conv, &mut pyramid.leave.conv]);
            }
            stage.csp.convolutions(list);
        }
    }
}

impl Stage {
    fn pass(&self, x: Tensor<4>, run: Run) -> Tensor<4> {
        let mut x = self.down.pass(x, run);
        if let Some(pyramid) = &self.pyramid {
            x = pyramid.pass(x, run);
        }
        self.csp.pass(x, run)
    }

    fn macs(&self, cells: u64) -> u64 {
        let pyramid = self.pyramid.as_ref().map_or(0, |p| p.enter.macs(cells) + p.leave.macs(cells));
        self.down.macs(cells) + pyramid + self.csp.macs(cells)
    }
}

impl Pyramid {
    fn new(channels: usize, device: &Device) -> Self {
        Self {
            enter: ConvSilu::pointwise(channels, channels / 2, device),
            leave: ConvSilu::pointwise(2 * channels, channels, device),
        }
    }

    /// `[B,C,H,W] -> [B,C,H,W]`.
    fn pass(&self, x: Tensor<4>, run: Run) -> Tensor<4> {
        // The largest within 9x9 is the largest of 5x5 within 5x5, and so on.
        let near = |x: &Tensor<4>| {
            max_pool2d(x.clone(), MaxPoolOptions::new([5, 5]).with_stride([1, 1]).with_padding([2, 2]))
        };
        let own = self.enter.pass(x, run);
        let five = near(&own);
        let nine = near(&five);
        let thirteen = near(&nine);
        self.leave.pass(Tensor::cat(vec![own, five, nine, thirteen], 1), run)
    }
}
