//! Dense convolutions of whole maps, directly or by Winograd's tiles.

use crate::cpu::convolution::{Convolution, ConvolutionSource};
use crate::cpu::operation::Filter;
use crate::cpu::pack::Packed;
use crate::cpu::plan::TILES;
use crate::cpu::simd::KernelTable;
use crate::cpu::step::{MOST_PARTS, inputs_of, winograd_fits};
use crate::cpu::view::{Activation, Addend, View};
use crate::cpu::winograd::{Winograd, scratch_of};

/// Weights of a dense convolution, packed.
pub enum DenseWeights {
    /// Of each input.
    Direct(Vec<Packed>),
    /// In Winograd's domain, for tiles of this side.
    Winograd(Packed, usize),
}

/// What is made of a convolution's sums.
pub struct DenseEpilogue<'a> {
    /// Added before the activation.
    pub addends: &'a [Addend],
    /// Applied to the sum.
    pub activation: Activation,
    /// As [`Convolution::shuffle`].
    pub shuffle: Option<View>,
}

impl DenseWeights {
    /// Packs a filter for inputs with these numbers of channels, and a result of `size` (height, width). `plain` says that
    /// nothing is up-sampled or shuffled.
    pub fn new(
        kernels: &KernelTable,
        filter: &Filter,
        inputs: &[usize],
        stride: usize,
        size: (usize, usize),
        plain: bool,
    ) -> DenseWeights {
        let side = winograd_fits(filter, stride, size).filter(|_| plain && inputs.len() == 1);
        if let Some(side) = side {
            let packed = (kernels.pack_winograd)(&filter.weights, &filter.bias, filter.inputs(), side);
            return DenseWeights::Winograd(packed, side);
        }
        let taps = filter.kernel * filter.kernel;
        if let [channels] = inputs {
            return DenseWeights::Direct(vec![(kernels.pack)(
                &filter.weights,
                &filter.bias,
                *channels,
                taps,
            )]);
        }
        let mut first = 0;
        let pack = |&channels: &usize| {
            let weights = inputs_of(filter, first, channels);
            first += channels;
            (kernels.pack)(&weights, &filter.bias, channels, taps)
        };
        DenseWeights::Direct(inputs.iter().map(pack).collect())
    }

    /// Numbers of scratch memory that [`DenseWeights::run`] needs.
    pub fn scratch(filter: &Filter, stride: usize, size: (usize, usize)) -> usize {
        winograd_fits(filter, stride, size).map_or(0, |side| {
            let tiles = if side == 4 { TILES.0 } else { TILES.1 };
            scratch_of(tiles, side, filter.inputs(), filter.outputs())
        })
    }

    /// The whole result, or, where `pixels` is less than the output has, its first pixels.
    ///
    /// # Safety
    /// The views and the scratch memory belong to the caller for the time of the call, nobody writes what is read, and they
    /// are what the weights are for.
    pub unsafe fn run(
        &self,
        kernels: &KernelTable,
        sources: &[View],
        output: View,
        [kernel, stride]: [usize; 2],
        epilogue: &DenseEpilogue,
        scratch: *mut f32,
    ) {
        let DenseEpilogue { addends, activation, shuffle } = *epilogue;
        match self {
            DenseWeights::Winograd(packed, side) => {
                let most = if *side == 4 { TILES.0 } else { TILES.1 };
                let tiles = output.height.div_ceil(*side) * output.width.div_ceil(*side);
                for first in (0..tiles).step_by(most) {
                    let job = Winograd {
                        source: sources[0],
                        packed,
                        side: *side,
                        output,
                        addends,
                        activation,
                        tiles: first..(first + most).min(tiles),
                        panels: (0, packed.panels.len()),
                        scratch,
                    };
                    // SAFETY: the caller's.
                    unsafe { (kernels.winograd)(&job) };
                }
            }
            DenseWeights::Direct(packs) => {
                let source = |i: usize| {
                    let i = i.min(packs.len() - 1);
                    let weights = packs[i].values.as_ptr();
                    ConvolutionSource { view: sources[i], packed: &packs[i], weights }
                };
                let all: [ConvolutionSource; MOST_PARTS] = std::array::from_fn(source);
                let job = Convolution {
                    sources: &all[..packs.len()],
                    output,
                    kernel,
                    stride,
                    addends,
                    shuffle,
                    activation,
                    residual: None,
                    pixels: 0..output.height * output.width,
                    offset: 0,
                    panels: (0, packs[0].panels.len()),
                };
                // SAFETY: the caller's.
                unsafe { (kernels.convolution)(&job) };
            }
        }
    }
}
