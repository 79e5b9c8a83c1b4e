//! What a network consists of: operations on parts of maps.

use super::rows::Norm;
use super::view::Activation;
use std::ops::Range;
use std::sync::Arc;

/// Some neighbouring channels of a map, perhaps up-sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The map's number in its network.
    pub map: usize,
    /// First channel.
    pub first: usize,
    /// Number of channels.
    pub channels: usize,
    /// Read at (row >> up, column >> up): nearest up-sampling by 2^up.
    pub up: u32,
}

impl Part {
    /// `channels` of these channels, from the `first` one on.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn channels(self, first: usize, channels: usize) -> Part {
        assert!(first + channels <= self.channels, "the part has fewer channels");
        Part { first: self.first + first, channels, ..self }
    }

    /// The first and the second half of the channels.
    ///
    /// # Panics
    /// When their number is odd.
    pub fn halves(self) -> [Part; 2] {
        assert!(self.channels.is_multiple_of(2), "an odd number of channels has no halves");
        let half = self.channels / 2;
        [self.channels(0, half), self.channels(half, half)]
    }

    /// Read as if it had twice the size: nearest up-sampling that costs nothing.
    pub fn doubled(self) -> Part {
        Part { up: self.up + 1, ..self }
    }

    /// Added as it is.
    pub fn once(self) -> Term {
        Term { part: self, times: 1.0 }
    }

    /// Added `times` as it is.
    pub fn times(self, times: f32) -> Term {
        Term { part: self, times }
    }

    /// Whether both hold a channel of one map.
    pub fn overlaps(&self, other: &Part) -> bool {
        self.map == other.map
            && self.first < other.first + other.channels
            && other.first < self.first + self.channels
    }
}

/// Something that is added to a result before its activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Of the result's channels.
    pub part: Part,
    /// Its factor.
    pub times: f32,
}

/// Weights of a convolution or a linear layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// `[outputs][inputs][kernel * kernel]`; of a depthwise convolution `[channels][kernel * kernel]`.
    pub weights: Vec<f32>,
    /// One number for each output.
    pub bias: Vec<f32>,
    /// Sides of the kernel.
    pub kernel: usize,
    /// Which parameters they are made of, where a training may ask.
    pub origin: Option<Origin>,
}

/// The parameters of a network that a filter is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The filter's outputs, one block behind the other; none where a filter is its norm alone.
    pub blocks: Vec<OriginBlock>,
    /// The batch norm that was folded into the filter.
    pub norm: Option<NormOrigin>,
}

/// Neighbouring outputs of a filter and the parameters that they are. Parameters are named by any numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct OriginBlock {
    /// The parameter with the weights.
    pub weights: u64,
    /// The parameter with the biases.
    pub bias: Option<u64>,
    /// Which outputs of the parameters.
    pub outputs: Range<usize>,
    /// Outputs that the parameters have.
    pub all_outputs: usize,
    /// In what order the weights lie.
    pub order: WeightOrder,
}

/// In what order a parameter's weights lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightOrder {
    /// `[outputs][inputs][taps]`, as in a filter.
    OutputsFirst,
    /// `[inputs][outputs]`.
    InputsFirst,
}

/// The parameters of a norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormOrigin {
    /// The factors.
    pub gamma: u64,
    /// What is added.
    pub beta: u64,
    /// Added to the variance.
    pub epsilon: f32,
}

impl Origin {
    /// A whole parameter with `outputs` outputs, and perhaps one with their biases.
    pub fn whole(weights: u64, bias: Option<u64>, outputs: usize, order: WeightOrder) -> Origin {
        let block = OriginBlock { weights, bias, outputs: 0..outputs, all_outputs: outputs, order };
        Origin { blocks: vec![block], norm: None }
    }
}

impl Filter {
    /// A batch norm that is folded into no convolution: `x * scale + shift` for each channel.
    pub fn of_norm(scale: &[f32], shift: Vec<f32>, norm: NormOrigin) -> Filter {
        let channels = scale.len();
        let mut weights = vec![0.0; channels * channels];
        scale.iter().enumerate().for_each(|(c, scale)| weights[c * channels + c] = *scale);
        let origin = Origin { blocks: Vec::new(), norm: Some(norm) };
        Filter { weights, bias: shift, kernel: 1, origin: Some(origin) }
    }

