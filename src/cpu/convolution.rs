//! Dense convolutions: any odd kernel and stride over the channels of several maps, with bias, sums and activation.

use super::activation::activate;
use super::lanes::Lanes;
use super::pack::Packed;
use super::tile::{Sums, multiply_add, with_tile};
use super::view::{Activation, Addend, View};
use std::ops::Range;

/// A map that is convolved, and its weights.
#[derive(Clone, Copy)]
pub struct ConvolutionSource<'a> {
    /// The map.
    pub view: View,
    /// The weights of its channels. Their bias counts for the first source only.
    pub packed: &'a Packed,
    /// The numbers of the weights, laid out as `packed` says: its own, or what a gate made of them.
    pub weights: *const f32,
}

/// What [`convolution`] does.
#[derive(Clone)]
pub struct Convolution<'a> {
    /// Whose products are added, in this order.
    pub sources: &'a [ConvolutionSource<'a>],
    /// Where the result goes.
    pub output: View,
    /// Sides of the kernel; there are `kernel / 2` pixels of zeros around the map.
    pub kernel: usize,
    /// Pixels of the sources from one pixel of the result to the next.
    pub stride: usize,
    /// Added before the activation.
    pub addends: &'a [Addend],
    /// What the result is shuffled with: channel 2 i of the output is channel i of this map, 2 i + 1 that of the result
    /// (ShuffleNet V2, arXiv 1807.11164).
    pub shuffle: Option<View>,
    /// Applied to the sum.
    pub activation: Activation,
    /// Added after the activation; never up-sampled.
    pub residual: Option<View>,
    /// Pixels of the output that are made, row by row.
    pub pixels: Range<usize>,
    /// The pixel of the output for which the sources' first one stands; 0 unless they hold some rows only.
    pub offset: usize,
    /// Which of the panels.
    pub panels: (usize, usize),
}

/// Read in place of pixels outside of a map; as long as the most channels of a map that is convolved with a kernel.
pub static ZEROS: [f32; MOST_CHANNELS] = [0.0; MOST_CHANNELS];
/// Most channels of a source of a convolution with a kernel.
pub const MOST_CHANNELS: usize = 1024;

/// Rows and columns of a tile's pixels; behind the last one that counts, that one again.
struct Pixels<const M: usize> {
    row: [usize; M],
    column: [usize; M],
}

impl<const M: usize> Pixels<M> {
    /// `valid` pixels of rows of `width` pixels, from (row, column) on.
    #[inline(always)]
    fn locate(mut row: usize, mut column: usize, width: usize, valid: usize) -> Pixels<M> {
        let mut pixels = Pixels { row: [row; M], column: [column; M] };
        for m in 1..M {
            if m < valid {
                column += 1;
                if column == width {
                    (row, column) = (row + 1, 0);
                }
            }
            (pixels.row[m], pixels.column[m]) = (row, column);
        }
        pixels
    }
}

/// A convolution of some pixels.
///
/// # Safety
/// As [`Lanes`]; the views lie in memory that belongs to the caller for the time of the call, and nobody writes what is
/// read. Sources have at most [`MOST_CHANNELS`] channels, and the addends the output's size.
#[inline(always)]
pub unsafe fn convolution<L: Lanes>(job: &Convolution) {
    for index in job.panels.0..job.panels.1 {
        let vectors = job.sources[0].packed.panels[index].vectors;
        // SAFETY: as the caller says.
        with_tile!(L, vectors, |M, N| unsafe { convolve_panel::<L, M, N>(job, index) });
    }
}

