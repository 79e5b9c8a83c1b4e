//! CSPNeXt-PAFPN: what the coarse maps know goes down to the fine ones, and back up.

use super::layers::{ConvSilu, Csp, Separable};
use crate::detect::DetectorConfig;
use burn::nn::conv::Conv2d;
use burn::prelude::*;

/// Three maps in, three maps of equal width out. Index 0 of `reduce` and `top_down` is the coarser step, index 0 of
/// the others the finer one.
#[derive(Module, Debug)]
pub struct Neck {
    /// 1x1, from a map's channels to those of the next finer one.
    pub reduce: Vec<ConvSilu>,
    /// Each sees the up-sampled coarser map beside the finer one.
    pub top_down: Vec<Csp>,
    /// 3x3 with stride 2, on the way back.
    pub down: Vec<Separable>,
    /// Each sees the shrunk finer map beside the coarser one.
    pub bottom_up: Vec<Csp>,
    /// 3x3, to the channels of the heads; finest map first.
    pub out: Vec<Separable>,
}

impl Neck {
    pub(super) fn new(config: &DetectorConfig, device: &Device) -> Self {
        let [_, fine, middle, coarse] = config.widths;
        Self {
            reduce: [(coarse, middle), (middle, fine)].map(|(a, b)| ConvSilu::pointwise(a, b, device)).into(),
            top_down: [middle, fine].map(|width| Csp::plain(2 * width, width, device)).into(),
            down: [fine, middle].map(|width| Separable::new(width, width, 3, 2, device)).into(),
            bottom_up: [(fine, middle), (middle, coarse)].map(|(a, b)| Csp::plain(2 * a, b, device)).into(),
            out: [fine, middle, coarse].map(|width| Separable::new(width, config.head, 3, 1, device)).into(),
        }
    }

    pub(super) fn convolutions<'a>(&'a mut self, list: &mut Vec<&'a mut Conv2d>) {
        for (reduce, csp) in self.reduce.iter_mut().zip(&mut self.top_down) {
            list.push(&mut reduce.conv);
            csp.convolutions(list);
        }
        for (down, csp) in self.down.iter_mut().zip(&mut self.bottom_up) {
            down.convolutions(list);
            csp.convolutions(list);
        }
        self.out.iter_mut().for_each(|out| out.convolutions(list));
    }
}
