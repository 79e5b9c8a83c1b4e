//! CSPNeXt-PAFPN: what the coarse maps know goes down to the fine ones, and back up.

use super::layers::{ConvSilu, Csp, Run, Separable};
use crate::detect::DetectorConfig;
use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};

/// Three maps in, three maps of equal width out. Index 0 of `reduce` and `top_down` is the coarser step, index 0 of
/// the others the finer one.
#[derive(Module, Debug)]
pub struct Neck {
    pub reduce: Vec<ConvSilu>,
    pub top_down: Vec<Csp>,
    pub down: Vec<Separable>,
    pub bottom_up: Vec<Csp>,
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

    /// Maps at 1/8, 1/16 and 1/32 to maps of the head's width at the same sizes.
    pub(super) fn pass(&self, [fine, middle, coarse]: [Tensor<4>; 3], run: Run) -> [Tensor<4>; 3] {
        let join = |a: Tensor<4>, b: Tensor<4>| Tensor::cat(vec![a, b], 1);
        let coarse = self.reduce[0].pass(coarse, run);
        let middle = self.top_down[0].pass(join(double(coarse.clone()), middle), run);
        let middle = self.reduce[1].pass(middle, run);
        let fine = self.top_down[1].pass(join(double(middle.clone()), fine), run);
        let down = self.down[0].pass(fine.clone(), run);
        let middle = self.bottom_up[0].pass(join(down, middle), run);
        let down = self.down[1].pass(middle.clone(), run);
        let coarse = self.bottom_up[1].pass(join(down, coarse), run);
        [self.out[0].pass(fine, run), self.out[1].pass(middle, run), self.out[2].pass(coarse, run)]
    }

    pub(super) fn macs(&self, cells: impl Fn(usize) -> u64) -> u64 {
        let [fine, middle, coarse] = [8, 16, 32].map(&cells);
        self.reduce[0].macs(coarse)
            + self.reduce[1].macs(middle)
            + self.top_down[0].macs(middle)
            + self.top_down[1].macs(fine)
            + self.down[0].macs(middle)
            + self.bottom_up[0].macs(middle)
            + self.down[1].macs(coarse)
            + self.bottom_up[1].macs(coarse)
            + self.out.iter().zip([fine, middle, coarse]).map(|(out, cells)| out.macs(cells)).sum::<u64>()
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

/// Nearest up-sampling to twice the size.
fn double(map: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = map.dims();
    let options = InterpolateOptions::new(InterpolateMode::Nearest)
        .with_align_corners(false)
        .with_output_size([2 * height, 2 * width]);
    interpolate(map, options)
}
