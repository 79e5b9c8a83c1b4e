//! A network ready to learn: where maps and their gradients lie, and who writes a gradient first.

use super::dense::DenseWeights;
use super::program::{Program, TrainStep};
use super::weights::{Learned, Packer, StepWeights, back_scratch, learned, scatter};
use crate::cpu::memory::{Lifetime, Placed, place};
use crate::cpu::net::{MapShape, Net, Tokens};
use crate::cpu::operation::Part;
use crate::cpu::simd::KernelTable;

/// Which gradients of maps are given before the backward pass, and which are wanted from it.
#[derive(Clone, Debug, Default)]
pub struct MapGradients<'a> {
    /// Outputs of the network, by their numbers, whose gradients the caller writes before it.
    pub given: &'a [usize],
    /// The gradients of the attentions' probabilities are given too.
    pub probabilities: bool,
    /// Inputs, likewise, whose gradients the caller reads after it.
    pub wanted: &'a [usize],
}

/// How a step writes the gradient of what it read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// Nobody needs it.
    Unneeded,
    /// It is the first.
    Replace,
    /// It adds to what is there.
    Add,
}

/// A step of the backward pass.
#[derive(Clone, Debug)]
pub struct BackStep {
    /// Which of [`Program::steps`].
    pub step: usize,
    /// Gradients that are zero before it.
    pub zero: Vec<Part>,
    /// How it writes those of [`TrainStep::reads`].
    pub touches: Vec<Touch>,
}

/// A network ready to learn, on an instruction set.
pub struct TrainPlan {
    pub(super) kernels: &'static KernelTable,
    pub(super) program: Program,
    pub(super) learned: Vec<Learned>,
    /// For each map whether its gradient is needed.
    pub(super) needs: Vec<bool>,
    pub(super) back: Vec<BackStep>,
    /// Where maps lie; all are kept.
    pub(super) values: Vec<Placed>,
    /// Where their gradients lie.
    pub(super) gradients: Vec<Placed>,
    pub(super) values_len: usize,
    pub(super) gradients_len: usize,
    pub(super) scratch: usize,
    pub(super) given: Vec<Part>,
    pub(super) wanted: Vec<Part>,
    /// The tokens that a run chooses.
    pub(super) tokens: Option<Tokens>,
    /// Numbers of a gradient of the network's numbers.
    pub(super) gradient_count: usize,
}

impl TrainPlan {
    /// A plan of `net`. `start` tells where a parameter begins in the flat vector of trained numbers, if it is there.
    pub fn new(
        net: &Net,
        kernels: &'static KernelTable,
        start: &dyn Fn(u64) -> Option<usize>,
        gradients: &MapGradients,
    ) -> TrainPlan {
        let program = Program::new(net, &|parameter| start(parameter).is_some());
        let learned = learned(&program, start);
        let mut given: Vec<Part> = gradients.given.iter().map(|&i| program.outputs[i]).collect();
        let wanted: Vec<Part> = gradients.wanted.iter().map(|&i| program.inputs[i]).collect();
        if gradients.probabilities {
            given.extend(&program.probabilities);
        }
        let needs = needs(&program, &learned, &wanted);
        let back = backward(&program, &learned, &needs, &given);
        let shapes = &program.maps;
        let forever = |shape: &MapShape| (*shape, Lifetime { first: 0, last: 0 });
        let (values, values_len) = place(&shapes.iter().map(forever).collect::<Vec<_>>());
        let lifetimes = gradient_lifetimes(&program, &back, &needs, &given, &wanted);
        let (gradients, gradients_len) = place(&lifetimes);
        let scratch = program.steps.iter().map(|step| scratch(step, &program)).max().unwrap_or(0);
        let gradient_count = learned.last().map_or(0, |last| last.range.end);
        let tokens = net.tokens;
        TrainPlan {
            kernels,
            program,
            learned,
            needs,
            back,
            values,
            gradients,
            values_len,
            gradients_len,
            scratch,
            given,
            wanted,
            tokens,
            gradient_count,
        }
    }

