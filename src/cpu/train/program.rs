//! A network's operations taken apart into steps that have a gradient each.
//!
//! A step's result lies where no other step writes: what an operation of the network overwrites gets another map here.

use crate::cpu::net::{MapShape, Net};
use crate::cpu::operation::{Epilogue, Filter, NormOrigin, Operation, Part, Term};
use crate::cpu::rows::Norm;
use crate::cpu::step::MOST_PARTS;
use crate::cpu::view::Activation;
use std::ops::Range;
use std::sync::Arc;

/// A step. Its `activation` is none or a rectifier, whose slope its result tells.
#[derive(Clone, Debug)]
pub enum TrainStep {
    /// A dense convolution over the channels of all inputs; shuffled with `shuffle` as in
    /// [`Epilogue`].
    Convolution {
        inputs: Vec<Part>,
        filter: Arc<Filter>,
        stride: usize,
        output: Part,
        terms: Vec<Term>,
        activation: Activation,
        shuffle: Option<Part>,
    },
    /// A depthwise convolution of all inputs.
    Depthwise { inputs: Vec<Part>, filter: Arc<Filter>, stride: usize, output: Part, activation: Activation },
    /// A layer norm of each pixel's channels, of as many rows as the result has.
    LayerNorm { input: Part, norm: Arc<Norm>, output: Part },
    /// A batch norm.
    BatchNorm { input: Part, norm: NormOrigin, output: Part, terms: Vec<Term>, activation: Activation },
    /// Another activation.
    Activate { input: Part, activation: Activation, output: Part },
    /// A sum.
    Sum { terms: Vec<Term>, activation: Activation, output: Part },
    /// As [`Operation::Double`].
    Double { input: Part, addend: Part, output: Part },
    /// As [`Operation::MaxPool`].
    MaxPool { input: Part, output: Part },
    /// As [`Operation::Transpose`].
    Transpose { input: Part, output: Part, add: bool },
    /// As [`Operation::Attend`]; `keys` are not transposed, `transposed` are.
    Attend {
        queries: Part,
        keys: Part,
        transposed: Part,
        values: Part,
        probabilities: Part,
        output: Part,
        tokens: usize,
        heads: usize,
        scale: f32,
    },
    /// As [`Operation::Embed`]; the patches of the tokens stay in `patches`.
    Embed {
        input: Part,
        patch: [usize; 2],
        filter: Arc<Filter>,
        positions: Part,
        patches: Part,
        output: Part,
        first_row: usize,
    },
    /// Every channel times how far it is open; means and openings stay in `kept`.
    Gate { input: Part, filter: Arc<Filter>, kept: Part, output: Part },
}

impl TrainStep {
    /// Where the result goes.
    pub fn output(&self) -> Part {
        match self {
            TrainStep::Convolution { output, .. }
            | TrainStep::Depthwise { output, .. }
            | TrainStep::LayerNorm { output, .. }
            | TrainStep::BatchNorm { output, .. }
            | TrainStep::Activate { output, .. }
            | TrainStep::Sum { output, .. }
            | TrainStep::Double { output, .. }
            | TrainStep::MaxPool { output, .. }
            | TrainStep::Transpose { output, .. }
            | TrainStep::Attend { output, .. }
            | TrainStep::Embed { output, .. }
            | TrainStep::Gate { output, .. } => *output,
        }
    }

    /// The maps whose gradient it adds to, in the order in which the backward pass does it.
    pub fn reads(&self) -> Vec<Part> {
        let parts = |terms: &[Term]| terms.iter().map(|term| term.part).collect::<Vec<Part>>();
        match self {
            TrainStep::Convolution { inputs, terms, shuffle, .. } => {
                shuffle.iter().copied().chain(parts(terms)).chain(inputs.iter().copied()).collect()
            }
            TrainStep::Depthwise { inputs, .. } => inputs.clone(),
            TrainStep::LayerNorm { input, .. }
            | TrainStep::Activate { input, .. }
            | TrainStep::MaxPool { input, .. }
            | TrainStep::Transpose { input, .. }
            | TrainStep::Embed { input, .. }
            | TrainStep::Gate { input, .. } => vec![*input],
            TrainStep::BatchNorm { input, terms, .. } => {
                parts(terms).into_iter().chain(std::iter::once(*input)).collect()
            }
            TrainStep::Sum { terms, .. } => parts(terms),
            TrainStep::Double { input, addend, .. } => vec![*addend, *input],
            TrainStep::Attend { queries, transposed, values, .. } => vec![*queries, *transposed, *values],
        }
    }

