//! The description of a network: maps, and operations in the order in which they could run.
//!
//! A network is written down by the code that knows its layers, with operations that are fused already; nothing is
//! rearranged afterwards. Shapes that do not fit are slips in that code and panic when the network is built.

use super::convolution::MOST_CHANNELS;
use super::operation::{Accesses, Epilogue, Filter, Operation, Part, Term};
use super::rows::Norm;
use super::view::Activation;
use std::sync::Arc;

/// Height, width and channels of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapShape {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Numbers in a pixel.
    pub channels: usize,
}

impl MapShape {
    /// Numbers in the map.
    pub fn numbers(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Pixels.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// Tokens that a run chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// How many.
    pub count: usize,
    /// Of so many patches.
    pub patches: usize,
}

/// A network's maps and operations.
#[derive(Clone, Debug, Default)]
pub struct Net {
    /// All maps.
    pub maps: Vec<MapShape>,
    /// In an order in which they could run one by one.
    pub operations: Vec<Operation>,
    /// What is written before a run.
    pub inputs: Vec<Part>,
    /// What is read after a run.
    pub outputs: Vec<Part>,
    /// The tokens that a run chooses.
    pub tokens: Option<Tokens>,
    /// The operations with which the stages behind the first begin: a run's time is told stage by stage.
    pub marks: Vec<usize>,
}

impl Net {
    /// Multiply-adds of the convolutions.
    pub fn macs(&self) -> u64 {
        self.operations.iter().map(|operation| self.macs_of(operation)).sum()
    }

    fn macs_of(&self, operation: &Operation) -> u64 {
        let macs = match operation {
            Operation::Convolution { filter, output, .. } => {
                self.maps[output.map].pixels() * filter.weights.len()
            }
            Operation::Separable { depthwise, pointwise, output, .. } => {
                self.maps[output.map].pixels() * (depthwise.weights.len() + pointwise.weights.len())
            }
            Operation::NormLinear { filter, output, .. } => {
                self.maps[output.map].pixels() * filter.weights.len()
            }
            Operation::Embed { filter, output, first_row, .. } => {
                (self.maps[output.map].pixels() - first_row) * filter.weights.len()
            }
            Operation::Attend { output, tokens, .. } => {
                2 * self.maps[output.map].pixels() * tokens * output.channels
            }
            Operation::Gate { matrix, .. } => matrix.weights.len(),
            Operation::Sum { .. }
            | Operation::Double { .. }
            | Operation::MaxPool { .. }
            | Operation::Transpose { .. } => 0,
        };
        macs as u64
    }
}

/// Writes a network down.
#[derive(Clone, Debug, Default)]
pub struct NetBuilder {
    net: Net,
}

impl NetBuilder {
    /// Goes on behind a network: from here its maps can be read.
    pub fn behind(net: Net) -> NetBuilder {
        NetBuilder { net }
    }

    /// No maps and no operations.
    pub fn new() -> NetBuilder {
        NetBuilder::default()
    }

    /// A map that operations write.
    pub fn map(&mut self, height: usize, width: usize, channels: usize) -> Part {
        self.net.maps.push(MapShape { height, width, channels });
        Part { map: self.net.maps.len() - 1, first: 0, channels, up: 0 }
    }

    /// A map that is written before a run.
    pub fn input(&mut self, height: usize, width: usize, channels: usize) -> Part {
        let part = self.map(height, width, channels);
        self.net.inputs.push(part);
        part
    }

    /// A convolution into a map of its own.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn convolution(
        &mut self,
        inputs: &[Part],
        filter: impl Into<Arc<Filter>>,
        stride: usize,
        epilogue: Epilogue,
    ) -> Part {
        let filter = filter.into();
        let output = self.map_behind(inputs[0], stride, filter.outputs(), &epilogue);
        self.convolution_into(output, inputs, filter, stride, epilogue);
        output
    }