    /// The network's numbers, of which `numbers` are the trained ones, ready for the kernels.
    pub fn pack(&self, numbers: &[f32]) -> Vec<StepWeights> {
        let packer = Packer { kernels: self.kernels, maps: &self.program.maps, needs: &self.needs, numbers };
        packer.pack(&self.program, &self.learned)
    }

    /// Numbers of a gradient of the network's numbers.
    pub fn gradient_len(&self) -> usize {
        self.gradient_count
    }

    /// A gradient of the network's numbers that is zero.
    pub fn no_gradient(&self) -> Vec<f32> {
        vec![0.0; self.gradient_count]
    }

    /// Adds `factor` times a gradient of the network's numbers to that of the flat vector.
    pub fn add_gradient(&self, gradient: &[f32], factor: f32, out: &mut [f32]) {
        scatter(&self.program, &self.learned, gradient, factor, out);
    }

    /// Whether persons must meet at batch norms.
    pub fn has_batch_norms(&self) -> bool {
        self.program.steps.iter().any(|step| matches!(step, TrainStep::BatchNorm { .. }))
    }

    /// Number of attentions in the network.
    pub fn attentions(&self) -> usize {
        self.program.probabilities.len()
    }
}

/// Which maps' gradients are needed: those that something trained or wanted went into.
fn needs(program: &Program, learned: &[Learned], wanted: &[Part]) -> Vec<bool> {
    let mut needs = vec![false; program.maps.len()];
    wanted.iter().for_each(|part| needs[part.map] = true);
    for (step, learned) in program.steps.iter().zip(learned) {
        if learned.learns() || step.reads().iter().any(|part| needs[part.map]) {
            needs[step.output().map] = true;
        }
        if let TrainStep::Attend { probabilities, output, .. } = step {
            needs[probabilities.map] = needs[output.map];
        }
    }
    needs
}

/// The steps of the backward pass, in its order.
fn backward(program: &Program, learned: &[Learned], needs: &[bool], given: &[Part]) -> Vec<BackStep> {
    let mut written: Vec<Vec<bool>> = program.maps.iter().map(|shape| vec![false; shape.channels]).collect();
    for part in given {
        written[part.map][part.first..part.first + part.channels].fill(true);
    }
    let mut back = Vec::new();
    for (number, step) in program.steps.iter().enumerate().rev() {
        let output = step.output();
        let channels = output.first..output.first + output.channels;
        let probed = match step {
            TrainStep::Attend { probabilities, .. } => written[probabilities.map][0],
            _ => false,
        };
        let seen = probed || written[output.map][channels.clone()].iter().any(|w| *w);
        let reads = step.reads();
        if !seen || !(learned[number].learns() || reads.iter().any(|part| needs[part.map])) {
            continue;
        }
        let mut zero = unwritten(&mut written, output);
        let touches = reads.iter().enumerate().map(|(i, &part)| {
            if !needs[part.map] {
                return Touch::Unneeded;
            }
            let own = &written[part.map][part.first..part.first + part.channels];
            if !step.spreads(i) && covers(step, i, program) && own.iter().all(|w| !w) {
                written[part.map][part.first..part.first + part.channels].fill(true);
                return Touch::Replace;
            }
            zero.extend(unwritten(&mut written, part));
            Touch::Add
        });
        let touches = touches.collect();
        back.push(BackStep { step: number, zero, touches });
    }
    back
}

/// Whether the gradient that a step adds to what it read has all pixels of that: of a map one pixel wide the first rows may
/// be all that was read.
fn covers(step: &TrainStep, read: usize, program: &Program) -> bool {
    let is_input = match step {
        // Inputs come behind what is added.
        TrainStep::Convolution { terms, shuffle, .. } => read >= terms.len() + usize::from(shuffle.is_some()),
        TrainStep::Depthwise { .. } | TrainStep::Transpose { .. } => true,
        _ => false,
    };
    let part = step.reads()[read];
    let (shape, made) = (program.maps[part.map], program.maps[step.output().map]);
    is_input || (shape.height << part.up, shape.width << part.up) == (made.height, made.width)
}

