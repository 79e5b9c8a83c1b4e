//! The detector's network on the CPU, written out by hand for inference.
//!
//! Operation by operation, the CPU backend walks over every map four times (convolution, bias, sigmoid, product) with a
//! scalar exponential; here a strip of rows passes through depthwise and pointwise convolution with their rectifiers
//! while it lies in a core's cache. `tests` compares the results with [`DetectorNet`]'s.

#[allow(clippy::too_many_arguments)] // Kernels take plain slices; a struct would hide what they write.
mod kernels;
mod layers;
mod map;

use super::net::{self, DetectorNet, STRIDES};
use layers::{Dense, Separable, Write};
pub use map::Map;
use map::copy;
use rayon::prelude::*;

/// The weights of a [`DetectorNet`], in the order in which the pass below reads them.
#[derive(Clone, Debug)]
pub struct CpuNet {
    stem: Vec<(Dense, usize)>,
    stages: Vec<Stage>,
    reduce: Vec<Dense>,
    top_down: Vec<Csp>,
    down: Vec<Separable>,
    bottom_up: Vec<Csp>,
    out: Vec<Separable>,
    heads: Vec<Head>,
}

/// What the network says on one map of one picture, cell by cell in rows.
#[derive(Clone, Debug)]
pub struct CpuLevel {
    /// Height and width.
    pub size: [usize; 2],
    /// Logits.
    pub scores: Vec<f32>,
    /// Left, top, right, bottom of each cell in pixels of the network's input; may be negative.
    pub distances: Vec<[f32; 4]>,
}

#[derive(Clone, Debug)]
struct Stage {
    down: Separable,
    pyramid: Option<[Dense; 2]>,
    csp: Csp,
}

#[derive(Clone, Debug)]
struct Csp {
    /// `main` and `short` side by side: they look at the same map.
    enter: Dense,
    blocks: Vec<[Separable; 2]>,
    write: Write,
    gate: Option<Dense>,
    last: Dense,
}

#[derive(Clone, Debug)]
struct Head {
    score_layers: Vec<Separable>,
    score: Dense,
    distance_layers: Vec<Separable>,
    distance: Dense,
}

impl CpuNet {
    /// Copies the weights of `net`, wherever it lives.
    pub fn new(net: &DetectorNet) -> CpuNet {
        let stem = net.backbone.stem.iter().map(|layer| (Dense::new(&[&layer.conv]), layer.conv.stride[0]));
        let stages = net.backbone.stages.iter().map(|stage| Stage {
            down: separable(&stage.down),
            pyramid: stage
                .pyramid
                .as_ref()
                .map(|p| [&p.enter, &p.leave].map(|layer| Dense::new(&[&layer.conv]))),
            csp: Csp::new(&stage.csp),
        });
        let heads = net.heads.iter().map(|head| Head {
            score_layers: head.score_layers.iter().map(separable).collect(),
            score: Dense::new(&[&head.score]),
            distance_layers: head.distance_layers.iter().map(separable).collect(),
            distance: Dense::new(&[&head.distance]),
        });
        let neck = &net.neck;
        CpuNet {
            stem: stem.collect(),
            stages: stages.collect(),
            reduce: neck.reduce.iter().map(|layer| Dense::new(&[&layer.conv])).collect(),
            top_down: neck.top_down.iter().map(Csp::new).collect(),
            down: neck.down.iter().map(separable).collect(),
            bottom_up: neck.bottom_up.iter().map(Csp::new).collect(),
            out: neck.out.iter().map(separable).collect(),
            heads: heads.collect(),
        }
    }

    /// A normalised RGB picture whose sides are multiples of 32, to what the maps at strides 8, 16 and 32 say.
    pub fn forward(&self, picture: &Map) -> Vec<CpuLevel> {
        let maps = self.neck(self.backbone(picture));
        let heads = self.heads.par_iter().zip(&maps).zip(STRIDES);
        heads.map(|((head, map), stride)| head.forward(map, stride)).collect()
    }

    fn backbone(&self, picture: &Map) -> [Map; 3] {
        let mut layers = self.stem.iter();
        let (first, stride) = layers.next().expect("the network has a stem of three layers");
        let stem = first.convolve(picture, *stride);
        let stem = layers.fold(stem, |map, (layer, stride)| layer.convolve(&map, *stride));
        let first = self.stages[0].forward(&stem);
        let second = self.stages[1].forward(&first);
        let third = self.stages[2].forward(&second);
        let fourth = self.stages[3].forward(&third);
        [second, third, fourth]
    }