/// The panel of this index, of all sources.
///
/// # Safety
/// As [`convolution`].
#[inline(always)]
unsafe fn convolve_panel<L: Lanes, const M: usize, const N: usize>(job: &Convolution, index: usize) {
    // SAFETY: tiles stay within `pixels`; what is read beyond a map's border is `ZEROS`.
    unsafe {
        let width = job.output.width;
        let packed = job.sources[0].packed;
        let first = packed.panels[index].first;
        let bias = packed.bias.as_ptr().add(first);
        let channels = packed.outputs - first;
        let pointwise = job.kernel == 1 && job.stride == 1 && job.sources.iter().all(|s| s.view.up == 0);
        let located = !pointwise || job.addends.iter().any(|a| a.view.up > 0);
        let (mut row, mut column) = (job.pixels.start / width, job.pixels.start % width);
        let mut at = job.pixels.start;
        while at < job.pixels.end {
            let valid = (job.pixels.end - at).min(M);
            let mut pixels = Pixels { row: [0; M], column: [0; M] };
            if located {
                pixels = Pixels::locate(row, column, width, valid);
                column += valid;
                while column >= width {
                    (row, column) = (row + 1, column - width);
                }
            }
            let mut sums: Sums<L::V, M, N> = [[L::splat(0.0); N]; M];
            for n in 0..N {
                let b = L::load(bias.add(n * L::N));
                for m in 0..M {
                    sums[m][n] = b;
                }
            }
            for source in job.sources {
                let weights = source.weights.add(source.packed.panels[index].at);
                if pointwise {
                    let mut rows = [std::ptr::null(); M];
                    for m in 0..M {
                        let pixel = at + m.min(valid - 1) - job.offset;
                        rows[m] = source.view.at.add(pixel * source.view.step).cast_const();
                    }
                    multiply_add::<L, M, N>(&mut sums, &rows, source.packed.inputs, weights);
                } else {
                    add_taps::<L, M, N>(&mut sums, &pixels, source, weights, job.kernel, job.stride);
                }
            }
            finish::<L, M, N>(job, &sums, &pixels, at, valid, first, channels);
            at += valid;
        }
    }
}

/// Adds the products of all taps of a kernel.
///
/// # Safety
/// As [`convolution`].
#[inline(always)]
unsafe fn add_taps<L: Lanes, const M: usize, const N: usize>(
    sums: &mut Sums<L::V, M, N>,
    pixels: &Pixels<M>,
    source: &ConvolutionSource,
    weights: *const f32,
    kernel: usize,
    stride: usize,
) {
    // SAFETY: pixels inside the map are read there, others from `ZEROS`.
    unsafe {
        let (view, inputs) = (source.view, source.packed.inputs);
        let reach = (kernel / 2) as isize;
        let (height, width) = ((view.height << view.up) as isize, (view.width << view.up) as isize);
        let tap_step = inputs * N * L::N;
        let (left, right) = (pixels.column[0] * stride, pixels.column[M - 1] * stride);
        // The taps of a row of the kernel lie side by side, one run of numbers.
        let whole_rows = view.step == inputs
            && view.up == 0
            && pixels.row[0] == pixels.row[M - 1]
            && left as isize >= reach
            && right as isize + reach < width;
        for y in 0..kernel {
            let dy = y as isize - reach;
            if whole_rows {
                let row = (pixels.row[0] * stride) as isize + dy;
                if row < 0 || row >= height {
                    continue;
                }
                let start = row as usize * view.width + pixels.column[0] * stride - kernel / 2;
                let mut rows = [std::ptr::null(); M];
                for m in 0..M {
                    let pixel = start + (pixels.column[m] - pixels.column[0]) * stride;
                    rows[m] = view.at.add(pixel * view.step).cast_const();
                }
                multiply_add::<L, M, N>(sums, &rows, inputs * kernel, weights.add(y * kernel * tap_step));
                continue;
            }
            for x in 0..kernel {
                let dx = x as isize - reach;
                let mut rows = [ZEROS.as_ptr(); M];
                for m in 0..M {
                    let row = (pixels.row[m] * stride) as isize + dy;
                    let column = (pixels.column[m] * stride) as isize + dx;
                    if row >= 0 && row < height && column >= 0 && column < width {
                        rows[m] = view.pixel(row as usize, column as usize).cast_const();
                    }
                }
                multiply_add::<L, M, N>(sums, &rows, inputs, weights.add((y * kernel + x) * tap_step));
            }
        }
    }
}

