//! The detector's network as a list of operations on maps, and its weights in the order in which they are used.

use crate::detect::DetectorNet;
use crate::detect::net::topology::{self, Branches, Layers};
use crate::detect::net::{ConvSilu, Csp, STRIDES, Separable};
use crate::train::parameters::ParamLayout;
use burn::nn::conv::Conv2d;
use std::ops::Range;

/// What makes a map out of others. Convolutions are named by their place in [`DetectorProgram::convs`].
#[derive(Clone, Debug, PartialEq)]
pub enum ProgramOp {
    /// A convolution over all channels, as a matrix product; with SiLU or without.
    Dense { conv: usize, silu: bool },
    /// A convolution of each channel by itself, with SiLU.
    Depthwise { conv: usize },
    /// The sum of two maps.
    Add,
    /// The channels of several maps side by side.
    Join,
    /// Every pixel 2 x 2 times.
    Double,
    /// The largest value within 5 x 5 pixels.
    Pool,
    /// Every channel times what a convolution of the channels' means opens it to.
    Gate { conv: usize },
}

/// An operation and the maps that it looks at; it makes the next map.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgramStep {
    pub op: ProgramOp,
    pub from: Vec<usize>,
}

/// A convolution's shape and where its numbers lie.
#[derive(Clone, Debug)]
pub struct Conv {
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
    depthwise: bool,
    /// Weights in packed numbers: `[taps, inputs, outputs]`, or `[taps, channels]` of a depthwise one.
    pub weight: Range<usize>,
    pub bias: Range<usize>,
    /// Places of weights and biases among the trained numbers; none when they are frozen.
    trained: Option<[usize; 2]>,
    /// Packed weights and biases as the network holds them.
    held: Vec<f32>,
}

impl Conv {
    pub fn is_trained(&self) -> bool {
        self.trained.is_some()
    }

    /// Place in the network's own order `[outputs, inputs, taps]` of each packed weight.
    fn order(&self) -> impl Iterator<Item = usize> {
        let taps = self.kernel * self.kernel;
        let inputs = if self.depthwise { 1 } else { self.inputs };
        let outputs = self.outputs;
        (0..taps * inputs * outputs).map(move |i| {
            let (tap, input, output) = (i / (inputs * outputs), i / outputs % inputs, i % outputs);
            (output * inputs + input) * taps + tap
        })
    }
}

/// What a head makes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadMaps {
    /// The map of the logits: one channel.
    pub scores: usize,
    /// The map of the distances, in cells: four channels.
    pub distances: usize,
    /// Pixels of the picture from one cell to the next.
    pub stride: usize,
}

/// The network as the hand-written passes run it.
pub struct DetectorProgram {
    pub steps: Vec<ProgramStep>,
    pub convs: Vec<Conv>,
    /// For each map whether what it is made of is trained; map 0 is the picture.
    pub learns: Vec<bool>,
    /// Finest map first.
    pub heads: Vec<HeadMaps>,
    /// Packed numbers of all convolutions.
    pub size: usize,
}

impl DetectorProgram {
    /// The operations of `net`, whose trained numbers `layout` orders.
    pub fn new(net: &DetectorNet, layout: &ParamLayout) -> DetectorProgram {
        let program = DetectorProgram {
            steps: Vec::new(),
            convs: Vec::new(),
            learns: vec![false],
            heads: Vec::new(),
            size: 0,
        };
        let mut b = Builder { program, layout };
        b.network(net);
        b.program
    }

    /// All weights in the order in which they are used: `trained` where they are trained.
    pub fn pack(&self, trained: &[f32]) -> Vec<f32> {
        let mut packed = vec![0.0; self.size];
        for conv in &self.convs {
            let Some([weight, bias]) = conv.trained else {
                packed[conv.weight.start..conv.bias.end].copy_from_slice(&conv.held);
                continue;
            };
            for (to, from) in packed[conv.weight.clone()].iter_mut().zip(conv.order()) {
                *to = trained[weight + from];
            }
            packed[conv.bias.clone()].copy_from_slice(&trained[bias..bias + conv.outputs]);
        }
        packed
    }

    /// Adds a gradient of packed numbers, times `factor`, to one of trained numbers.
    pub fn unpack(&self, packed: &[f32], factor: f32, out: &mut [f32]) {
        for conv in &self.convs {
            let Some([weight, bias]) = conv.trained else { continue };
            for (from, to) in packed[conv.weight.clone()].iter().zip(conv.order()) {
                out[weight + to] += from * factor;
            }
            for (o, g) in out[bias..].iter_mut().zip(&packed[conv.bias.clone()]) {
                *o += g * factor;
            }
        }
    }
}

