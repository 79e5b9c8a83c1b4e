//! The small backbone: PP-TinyPose's wider, attention-free ("naive") Lite-HRNet up to its feature `tmp_78`.
//!
//! Batch norms are folded into convolutions with bias, as in the published file; all of it stays trainable.
//! Upstream: PaddleDetection, Apache-2.0 (PP-TinyPose 256x192); architecture: Lite-HRNet (arXiv 2104.06403).

mod layers;
mod stage;
mod tiny_pose;

use crate::cpu::{Activation, Epilogue, NetBuilder, Part};
use crate::pose::Size;
use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::activation::relu;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};

use super::conv_weights::{ConvMismatch, ConvWeights, fill_convolutions};
use layers::{LiteStem, SeparableConv};
use stage::LiteHrModule;
pub use tiny_pose::TinyPose;

/// Channels of the branches at 1/4, 1/8, 1/16 and 1/32 of the picture's size.
const WIDTHS: [usize; 4] = [40, 80, 160, 320];
/// Modules of the stages with two, three and four branches.
const STAGES: [usize; 3] = [2, 4, 2];

/// Lite-HRNet: `[B,3,H,W] -> [B,40,H/4,W/4]`; H and W are multiples of 32.
#[derive(Module, Debug)]
pub struct LiteHrNet {
    /// From the picture to a quarter of its size.
    pub stem: LiteStem,
    /// Stem to the branches 0 and 1.
    pub transition1: Vec<SeparableConv>,
    /// Two branches: a quarter and an eighth of the picture.
    pub stage2: Vec<LiteHrModule>,
    /// Branch 1 to the new branch 2.
    pub transition2: SeparableConv,
    /// Three branches: down to a sixteenth.
    pub stage3: Vec<LiteHrModule>,
    /// Branch 2 to the new branch 3.
    pub transition3: SeparableConv,
    /// Four branches: down to a thirty-second.
    pub stage4: Vec<LiteHrModule>,
    /// Coarsest to finest: each halves the channels before they go up and are added to the next finer branch.
    pub gather: Vec<SeparableConv>,
}

impl LiteHrNet {
    /// Channels of the feature.
    pub const CHANNELS: usize = WIDTHS[0];
    /// Convolutions in the network.
    pub const CONVOLUTIONS: usize = 266;
    /// Weights and biases.
    pub const PARAMETERS: usize = 1_297_440;

    /// A network with random weights.
    pub fn new(device: &Device) -> Self {
        let stage = |branches: usize, modules: usize| {
            (0..modules).map(|_| LiteHrModule::new(branches, device)).collect::<Vec<_>>()
        };
        let link = |from: usize, to: usize, stride: usize| SeparableConv::new(from, to, stride, device);
        Self {
            stem: LiteStem::new(device),
            transition1: vec![link(32, WIDTHS[0], 1), link(32, WIDTHS[1], 2)],
            stage2: stage(2, STAGES[0]),
            transition2: link(WIDTHS[1], WIDTHS[2], 2),
            stage3: stage(3, STAGES[1]),
            transition3: link(WIDTHS[2], WIDTHS[3], 2),
            stage4: stage(4, STAGES[2]),
            gather: (1..4).rev().map(|i| link(WIDTHS[i], WIDTHS[i - 1], 1)).collect(),
        }
    }

    /// Normalised RGB `[B,3,H,W]` to the feature `[B,40,H/4,W/4]`.
    ///
    /// The feature is not normalised: with the published weights its standard deviation is 77.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let x = self.stem.forward(images);
        let mut maps: Vec<_> = self.transition1.iter().map(|t| relu(t.forward(x.clone()))).collect();
        maps = self.stage2.iter().fold(maps, |maps, module| module.forward(maps));
        maps.push(relu(self.transition2.forward(maps[1].clone())));
        maps = self.stage3.iter().fold(maps, |maps, module| module.forward(maps));
        maps.push(relu(self.transition3.forward(maps[2].clone())));
        maps = self.stage4.iter().fold(maps, |maps, module| module.forward(maps));

