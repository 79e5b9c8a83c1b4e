//! The network's topology as a list of layers that run one after the other, with the places of their maps in memory.

use super::kernels;
use super::layers::{Dense, SeparableLayer, Write};
use super::map::{Map, Part, copy};
use super::pool::largest_near;
use crate::detect::net::topology::{Branches, Layers};
use crate::detect::net::{ConvSilu, Csp, Separable};
use burn::nn::conv::Conv2d;

/// Layers in the order in which they run.
#[derive(Clone, Debug)]
pub struct CpuProgram {
    buffers: Vec<Buffer>,
    steps: Vec<Step>,
    /// Buffers that are returned.
    outputs: Vec<usize>,
}

/// The shape of a map in memory. Buffer 0 is the input.
#[derive(Clone, Copy, Debug)]
struct Buffer {
    channels: usize,
    /// Pixels of the input from one cell to the next.
    stride: usize,
}

/// Some neighbouring channels of a buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    buffer: usize,
    first: usize,
    channels: usize,
}

#[derive(Clone, Debug)]
struct Step {
    layer: Layer,
    from: Place,
    to: Place,
    /// Buffers that nobody reads after this step.
    done: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Layer {
    /// A 3x3 convolution with SiLU.
    Convolve {
        dense: Dense,
        stride: usize,
    },
    /// A 1x1 convolution with SiLU.
    Pointwise(Dense),
    /// A 1x1 convolution without activation.
    Linear(Dense),
    Separable {
        layer: SeparableLayer,
        write: Write,
    },
    /// Every pixel `times` x `times` times.
    Copy {
        times: usize,
    },
    /// The largest values within 5x5 pixels.
    MaxPool,
    /// A 1x1 convolution with SiLU, each of its inputs weighed by what `gate` makes of the channels' means.
    Gated {
        gate: Dense,
        dense: Dense,
    },
}

impl CpuProgram {
    /// The outputs for one input.
    ///
    /// # Panics
    /// When the input has another number of channels than the program was recorded for.
    pub fn run(&self, input: &Map) -> Vec<Map> {
        assert_eq!(input.channels, self.buffers[0].channels, "channels of the network's input");
        let mut maps: Vec<Option<Map>> = vec![None; self.buffers.len()];
        for step in &self.steps {
            let begun = maps[step.to.buffer].take();
            let from = if step.from.buffer == 0 { Some(input) } else { maps[step.from.buffer].as_ref() };
            let from =
                from.expect("a step reads what earlier steps made").part(step.from.first, step.from.channels);
            let made = step.layer.run(from, step.to.first, || {
                begun.unwrap_or_else(|| {
                    let buffer = self.buffers[step.to.buffer];
                    Map::new(input.size().map(|side| side.div_ceil(buffer.stride)), buffer.channels)
                })
            });
            maps[step.to.buffer] = Some(made);
            step.done.iter().for_each(|&buffer| maps[buffer] = None);
        }
        self.outputs.iter().filter_map(|&buffer| maps[buffer].take()).collect()
    }
}

impl Layer {
    /// The map that holds the result. Layers that fill a part of a map write into `target` from channel `first` on.
    fn run(&self, from: Part, first: usize, target: impl FnOnce() -> Map) -> Map {
        match self {
            Layer::Convolve { dense, stride } => dense.convolve(from.map, *stride),
            Layer::Pointwise(dense) => dense.pointwise(from),
            Layer::Linear(dense) => dense.linear(from),
            Layer::Separable { layer, write } => {
                let mut to = target();
                layer.forward_into(from, &mut to, first, *write);
                to
            }
            Layer::Copy { times } => {
                let mut to = target();
                copy(from, &mut to, first, *times);
                to
            }
            Layer::MaxPool => largest_near(from.map),
            Layer::Gated { gate, dense } => dense.gated(&opening(gate, from.map)).pointwise(from),
        }
    }
}

/// How far each channel's gate is open, 0 to 1: the hard sigmoid of what `gate` makes of the channels' means.
fn opening(gate: &Dense, map: &Map) -> Vec<f32> {
    let mut mean = vec![0.0; map.channels];
    kernels::add_rows(&map.values, &mut mean, map.channels);
    let cells = (map.height * map.width) as f32;
    mean.iter_mut().for_each(|v| *v /= cells);
    gate.of_pixel(&mean).iter().map(|v| (v / 6.0 + 0.5).clamp(0.0, 1.0)).collect()
}

/// Writes a program down while the topology is walked.
pub struct Recorder {
    program: CpuProgram,
}

impl Recorder {
    /// The map that a program begins with, whatever its channels.
    pub const INPUT: Place = Place { buffer: 0, first: 0, channels: 0 };

    /// An empty program whose input has `channels`.
    pub fn new(channels: usize) -> Recorder {
        let input = Buffer { channels, stride: 1 };
        Recorder { program: CpuProgram { buffers: vec![input], steps: Vec::new(), outputs: Vec::new() } }
    }