/// The runs of channels of a part that nobody has written; they count as written from now on.
fn unwritten(written: &mut [Vec<bool>], part: Part) -> Vec<Part> {
    let mut runs: Vec<Part> = Vec::new();
    let own = written[part.map].iter_mut().enumerate().skip(part.first).take(part.channels);
    for (channel, written) in own {
        if std::mem::replace(written, true) {
            continue;
        }
        match runs.last_mut() {
            Some(last) if last.first + last.channels == channel => last.channels += 1,
            _ => runs.push(Part { map: part.map, first: channel, channels: 1, up: 0 }),
        }
    }
    runs
}

/// When each map's gradient is needed, counted in steps of the backward pass. A map without a gradient has no channels.
fn gradient_lifetimes(
    program: &Program,
    back: &[BackStep],
    needs: &[bool],
    given: &[Part],
    wanted: &[Part],
) -> Vec<(MapShape, Lifetime)> {
    let mut lifetimes = vec![Lifetime { first: usize::MAX, last: 0 }; program.maps.len()];
    let mut needed = |map: usize, at: usize| {
        let lifetime: &mut Lifetime = &mut lifetimes[map];
        lifetime.first = lifetime.first.min(at);
        lifetime.last = lifetime.last.max(at);
    };
    given.iter().for_each(|part| needed(part.map, 0));
    wanted.iter().for_each(|part| needed(part.map, back.len()));
    for (at, BackStep { step, zero, touches }) in back.iter().enumerate() {
        let step = &program.steps[*step];
        needed(step.output().map, at);
        if let TrainStep::Attend { probabilities, .. } = step {
            needed(probabilities.map, at);
        }
        zero.iter().for_each(|part| needed(part.map, at));
        let reads = step.reads();
        let touched = reads.iter().zip(touches).filter(|(_, touch)| **touch != Touch::Unneeded);
        touched.for_each(|(part, _)| needed(part.map, at));
    }
    let with_shape = |(map, lifetime): (usize, Lifetime)| {
        let used = lifetime.first <= lifetime.last;
        let shape = if used { program.maps[map] } else { MapShape { channels: 0, ..program.maps[map] } };
        debug_assert!(used || !needs[map] || !back.iter().any(|b| program.steps[b.step].output().map == map));
        (shape, if used { lifetime } else { Lifetime { first: 0, last: 0 } })
    };
    lifetimes.into_iter().enumerate().map(with_shape).collect()
}

/// Numbers of scratch memory that a step needs, forward or backward.
fn scratch(step: &TrainStep, program: &Program) -> usize {
    let maps = &program.maps;
    let size = |part: &Part| (maps[part.map].height << part.up, maps[part.map].width << part.up);
    match step {
        TrainStep::Convolution { inputs, filter, stride, output, shuffle, .. } => {
            let forward = DenseWeights::scratch(filter, *stride, size(output));
            let back =
                inputs.iter().map(|&part| back_scratch(filter, part, maps, *stride)).max().unwrap_or(0);
            // The gradient of the sums where it is shuffled, and that of an input at the size after up-sampling.
            let parted = if shuffle.is_some() { maps[output.map].pixels() * filter.outputs() } else { 0 };
            let large = inputs.iter().filter(|part| part.up > 0).map(|part| {
                let (height, width) = size(part);
                height * width * part.channels
            });
            forward.max(back) + parted + large.max().unwrap_or(0)
        }
        TrainStep::Attend { queries, transposed, heads, .. } => {
            let rows = maps[queries.map].height;
            let size = queries.channels / heads;
            (rows + size) * maps[transposed.map].channels + rows * size + rows
        }
        TrainStep::Embed { patches, .. } => maps[patches.map].numbers(),
        TrainStep::Gate { input, .. } => 2 * input.channels,
        _ => 0,
    }
}