    /// Whether gradients of what it reads are sums over the gradient of the result that begin at zero.
    pub fn spreads(&self, read: usize) -> bool {
        match self {
            TrainStep::MaxPool { .. }
            | TrainStep::Attend { .. }
            | TrainStep::Embed { .. }
            | TrainStep::Gate { .. } => true,
            TrainStep::Double { .. } => read == 1,
            _ => false,
        }
    }
}

/// A network taken apart.
#[derive(Clone, Debug)]
pub struct Program {
    /// All maps.
    pub maps: Vec<MapShape>,
    /// In the order in which they run.
    pub steps: Vec<TrainStep>,
    /// What is written before a run.
    pub inputs: Vec<Part>,
    /// What is read after a run.
    pub outputs: Vec<Part>,
    /// The probabilities of each attention, in each row head after head.
    pub probabilities: Vec<Part>,
    /// Where the maps of the network lie here.
    places: Vec<Vec<Place>>,
}

/// Where neighbouring channels of a network's map lie.
#[derive(Clone, Debug)]
struct Place {
    channels: Range<usize>,
    map: usize,
    first: usize,
    written: bool,
}

impl Program {
    /// Takes `net` apart; of its batch norms those whose gammas are `trained`.
    pub fn new(net: &Net, trained: &dyn Fn(u64) -> bool) -> Program {
        let place = |(map, shape): (usize, &MapShape)| {
            vec![Place { channels: 0..shape.channels, map, first: 0, written: false }]
        };
        let mut program = Program {
            maps: net.maps.clone(),
            steps: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            probabilities: Vec::new(),
            places: net.maps.iter().enumerate().map(place).collect(),
        };
        for part in &net.inputs {
            program.places[part.map][0].written = true;
            program.inputs.push(*part);
        }
        let mut operations = net.operations.iter();
        while let Some(operation) = operations.next() {
            if let Operation::Gate { input, matrix, .. } = operation {
                let Some(behind) = operations.next() else { break };
                program.gate(*input, matrix, behind, trained);
            } else {
                program.operation(operation, trained);
            }
        }
        program.outputs = net.outputs.iter().map(|&part| program.one(part)).collect();
        program
    }

    /// Where a part of the network lies after the operations that were taken apart, piece by piece.
    fn pieces(&self, part: Part) -> Vec<Part> {
        let end = part.first + part.channels;
        let mut pieces: Vec<Part> = Vec::new();
        for place in &self.places[part.map] {
            let (from, to) = (place.channels.start.max(part.first), place.channels.end.min(end));
            if from >= to {
                continue;
            }
            let first = place.first + from - place.channels.start;
            match pieces.last_mut() {
                Some(last) if last.map == place.map && last.first + last.channels == first => {
                    last.channels += to - from;
                }
                _ => pieces.push(Part { map: place.map, first, channels: to - from, up: part.up }),
            }
        }
        pieces
    }

    /// Where a part of the network lies as one; one that was written in pieces is copied.
    fn one(&mut self, part: Part) -> Part {
        let pieces = self.pieces(part);
        if let [piece] = pieces[..] {
            return piece;
        }
        let whole = self.map_like(part, part.channels);
        let mut first = 0;
        for piece in pieces {
            let output = whole.channels(first, piece.channels);
            first += piece.channels;
            let terms = vec![Part { up: 0, ..piece }.once()];
            self.steps.push(TrainStep::Sum { terms, activation: Activation::None, output });
        }
        Part { up: part.up, ..whole }
    }

    /// The inputs of a convolution, in as few pieces as a kernel takes.
    fn all(&mut self, parts: &[Part]) -> Vec<Part> {
        let pieces: Vec<Part> = parts.iter().flat_map(|&part| self.pieces(part)).collect();
        if pieces.len() <= MOST_PARTS { pieces } else { parts.iter().map(|&part| self.one(part)).collect() }
    }

    fn terms(&mut self, terms: &[Term]) -> Vec<Term> {
        terms.iter().map(|term| Term { part: self.one(term.part), times: term.times }).collect()
    }

