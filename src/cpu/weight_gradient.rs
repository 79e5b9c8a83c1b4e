//! Gradients of the weights of dense and depthwise convolutions: sums over pixels of what was read times the gradient of
//! what was made of it.

use super::convolution::{load, store};
use super::lanes::Lanes;
use super::view::View;
use std::ops::Range;

/// What [`dense_weights`] and [`depthwise_weights`] do. Their sums are added to what is there.
#[derive(Clone, Copy, Debug)]
pub struct WeightGradient {
    /// The map that was convolved.
    pub source: View,
    /// The gradient of the products' sums. Never up-sampled.
    pub gradient: View,
    /// Sides of the kernel; there are `kernel / 2` pixels of zeros around the map.
    pub kernel: usize,
    /// Pixels of the map from one pixel of the result to the next.
    pub stride: usize,
    /// Weights: `[taps][inputs][outputs]`, or `[taps][channels]` of a depthwise convolution; from the source's first
    /// channel on.
    pub to: *mut f32,
    /// Numbers from one tap's weights to the next.
    pub tap_step: usize,
    /// Numbers from one input's weights to the next, of a dense convolution.
    pub row_step: usize,
}

/// Of `size` pixels of a result those whose tap at distance `offset` lies among `source` pixels.
fn inside(size: usize, stride: usize, offset: isize, source: usize) -> Range<usize> {
    let first = (-offset).max(0) as usize;
    let first = first.div_ceil(stride);
    let end = source as isize - offset;
    let end = if end <= 0 { 0 } else { (end as usize).div_ceil(stride) };
    first.min(size)..end.min(size).max(first.min(size))
}

/// Gradients of dense weights.
///
/// # Safety
/// As [`Lanes`]; the memory belongs to the caller for the time of the call, and nobody writes what is read.
#[inline(always)]
pub unsafe fn dense_weights<L: Lanes>(job: &WeightGradient) {
    let (inputs, outputs) = (job.source.channels, job.gradient.channels);
    for tap in 0..job.kernel * job.kernel {
        let mut output = 0;
        while output < outputs {
            let left = outputs - output;
            let made = if left >= 2 * L::N { 2 * L::N } else { L::N };
            let mut input = 0;
            while input < inputs {
                let at = Place { tap, input, output };
                // SAFETY: as the caller says.
                input += unsafe {
                    match (L::REGISTERS < 32, left / L::N, inputs - input) {
                        (true, 2.., 6..) => outer::<L, 6, 2, true>(job, at),
                        (true, 2.., 4..) => outer::<L, 4, 2, true>(job, at),
                        (true, 2.., _) => outer::<L, 1, 2, true>(job, at),
                        (true, 1, 8..) => outer::<L, 8, 1, true>(job, at),
                        (true, 1, _) => outer::<L, 1, 1, true>(job, at),
                        (true, _, 8..) => outer::<L, 8, 1, false>(job, at),
                        (true, ..) => outer::<L, 1, 1, false>(job, at),
                        (false, 2.., 12..) => outer::<L, 12, 2, true>(job, at),
                        (false, 2.., 8..) => outer::<L, 8, 2, true>(job, at),
                        (false, 2.., 4..) => outer::<L, 4, 2, true>(job, at),
                        (false, 2.., _) => outer::<L, 1, 2, true>(job, at),
                        (false, 1, 16..) => outer::<L, 16, 1, true>(job, at),
                        (false, 1, 4..) => outer::<L, 4, 1, true>(job, at),
                        (false, 1, _) => outer::<L, 1, 1, true>(job, at),
                        (false, _, 16..) => outer::<L, 16, 1, false>(job, at),
                        (false, _, 4..) => outer::<L, 4, 1, false>(job, at),
                        (false, ..) => outer::<L, 1, 1, false>(job, at),
                    }
                };
            }
            output += made;
        }
    }
}

/// A tap, the first of its inputs and the first of its outputs.
#[derive(Clone, Copy)]
struct Place {
    tap: usize,
    input: usize,
    output: usize,
}

/// Sums of M inputs times N vectors of outputs, which are whole if it is FULL; returns M. The order of a sum is that of the
/// pixels, whatever M and N are.
///
/// # Safety
/// As [`dense_weights`]; there are as many inputs.
#[inline(always)]
unsafe fn outer<L: Lanes, const M: usize, const N: usize, const FULL: bool>(
    job: &WeightGradient,
    Place { tap, input, output }: Place,
) -> usize {
    // SAFETY: only pixels and channels inside of the maps are read, and weights of existing channels written.
    unsafe {
        let WeightGradient { source, gradient, kernel, stride, .. } = *job;
        let reach = (kernel / 2) as isize;
        let (dy, dx) = ((tap / kernel) as isize - reach, (tap % kernel) as isize - reach);
        let (height, width) = (source.height << source.up, source.width << source.up);
        let count = (gradient.channels - output).min(L::N);
        let mut sums = [[L::splat(0.0); N]; M];
        if kernel == 1 && stride == 1 && source.up == 0 {
            let run = Run {
                x: source.at.add(input),
                x_step: source.step,
                g: gradient.at.add(output),
                g_step: gradient.step,
                pixels: gradient.height * gradient.width,
            };
            run.add::<L, M, N, FULL>(&mut sums, count);
        } else {
            let columns = inside(gradient.width, stride, dx, width);
            for row in inside(gradient.height, stride, dy, height) {
                let y = ((row * stride) as isize + dy) as usize;
                let at = |column: usize| {
                    let x = ((column * stride) as isize + dx) as usize;
                    source.pixel(y, x).add(input).cast_const()
                };
                // Up-sampled pixels are no run.
                let pixels = if source.up == 0 { columns.len() } else { 1 };
                for column in columns.clone().step_by(pixels.max(1)) {
                    let run = Run {
                        x: at(column),
                        x_step: stride * source.step,
                        g: gradient.pixel(row, column).add(output),
                        g_step: gradient.step,
                        pixels,
                    };
                    run.add::<L, M, N, FULL>(&mut sums, count);
                }
            }
        }
        for m in 0..M {
            let to = job.to.add(tap * job.tap_step + (input + m) * job.row_step + output);
            for n in 0..N {
                let to = to.add(n * L::N);
                let count = if FULL { L::N } else { count };
                store::<L>(to, count, L::add(load::<L>(to, count), sums[m][n]));
            }
        }
        M
    }
}

