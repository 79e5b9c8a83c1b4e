//! Which layer of the network follows which, told once. Whoever runs the network or writes it down as a program
//! implements [`Layers`]; the functions here call the layers in the order of the published graph.
//!
//! A map is `[N,C,H,W]` or what stands for it. Architecture: RTMDet (arXiv 2212.07784), whose backbone is CSPNeXt and
//! whose neck is CSPNeXt-PAFPN.

use super::backbone::{CspNext, Pyramid, Stage};
use super::head::Head;
use super::layers::{ConvSilu, Csp, Separable};
use super::neck::Neck;
use burn::nn::conv::Conv2d;

/// The operations that the network consists of. Some are larger than a single operation, so that a pass can fuse them.
pub trait Layers {
    /// A feature map, or its name in a program.
    type Map;

    /// A convolution over all channels with SiLU.
    fn conv(&mut self, layer: &ConvSilu, x: &Self::Map) -> Self::Map;

    /// A 1x1 convolution without activation.
    fn linear(&mut self, layer: &Conv2d, x: &Self::Map) -> Self::Map;

    /// A depthwise and a pointwise convolution, each with SiLU.
    fn separable(&mut self, layer: &Separable, x: &Self::Map) -> Self::Map;

    /// `layer` of `x`, plus `old` in a `residual` block. Nobody reads `old` afterwards: its memory may take
    /// the result.
    fn separable_over(
        &mut self,
        layer: &Separable,
        x: &Self::Map,
        old: Self::Map,
        residual: bool,
    ) -> Self::Map;

    /// Both 1x1 entries of a cross-stage partial layer: its main and its short branch.
    fn branches(&mut self, csp: &Csp, x: &Self::Map) -> Branches<Self::Map>;

    /// The channels of several maps of one size side by side.
    fn concat(&mut self, parts: &[&Self::Map]) -> Self::Map;

    /// `coarse`, up-sampled to twice its size (nearest), and `fine` side by side.
    fn upsample_concat(&mut self, coarse: &Self::Map, fine: &Self::Map) -> Self::Map;

    /// The largest value within 5x5 cells.
    fn max_pool(&mut self, x: &Self::Map) -> Self::Map;

    /// Every channel of `x` times the hard sigmoid of what `gate` makes of the channels' means; then `layer`, a 1x1
    /// convolution with SiLU.
    fn gated_conv(&mut self, gate: &Conv2d, layer: &ConvSilu, x: &Self::Map) -> Self::Map;
}

/// The two halves of the channels in a cross-stage partial layer.
pub struct Branches<M> {
    /// Goes through the blocks.
    pub main: M,
    /// Goes round them.
    pub short: M,
}

/// What backbone and neck make of a picture: the maps at 1/8, 1/16 and 1/32 that the heads look at.
pub fn trunk<L: Layers>(backbone: &CspNext, neck: &Neck, layers: &mut L, picture: L::Map) -> [L::Map; 3] {
    let [fine, middle, coarse] = pyramid_inputs(backbone, layers, picture);
    let coarse = layers.conv(&neck.reduce[0], &coarse);
    let middle = layers.upsample_concat(&coarse, &middle);
    let middle = csp(&neck.top_down[0], layers, &middle);
    let middle = layers.conv(&neck.reduce[1], &middle);
    let fine = layers.upsample_concat(&middle, &fine);
    let fine = csp(&neck.top_down[1], layers, &fine);
    let down = layers.separable(&neck.down[0], &fine);
    let middle = layers.concat(&[&down, &middle]);
    let middle = csp(&neck.bottom_up[0], layers, &middle);
    let down = layers.separable(&neck.down[1], &middle);
    let coarse = layers.concat(&[&down, &coarse]);
    let coarse = csp(&neck.bottom_up[1], layers, &coarse);
    [
        layers.separable(&neck.out[0], &fine),
        layers.separable(&neck.out[1], &middle),
        layers.separable(&neck.out[2], &coarse),
    ]
}

/// A head's logits of one of the [`trunk`]'s maps: one channel.
pub fn scores<L: Layers>(head: &Head, layers: &mut L, map: &L::Map) -> L::Map {
    row(&head.score_layers, &head.score, layers, map)
}

/// A head's distances from a cell to the four sides of its box, in cells: four channels, which may be negative.
pub fn distances<L: Layers>(head: &Head, layers: &mut L, map: &L::Map) -> L::Map {
    row(&head.distance_layers, &head.distance, layers, map)
}

fn row<L: Layers>(hidden: &[Separable], last: &Conv2d, layers: &mut L, map: &L::Map) -> L::Map {
    let mut seen: Option<L::Map> = None;
    for layer in hidden {
        seen = Some(layers.separable(layer, seen.as_ref().unwrap_or(map)));
    }
    layers.linear(last, seen.as_ref().unwrap_or(map))
}

/// The maps of the last three stages, finest first.
fn pyramid_inputs<L: Layers>(backbone: &CspNext, layers: &mut L, picture: L::Map) -> [L::Map; 3] {
    let stem = backbone.stem.iter().fold(picture, |map, layer| layers.conv(layer, &map));
    let first = stage(&backbone.stages[0], layers, &stem);
    let second = stage(&backbone.stages[1], layers, &first);
    let third = stage(&backbone.stages[2], layers, &second);
    let fourth = stage(&backbone.stages[3], layers, &third);
    [second, third, fourth]
}

fn stage<L: Layers>(stage: &Stage, layers: &mut L, x: &L::Map) -> L::Map {
    let mut map = layers.separable(&stage.down, x);
    if let Some(pyramid) = &stage.pyramid {
        map = pooled(pyramid, layers, &map);
    }
    csp(&stage.csp, layers, &map)
}

fn pooled<L: Layers>(pyramid: &Pyramid, layers: &mut L, x: &L::Map) -> L::Map {
    let own = layers.conv(&pyramid.enter, x);
    // The largest within 9x9 is the largest of 5x5 within 5x5, and so on.
    let five = layers.max_pool(&own);
    let nine = layers.max_pool(&five);
    let thirteen = layers.max_pool(&nine);
    let all = layers.concat(&[&own, &five, &nine, &thirteen]);
    layers.conv(&pyramid.leave, &all)
}

fn csp<L: Layers>(csp: &Csp, layers: &mut L, x: &L::Map) -> L::Map {
    let Branches { mut main, short } = layers.branches(csp, x);
    for block in &csp.blocks {
        let near = layers.separable(&block.near, &main);
        main = layers.separable_over(&block.far, &near, main, block.residual);
    }
    let both = layers.concat(&[&main, &short]);
    match &csp.gate {
        Some(gate) => layers.gated_conv(gate, &csp.last, &both),
        None => layers.conv(&csp.last, &both),
    }
}