    /// Where a result goes: its place in the network's map, or, when something lies there, a map of its own.
    fn write(&mut self, part: Part) -> Part {
        let end = part.first + part.channels;
        let shape = MapShape { channels: part.channels, ..self.maps[part.map] };
        let places = &mut self.places[part.map];
        let touched = |place: &Place| place.channels.start < end && part.first < place.channels.end;
        let mut new = Place { channels: part.first..end, map: part.map, first: part.first, written: true };
        if places.iter().any(|place| touched(place) && place.written) {
            self.maps.push(shape);
            (new.map, new.first) = (self.maps.len() - 1, 0);
        }
        let mut kept = Vec::new();
        for place in places.drain(..) {
            if !touched(&place) {
                kept.push(place);
                continue;
            }
            if place.channels.start < part.first {
                kept.push(Place { channels: place.channels.start..part.first, ..place.clone() });
            }
            if place.channels.end > end {
                let first = place.first + end - place.channels.start;
                kept.push(Place { channels: end..place.channels.end, first, ..place });
            }
        }
        let output = Part { map: new.map, first: new.first, channels: part.channels, up: 0 };
        kept.push(new);
        kept.sort_by_key(|place| place.channels.start);
        *places = kept;
        output
    }

    /// A map of its own, of the size of `like`.
    fn map_like(&mut self, like: Part, channels: usize) -> Part {
        let MapShape { height, width, .. } = self.maps[like.map];
        self.map(height, width, channels)
    }

    fn map(&mut self, height: usize, width: usize, channels: usize) -> Part {
        self.maps.push(MapShape { height, width, channels });
        Part { map: self.maps.len() - 1, first: 0, channels, up: 0 }
    }

    #[allow(clippy::too_many_lines)] // An arm for each operation.
    fn operation(&mut self, operation: &Operation, trained: &dyn Fn(u64) -> bool) {
        match operation {
            Operation::Convolution { inputs, filter, stride, output, epilogue, .. } => {
                let inputs = self.all(inputs);
                self.convolution(inputs, filter, *stride, (*output, epilogue), trained);
            }
            Operation::Separable { inputs, depthwise, stride, inner, pointwise, output, epilogue } => {
                let inputs = self.all(inputs);
                let seen = self.map_like(*output, pointwise.inputs());
                self.depthwise(inputs, depthwise, *stride, *inner, seen);
                self.convolution(vec![seen], pointwise, 1, (*output, epilogue), trained);
            }
            Operation::Sum { terms, activation, output, rectified } => {
                let terms = self.terms(terms);
                let output = self.write(*output);
                self.sum(terms, *activation, output);
                if let Some(rectified) = rectified {
                    let rectified = self.write(*rectified);
                    let terms = vec![output.once()];
                    self.steps.push(TrainStep::Sum {
                        terms,
                        activation: Activation::Relu,
                        output: rectified,
                    });
                }
            }
            Operation::Double { input, addend, output } => {
                let (input, addend) = (self.one(*input), self.one(*addend));
                let output = self.write(*output);
                self.steps.push(TrainStep::Double { input, addend, output });
            }
            Operation::MaxPool { input, output } => {
                let input = self.one(*input);
                let output = self.write(*output);
                self.steps.push(TrainStep::MaxPool { input, output });
            }
            Operation::NormLinear { input, norm, filter, output, epilogue } => {
                let input = self.one(*input);
                let seen = self.map_like(*output, input.channels);
                self.steps.push(TrainStep::LayerNorm { input, norm: Arc::new(norm.clone()), output: seen });
                self.convolution(vec![seen], filter, 1, (*output, epilogue), trained);
            }
            Operation::Transpose { input, output, add } => {
                let input = self.one(*input);
                let output = if *add { self.one(*output) } else { self.write(*output) };
                self.steps.push(TrainStep::Transpose { input, output, add: *add });
            }
            Operation::Attend { queries, keys, values, output, tokens, heads, scale } => {
                self.attend([*queries, *keys, *values], *output, *tokens, *heads, *scale);
            }
            Operation::Embed { input, patch, filter, positions, output, first_row } => {
                let (input, positions) = (self.one(*input), self.one(*positions));
                // The rows before the tokens are an input of the network.
                let output = self.one(*output);
                let rows = self.maps[output.map].height - first_row;
                let patches = self.map(rows, 1, filter.inputs());
                let (patch, filter, first_row) = (*patch, filter.clone(), *first_row);
                self.steps.push(TrainStep::Embed {
                    input,
                    patch,
                    filter,
                    positions,
                    patches,
                    output,
                    first_row,
                });
            }
            // Taken apart together with its convolution.
            Operation::Gate { .. } => {}
        }
    }