    /// The outputs of `other` behind those of this filter.
    ///
    /// # Panics
    /// When they have other inputs or another kernel.
    pub fn beside(mut self, other: Filter) -> Filter {
        assert_eq!((self.inputs(), self.kernel), (other.inputs(), other.kernel), "filters side by side");
        self.weights.extend(other.weights);
        self.bias.extend(other.bias);
        self.origin = self.origin.zip(other.origin).map(|(mut own, other)| {
            own.blocks.extend(other.blocks);
            own
        });
        self
    }

    /// Some of the outputs of a filter that is made of one block.
    pub fn some_outputs(&self, outputs: Range<usize>) -> Filter {
        let of_output = self.inputs() * self.kernel * self.kernel;
        let origin = self.origin.as_ref().map(|origin| Origin {
            blocks: origin
                .blocks
                .iter()
                .map(|block| {
                    let first = block.outputs.start;
                    OriginBlock { outputs: first + outputs.start..first + outputs.end, ..block.clone() }
                })
                .collect(),
            norm: origin.norm,
        });
        Filter {
            weights: self.weights[outputs.start * of_output..outputs.end * of_output].to_vec(),
            bias: self.bias[outputs].to_vec(),
            kernel: self.kernel,
            origin,
        }
    }

    /// Inputs of each output.
    pub fn inputs(&self) -> usize {
        self.weights.len() / self.bias.len() / (self.kernel * self.kernel)
    }

    /// Outputs.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }
}

/// What follows the products of a convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Epilogue {
    /// Added to them.
    pub terms: Vec<Term>,
    /// Applied to the sum.
    pub activation: Activation,
    /// Added after the activation; may be the output itself.
    pub residual: Option<Part>,
    /// Interleaved with the result, which gets twice the channels (a channel shuffle with two groups): these channels
    /// at even places.
    pub shuffle: Option<Part>,
}

impl Epilogue {
    /// An activation and nothing else.
    pub fn new(activation: Activation) -> Epilogue {
        Epilogue { terms: Vec::new(), activation, residual: None, shuffle: None }
    }

    /// With something added before the activation.
    pub fn plus(mut self, term: Term) -> Epilogue {
        self.terms.push(term);
        self
    }

    /// With more added before the activation.
    pub fn plus_all(mut self, terms: impl IntoIterator<Item = Term>) -> Epilogue {
        self.terms.extend(terms);
        self
    }

    /// With `part` added after the activation.
    pub fn with_residual(self, part: Part) -> Epilogue {
        Epilogue { residual: Some(part), ..self }
    }

    /// Shuffled with `pass`.
    pub fn shuffled(self, pass: Part) -> Epilogue {
        Epilogue { shuffle: Some(pass), ..self }
    }
}

