//! Operations with their weights packed, ready to run on a part of their result (`execute`).

use super::net::Net;
use super::operation::{Epilogue, Filter, Operation, Part, Term};
use super::pack::{Packed, PackedDepthwise};
use super::rows::Norm;
use super::simd::KernelTable;
use super::view::Activation;
use super::winograd::scratch_of;
use std::sync::{Arc, Mutex, PoisonError};

/// Most inputs of an operation, and most terms that are added.
pub const MOST_PARTS: usize = 4;
/// Channels that Winograd's tiles come in, whatever the instruction set.
const WINOGRAD_CHANNELS: usize = 16;
/// With fewer channels Winograd's transforms cost more than they save.
const LEAST_WINOGRAD_CHANNELS: usize = 32;
/// With fewer tiles of 4x4 than this, tiles of 2x2 are faster: their weights are a half as long.
const LEAST_LARGE_TILES: usize = 24;

/// An operation that is ready to run.
#[derive(Clone, Debug)]
pub enum Step {
    /// [`Operation::Convolution`], directly.
    Convolution {
        /// Each input and its weights.
        sources: Vec<(Part, Arc<Packed>)>,
        /// Sides of the kernel.
        kernel: usize,
        /// 1 or 2.
        stride: usize,
        /// Weights to use instead.
        gated: Option<Part>,
        /// Where the result goes.
        output: Part,
        /// What follows.
        epilogue: Epilogue,
    },
    /// [`Operation::Convolution`] by Winograd's tiles.
    Winograd {
        /// The input.
        input: Part,
        /// Weights in Winograd's domain.
        packed: Arc<Packed>,
        /// Sides of a tile.
        side: usize,
        /// Where the result goes.
        output: Part,
        /// What follows.
        epilogue: Epilogue,
    },
    /// [`Operation::Separable`].
    Separable {
        /// Each input and its depthwise weights.
        sources: Vec<(Part, Arc<PackedDepthwise>)>,
        /// Sides of the depthwise kernel.
        kernel: usize,
        /// Of the depthwise convolution.
        stride: usize,
        /// Between the two.
        inner: Activation,
        /// The pointwise weights.
        packed: Arc<Packed>,
        /// Where the result goes.
        output: Part,
        /// What follows.
        epilogue: Epilogue,
    },
    /// [`Operation::Sum`].
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
    /// [`Operation::Double`].
    Double {
        /// The small map.
        input: Part,
        /// Added to it.
        addend: Part,
        /// Where the result goes.
        output: Part,
    },
    /// [`Operation::MaxPool`].
    MaxPool {
        /// The map.
        input: Part,
        /// Of the same size.
        output: Part,
    },
    /// [`Operation::NormLinear`].
    NormLinear {
        /// Normalised.
        input: Part,
        /// The norm.
        norm: Norm,
        /// The linear layer's weights.
        packed: Arc<Packed>,
        /// Where the result goes.
        output: Part,
        /// What follows.
        epilogue: Epilogue,
    },
    /// [`Operation::Transpose`].
    Transpose {
        /// The map.
        input: Part,
        /// A row for each of its channels.
        output: Part,
        /// Added to what is there.
        add: bool,
    },
    /// [`Operation::Attend`].
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
    /// [`Operation::Embed`].
    Embed {
        /// The map.
        input: Part,
        /// Height and width of a patch in pixels.
        patch: [usize; 2],
        /// From a patch's numbers to a token.
        packed: Arc<Packed>,
        /// Added to each token.
        positions: Part,
        /// Where tokens go.
        output: Part,
        /// Their first row there.
        first_row: usize,
    },
    /// [`Operation::Gate`].
    Gate {
        /// The map whose channels are gated.
        input: Part,
        /// From the means to how far channels are open.
        matrix: Arc<Packed>,
        /// The weights that are scaled.
        packed: Arc<Packed>,
        /// Where they go.
        output: Part,
    },
}