/// Adds, activates and writes the sums of `valid` pixels from `at` on.
///
/// # Safety
/// As [`convolution`].
#[inline(always)]
unsafe fn finish<L: Lanes, const M: usize, const N: usize>(
    job: &Convolution,
    sums: &Sums<L::V, M, N>,
    pixels: &Pixels<M>,
    at: usize,
    valid: usize,
    first: usize,
    channels: usize,
) {
    let simple = matches!(job.activation, Activation::None | Activation::Relu);
    if simple && job.addends.is_empty() && job.shuffle.is_none() && job.residual.is_none() {
        // SAFETY: the caller's.
        return unsafe { finish_alone::<L, M, N>(job, sums, at, valid, first, channels) };
    }
    // SAFETY: pixel `at + m` lies in the output, and channels beyond the last are not written.
    unsafe {
        for m in 0..M {
            if m >= valid {
                break;
            }
            let pixel = at + m;
            let to = job.output.at.add(pixel * job.output.step);
            for n in 0..N {
                let channel = n * L::N;
                if channel >= channels {
                    break;
                }
                let count = (channels - channel).min(L::N);
                let mut v = sums[m][n];
                for addend in job.addends {
                    let view = &addend.view;
                    let from = if view.up == 0 {
                        view.at.add(pixel * view.step)
                    } else {
                        view.pixel(pixels.row[m], pixels.column[m])
                    };
                    let added = load::<L>(from.add(first + channel), count);
                    v = L::fma(added, L::splat(addend.times), v);
                }
                v = activate::<L>(v, job.activation);
                if let Some(residual) = &job.residual {
                    let from = residual.at.add(pixel * residual.step + first + channel);
                    v = L::add(v, load::<L>(from, count));
                }
                match job.shuffle {
                    None => store::<L>(to.add(first + channel), count, v),
                    Some(pass) => {
                        let other = load::<L>(pass.at.add(pixel * pass.step + first + channel), count);
                        let [low, high] = L::interleave(other, v);
                        let to = to.add(2 * (first + channel));
                        store::<L>(to, (2 * count).min(L::N), low);
                        if 2 * count > L::N {
                            store::<L>(to.add(L::N), 2 * count - L::N, high);
                        }
                    }
                }
            }
        }
    }
}

/// [`finish`] where nothing is added and a rectifier is all that may follow.
///
/// # Safety
/// As [`convolution`].
#[inline(always)]
unsafe fn finish_alone<L: Lanes, const M: usize, const N: usize>(
    job: &Convolution,
    sums: &Sums<L::V, M, N>,
    at: usize,
    valid: usize,
    first: usize,
    channels: usize,
) {
    // SAFETY: pixel `at + m` lies in the output, and channels beyond the last are not written.
    unsafe {
        let rectified = job.activation == Activation::Relu;
        let zero = L::splat(0.0);
        let whole = (channels / L::N).min(N);
        let left = (channels - whole * L::N).min(L::N);
        let mut to = job.output.at.add(at * job.output.step + first);
        for m in 0..M {
            if m >= valid {
                break;
            }
            for n in 0..N {
                let v = if rectified { L::max(sums[m][n], zero) } else { sums[m][n] };
                if n < whole {
                    L::store(to.add(n * L::N), v);
                } else if n == whole && left > 0 {
                    L::store_part(to.add(n * L::N), left, v);
                }
            }
            to = to.wrapping_add(job.output.step);
        }
    }
}

/// `count` numbers, of which most vectors have N.
///
/// # Safety
/// As [`Lanes::load_part`].
#[inline(always)]
pub unsafe fn load<L: Lanes>(from: *const f32, count: usize) -> L::V {
    // SAFETY: as the caller says.
    unsafe { if count == L::N { L::load(from) } else { L::load_part(from, count) } }
}

/// The counterpart of [`load`].
///
/// # Safety
/// As [`Lanes::store_part`].
#[inline(always)]
pub unsafe fn store<L: Lanes>(to: *mut f32, count: usize, v: L::V) {
    // SAFETY: as the caller says.
    unsafe { if count == L::N { L::store(to, v) } else { L::store_part(to, count, v) } }
}