/// One operation. All parts have the size that the operation needs; [`NetBuilder`](super::net::NetBuilder) sees to it.
#[derive(Clone, Debug)]
pub enum Operation {
    /// A dense convolution over the channels of all inputs.
    Convolution {
        /// Read side by side.
        inputs: Vec<Part>,
        /// The weights.
        filter: Arc<Filter>,
        /// 1 or 2.
        stride: usize,
        /// Weights that [`Operation::Gate`] made of `filter`'s.
        gated: Option<Part>,
        /// Where the result goes.
        output: Part,
        /// What follows.
        epilogue: Epilogue,
    },
    /// A depthwise convolution of all inputs, then a pointwise one.
    Separable {
        /// Read side by side.
        inputs: Vec<Part>,
        /// Of one channel each.
        depthwise: Arc<Filter>,
        /// Of the depthwise convolution.
        stride: usize,
        /// Between the two.
        inner: Activation,
        /// From all channels to the outputs.
        pointwise: Arc<Filter>,
        /// Where the result goes.
        output: Part,
        /// What follows.
        epilogue: Epilogue,
    },
    /// A sum, with an activation and, if wanted, rectified beside it.
    Sum {
        /// What is added.
        terms: Vec<Term>,
        /// Applied to the sum.
        activation: Activation,
        /// Where the result goes.
        output: Part,
        /// Where the rectified sum goes too.
        rectified: Option<Part>,
    },
    /// Bilinear up-sampling to twice the size, corners aligned, plus another map.
    Double {
        /// The small map.
        input: Part,
        /// Added to it.
        addend: Part,
        /// Where the result goes.
        output: Part,
    },
    /// The largest value within 5x5 pixels.
    MaxPool {
        /// The map.
        input: Part,
        /// Of the same size.
        output: Part,
    },
    /// A layer norm of each pixel's channels, then a pointwise convolution. The result may have fewer rows.
    NormLinear {
        /// Normalised.
        input: Part,
        /// As long as its channels.
        norm: Norm,
        /// From its channels to the outputs.
        filter: Arc<Filter>,
        /// Where the result goes.
        output: Part,
        /// What follows.
        epilogue: Epilogue,
    },
    /// Pixels become channels and channels rows.
    Transpose {
        /// The map.
        input: Part,
        /// A row, one pixel wide, for each of its channels, with at least as many channels as it has pixels.
        output: Part,
        /// Added to what is there instead of taking its place.
        add: bool,
    },
    /// Multi-head attention of rows.
    Attend {
        /// Head after head.
        queries: Part,
        /// Transposed.
        keys: Part,
        /// Head after head.
        values: Part,
        /// Where the mixed values go.
        output: Part,
        /// Number of keys and values.
        tokens: usize,
        /// Number of heads.
        heads: usize,
        /// Factor of a query's product with a key.
        scale: f32,
    },
    /// Tokens from those patches of a map that a run chooses.
    Embed {
        /// The map.
        input: Part,
        /// Height and width of a patch in pixels.
        patch: [usize; 2],
        /// From a patch's numbers, row by row, to a token.
        filter: Arc<Filter>,
        /// Added to each token.
        positions: Part,
        /// Where tokens go.
        output: Part,
        /// Their first row there and in the positions.
        first_row: usize,
    },
    /// Weights of the pointwise convolution `filter` times how far its inputs are open.
    Gate {
        /// The map whose channels are gated.
        input: Part,
        /// From the channels' means to how far they are open.
        matrix: Arc<Filter>,
        /// The weights that are scaled.
        filter: Arc<Filter>,
        /// Where they go.
        output: Part,
    },
}

/// What an operation reads and writes.
#[derive(Clone, Debug)]
pub struct Accesses {
    /// Parts of which any pixel may be read, whichever pixel is made.
    pub reads: Vec<Part>,
    /// Parts of which the same pixel is read that is made; one may be the output itself.
    pub same_pixel: Vec<Part>,
    /// Parts that are written.
    pub writes: Vec<Part>,
}

impl Operation {
    /// What it reads and writes.
    pub fn accesses(&self) -> Accesses {
        let of_epilogue = |epilogue: &Epilogue| {
            let terms = epilogue.terms.iter().map(|term| term.part);
            terms.chain(epilogue.shuffle).chain(epilogue.residual).collect::<Vec<Part>>()
        };
        let (mut reads, same_pixel, writes) = match self {
            Operation::Convolution { inputs, gated, output, epilogue, .. } => {
                let reads = inputs.iter().copied().chain(*gated).collect();
                (reads, of_epilogue(epilogue), vec![*output])
            }
            Operation::Separable { inputs, output, epilogue, .. } => {
                (inputs.clone(), of_epilogue(epilogue), vec![*output])
            }
            Operation::Sum { terms, output, rectified, .. } => {
                let writes = std::iter::once(*output).chain(*rectified).collect();
                (Vec::new(), terms.iter().map(|term| term.part).collect(), writes)
            }
            Operation::NormLinear { input, output, epilogue, .. } => {
                let mut same_pixel = of_epilogue(epilogue);
                same_pixel.push(*input);
                (Vec::new(), same_pixel, vec![*output])
            }
            Operation::Transpose { input, output, add } => {
                (vec![*input], add.then_some(*output).into_iter().collect(), vec![*output])
            }
            Operation::Attend { queries, keys, values, output, tokens, .. } => {
                (vec![keys.channels(0, *tokens), *values], vec![*queries], vec![*output])
            }
            Operation::Embed { input, positions, output, .. } => {
                (vec![*input], vec![*positions], vec![*output])
            }
            Operation::Double { input, addend, output } => (vec![*input], vec![*addend], vec![*output]),
            Operation::MaxPool { input, output } | Operation::Gate { input, output, .. } => {
                (vec![*input], Vec::new(), vec![*output])
            }
        };
        // An up-sampled map is read elsewhere than where the result lies.
        let (up, same_pixel): (Vec<Part>, Vec<Part>) = same_pixel.into_iter().partition(|part| part.up > 0);
        reads.extend(up);
        Accesses { reads, same_pixel, writes }
    }
}