    fn neck(&self, [fine, middle, coarse]: [Map; 3]) -> [Map; 3] {
        let coarse = self.reduce[0].pointwise(coarse.whole());
        let middle = self.top_down[0].forward(&joined(&coarse, 2, &middle));
        let middle = self.reduce[1].pointwise(middle.whole());
        let fine = self.top_down[1].forward(&joined(&middle, 2, &fine));
        let middle = self.bottom_up[0].forward(&joined(&self.down[0].forward(fine.whole()), 1, &middle));
        let coarse = self.bottom_up[1].forward(&joined(&self.down[1].forward(middle.whole()), 1, &coarse));
        [(0, fine), (1, middle), (2, coarse)].map(|(i, map)| self.out[i].forward(map.whole()))
    }
}

impl Stage {
    fn forward(&self, map: &Map) -> Map {
        let mut map = self.down.forward(map.whole());
        if let Some([enter, leave]) = &self.pyramid {
            map = leave.pointwise(pyramid(&enter.pointwise(map.whole())).whole());
        }
        self.csp.forward(&map)
    }
}

impl Csp {
    fn new(layer: &net::Csp) -> Csp {
        let residual = layer.blocks.first().is_some_and(|block| block.residual);
        Csp {
            enter: Dense::new(&[&layer.main.conv, &layer.short.conv]),
            blocks: layer.blocks.iter().map(|b| [separable(&b.near), separable(&b.far)]).collect(),
            write: if residual { Write::Add } else { Write::Replace },
            gate: layer.gate.as_ref().map(|gate| Dense::new(&[gate])),
            last: Dense::new(&[&layer.last.conv]),
        }
    }

    fn forward(&self, map: &Map) -> Map {
        let mut both = self.enter.pointwise(map.whole());
        let half = both.channels / 2;
        for [near, far] in &self.blocks {
            let seen = near.forward(both.part(0, half));
            far.forward_into(seen.whole(), &mut both, 0, self.write);
        }
        let Some(gate) = &self.gate else { return self.last.pointwise(both.whole()) };
        let mut mean = vec![0.0; both.channels];
        kernels::add_rows(&both.values, &mut mean, both.channels);
        let cells = (both.height * both.width) as f32;
        mean.iter_mut().for_each(|v| *v /= cells);
        let open: Vec<f32> = gate.of_pixel(&mean).iter().map(|v| (v / 6.0 + 0.5).clamp(0.0, 1.0)).collect();
        self.last.gated(&open).pointwise(both.whole())
    }
}

impl Head {
    fn forward(&self, map: &Map, stride: usize) -> CpuLevel {
        let run = |layers: &[Separable], last: &Dense| {
            let mut rest = layers.iter();
            let first = rest.next().map(|layer| layer.forward(map.whole()));
            let first = first.expect("a head has at least one layer");
            last.linear(rest.fold(first, |map, layer| layer.forward(map.whole())).whole())
        };
        let (scores, distances) = rayon::join(
            || run(&self.score_layers, &self.score),
            || run(&self.distance_layers, &self.distance),
        );
        let distances = distances.values.as_chunks::<4>().0.iter();
        CpuLevel {
            size: map.size(),
            scores: scores.values,
            distances: distances.map(|cell| cell.map(|d| d * stride as f32)).collect(),
        }
    }
}

fn separable(layer: &net::Separable) -> Separable {
    Separable::new(&layer.depthwise.conv, &layer.pointwise.conv)
}

/// `above`, every pixel `times` x `times` times, and `beside` as one map.
fn joined(above: &Map, times: usize, beside: &Map) -> Map {
    let mut both = Map::new(beside.size(), above.channels + beside.channels);
    copy(above.whole(), &mut both, 0, times);
    copy(beside.whole(), &mut both, above.channels, 1);
    both
}

/// The map and its largest values within 5x5, 9x9 and 13x13 pixels beside it.
fn pyramid(map: &Map) -> Map {
    let mut all = Map::new(map.size(), 4 * map.channels);
    copy(map.whole(), &mut all, 0, 1);
    let mut seen = map.clone();
    for i in 1..4 {
        seen = largest_near(&seen);
        copy(seen.whole(), &mut all, i * map.channels, 1);
    }
    all
}

/// The largest values within 5x5 pixels: along rows, then along columns.
fn largest_near(map: &Map) -> Map {
    let reach = 2;
    let pixel = |x: usize, y: usize| (y * map.width + x) * map.channels;
    let pass = |from: &Map, near: &dyn Fn(usize, usize) -> Vec<usize>| {
        let mut to = from.clone();
        for y in 0..map.height {
            for x in 0..map.width {
                let at = pixel(x, y);
                for other in near(x, y) {
                    let values = &from.values[other..other + map.channels];
                    kernels::larger(&mut to.values[at..at + map.channels], values);
                }
            }
        }
        to
    };
    let beside = |at: usize, end: usize| at.saturating_sub(reach)..(at + reach + 1).min(end);
    let rows = pass(map, &|x, y| beside(x, map.width).map(|x| pixel(x, y)).collect());
    pass(&rows, &|x, y| beside(y, map.height).map(|y| pixel(x, y)).collect())
}

#[cfg(test)]
mod tests;