/// What a step divides its result into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Pixels, row by row.
    Pixels,
    /// Rows.
    Rows,
    /// Winograd's tiles, row by row.
    Tiles,
    /// The tokens that a run chooses.
    Tokens,
    /// It is done at once.
    Whole,
}

/// A filter's weights for some of its inputs.
pub fn inputs_of(filter: &Filter, first: usize, count: usize) -> Vec<f32> {
    let (taps, inputs) = (filter.kernel * filter.kernel, filter.inputs());
    let rows = filter.weights.chunks_exact(inputs * taps);
    rows.flat_map(|row| row[first * taps..(first + count) * taps].iter().copied()).collect()
}

/// Weights that are packed already: plans of one network for several numbers of tokens share them.
#[derive(Debug, Default)]
pub struct Packs {
    dense: Mutex<Vec<DensePack>>,
    depthwise: Mutex<Vec<DepthwisePack>>,
}

#[derive(Debug)]
struct DensePack {
    filter: Arc<Filter>,
    /// Sides of Winograd's tiles, where it is for those.
    side: Option<usize>,
    packed: Arc<Packed>,
}

#[derive(Debug)]
struct DepthwisePack {
    filter: Arc<Filter>,
    packed: Arc<PackedDepthwise>,
}

impl Packs {
    /// The whole filter, packed for a convolution that is not made by Winograd's tiles.
    fn direct(&self, filter: &Arc<Filter>, kernels: &KernelTable) -> Arc<Packed> {
        self.dense(filter, None, kernels)
    }

    /// The whole filter, for Winograd's tiles of `side` or without.
    fn dense(&self, filter: &Arc<Filter>, side: Option<usize>, kernels: &KernelTable) -> Arc<Packed> {
        let mut packs = self.dense.lock().unwrap_or_else(PoisonError::into_inner);
        let known = packs.iter().find(|pack| Arc::ptr_eq(&pack.filter, filter) && pack.side == side);
        if let Some(pack) = known {
            return pack.packed.clone();
        }
        let Filter { weights, bias, kernel, .. } = &**filter;
        let packed = Arc::new(match side {
            Some(side) => (kernels.pack_winograd)(weights, bias, filter.inputs(), side),
            None => (kernels.pack)(weights, bias, filter.inputs(), kernel * kernel),
        });
        packs.push(DensePack { filter: filter.clone(), side, packed: packed.clone() });
        packed
    }

    /// A depthwise filter.
    fn depthwise(&self, filter: &Arc<Filter>, kernels: &KernelTable) -> Arc<PackedDepthwise> {
        let mut packs = self.depthwise.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pack) = packs.iter().find(|pack| Arc::ptr_eq(&pack.filter, filter)) {
            return pack.packed.clone();
        }
        let taps = filter.kernel * filter.kernel;
        let packed = Arc::new((kernels.pack_depthwise)(&filter.weights, &filter.bias, taps));
        packs.push(DepthwisePack { filter: filter.clone(), packed: packed.clone() });
        packed
    }
}

/// Packs the operations of a network for an instruction set; all plans that share `packs` are for the same one.
pub fn prepare(net: &Net, kernels: &'static KernelTable, packs: &Packs) -> Vec<Step> {
    net.operations.iter().map(|operation| step(operation, net, kernels, packs)).collect()
}

