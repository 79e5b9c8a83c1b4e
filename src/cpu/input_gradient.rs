//! Gradients of what convolutions of stride 2 read; those of stride 1 are convolutions themselves.

use super::convolution::{ZEROS, load, store};
use super::lanes::Lanes;
use super::pack::{Packed, PackedDepthwise};
use super::tile::{Sums, multiply_add, with_tile};
use super::view::View;

/// What [`strided_input`] does.
#[derive(Clone, Copy, Debug)]
pub struct StridedInput<'a> {
    /// The gradient of the products' sums.
    pub gradient: View,
    /// The weights, from outputs to inputs: of each tap `[outputs][inputs]`.
    pub packed: &'a Packed,
    /// Sides of the kernel; its stride was 2.
    pub kernel: usize,
    /// The gradient of the map that was convolved.
    pub output: View,
    /// Added to what is there instead of taking its place.
    pub add: bool,
}

/// The gradient of the map that a dense convolution of stride 2 read.
///
/// # Safety
/// As [`Lanes`]; the memory belongs to the caller for the time of the call, and nobody writes what is read. There are at
/// most [`MOST_CHANNELS`](super::convolution::MOST_CHANNELS) outputs.
#[inline(always)]
pub unsafe fn strided_input<L: Lanes>(job: &StridedInput) {
    for panel in &job.packed.panels {
        // SAFETY: as the caller says.
        with_tile!(L, panel.vectors, |M, N| unsafe {
            let weights = job.packed.values.as_ptr().add(panel.at);
            for row in 0..job.output.height {
                for parity in 0..2 {
                    row_of::<L, M, N>(job, weights, panel.first, row, parity);
                }
            }
        });
    }
}

/// The pixels of a row whose columns are even or odd: the same taps see all of them.
///
/// # Safety
/// As [`strided_input`].
#[inline(always)]
unsafe fn row_of<L: Lanes, const M: usize, const N: usize>(
    job: &StridedInput,
    weights: *const f32,
    first: usize,
    row: usize,
    parity: usize,
) {
    // SAFETY: pixels outside of the map are read from `ZEROS`, and those inside of the output written.
    unsafe {
        let StridedInput { gradient, packed, kernel, output, add } = *job;
        let reach = kernel / 2;
        let tap_step = packed.inputs * N * L::N;
        let mut column = parity;
        while column < output.width {
            let valid = (output.width - column).div_ceil(2).min(M);
            let mut sums: Sums<L::V, M, N> = [[L::splat(0.0); N]; M];
            for y in 0..kernel {
                let above = row + reach;
                if above < y || !(above - y).is_multiple_of(2) || (above - y) / 2 >= gradient.height {
                    continue;
                }
                for x in 0..kernel {
                    if !(column + reach + x).is_multiple_of(2) {
                        continue;
                    }
                    let mut rows = [ZEROS.as_ptr(); M];
                    for m in 0..M {
                        let left = column + 2 * m.min(valid - 1) + reach;
                        if left >= x && (left - x) / 2 < gradient.width {
                            rows[m] = gradient.pixel((above - y) / 2, (left - x) / 2).cast_const();
                        }
                    }
                    let weights = weights.add((y * kernel + x) * tap_step);
                    multiply_add::<L, M, N>(&mut sums, &rows, packed.inputs, weights);
                }
            }
            for m in 0..valid {
                let to = output.pixel(row, column + 2 * m).add(first);
                for n in 0..N {
                    if first + n * L::N < packed.outputs {
                        let count = (packed.outputs - first - n * L::N).min(L::N);
                        let to = to.add(n * L::N);
                        let before = if add { load::<L>(to, count) } else { L::splat(0.0) };
                        store::<L>(to, count, L::add(before, sums[m][n]));
                    }
                }
            }
            column += 2 * M;
        }
    }
}

/// What [`depthwise_input`] does.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseInput<'a> {
    /// The gradient of the products' sums.
    pub gradient: View,
    /// The weights, as the convolution itself reads them.
    pub packed: &'a PackedDepthwise,
    /// Sides of the kernel.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
    /// The gradient of the map that was convolved.
    pub output: View,
    /// Added to what is there instead of taking its place.
    pub add: bool,
}

/// The gradient of the map that a depthwise convolution read.
///
/// # Safety
/// As [`strided_input`].
#[inline(always)]
pub unsafe fn depthwise_input<L: Lanes>(job: &DepthwiseInput) {
    // SAFETY: as the caller says.
    unsafe {
        match (job.kernel, job.stride) {
            (3, 1) => depthwise_of::<L, 3, 1>(job),
            (3, _) => depthwise_of::<L, 3, 2>(job),
            (_, 1) => depthwise_of::<L, 5, 1>(job),
            _ => depthwise_of::<L, 5, 2>(job),
        }
    }
}

/// Pixels that are made at once.
const PIXELS: usize = 4;

/// # Safety
/// As [`strided_input`].
#[inline(always)]
unsafe fn depthwise_of<L: Lanes, const K: usize, const S: usize>(job: &DepthwiseInput) {
    // SAFETY: only pixels inside of the gradient are read, and those inside of the output written.
    unsafe {
        let DepthwiseInput { gradient, packed, output, add, .. } = *job;
        let (reach, wide) = (K / 2, packed.wide());
        for row in 0..output.height {
            for channel in (0..output.channels).step_by(L::N) {
                let count = (output.channels - channel).min(L::N);
                let mut column = 0;
                while column < output.width {
                    let made = PIXELS.min(output.width - column);
                    // All that the taps see lies inside of the gradient.
                    let all = made == PIXELS
                        && column >= reach
                        && (column + PIXELS - 1 + reach) / S < gradient.width;
                    let mut sums = [L::splat(0.0); PIXELS];
                    if add {
                        for i in 0..PIXELS {
                            if i < made {
                                sums[i] = load::<L>(output.pixel(row, column + i).add(channel), count);
                            }
                        }
                    }
                    for y in 0..K {
                        let above = row + reach;
                        if above < y || (S == 2 && (above - y) % 2 != 0) || (above - y) / S >= gradient.height
                        {
                            continue;
                        }
                        let from = gradient.pixel((above - y) / S, 0).add(channel);
                        for x in 0..K {
                            let w = L::load(packed.values.as_ptr().add((y * K + x) * wide + channel));
                            for i in 0..PIXELS {
                                let left = column + i + reach;
                                let fits = S == 1 || (column + i + reach + x) % 2 == 0;
                                let seen = all || (i < made && left >= x && (left - x) / S < gradient.width);
                                if fits && seen {
                                    let v = load::<L>(from.add((left - x) / S * gradient.step), count);
                                    sums[i] = L::fma(v, w, sums[i]);
                                }
                            }
                        }
                    }
                    for i in 0..PIXELS {
                        if i < made {
                            store::<L>(output.pixel(row, column + i).add(channel), count, sums[i]);
                        }
                    }
                    column += PIXELS;
                }
            }
        }
    }
}
