//! CSPNeXt: a picture to three maps at 1/8, 1/16 and 1/32 of its size.

use super::layers::{ConvSilu, Csp, Separable};
use crate::detect::DetectorConfig;
use burn::nn::conv::Conv2d;
use burn::prelude::*;

/// Stem and four stages; RGB `[N,3,H,W]` in.
#[derive(Module, Debug)]
pub struct CspNext {
    /// Three 3x3 convolutions, the first with stride 2.
    pub stem: Vec<ConvSilu>,
    /// Their maps lie at 1/4, 1/8, 1/16 and 1/32 of the picture.
    pub stages: Vec<Stage>,
}

/// A stride of 2, then a [`Csp`] layer; the last stage pools over its surroundings before it.
#[derive(Module, Debug)]
pub struct Stage {
    /// 3x3 with stride 2.
    pub down: Separable,
    /// In the last stage only.
    pub pyramid: Option<Pyramid>,
    /// With a gate.
    pub csp: Csp,
}

/// Spatial pyramid pooling: the largest values within 5x5, 9x9 and 13x13 cells beside the map itself.
#[derive(Module, Debug)]
pub struct Pyramid {
    /// 1x1, to half of the channels.
    pub enter: ConvSilu,
    /// 1x1, from the four maps side by side back to all channels.
    pub leave: ConvSilu,
}

impl CspNext {
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

impl Pyramid {
    fn new(channels: usize, device: &Device) -> Self {
        Self {
            enter: ConvSilu::pointwise(channels, channels / 2, device),
            leave: ConvSilu::pointwise(2 * channels, channels, device),
        }
    }
}