/// Pixels at one distance from each other.
struct Run {
    x: *const f32,
    x_step: usize,
    g: *const f32,
    g_step: usize,
    pixels: usize,
}

impl Run {
    /// # Safety
    /// As [`outer`].
    #[inline(always)]
    unsafe fn add<L: Lanes, const M: usize, const N: usize, const FULL: bool>(
        self,
        sums: &mut [[L::V; N]; M],
        count: usize,
    ) {
        let Run { mut x, x_step, mut g, g_step, pixels } = self;
        // SAFETY: as the caller says.
        unsafe {
            for _ in 0..pixels {
                let mut v = [L::splat(0.0); N];
                for n in 0..N {
                    v[n] = if FULL { L::load(g.add(n * L::N)) } else { L::load_part(g, count) };
                }
                for m in 0..M {
                    let w = L::splat(*x.add(m));
                    for n in 0..N {
                        sums[m][n] = L::fma(w, v[n], sums[m][n]);
                    }
                }
                x = x.wrapping_add(x_step);
                g = g.wrapping_add(g_step);
            }
        }
    }
}

/// Gradients of depthwise weights.
///
/// # Safety
/// As [`dense_weights`].
#[inline(always)]
pub unsafe fn depthwise_weights<L: Lanes>(job: &WeightGradient) {
    let mut channel = 0;
    while channel < job.source.channels {
        for row in 0..job.kernel {
            // SAFETY: as the caller says.
            unsafe {
                if job.kernel == 3 {
                    kernel_row::<L, 3>(job, row, channel);
                } else {
                    kernel_row::<L, 5>(job, row, channel);
                }
            }
        }
        channel += L::N;
    }
}

/// The weights of a row of the kernel, for a vector of channels.
///
/// # Safety
/// As [`dense_weights`].
#[inline(always)]
unsafe fn kernel_row<L: Lanes, const K: usize>(job: &WeightGradient, tap_row: usize, channel: usize) {
    // SAFETY: only pixels and channels inside of the maps are read, and weights of existing channels written.
    unsafe {
        let WeightGradient { source, gradient, stride, .. } = *job;
        let count = (source.channels - channel).min(L::N);
        let reach = K / 2;
        let dy = tap_row as isize - reach as isize;
        let rows = inside(gradient.height, stride, dy, source.height);
        // Columns whose taps all lie inside.
        let left = inside(gradient.width, stride, -(reach as isize), source.width);
        let right = inside(gradient.width, stride, reach as isize, source.width);
        let whole = left.start.max(right.start)..left.end.min(right.end).max(left.start.max(right.start));
        let mut sums = [[L::splat(0.0); K]; 2];
        for row in rows {
            let y = ((row * stride) as isize + dy) as usize;
            for column in
                (0..whole.start.min(gradient.width)).chain(whole.end.max(whole.start)..gradient.width)
            {
                let g = load::<L>(gradient.pixel(row, column).add(channel), count);
                for k in 0..K {
                    let x = (column * stride + k).wrapping_sub(reach);
                    if x < source.width {
                        let v = load::<L>(source.pixel(y, x).add(channel), count);
                        sums[0][k] = L::fma(v, g, sums[0][k]);
                    }
                }
            }
            let mut column = whole.start;
            while column < whole.end {
                // Two columns have sums of their own: one's additions need not wait for the other's.
                for (i, sums) in sums.iter_mut().enumerate() {
                    if column + i >= whole.end {
                        break;
                    }
                    let g = load::<L>(gradient.pixel(row, column + i).add(channel), count);
                    let x = source.pixel(y, (column + i) * stride - reach).add(channel);
                    for k in 0..K {
                        sums[k] = L::fma(load::<L>(x.add(k * source.step), count), g, sums[k]);
                    }
                }
                column += 2;
            }
        }
        for k in 0..K {
            let to = job.to.add((tap_row * K + k) * job.tap_step + channel);
            let sum = L::add(sums[0][k], sums[1][k]);
            store::<L>(to, count, L::add(load::<L>(to, count), sum));
        }
    }
}