    /// A convolution into `output`.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn convolution_into(
        &mut self,
        output: Part,
        inputs: &[Part],
        filter: impl Into<Arc<Filter>>,
        stride: usize,
        epilogue: Epilogue,
    ) {
        let filter = filter.into();
        self.check(output, inputs, filter.inputs(), filter.outputs(), stride, &epilogue);
        assert!(
            filter.kernel == 1 || inputs.iter().all(|p| p.channels <= MOST_CHANNELS),
            "too many channels"
        );
        let inputs = inputs.to_vec();
        self.push(Operation::Convolution { inputs, filter, stride, gated: None, output, epilogue });
    }

    /// A depthwise and a pointwise convolution into a map of their own.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn separable(
        &mut self,
        inputs: &[Part],
        [depthwise, pointwise]: [Filter; 2],
        stride: usize,
        inner: Activation,
        epilogue: Epilogue,
    ) -> Part {
        let output = self.map_behind(inputs[0], stride, pointwise.outputs(), &epilogue);
        self.separable_into(output, inputs, [depthwise, pointwise], stride, inner, epilogue);
        output
    }

    /// A depthwise and a pointwise convolution into `output`.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn separable_into(
        &mut self,
        output: Part,
        inputs: &[Part],
        [depthwise, pointwise]: [Filter; 2],
        stride: usize,
        inner: Activation,
        epilogue: Epilogue,
    ) {
        assert_eq!(pointwise.kernel, 1, "the second convolution of a separable one");
        assert!(depthwise.inputs() == 1 && matches!(depthwise.kernel, 3 | 5), "a depthwise convolution");
        assert!(inputs.iter().all(|part| part.up == 0), "a depthwise convolution of an up-sampled map");
        self.check(output, inputs, depthwise.outputs(), pointwise.outputs(), stride, &epilogue);
        assert_eq!(depthwise.outputs(), pointwise.inputs(), "channels between two convolutions");
        let inputs = inputs.to_vec();
        let (depthwise, pointwise) = (Arc::new(depthwise), Arc::new(pointwise));
        self.push(Operation::Separable { inputs, depthwise, stride, inner, pointwise, output, epilogue });
    }

    /// A pointwise convolution of channels that a gate scales first, into a map of its own.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn gated(
        &mut self,
        input: Part,
        matrix: impl Into<Arc<Filter>>,
        filter: impl Into<Arc<Filter>>,
        epilogue: Epilogue,
    ) -> Part {
        let (matrix, filter) = (matrix.into(), filter.into());
        assert!(filter.kernel == 1 && matrix.kernel == 1, "convolutions of a gate are pointwise");
        assert_eq!([matrix.inputs(), matrix.outputs()], [filter.inputs(); 2], "channels of a gate");
        // As many numbers as any instruction set packs the weights into.
        let weights = self.map(1, 1, filter.inputs() * filter.outputs().next_multiple_of(16));
        self.push(Operation::Gate { input, matrix, filter: filter.clone(), output: weights });
        let output = self.map_behind(input, 1, filter.outputs(), &epilogue);
        self.check(output, &[input], filter.inputs(), filter.outputs(), 1, &epilogue);
        self.push(Operation::Convolution {
            inputs: vec![input],
            filter,
            stride: 1,
            gated: Some(weights),
            output,
            epilogue,
        });
        output
    }

    /// A sum and its rectified twin, each in a map of its own.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn sum_and_rectified(&mut self, terms: Vec<Term>) -> [Part; 2] {
        let (height, width) = self.size(terms[0].part);
        let channels = terms[0].part.channels;
        let [output, rectified] = [0; 2].map(|_| self.map(height, width, channels));
        terms.iter().for_each(|term| self.check_term(output, term));
        let activation = Activation::None;
        self.push(Operation::Sum { terms, activation, output, rectified: Some(rectified) });
        [output, rectified]
    }

    /// A sum into `output`; of maps one pixel wide their first rows.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn sum_into(&mut self, output: Part, terms: Vec<Term>) {
        terms.iter().for_each(|term| self.check_term(output, term));
        self.push(Operation::Sum { terms, activation: Activation::None, output, rectified: None });
    }

    /// A sum with an activation in a map of its own.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn sum(&mut self, terms: Vec<Term>, activation: Activation) -> Part {
        let (height, width) = self.size(terms[0].part);
        let output = self.map(height, width, terms[0].part.channels);
        terms.iter().for_each(|term| self.check_term(output, term));
        self.push(Operation::Sum { terms, activation, output, rectified: None });
        output
    }

    /// A layer norm and a linear layer of the first rows of `input` into `output`, which may have fewer.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn norm_linear_into(
        &mut self,
        output: Part,
        input: Part,
        norm: Norm,
        filter: impl Into<Arc<Filter>>,
        epilogue: Epilogue,
    ) {
        let filter = filter.into();
        let (rows, width) = self.size(output);
        assert!(
            self.size(input).0 >= rows && (self.size(input).1, width) == (1, 1),
            "rows of a linear layer"
        );
        assert!(filter.kernel == 1 && filter.inputs() == input.channels, "inputs of a linear layer");
        assert!([norm.gamma.len(), norm.beta.len()] == [input.channels; 2], "channels of a layer norm");
        assert!(!input.overlaps(&output) && epilogue.shuffle.is_none(), "a linear layer into what it reads");
        assert_eq!(filter.outputs(), output.channels, "outputs of a linear layer");
        epilogue.terms.iter().for_each(|term| self.check_term(output, term));
        self.push(Operation::NormLinear { input, norm, filter, output, epilogue });
    }

    /// The pixels of `input` as channels of `output`, which has a row for each of its channels; with `add` added to it.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn transpose_into(&mut self, output: Part, input: Part, add: bool) {
        let (height, width) = self.size(input);
        assert_eq!(self.size(output), (input.channels, 1), "rows of a transposed map");
        assert!(output.channels >= height * width && input.up == 0, "channels of a transposed map");
        self.push(Operation::Transpose { input, output, add });
    }

    /// Keys for [`NetBuilder::attention`]: `keys` transposed.
    pub fn transposed_keys(&mut self, keys: Part) -> Part {
        let (tokens, _) = self.size(keys);
        // Whole vectors of any instruction set.
        let transposed = self.map(keys.channels, 1, tokens.next_multiple_of(16));
        self.transpose_into(transposed, keys, false);
        transposed
    }

    /// Multi-head attention of as many rows as there are queries, in a map of its own. Behind the last channel of
    /// `values` the map has [`NetBuilder::VALUE_MARGIN`] more.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn attention(&mut self, queries: Part, keys: Part, values: Part, heads: usize, scale: f32) -> Part {
        let ((rows, width), (tokens, _)) = (self.size(queries), self.size(values));
        assert!(width == 1 && queries.channels.is_multiple_of(heads), "queries");
        assert_eq!(self.size(keys), (queries.channels, 1), "channels of the keys");
        assert!(keys.first == 0 && keys.channels >= tokens.next_multiple_of(16), "as many keys as values");
        let end = values.first + values.channels + NetBuilder::VALUE_MARGIN;
        assert!(self.net.maps[values.map].channels >= end, "a margin behind the values");
        assert_eq!(values.channels, queries.channels, "channels of the values");
        let output = self.map(rows, 1, queries.channels);
        self.push(Operation::Attend { queries, keys, values, output, tokens, heads, scale });
        output
    }

    /// Channels behind the values of an attention: they are read with vectors.
    pub const VALUE_MARGIN: usize = 16;

    /// Tokens of those patches of `input` that a run chooses, with their positions, into the rows of `output` from
    /// `first_row` on. Patches lie side by side.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn embed_into(
        &mut self,
        output: Part,
        input: Part,
        patch: [usize; 2],
        filter: impl Into<Arc<Filter>>,
        positions: Part,
        first_row: usize,
    ) {
        let filter = filter.into();
        let shape = self.net.maps[input.map];
        assert!(input.first == 0 && input.channels == shape.channels && input.up == 0, "a map of patches");
        assert_eq!(filter.inputs(), patch[0] * patch[1] * input.channels, "numbers of a patch");
        assert_eq!([filter.outputs(), positions.channels], [output.channels; 2], "channels of a token");
        assert_eq!(self.size(positions), self.size(output), "positions of tokens");
        assert!(first_row <= self.size(output).0 && self.size(output).1 == 1, "rows of tokens");
        let [rows, columns] = [shape.height / patch[0], shape.width / patch[1]];
        let (tokens, _) = self.size(output);
        self.net.tokens = Some(Tokens { count: tokens - first_row, patches: rows * columns });
        self.push(Operation::Embed { input, patch, filter, positions, output, first_row });
    }

    /// `input`, doubled by bilinear up-sampling, plus `addend`, into `output`.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn double_into(&mut self, output: Part, input: Part, addend: Part) {
        let (height, width) = self.size(input);
        assert_eq!(self.size(output), (2 * height, 2 * width), "size of a doubled map");
        assert_eq!(input.channels, output.channels, "channels of a doubled map");
        self.check_term(output, &addend.once());
        self.push(Operation::Double { input, addend, output });
    }

    /// The largest values within 5x5 pixels of `input`, into `output`.
    ///
    /// # Panics
    /// When shapes do not fit each other.
    pub fn max_pool_into(&mut self, output: Part, input: Part) {
        assert_eq!((self.size(output), output.channels), (self.size(input), input.channels), "a pooled map");
        self.push(Operation::MaxPool { input, output });
    }

    /// With the next operation another stage begins.
    pub fn mark_stage(&mut self) {
        self.net.marks.push(self.net.operations.len());
    }

    /// The network, of which `outputs` are read after a run.
    pub fn finish(mut self, outputs: &[Part]) -> Net {
        self.net.outputs = outputs.to_vec();
        self.net
    }

    /// Height and width of a part as it is read.
    pub fn size(&self, part: Part) -> (usize, usize) {
        let MapShape { height, width, .. } = self.net.maps[part.map];
        (height << part.up, width << part.up)
    }

    fn map_behind(&mut self, input: Part, stride: usize, outputs: usize, epilogue: &Epilogue) -> Part {
        let (height, width) = self.size(input);
        let channels = if epilogue.shuffle.is_some() { 2 * outputs } else { outputs };
        self.map(height.div_ceil(stride), width.div_ceil(stride), channels)
    }

    fn check(
        &self,
        output: Part,
        inputs: &[Part],
        channels: usize,
        outputs: usize,
        stride: usize,
        epilogue: &Epilogue,
    ) {
        assert!(matches!(stride, 1 | 2), "stride of a convolution");
        assert_eq!(inputs.iter().map(|p| p.channels).sum::<usize>(), channels, "input channels");
        assert!(inputs.iter().all(|p| !p.overlaps(&output)), "a convolution into what it reads");
        let shuffled = epilogue.shuffle.map_or(1, |_| 2);
        assert_eq!(output.channels, shuffled * outputs, "output channels");
        for input in inputs {
            let (height, width) = self.size(*input);
            let size = (height.div_ceil(stride), width.div_ceil(stride));
            assert_eq!(self.size(output), size, "size of a convolution's result");
        }
        epilogue.terms.iter().for_each(|term| self.check_term(Part { channels: outputs, ..output }, term));
        if let Some(part) = epilogue.residual {
            assert!(part.up == 0 && epilogue.shuffle.is_none(), "a residual is added pixel by pixel");
            self.check_term(output, &part.once());
        }
        if let Some(pass) = epilogue.shuffle {
            assert!(pass.up == 0 && !pass.overlaps(&output), "what a result is shuffled with");
            self.check_term(Part { channels: outputs, ..output }, &pass.once());
        }
    }

    fn check_term(&self, output: Part, term: &Term) {
        // Of a map one pixel wide the first rows are added.
        let ((height, width), (rows, columns)) = (self.size(term.part), self.size(output));
        let fits = width == columns && (height == rows || (width == 1 && height >= rows));
        assert!(fits, "size of what is added");
        assert_eq!(term.part.channels, output.channels, "channels of what is added");
        let same = (term.part.map, term.part.first) == (output.map, output.first);
        assert!(!term.part.overlaps(&output) || same, "what is added overlaps the result");
    }

    fn push(&mut self, operation: Operation) {
        let Accesses { writes, .. } = operation.accesses();
        let inside = |part: &Part| part.first + part.channels <= self.net.maps[part.map].channels;
        assert!(writes.iter().all(|part| part.up == 0 && inside(part)), "a result has a place of its own");
        self.net.operations.push(operation);
    }
}
