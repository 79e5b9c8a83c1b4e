//! The numbers of a network that learns: read from the flat vector of its parameters and packed, and gradients added to
//! another such vector.

use super::dense::DenseWeights;
use super::program::{Program, TrainStep};
use crate::cpu::net::MapShape;
use crate::cpu::operation::{Filter, Origin, OriginBlock, Part, WeightOrder};
use crate::cpu::pack::{Packed, PackedDepthwise};
use crate::cpu::rows::Norm;
use crate::cpu::simd::KernelTable;
use crate::cpu::view::Activation;
use rayon::prelude::*;
use std::ops::Range;

/// Where the trained numbers of a step lie in the flat vector, and how many its gradient has.
pub struct Learned {
    blocks: Vec<BlockPlace>,
    /// Of a norm: where gamma and beta begin.
    norm: Option<[usize; 2]>,
    /// The step's numbers in a gradient: a filter's weights `[taps][inputs][outputs]`, then its biases; a norm's gammas,
    /// then its betas. Empty where it learns nothing.
    pub range: Range<usize>,
}

/// Where the parameters of neighbouring outputs begin.
struct BlockPlace {
    block: OriginBlock,
    weights: usize,
    bias: Option<usize>,
}

impl Learned {
    /// Whether the step has trained numbers.
    pub fn learns(&self) -> bool {
        !self.range.is_empty()
    }
}

/// The numbers of a filter in a gradient.
fn filter_count(filter: &Filter) -> usize {
    filter.weights.len() + filter.bias.len()
}

/// What each step learns. `start` tells where a parameter begins in the flat vector, if it is trained.
pub fn learned(program: &Program, start: &dyn Fn(u64) -> Option<usize>) -> Vec<Learned> {
    let mut end = 0;
    let of_step = |step: &TrainStep| {
        let (blocks, norm, count) = match step {
            TrainStep::Convolution { filter, .. }
            | TrainStep::Depthwise { filter, .. }
            | TrainStep::Embed { filter, .. }
            | TrainStep::Gate { filter, .. } => {
                let blocks = blocks_of(filter.origin.as_ref(), start);
                let count = if blocks.is_empty() { 0 } else { filter_count(filter) };
                (blocks, None, count)
            }
            TrainStep::LayerNorm { norm, .. } => {
                let places = norm.origin.and_then(|[gamma, beta]| Some([start(gamma)?, start(beta)?]));
                (Vec::new(), places, if places.is_some() { 2 * norm.gamma.len() } else { 0 })
            }
            TrainStep::BatchNorm { input, norm, .. } => {
                let norm = start(norm.gamma).zip(start(norm.beta)).map(|(gamma, beta)| [gamma, beta]);
                (Vec::new(), norm, if norm.is_some() { 2 * input.channels } else { 0 })
            }
            _ => (Vec::new(), None, 0),
        };
        let range = end..end + count;
        end = range.end;
        Learned { blocks, norm, range }
    };
    program.steps.iter().map(of_step).collect()
}

/// Where the blocks of a filter begin; none where one of them, or the norm that was folded into it, is not trained.
fn blocks_of(origin: Option<&Origin>, start: &dyn Fn(u64) -> Option<usize>) -> Vec<BlockPlace> {
    let trained = |origin: &&Origin| origin.norm.is_none_or(|norm| start(norm.gamma).is_some());
    let origin = origin.filter(trained);
    let blocks = origin.map(|origin| &origin.blocks[..]).unwrap_or_default();
    let place = |block: &OriginBlock| {
        let weights = start(block.weights)?;
        let bias = match block.bias {
            Some(bias) => Some(start(bias)?),
            None => None,
        };
        Some(BlockPlace { block: block.clone(), weights, bias })
    };
    blocks.iter().map(place).collect::<Option<Vec<BlockPlace>>>().unwrap_or_default()
}

/// A filter with the numbers of the flat vector.
fn filter_of(filter: &Filter, learned: &Learned, numbers: &[f32]) -> Filter {
    if learned.blocks.is_empty() {
        return filter.clone();
    }
    let of_output = filter.weights.len() / filter.outputs();
    let (mut weights, mut bias) = (Vec::with_capacity(filter.weights.len()), Vec::new());
    for BlockPlace { block, weights: at, bias: bias_at } in &learned.blocks {
        for output in block.outputs.clone() {
            match block.order {
                WeightOrder::OutputsFirst => {
                    weights.extend_from_slice(&numbers[at + output * of_output..][..of_output]);
                }
                WeightOrder::InputsFirst => {
                    let column = numbers[at + output..].iter().step_by(block.all_outputs);
                    weights.extend(column.take(of_output));
                }
            }
            // A convolution in front of a batch norm has none.
            bias.push(bias_at.map_or(0.0, |at| numbers[at + output]));
        }
    }
    Filter { weights, bias, kernel: filter.kernel, origin: None }
}