    /// Channels of a map.
    pub fn channels(&self, place: Place) -> usize {
        self.resolved(place).channels
    }

    /// The program, which returns `outputs`; each fills a buffer.
    pub fn finish(mut self, outputs: &[Place]) -> CpuProgram {
        self.program.outputs = outputs.iter().map(|place| place.buffer).collect();
        for buffer in 1..self.program.buffers.len() {
            let reads = self.program.steps.iter().rposition(|step| step.from.buffer == buffer);
            if let Some(last) = reads.filter(|_| !self.program.outputs.contains(&buffer)) {
                self.program.steps[last].done.push(buffer);
            }
        }
        self.program
    }

    fn resolved(&self, place: Place) -> Place {
        if place == Recorder::INPUT { self.whole(0) } else { place }
    }

    /// All channels of a buffer.
    fn whole(&self, buffer: usize) -> Place {
        Place { buffer, first: 0, channels: self.program.buffers[buffer].channels }
    }

    /// A new buffer, whose cells lie `stride` cells of `near` apart.
    fn buffer(&mut self, channels: usize, near: Place, stride: usize) -> Place {
        let stride = self.program.buffers[near.buffer].stride * stride;
        self.program.buffers.push(Buffer { channels, stride });
        self.whole(self.program.buffers.len() - 1)
    }

    fn step(&mut self, layer: Layer, from: Place, to: Place) -> Place {
        let from = self.resolved(from);
        self.program.steps.push(Step { layer, from, to, done: Vec::new() });
        to
    }

    /// Copies maps side by side into a new buffer: each with how often its pixels are repeated along a side.
    fn copies(&mut self, parts: &[(Place, usize)]) -> Place {
        let channels = parts.iter().map(|(part, _)| part.channels).sum();
        let (last, _) = parts[parts.len() - 1];
        let to = self.buffer(channels, last, 1);
        let mut first = 0;
        for &(part, times) in parts {
            self.step(Layer::Copy { times }, part, Place { first, channels: part.channels, ..to });
            first += part.channels;
        }
        to
    }
}

impl Layers for Recorder {
    type Map = Place;

    fn conv(&mut self, layer: &ConvSilu, x: &Place) -> Place {
        let [_, _, kernel, _] = layer.conv.weight.dims();
        let (dense, stride) = (Dense::new(&[&layer.conv]), layer.conv.stride[0]);
        let to = self.buffer(dense.outputs(), *x, stride);
        let layer = if kernel == 1 { Layer::Pointwise(dense) } else { Layer::Convolve { dense, stride } };
        self.step(layer, *x, to)
    }

    fn linear(&mut self, layer: &Conv2d, x: &Place) -> Place {
        let dense = Dense::new(&[layer]);
        let to = self.buffer(dense.outputs(), *x, 1);
        self.step(Layer::Linear(dense), *x, to)
    }

    fn separable(&mut self, layer: &Separable, x: &Place) -> Place {
        let layer = SeparableLayer::new(&layer.depthwise.conv, &layer.pointwise.conv);
        let to = self.buffer(layer.outputs(), *x, layer.stride());
        self.step(Layer::Separable { layer, write: Write::Replace }, *x, to)
    }

    fn separable_over(&mut self, layer: &Separable, x: &Place, old: Place, residual: bool) -> Place {
        let layer = SeparableLayer::new(&layer.depthwise.conv, &layer.pointwise.conv);
        let write = if residual { Write::Add } else { Write::Replace };
        self.step(Layer::Separable { layer, write }, *x, old)
    }

    fn branches(&mut self, csp: &Csp, x: &Place) -> Branches<Place> {
        // Both look at the same map: one matrix product.
        let dense = Dense::new(&[&csp.main.conv, &csp.short.conv]);
        let half = dense.outputs() / 2;
        let both = self.buffer(dense.outputs(), *x, 1);
        self.step(Layer::Pointwise(dense), *x, both);
        let part = |first| Place { first, channels: half, ..both };
        Branches { main: part(0), short: part(half) }
    }

    fn concat(&mut self, parts: &[&Place]) -> Place {
        if let [main, short] = *parts
            && main.buffer == short.buffer
            && main.first + main.channels == short.first
        {
            return self.whole(main.buffer);
        }
        self.copies(&parts.iter().map(|&&part| (part, 1)).collect::<Vec<_>>())
    }

    fn upsample_concat(&mut self, coarse: &Place, fine: &Place) -> Place {
        self.copies(&[(*coarse, 2), (*fine, 1)])
    }

    fn max_pool(&mut self, x: &Place) -> Place {
        let to = self.buffer(x.channels, *x, 1);
        self.step(Layer::MaxPool, *x, to)
    }

    fn gated_conv(&mut self, gate: &Conv2d, layer: &ConvSilu, x: &Place) -> Place {
        let (gate, dense) = (Dense::new(&[gate]), Dense::new(&[&layer.conv]));
        let to = self.buffer(dense.outputs(), *x, 1);
        self.step(Layer::Gated { gate, dense }, *x, to)
    }
}
