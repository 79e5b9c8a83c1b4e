//! One multi-resolution module: two shuffle blocks on every branch, then all branches exchange what they know.

use crate::cpu::{Activation, Epilogue, NetBuilder, Part, Term};
use crate::model::conv::filter;
use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::activation::relu;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};

use super::WIDTHS;
use super::layers::{SeparableConv, ShuffleBlock, pointwise};

/// Shuffle blocks on each branch.
pub(super) const BLOCKS: usize = 2;

/// Branch `i` has `WIDTHS[i]` channels at 1 / 2^(i+2) of the picture's size.
#[derive(Module, Debug)]
pub struct LiteHrModule {
    /// `branches[i]`: the shuffle blocks of branch `i`.
    pub branches: Vec<Vec<ShuffleBlock>>,
    /// `fusions[i]`: what arrives at branch `i`.
    pub fusions: Vec<BranchFusion>,
}

/// The paths from all other branches to one branch.
#[derive(Module, Debug)]
pub struct BranchFusion {
    /// `down[j]`, from the finer branch `j`: a chain of separable convolutions of stride 2.
    pub down: Vec<Vec<SeparableConv>>,
    /// `up[n]`, from the coarser branch `i + 1 + n`: a 1x1 convolution, then nearest up-sampling.
    pub up: Vec<Conv2d>,
}

impl LiteHrModule {
    pub(super) fn new(branches: usize, device: &Device) -> Self {
        Self {
            branches: WIDTHS[..branches]
                .iter()
                .map(|&width| (0..BLOCKS).map(|_| ShuffleBlock::new(width, device)).collect())
                .collect(),
            fusions: (0..branches).map(|i| BranchFusion::new(i, branches, device)).collect(),
        }
    }

    /// Takes and returns one map a branch, finest first.
    pub fn forward(&self, maps: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        let mut maps: Vec<_> = maps
            .into_iter()
            .zip(&self.branches)
            .map(|(map, blocks)| blocks.iter().fold(map, |map, block| block.forward(map)))
            .collect();
        // The published network adds in place: the finest branch counts itself twice, and every other branch
        // receives the finest one *after* its fusion and before its rectifier.
        let own = maps[0].clone() * 2.0;
        maps[0] = self.fusions[0].add_coarser(own, &maps[1..]);
        let mut fused = vec![relu(maps[0].clone())];
        for (i, fusion) in self.fusions.iter().enumerate().skip(1) {
            let own = maps[i].clone();
            let sum = fusion.down.iter().zip(&maps).fold(own, |sum, (chain, map)| sum + descend(chain, map));
            fused.push(relu(fusion.add_coarser(sum, &maps[i + 1..])));
        }
        fused
    }

    /// Writes the module down for the CPU's engine: one part a branch in and out.
    pub(super) fn build(&self, net: &mut NetBuilder, maps: &[Part]) -> Vec<Part> {
        let mut maps: Vec<Part> = maps
            .iter()
            .zip(&self.branches)
            .map(|(&map, blocks)| blocks.iter().fold(map, |map, block| block.build(net, map)))
            .collect();
        // As in `forward`: the finest branch counts itself twice, and the others receive it after its fusion.
        let terms = self.fusions[0].terms(net, maps[0].times(2.0), &maps[1..]);
        let [finest, rectified] = net.sum_and_rectified(terms);
        maps[0] = finest;
        let mut fused = vec![rectified];
        for (i, fusion) in self.fusions.iter().enumerate().skip(1) {
            let mut sum = fusion.terms(net, maps[i].once(), &maps[i + 1..]);
            // The finest map last: it is made last.
            for (j, (chain, &map)) in fusion.down.iter().zip(&maps).enumerate().rev() {
                let activation = if j == 0 { Activation::Relu } else { Activation::None };
                sum = vec![build_chain(chain, net, map, sum, activation).once()];
            }
            fused.push(sum[0].part);
        }
        fused
    }