    /// A convolution and what follows it.
    fn convolution(
        &mut self,
        inputs: Vec<Part>,
        filter: &Arc<Filter>,
        stride: usize,
        (output, epilogue): (Part, &Epilogue),
        trained: &dyn Fn(u64) -> bool,
    ) {
        let terms = self.terms(&epilogue.terms);
        let residual = epilogue.residual.map(|part| self.one(part));
        let shuffle = epilogue.shuffle.map(|part| self.one(part));
        let output = self.write(output);
        let origin = filter.origin.as_ref();
        let norm = origin.and_then(|origin| origin.norm).filter(|norm| trained(norm.gamma));
        let alone = origin.is_some_and(|origin| origin.blocks.is_empty());
        let filter = filter.clone();
        let simple = matches!(epilogue.activation, Activation::None | Activation::Relu);
        if norm.is_none() && simple && residual.is_none() {
            let activation = epilogue.activation;
            self.steps.push(TrainStep::Convolution {
                inputs,
                filter,
                stride,
                output,
                terms,
                activation,
                shuffle,
            });
            return;
        }
        assert!(shuffle.is_none(), "a shuffle behind an activation with a sum of its own");
        let convolution = |output: Part, terms: Vec<Term>, activation: Activation| {
            let inputs = inputs.clone();
            TrainStep::Convolution { inputs, filter, stride, output, terms, activation, shuffle: None }
        };
        let last = if residual.is_some() { self.map_like(output, output.channels) } else { output };
        // What the activation is made of, where that must be known.
        let before = if simple { last } else { self.map_like(output, output.channels) };
        let activation = if simple { epilogue.activation } else { Activation::None };
        match norm {
            None => self.steps.push(convolution(before, terms, activation)),
            Some(norm) => {
                let raw = if let (true, [input]) = (alone, &inputs[..]) {
                    *input
                } else {
                    let raw = self.map_like(output, output.channels);
                    self.steps.push(convolution(raw, Vec::new(), Activation::None));
                    raw
                };
                self.steps.push(TrainStep::BatchNorm { input: raw, norm, output: before, terms, activation });
            }
        }
        if !simple {
            self.steps.push(TrainStep::Activate {
                input: before,
                activation: epilogue.activation,
                output: last,
            });
        }
        if let Some(residual) = residual {
            let terms = vec![last.once(), residual.once()];
            self.steps.push(TrainStep::Sum { terms, activation: Activation::None, output });
        }
    }

    fn depthwise(
        &mut self,
        inputs: Vec<Part>,
        filter: &Arc<Filter>,
        stride: usize,
        activation: Activation,
        output: Part,
    ) {
        let simple = matches!(activation, Activation::None | Activation::Relu);
        let before = if simple { output } else { self.map_like(output, output.channels) };
        let own = if simple { activation } else { Activation::None };
        let filter = filter.clone();
        self.steps.push(TrainStep::Depthwise { inputs, filter, stride, output: before, activation: own });
        if !simple {
            self.steps.push(TrainStep::Activate { input: before, activation, output });
        }
    }

    fn sum(&mut self, terms: Vec<Term>, activation: Activation, output: Part) {
        if matches!(activation, Activation::None | Activation::Relu) {
            self.steps.push(TrainStep::Sum { terms, activation, output });
        } else {
            let before = self.map_like(output, output.channels);
            self.steps.push(TrainStep::Sum { terms, activation: Activation::None, output: before });
            self.steps.push(TrainStep::Activate { input: before, activation, output });
        }
    }

    fn attend(
        &mut self,
        [queries, transposed, values]: [Part; 3],
        output: Part,
        tokens: usize,
        heads: usize,
        scale: f32,
    ) {
        let [queries, transposed, values] = [queries, transposed, values].map(|part| self.one(part));
        let of_keys = |step: &TrainStep| match step {
            TrainStep::Transpose { input, output, .. } if *output == transposed => Some(*input),
            _ => None,
        };
        let keys = self.steps.iter().rev().find_map(of_keys);
        let Some(keys) = keys else { unreachable!("the keys of an attention are transposed first") };
        let output = self.write(output);
        let rows = self.maps[output.map].height;
        let wide = self.maps[transposed.map].channels;
        let probabilities = self.map(rows, 1, heads * wide);
        self.probabilities.push(probabilities);
        self.steps.push(TrainStep::Attend {
            queries,
            keys,
            transposed,
            values,
            probabilities,
            output,
            tokens,
            heads,
            scale,
        });
    }

    /// A gate and the convolution behind it.
    fn gate(&mut self, input: Part, matrix: &Arc<Filter>, behind: &Operation, trained: &dyn Fn(u64) -> bool) {
        let Operation::Convolution { filter, stride, output, epilogue, .. } = behind else {
            unreachable!("behind a gate stands its convolution")
        };
        let input = self.one(input);
        let gated = self.map_like(input, input.channels);
        let kept = self.map(1, 1, 2 * input.channels);
        self.steps.push(TrainStep::Gate { input, filter: matrix.clone(), kept, output: gated });
        self.convolution(vec![gated], filter, *stride, (*output, epilogue), trained);
    }
}
