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
            let two = outputs - output > L::N;
            let mut input = 0;
            while input < inputs {
                let left = inputs - input;
                // SAFETY: as the caller says.
                input += unsafe {
                    match (L::REGISTERS < 32, two, left) {
                        (true, true, 5..) => outer::<L, 6, 2>(job, tap, input, output),
                        (true, true, _) => outer::<L, 4, 2>(job, tap, input, output),
                        (true, false, 5..) => outer::<L, 8, 1>(job, tap, input, output),
                        (true, false, _) => outer::<L, 4, 1>(job, tap, input, output),
                        (false, true, 9..) => outer::<L, 12, 2>(job, tap, input, output),
                        (false, true, 5..=8) => outer::<L, 8, 2>(job, tap, input, output),
                        (false, true, _) => outer::<L, 4, 2>(job, tap, input, output),
                        (false, false, 9..) => outer::<L, 16, 1>(job, tap, input, output),
                        (false, false, 5..=8) => outer::<L, 8, 1>(job, tap, input, output),
                        (false, false, _) => outer::<L, 4, 1>(job, tap, input, output),
                    }
                };
            }
            output += if two { 2 * L::N } else { L::N };
        }
    }
}

/// Sums of M inputs times N vectors of outputs; returns M.
///
/// # Safety
/// As [`dense_weights`].
#[inline(always)]
unsafe fn outer<L: Lanes, const M: usize, const N: usize>(
    job: &WeightGradient,
    tap: usize,
    input: usize,
    output: usize,
) -> usize {
    // SAFETY: only pixels and channels inside of the maps are read, and weights of existing channels written.
    unsafe {
        let WeightGradient { source, gradient, kernel, stride, .. } = *job;
        let reach = (kernel / 2) as isize;
        let (dy, dx) = ((tap / kernel) as isize - reach, (tap % kernel) as isize - reach);
        let (height, width) = (source.height << source.up, source.width << source.up);
        let rows = inside(gradient.height, stride, dy, height);
        let columns = inside(gradient.width, stride, dx, width);
        let valid = (source.channels - input).min(M);
        let mut counts = [L::N; N];
        counts[N - 1] = (gradient.channels - output - (N - 1) * L::N).min(L::N);
        let mut sums = [[L::splat(0.0); N]; M];
        let mut take = |mut x: *const f32, x_step: usize, mut g: *const f32, count: usize| {
            for _ in 0..count {
                let mut v = [L::splat(0.0); N];
                for n in 0..N {
                    v[n] = load::<L>(g.add(n * L::N), counts[n]);
                }
                for m in 0..M {
                    // Inputs behind the last one are the last one again, and not written.
                    let w = L::splat(*x.add(m.min(valid - 1)));
                    for n in 0..N {
                        sums[m][n] = L::fma(w, v[n], sums[m][n]);
                    }
                }
                x = x.wrapping_add(x_step);
                g = g.wrapping_add(gradient.step);
            }
        };
        if kernel == 1 && stride == 1 && source.up == 0 {
            let pixels = gradient.height * gradient.width;
            take(source.at.add(input), source.step, gradient.at.add(output), pixels);
        } else {
            for row in rows {
                let y = (row * stride) as isize + dy;
                let at = |column: usize| {
                    let x = (column * stride) as isize + dx;
                    source.pixel(y as usize, x as usize).add(input).cast_const()
                };
                if source.up == 0 && !columns.is_empty() {
                    let from = gradient.pixel(row, columns.start).add(output);
                    take(at(columns.start), stride * source.step, from, columns.len());
                } else {
                    for column in columns.clone() {
                        take(at(column), 0, gradient.pixel(row, column).add(output), 1);
                    }
                }
            }
        }
        for m in 0..valid {
            let to = job.to.add(tap * job.tap_step + (input + m) * job.row_step + output);
            for n in 0..N {
                let to = to.add(n * L::N);
                store::<L>(to, counts[n], L::add(load::<L>(to, counts[n]), sums[m][n]));
            }
        }
        M
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