/// Weights `[outputs][inputs][taps]` of some inputs from outputs to inputs: what the gradient goes back through; with
/// `turned` as the filter of a convolution.
fn transposed(filter: &Filter, inputs: Range<usize>, turned: bool) -> Filter {
    let (all, outputs, taps) = (filter.inputs(), filter.outputs(), filter.kernel * filter.kernel);
    let mut weights = Vec::with_capacity(inputs.len() * outputs * taps);
    for input in inputs.clone() {
        for output in 0..outputs {
            let own = &filter.weights[(output * all + input) * taps..][..taps];
            if turned { weights.extend(own.iter().rev()) } else { weights.extend(own) }
        }
    }
    Filter { weights, bias: vec![0.0; inputs.len()], kernel: filter.kernel, origin: None }
}

/// The weights through which a gradient goes back to an input.
pub enum BackWeights {
    /// Of a convolution of stride 1: those of another one.
    Dense(DenseWeights),
    /// Of one of stride 2.
    Strided(Packed),
}

/// A step's numbers, ready for the kernels.
pub enum StepWeights {
    /// It has none.
    None,
    /// Of a dense convolution, and for each input whose gradient is needed.
    Dense(DenseWeights, Vec<Option<BackWeights>>),
    /// Of a depthwise convolution's inputs.
    Depthwise(Vec<PackedDepthwise>),
    /// As they are.
    Plain(Filter),
    /// Of a layer norm.
    Norm(Norm),
    /// Gammas and betas of a batch norm.
    BatchNorm(Vec<f32>, Vec<f32>),
}

/// What packing looks at.
pub struct Packer<'a> {
    pub kernels: &'a KernelTable,
    pub maps: &'a [MapShape],
    /// For each map whether its gradient is needed.
    pub needs: &'a [bool],
    /// The flat vector.
    pub numbers: &'a [f32],
}

impl Packer<'_> {
    /// The numbers of all steps.
    pub fn pack(&self, program: &Program, learned: &[Learned]) -> Vec<StepWeights> {
        program.steps.par_iter().zip(learned).map(|(step, learned)| self.step(step, learned)).collect()
    }

    fn step(&self, step: &TrainStep, learned: &Learned) -> StepWeights {
        match step {
            TrainStep::Convolution { inputs, filter, stride, output, terms, shuffle, .. } => {
                let filter = filter_of(filter, learned, self.numbers);
                let plain = shuffle.is_none() && terms.iter().all(|term| term.part.up == 0);
                self.dense(&filter, inputs, *stride, *output, plain)
            }
            TrainStep::Embed { input, filter, patches, output, .. } => {
                let filter = filter_of(filter, learned, self.numbers);
                let needed = Part { map: input.map, ..*patches };
                self.dense(&filter, &[needed], 1, *output, true)
            }
            TrainStep::Depthwise { inputs, filter, .. } => {
                let filter = filter_of(filter, learned, self.numbers);
                let taps = filter.kernel * filter.kernel;
                let mut first = 0;
                let pack = |part: &Part| {
                    let channels = first..first + part.channels;
                    first = channels.end;
                    let weights = &filter.weights[channels.start * taps..channels.end * taps];
                    (self.kernels.pack_depthwise)(weights, &filter.bias[channels], taps)
                };
                StepWeights::Depthwise(inputs.iter().map(pack).collect())
            }
            TrainStep::Gate { filter, .. } => StepWeights::Plain(filter_of(filter, learned, self.numbers)),
            TrainStep::LayerNorm { norm, .. } => {
                let mut norm = (**norm).clone();
                if let Some([gamma, beta]) = learned.norm {
                    let count = norm.gamma.len();
                    norm.gamma.copy_from_slice(&self.numbers[gamma..gamma + count]);
                    norm.beta.copy_from_slice(&self.numbers[beta..beta + count]);
                }
                StepWeights::Norm(norm)
            }
            TrainStep::BatchNorm { input, .. } => {
                let Some([gamma, beta]) = learned.norm else { unreachable!("a batch norm is trained") };
                let of = |at: usize| self.numbers[at..at + input.channels].to_vec();
                StepWeights::BatchNorm(of(gamma), of(beta))
            }
            _ => StepWeights::None,
        }
    }

    fn dense(
        &self,
        filter: &Filter,
        inputs: &[Part],
        stride: usize,
        output: Part,
        plain: bool,
    ) -> StepWeights {
        let size = |part: &Part| {
            let MapShape { height, width, .. } = self.maps[part.map];
            (height << part.up, width << part.up)
        };
        let channels: Vec<usize> = inputs.iter().map(|part| part.channels).collect();
        let whole = plain && inputs.iter().all(|part| part.up == 0);
        let forward = DenseWeights::new(self.kernels, filter, &channels, stride, size(&output), whole);
        let mut first = 0;
        let back = |part: &Part| {
            let own = first..first + part.channels;
            first = own.end;
            self.needs[part.map].then(|| {
                let filter = transposed(filter, own, stride == 1);
                if stride == 1 {
                    let outputs = [filter.inputs()];
                    let packed = DenseWeights::new(self.kernels, &filter, &outputs, 1, size(part), true);
                    return BackWeights::Dense(packed);
                }
                let taps = filter.kernel * filter.kernel;
                let packed = (self.kernels.pack)(&filter.weights, &filter.bias, filter.inputs(), taps);
                BackWeights::Strided(packed)
            })
        };
        StepWeights::Dense(forward, inputs.iter().map(back).collect())
    }
}

