//! The detector's network as a list of operations on maps, and its weights in the order in which they are used.

use crate::detect::DetectorNet;
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

/// The network as the hand-written passes run it.
pub struct DetectorProgram {
    pub steps: Vec<ProgramStep>,
    pub convs: Vec<Conv>,
    /// For each map whether what it is made of is trained; map 0 is the picture.
    pub learns: Vec<bool>,
    /// Maps of scores and distances, and the stride.
    pub heads: Vec<(usize, usize, usize)>,
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

impl Builder<'_> {
    fn network(&mut self, net: &DetectorNet) {
        let mut map = net.backbone.stem.iter().fold(0, |map, layer| self.silu(layer, map));
        let mut maps = Vec::new();
        for stage in &net.backbone.stages {
            map = self.separable(&stage.down, map);
            if let Some(pyramid) = &stage.pyramid {
                let own = self.silu(&pyramid.enter, map);
                let five = self.step(ProgramOp::Pool, vec![own]);
                let nine = self.step(ProgramOp::Pool, vec![five]);
                let thirteen = self.step(ProgramOp::Pool, vec![nine]);
                let all = self.step(ProgramOp::Join, vec![own, five, nine, thirteen]);
                map = self.silu(&pyramid.leave, all);
            }
            map = self.csp(&stage.csp, map);
            maps.push(map);
        }
        let [fine, middle, coarse] = [maps[1], maps[2], maps[3]];
        let neck = &net.neck;
        let coarse = self.silu(&neck.reduce[0], coarse);
        let middle = self.doubled(coarse, middle);
        let middle = self.csp(&neck.top_down[0], middle);
        let middle = self.silu(&neck.reduce[1], middle);
        let fine = self.doubled(middle, fine);
        let fine = self.csp(&neck.top_down[1], fine);
        let down = self.separable(&neck.down[0], fine);
        let middle = self.step(ProgramOp::Join, vec![down, middle]);
        let middle = self.csp(&neck.bottom_up[0], middle);
        let down = self.separable(&neck.down[1], middle);
        let coarse = self.step(ProgramOp::Join, vec![down, coarse]);
        let coarse = self.csp(&neck.bottom_up[1], coarse);
        for (((map, out), head), stride) in
            [fine, middle, coarse].into_iter().zip(&neck.out).zip(&net.heads).zip(STRIDES)
        {
            let map = self.separable(out, map);
            let scores = head.score_layers.iter().fold(map, |map, layer| self.separable(layer, map));
            let scores = self.dense(&head.score, false, scores);
            let distances = head.distance_layers.iter().fold(map, |map, layer| self.separable(layer, map));
            let distances = self.dense(&head.distance, false, distances);
            self.program.heads.push((scores, distances, stride));
        }
    }

    fn csp(&mut self, layer: &Csp, from: usize) -> usize {
        let short = self.silu(&layer.short, from);
        let mut main = self.silu(&layer.main, from);
        for block in &layer.blocks {
            let seen = self.separable(&block.near, main);
            let seen = self.separable(&block.far, seen);
            main = if block.residual { self.step(ProgramOp::Add, vec![seen, main]) } else { seen };
        }
        let mut both = self.step(ProgramOp::Join, vec![main, short]);
        if let Some(gate) = &layer.gate {
            let conv = self.conv(gate);
            both = self.step(ProgramOp::Gate { conv }, vec![both]);
        }
        self.silu(&layer.last, both)
    }

    /// `coarse` at twice its size beside `fine`.
    fn doubled(&mut self, coarse: usize, fine: usize) -> usize {
        let double = self.step(ProgramOp::Double, vec![coarse]);
        self.step(ProgramOp::Join, vec![double, fine])
    }

    fn separable(&mut self, layer: &Separable, from: usize) -> usize {
        let seen = self.silu(&layer.depthwise, from);
        self.silu(&layer.pointwise, seen)
    }

    fn silu(&mut self, layer: &ConvSilu, from: usize) -> usize {
        if layer.conv.groups == 1 {
            return self.dense(&layer.conv, true, from);
        }
        let conv = self.conv(&layer.conv);
        self.step(ProgramOp::Depthwise { conv }, vec![from])
    }

    fn dense(&mut self, layer: &Conv2d, silu: bool, from: usize) -> usize {
        let conv = self.conv(layer);
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

    fn conv(&mut self, layer: &Conv2d) -> usize {
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