fn step(operation: &Operation, net: &Net, kernels: &'static KernelTable, packs: &Packs) -> Step {
    match operation.clone() {
        Operation::Convolution { inputs, filter, stride, gated, output, epilogue } => {
            let kernel = filter.kernel;
            if let Some(side) = winograd_side(&inputs, &filter, stride, output, &epilogue, net) {
                let packed = packs.dense(&filter, Some(side), kernels);
                return Step::Winograd { input: inputs[0], packed, side, output, epilogue };
            }
            let sources = match inputs[..] {
                [part] => vec![(part, packs.direct(&filter, kernels))],
                _ => {
                    let mut first = 0;
                    let pack = |part: Part| {
                        let weights = inputs_of(&filter, first, part.channels);
                        first += part.channels;
                        let taps = kernel * kernel;
                        (part, Arc::new((kernels.pack)(&weights, &filter.bias, part.channels, taps)))
                    };
                    inputs.into_iter().map(pack).collect()
                }
            };
            Step::Convolution { sources, kernel, stride, gated, output, epilogue }
        }
        Operation::Separable { inputs, depthwise, stride, inner, pointwise, output, epilogue } => {
            let taps = depthwise.kernel * depthwise.kernel;
            let mut first = 0;
            let pack = |part: Part| {
                let channels = first..first + part.channels;
                first = channels.end;
                let weights = &depthwise.weights[channels.start * taps..channels.end * taps];
                (part, Arc::new((kernels.pack_depthwise)(weights, &depthwise.bias[channels], taps)))
            };
            let sources = match inputs[..] {
                [part] => vec![(part, packs.depthwise(&depthwise, kernels))],
                _ => inputs.into_iter().map(pack).collect(),
            };
            let packed = packs.direct(&pointwise, kernels);
            Step::Separable { sources, kernel: depthwise.kernel, stride, inner, packed, output, epilogue }
        }
        Operation::Sum { terms, activation, output, rectified } => {
            Step::Sum { terms, activation, output, rectified }
        }
        Operation::Double { input, addend, output } => Step::Double { input, addend, output },
        Operation::MaxPool { input, output } => Step::MaxPool { input, output },
        Operation::NormLinear { input, norm, filter, output, epilogue } => {
            Step::NormLinear { input, norm, packed: packs.direct(&filter, kernels), output, epilogue }
        }
        Operation::Transpose { input, output, add } => Step::Transpose { input, output, add },
        Operation::Attend { queries, keys, values, output, tokens, heads, scale } => {
            Step::Attend { queries, keys, values, output, tokens, heads, scale }
        }
        Operation::Embed { input, patch, filter, positions, output, first_row } => {
            let packed = packs.direct(&filter, kernels);
            Step::Embed { input, patch, packed, positions, output, first_row }
        }
        Operation::Gate { input, matrix, filter, output } => {
            let (matrix, packed) = (packs.direct(&matrix, kernels), packs.direct(&filter, kernels));
            Step::Gate { input, matrix, packed, output }
        }
    }
}

/// Sides of the tiles with which a convolution is made by Winograd's algorithm; `None` where it does not apply or pay.
/// Depends on one picture's shape alone, so that bits depend neither on the batch nor on the instruction set.
fn winograd_side(
    inputs: &[Part],
    filter: &Filter,
    stride: usize,
    output: Part,
    epilogue: &Epilogue,
    net: &Net,
) -> Option<usize> {
    let shape = net.maps[output.map];
    let plain = epilogue.shuffle.is_none()
        && epilogue.residual.is_none()
        && epilogue.terms.iter().all(|term| term.part.up == 0);
    let [input] = inputs else { return None };
    winograd_fits(filter, stride, (shape.height, shape.width)).filter(|_| input.up == 0 && plain)
}

/// Sides of the tiles for a result of `size` (height, width) of a filter, where Winograd's algorithm applies and pays.
pub fn winograd_fits(filter: &Filter, stride: usize, (height, width): (usize, usize)) -> Option<usize> {
    let fits =
        |channels: usize| channels >= LEAST_WINOGRAD_CHANNELS && channels.is_multiple_of(WINOGRAD_CHANNELS);
    let applies = filter.kernel == 3
        && stride == 1
        && fits(filter.inputs())
        && fits(filter.outputs())
        && height.is_multiple_of(2)
        && width.is_multiple_of(2);
    let large = height.div_ceil(4) * width.div_ceil(4);
    applies.then_some(if large >= LEAST_LARGE_TILES { 4 } else { 2 })
}