        let last = maps.len() - 1;
        let links = self.gather.iter().zip(maps[..last].iter().rev());
        links.fold(maps[last].clone(), |below, (link, map)| {
            map.clone() + double_bilinear(relu(link.forward(below)))
        })
    }

    /// Writes the network down for the CPU's engine; the feature goes into `feature`.
    pub fn build_into(&self, net: &mut NetBuilder, picture: Part, feature: Part) {
        let relu = || Epilogue::new(Activation::Relu);
        let x = self.stem.build(net, picture);
        let mut maps: Vec<Part> = self.transition1.iter().map(|link| link.build(net, x, relu())).collect();
        maps = self.stage2.iter().fold(maps, |maps, module| module.build(net, &maps));
        maps.push(self.transition2.build(net, maps[1], relu()));
        maps = self.stage3.iter().fold(maps, |maps, module| module.build(net, &maps));
        maps.push(self.transition3.build(net, maps[2], relu()));
        maps = self.stage4.iter().fold(maps, |maps, module| module.build(net, &maps));
        let last = maps.len() - 1;
        let mut below = maps[last];
        for (link, (i, &map)) in self.gather.iter().zip(maps[..last].iter().enumerate().rev()) {
            let small = link.build(net, below, relu());
            let (height, width) = net.size(map);
            let output = if i == 0 { feature } else { net.map(height, width, map.channels) };
            net.double_into(output, small, map);
            below = output;
        }
    }

    /// The same function with the biases between two linear layers folded into the second; inference only.
    pub fn fold(self) -> Self {
        let links = |links: Vec<SeparableConv>| links.into_iter().map(SeparableConv::fold).collect();
        let stage = |modules: Vec<LiteHrModule>| modules.into_iter().map(LiteHrModule::fold).collect();
        Self {
            stem: self.stem.fold(),
            transition1: links(self.transition1),
            stage2: stage(self.stage2),
            transition2: self.transition2.fold(),
            stage3: stage(self.stage3),
            transition3: self.transition3.fold(),
            stage4: stage(self.stage4),
            gather: links(self.gather),
        }
    }

    /// Multiply-adds of one picture of `input` (height, width): every weight of a convolution once for each
    /// position of its output.
    pub fn macs(&self, input: Size) -> u64 {
        let area = |level: usize| Size::new(input.width >> level, input.height >> level).area() as u64;
        let separable = |from: usize, to: usize, level: usize| ((9 + to) * from) as u64 * area(level);
        let module = |branches: usize| {
            let to_branch = |(i, &width): (usize, &usize)| {
                let half = width / 2;
                let block = separable(half, half, i + 2) + (half * half) as u64 * area(i + 2);
                let down = WIDTHS[..i].iter().enumerate().map(|(j, &finer)| {
                    let kept: u64 = (j + 1..i).map(|k| separable(finer, finer, k + 2)).sum();
                    kept + separable(finer, width, i + 2)
                });
                let coarser = WIDTHS[..branches].iter().enumerate().skip(i + 1);
                let up = coarser.map(|(j, &coarser)| (width * coarser) as u64 * area(j + 2));
                stage::BLOCKS as u64 * block + down.sum::<u64>() + up.sum::<u64>()
            };
            WIDTHS[..branches].iter().enumerate().map(to_branch).sum::<u64>()
        };
        let stem = (3 * 9 * 32 + 16 * 32) as u64 * area(1) + separable(16, 16, 2) + separable(32, 16, 2);
        let start = separable(32, WIDTHS[0], 2) + separable(32, WIDTHS[1], 3);
        let stages = (0..3).map(|s| STAGES[s] as u64 * module(s + 2)).sum::<u64>();
        let new_branches = (1..3).map(|i| separable(WIDTHS[i], WIDTHS[i + 1], i + 3)).sum::<u64>();
        let gather = (1..4).map(|i| separable(WIDTHS[i], WIDTHS[i - 1], i + 2)).sum::<u64>();
        stem + start + stages + new_branches + gather
    }

    /// Shapes of the convolutions' weights in the order of [`Self::with_weights`]; a bias has the first length.
    pub fn weight_shapes(&self) -> Vec<Vec<usize>> {
        self.clone().convolutions().iter().map(|conv| conv.weight.dims().to_vec()).collect()
    }

    /// Replaces all weights, given in the order in which the published graph runs its convolutions:
    /// stem, transition 1, then module by module the blocks branch by branch and the fusions output by output
    /// (finer inputs first), the transition to the next stage, at last the three that gather the branches.
    ///
    /// The published graph adds the path from the finest branch to every other one twice; here the last
    /// convolution of such a path carries the factor 2 instead (exact: a power of two).
    ///
    /// # Errors
    /// Another number of convolutions than the network has, or one of another shape.
    pub fn with_weights(mut self, given: Vec<ConvWeights>) -> Result<Self, ConvMismatch> {
        let convolutions = self.convolutions();
        if convolutions.len() != given.len() {
            return Err(ConvMismatch::Count { wanted: convolutions.len(), found: given.len() });
        }
        fill_convolutions(convolutions, given, 0)?;
        let modules = self.stage2.iter_mut().chain(&mut self.stage3).chain(&mut self.stage4);
        modules.for_each(LiteHrModule::double_finest);
        Ok(self)
    }

    /// All convolutions in the order of [`Self::with_weights`].
    fn convolutions(&mut self) -> Vec<&mut Conv2d> {
        let mut list = Vec::with_capacity(Self::CONVOLUTIONS);
        self.stem.convolutions(&mut list);
        self.transition1.iter_mut().for_each(|link| link.convolutions(&mut list));
        self.stage2.iter_mut().for_each(|module| module.convolutions(&mut list));
        self.transition2.convolutions(&mut list);
        self.stage3.iter_mut().for_each(|module| module.convolutions(&mut list));
        self.transition3.convolutions(&mut list);
        self.stage4.iter_mut().for_each(|module| module.convolutions(&mut list));
        self.gather.iter_mut().for_each(|link| link.convolutions(&mut list));
        list
    }
}

/// Bilinear up-sampling to twice the size, corners aligned: `[B,C,H,W] -> [B,C,2H,2W]`.
fn double_bilinear(map: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = map.dims();
    let options = InterpolateOptions::new(InterpolateMode::Bilinear)
        .with_align_corners(true)
        .with_output_size([2 * height, 2 * width]);
    interpolate(map, options)
}