    pub(super) fn fold(self) -> Self {
        let chain = |links: Vec<SeparableConv>| links.into_iter().map(SeparableConv::fold).collect();
        Self {
            branches: self
                .branches
                .into_iter()
                .map(|blocks| blocks.into_iter().map(ShuffleBlock::fold).collect())
                .collect(),
            fusions: self
                .fusions
                .into_iter()
                .map(|fusion| BranchFusion { down: fusion.down.into_iter().map(chain).collect(), ..fusion })
                .collect(),
        }
    }

    /// Doubles what leaves the finest branch downward (see `LiteHrNet::with_weights`).
    pub(super) fn double_finest(&mut self) {
        for fusion in &mut self.fusions {
            if let Some(link) = fusion.down.first_mut().and_then(|chain| chain.last_mut()) {
                let conv = &mut link.pointwise;
                conv.weight = conv.weight.clone().map(|weight| weight * 2.0);
                conv.bias = conv.bias.take().map(|bias| bias.map(|bias| bias * 2.0));
            }
        }
    }

    pub(super) fn convolutions<'a>(&'a mut self, list: &mut Vec<&'a mut Conv2d>) {
        for block in self.branches.iter_mut().flatten() {
            block.convolutions(list);
        }
        for fusion in &mut self.fusions {
            for separable in fusion.down.iter_mut().flatten() {
                separable.convolutions(list);
            }
            list.extend(&mut fusion.up);
        }
    }
}

impl BranchFusion {
    fn new(i: usize, branches: usize, device: &Device) -> Self {
        let down = (0..i)
            .map(|j| {
                (j + 1..=i)
                    .map(|to| {
                        SeparableConv::new(WIDTHS[j], if to == i { WIDTHS[i] } else { WIDTHS[j] }, 2, device)
                    })
                    .collect()
            })
            .collect();
        let up = (i + 1..branches).map(|j| pointwise(WIDTHS[j], WIDTHS[i], device)).collect();
        Self { down, up }
    }

    /// What [`BranchFusion::add_coarser`] adds up, for the CPU's engine.
    fn terms(&self, net: &mut NetBuilder, own: Term, coarser: &[Part]) -> Vec<Term> {
        let mut below: Option<Part> = None;
        for (conv, &map) in self.up.iter().zip(coarser).rev() {
            let terms = below.map(|part| part.doubled().once());
            let epilogue = Epilogue::new(Activation::None).plus_all(terms);
            below = Some(net.convolution(&[map], filter(conv), 1, epilogue));
        }
        std::iter::once(own).chain(below.map(|part| part.doubled().once())).collect()
    }

    /// `sum` and the coarser maps, each brought to its width by a 1x1 convolution and up to its size.
    ///
    /// Nearest up-sampling by 4 is that by 2 twice, so the coarsest is added to the next one before both go up:
    /// the same sum with fewer additions at full size.
    fn add_coarser(&self, sum: Tensor<4>, coarser: &[Tensor<4>]) -> Tensor<4> {
        let arriving = self.up.iter().zip(coarser).map(|(conv, map)| conv.forward(map.clone()));
        match arriving.rev().reduce(|below, map| map + double(below)) {
            Some(total) => sum + double(total),
            None => sum,
        }
    }
}

/// A chain of strided separable convolutions, a rectifier between two links but none behind the last.
fn descend(chain: &[SeparableConv], map: &Tensor<4>) -> Tensor<4> {
    let mut links = chain.iter();
    let first = links.next().map_or_else(|| map.clone(), |link| link.forward(map.clone()));
    links.fold(first, |map, link| link.forward(relu(map)))
}

/// [`descend`] for the CPU's engine; `terms` are added to what the last link makes, and `activation` follows.
fn build_chain(
    chain: &[SeparableConv],
    net: &mut NetBuilder,
    map: Part,
    terms: Vec<Term>,
    activation: Activation,
) -> Part {
    let last = chain.len() - 1;
    let inner =
        chain[..last].iter().fold(map, |map, link| link.build(net, map, Epilogue::new(Activation::Relu)));
    chain[last].build(net, inner, Epilogue::new(activation).plus_all(terms))
}

/// Nearest up-sampling to twice the size.
fn double(map: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = map.dims();
    let options = InterpolateOptions::new(InterpolateMode::Nearest)
        .with_align_corners(false)
        .with_output_size([2 * height, 2 * width]);
    interpolate(map, options)
}