impl Step {
    /// Where its result goes.
    pub fn output(&self) -> Part {
        match self {
            Step::Convolution { output, .. }
            | Step::Winograd { output, .. }
            | Step::Separable { output, .. }
            | Step::Sum { output, .. }
            | Step::Double { output, .. }
            | Step::MaxPool { output, .. }
            | Step::NormLinear { output, .. }
            | Step::Transpose { output, .. }
            | Step::Attend { output, .. }
            | Step::Embed { output, .. }
            | Step::Gate { output, .. } => *output,
        }
    }

    /// What the result is divided into.
    pub fn unit(&self) -> Unit {
        match self {
            Step::Convolution { .. } => Unit::Pixels,
            Step::Winograd { .. } => Unit::Tiles,
            Step::Separable { .. }
            | Step::Sum { .. }
            | Step::Double { .. }
            | Step::MaxPool { .. }
            | Step::NormLinear { .. }
            | Step::Transpose { .. }
            | Step::Attend { .. } => Unit::Rows,
            Step::Embed { .. } => Unit::Tokens,
            Step::Gate { .. } => Unit::Whole,
        }
    }

    /// Panels of output channels; 1 where there are none.
    pub fn panels(&self) -> usize {
        match self {
            Step::Winograd { packed, .. } => packed.panels.len(),
            Step::Convolution { sources, .. } => sources[0].1.panels.len(),
            Step::NormLinear { packed, .. } => packed.panels.len(),
            _ => 1,
        }
    }

    /// Into how many parts the output channels may be divided.
    pub fn divisions(&self) -> usize {
        match self {
            // A shuffled result lies at twice as many channels.
            Step::Convolution { epilogue, .. } if epilogue.shuffle.is_some() => 1,
            _ => self.panels(),
        }
    }

    /// About how many multiply-adds one pixel, row, tile or the whole result costs, of a result `width` pixels wide.
    pub fn work(&self, width: usize) -> usize {
        /// A pass over memory costs as much as so many multiply-adds for each number.
        const PASS: usize = 16;
        match self {
            Step::Convolution { sources, .. } => {
                sources.iter().map(|(_, packed)| packed.values.len()).sum::<usize>()
            }
            Step::Winograd { packed, side, .. } => {
                packed.values.len() + PASS * (side + 2) * (side + 2) * (packed.inputs + packed.outputs) / 4
            }
            Step::Separable { packed, kernel, .. } => {
                width * (packed.values.len() + 4 * kernel * kernel * packed.inputs)
            }
            Step::Sum { output, .. } | Step::Double { output, .. } => PASS * width * output.channels,
            Step::MaxPool { output, .. } => 2 * PASS * width * output.channels,
            Step::NormLinear { packed, .. } => packed.values.len() + PASS * packed.inputs,
            Step::Transpose { output, .. } => PASS * output.channels,
            Step::Attend { output, tokens, heads, .. } => {
                2 * tokens * output.channels + 2 * PASS * tokens * heads
            }
            Step::Embed { packed, .. } => packed.values.len(),
            Step::Gate { input, packed, .. } => packed.values.len() + 100 * PASS * input.channels,
        }
    }

    /// Numbers of scratch memory for a part of the result of `units` pixels, rows or tiles, `width` pixels wide.
    pub fn scratch(&self, units: usize, width: usize) -> usize {
        match self {
            Step::Winograd { packed, side, .. } => scratch_of(units, *side, packed.inputs, packed.outputs),
            Step::Separable { packed, .. } | Step::NormLinear { packed, .. } => units * width * packed.inputs,
            Step::Attend { keys, .. } => units * (keys.channels + 1),
            Step::Gate { input, .. } => 3 * input.channels.next_multiple_of(WINOGRAD_CHANNELS),
            _ => 0,
        }
    }
}