struct Builder<'a> {
    program: DetectorProgram,
    layout: &'a ParamLayout,
}

impl Layers for Builder<'_> {
    /// The place of the map in the program.
    type Map = usize;

    fn conv(&mut self, layer: &ConvSilu, x: &usize) -> usize {
        self.dense(&layer.conv, true, *x)
    }

    fn linear(&mut self, layer: &Conv2d, x: &usize) -> usize {
        self.dense(layer, false, *x)
    }

    fn separable(&mut self, layer: &Separable, x: &usize) -> usize {
        let conv = self.packed_conv(&layer.depthwise.conv);
        let seen = self.step(ProgramOp::Depthwise { conv }, vec![*x]);
        self.conv(&layer.pointwise, &seen)
    }

    fn separable_over(&mut self, layer: &Separable, x: &usize, old: usize, residual: bool) -> usize {
        let made = self.separable(layer, x);
        if residual { self.step(ProgramOp::Add, vec![made, old]) } else { made }
    }

    fn branches(&mut self, csp: &Csp, x: &usize) -> Branches<usize> {
        let short = self.conv(&csp.short, x);
        Branches { main: self.conv(&csp.main, x), short }
    }

    fn concat(&mut self, parts: &[&usize]) -> usize {
        self.step(ProgramOp::Join, parts.iter().map(|&&part| part).collect())
    }

    fn upsample_concat(&mut self, coarse: &usize, fine: &usize) -> usize {
        let double = self.step(ProgramOp::Double, vec![*coarse]);
        self.concat(&[&double, fine])
    }

    fn max_pool(&mut self, x: &usize) -> usize {
        self.step(ProgramOp::Pool, vec![*x])
    }

    fn gated_conv(&mut self, gate: &Conv2d, layer: &ConvSilu, x: &usize) -> usize {
        let conv = self.packed_conv(gate);
        let open = self.step(ProgramOp::Gate { conv }, vec![*x]);
        self.conv(layer, &open)
    }
}

impl Builder<'_> {
    fn network(&mut self, net: &DetectorNet) {
        let maps = topology::trunk(&net.backbone, &net.neck, self, 0);
        for ((head, map), stride) in net.heads.iter().zip(&maps).zip(STRIDES) {
            let scores = topology::scores(head, self, map);
            let distances = topology::distances(head, self, map);
            self.program.heads.push(HeadMaps { scores, distances, stride });
        }
    }

    fn dense(&mut self, layer: &Conv2d, silu: bool, from: usize) -> usize {
        let conv = self.packed_conv(layer);
        self.step(ProgramOp::Dense { conv, silu }, vec![from])
    }

    fn step(&mut self, op: ProgramOp, from: Vec<usize>) -> usize {
        let trained = match op {
            ProgramOp::Dense { conv, .. } | ProgramOp::Depthwise { conv } | ProgramOp::Gate { conv } => {
                self.program.convs[conv].is_trained()
            }
            ProgramOp::Add | ProgramOp::Join | ProgramOp::Double | ProgramOp::Pool => false,
        };
        let learns = trained || from.iter().any(|&map| self.program.learns[map]);
        self.program.learns.push(learns);
        self.program.steps.push(ProgramStep { op, from });
        self.program.steps.len()
    }

    /// Appends a convolution with its numbers.
    fn packed_conv(&mut self, layer: &Conv2d) -> usize {
        let [outputs, inputs, kernel, _] = layer.weight.dims();
        let depthwise = layer.groups > 1;
        let weight = self.program.size..self.program.size + outputs * inputs * kernel * kernel;
        let bias = weight.end..weight.end + outputs;
        self.program.size = bias.end;
        let place = |id| self.layout.range(id).map(|range| range.start);
        let trained = place(layer.weight.id).zip(layer.bias.as_ref().and_then(|b| place(b.id)));
        let inputs = if depthwise { outputs } else { inputs };
        let stride = layer.stride[0];
        let trained = trained.map(|(weight, bias)| [weight, bias]);
        let mut conv =
            Conv { inputs, outputs, kernel, stride, depthwise, weight, bias, trained, held: Vec::new() };
        let numbers = |data: burn::tensor::TensorData| -> Vec<f32> { data.iter::<f32>().collect() };
        let own = numbers(layer.weight.val().into_data());
        conv.held = conv.order().map(|from| own[from]).collect();
        let biases = layer.bias.as_ref().map(|bias| numbers(bias.val().into_data()));
        conv.held.extend(biases.unwrap_or_else(|| vec![0.0; outputs]));
        self.program.convs.push(conv);
        self.program.convs.len() - 1
    }
}