/// Whether a step's result may be made by Winograd's tiles backward, and the filter for which scratch memory is needed.
pub fn back_scratch(filter: &Filter, part: Part, maps: &[MapShape], stride: usize) -> usize {
    let MapShape { height, width, .. } = maps[part.map];
    let shape = Filter {
        weights: vec![0.0; part.channels * filter.outputs() * filter.kernel * filter.kernel],
        bias: vec![0.0; part.channels],
        kernel: filter.kernel,
        origin: None,
    };
    DenseWeights::scratch(&shape, stride, (height << part.up, width << part.up))
}

/// Adds the gradient of some steps' numbers, times `factor`, to that of the flat vector.
pub fn scatter(program: &Program, learned: &[Learned], gradient: &[f32], factor: f32, out: &mut [f32]) {
    for (step, learned) in program.steps.iter().zip(learned).filter(|(_, learned)| learned.learns()) {
        let own = &gradient[learned.range.clone()];
        if let Some(places) = learned.norm {
            for (values, at) in own.chunks_exact(own.len() / 2).zip(places) {
                add_scaled(&mut out[at..at + values.len()], values, factor);
            }
            continue;
        }
        let outputs = match step {
            TrainStep::Convolution { filter, .. }
            | TrainStep::Depthwise { filter, .. }
            | TrainStep::Embed { filter, .. }
            | TrainStep::Gate { filter, .. } => filter.outputs(),
            _ => continue,
        };
        let (weights, bias) = own.split_at(own.len() - outputs);
        // Of a depthwise convolution the taps are the rows; of others taps and inputs.
        let rows = weights.len() / outputs;
        let inputs = match step {
            TrainStep::Convolution { filter, .. }
            | TrainStep::Embed { filter, .. }
            | TrainStep::Gate { filter, .. } => filter.inputs(),
            _ => 1,
        };
        let taps = rows / inputs;
        let mut first = 0;
        for BlockPlace { block, weights: at, bias: bias_at } in &learned.blocks {
            let count = block.outputs.len();
            for row in 0..rows {
                let (tap, input) = (row / inputs, row % inputs);
                let values = &weights[row * outputs + first..][..count];
                match block.order {
                    WeightOrder::InputsFirst => {
                        let at = at + input * block.all_outputs + block.outputs.start;
                        add_scaled(&mut out[at..at + count], values, factor);
                    }
                    WeightOrder::OutputsFirst => {
                        for (output, value) in block.outputs.clone().zip(values) {
                            out[at + (output * inputs + input) * taps + tap] += value * factor;
                        }
                    }
                }
            }
            if let Some(at) = bias_at {
                let at = at + block.outputs.start;
                add_scaled(&mut out[at..at + count], &bias[first..first + count], factor);
            }
            first += count;
        }
    }
}

fn add_scaled(out: &mut [f32], values: &[f32], factor: f32) {
    for (o, v) in out.iter_mut().zip(values) {
        *o += v * factor;
    }
}

/// Whether a step's activation masks its gradient.
pub fn masks(step: &TrainStep) -> bool {
    matches!(
        step,
        TrainStep::Convolution { activation: Activation::Relu, shuffle: None, .. }
            | TrainStep::Depthwise { activation: Activation::Relu, .. }
            | TrainStep::BatchNorm { activation: Activation::Relu, .. }
            | TrainStep::Sum { activation: Activation::Relu, .. }
    )
}
