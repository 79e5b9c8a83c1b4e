//! Gradients of what stands between the convolutions: activations, sums, shuffles, up-sampling, pooling and gates.

use super::activation::slope;
use super::combine::{POOL_REACH, bilinear_sample};
use super::convolution::{load, store};
use super::lanes::Lanes;
use super::view::{Activation, View};

/// What [`activation_gradient`] does.
#[derive(Clone, Copy, Debug)]
pub struct ActivationGradient {
    /// The gradient of what the activation made.
    pub gradient: View,
    /// What it made (of a rectifier), or what it was made of.
    pub value: View,
    /// Which it was.
    pub activation: Activation,
    /// Where the gradient of what it was made of goes; may be `gradient` itself.
    pub output: View,
    /// Added to what is there instead of taking its place.
    pub add: bool,
}

/// The gradient of an activation's input.
///
/// # Safety
/// As [`Lanes`]; the views belong to the caller for the time of the call, have one size and are not up-sampled.
#[inline(always)]
pub unsafe fn activation_gradient<L: Lanes>(job: &ActivationGradient) {
    let ActivationGradient { gradient, value, activation, output, add } = *job;
    for pixel in 0..output.height * output.width {
        for channel in (0..output.channels).step_by(L::N) {
            let count = (output.channels - channel).min(L::N);
            // SAFETY: as the caller says.
            unsafe {
                let g = load::<L>(gradient.at.add(pixel * gradient.step + channel), count);
                let v = load::<L>(value.at.add(pixel * value.step + channel), count);
                let to = output.at.add(pixel * output.step + channel);
                let before = if add { load::<L>(to, count) } else { L::splat(0.0) };
                let made = match activation {
                    Activation::None => g,
                    Activation::Relu => L::where_positive(v, g),
                    _ => L::mul(g, slope::<L>(v, activation)),
                };
                store::<L>(to, count, L::add(before, made));
            }
        }
    }
}

/// What [`shuffle_gradient`] does: the gradient of a result that was shuffled with another map.
#[derive(Clone, Copy, Debug)]
pub struct ShuffleGradient {
    /// Of the shuffled channels: twice as many as each half has.
    pub gradient: View,
    /// The shuffled channels.
    pub value: View,
    /// Whether the result was rectified.
    pub rectified: bool,
    /// Where the gradient of the result goes.
    pub output: View,
    /// Where that of what passed goes, if it is needed.
    pub pass: Option<View>,
    /// The latter is added to what is there instead of taking its place.
    pub add: bool,
}

/// Parts the gradients of the two halves.
///
/// # Safety
/// As [`activation_gradient`].
#[inline(always)]
#[allow(clippy::extra_unused_type_parameters)] // Compiled for each instruction set, as all kernels.
pub unsafe fn shuffle_gradient<L: Lanes>(job: &ShuffleGradient) {
    let ShuffleGradient { gradient, value, rectified, output, pass, add } = *job;
    for pixel in 0..output.height * output.width {
        // SAFETY: as the caller says.
        unsafe {
            let g = gradient.at.add(pixel * gradient.step);
            let v = value.at.add(pixel * value.step);
            let to = output.at.add(pixel * output.step);
            for channel in 0..output.channels {
                let open = !rectified || *v.add(2 * channel + 1) > 0.0;
                *to.add(channel) = if open { *g.add(2 * channel + 1) } else { 0.0 };
            }
            if let Some(pass) = pass {
                let to = pass.at.add(pixel * pass.step);
                for channel in 0..output.channels {
                    let before = if add { *to.add(channel) } else { 0.0 };
                    *to.add(channel) = before + *g.add(2 * channel);
                }
            }
        }
    }
}

/// What [`column_sums`] does: sums of all pixels, added to what is there.
#[derive(Clone, Copy, Debug)]
pub struct ColumnSums {
    /// The map. Never up-sampled.
    pub source: View,
    /// One number for each channel.
    pub to: *mut f32,
}

/// Sums of all pixels.
///
/// # Safety
/// As [`activation_gradient`].
#[inline(always)]
pub unsafe fn column_sums<L: Lanes>(job: &ColumnSums) {
    let source = &job.source;
    let pixels = source.height * source.width;
    for channel in (0..source.channels).step_by(L::N) {
        let count = (source.channels - channel).min(L::N);
        // SAFETY: as the caller says.
        unsafe {
            const CHAINS: usize = 4;
            let mut sums = [L::splat(0.0); CHAINS];
            for pixel in 0..pixels {
                let v = load::<L>(source.at.add(pixel * source.step + channel), count);
                sums[pixel % CHAINS] = L::add(sums[pixel % CHAINS], v);
            }
            let sum = L::add(L::add(sums[0], sums[1]), L::add(sums[2], sums[3]));
            let to = job.to.add(channel);
            store::<L>(to, count, L::add(load::<L>(to, count), sum));
        }
    }
}

/// What [`shrink`] does: the gradient of a map that was read up-sampled, nearest pixel by nearest pixel.
#[derive(Clone, Copy, Debug)]
pub struct Shrink {
    /// The gradient at the size after up-sampling.
    pub source: View,
    /// Its factor.
    pub times: f32,
    /// The gradient of the map, whose `up` says how often it was doubled.
    pub output: View,
    /// Added to what is there instead of taking its place.
    pub add: bool,
}

/// Sums of the pixels that one pixel became.
///
/// # Safety
/// As [`activation_gradient`].
#[inline(always)]
pub unsafe fn shrink<L: Lanes>(job: &Shrink) {
    let Shrink { source, times, output, add } = *job;
    let side = 1 << output.up;
    for pixel in 0..output.height * output.width {
        let (row, column) = (pixel / output.width * side, pixel % output.width * side);
        for channel in (0..output.channels).step_by(L::N) {
            let count = (output.channels - channel).min(L::N);
            // SAFETY: as the caller says.
            unsafe {
                let to = output.at.add(pixel * output.step + channel);
                let mut v = L::splat(0.0);
                for i in 0..side * side {
                    let from = source.pixel(row + i / side, column + i % side).add(channel);
                    v = L::add(v, load::<L>(from, count));
                }
                let before = if add { load::<L>(to, count) } else { L::splat(0.0) };
                store::<L>(to, count, L::fma(v, L::splat(times), before));
            }
        }
    }
}

/// What [`double_gradient`] and [`max_pool_gradient`] do; the result is added to what is there.
#[derive(Clone, Copy, Debug)]
pub struct SpreadGradient {
    /// The gradient of the result.
    pub gradient: View,
    /// The map that was read.
    pub value: View,
    /// Its gradient.
    pub output: View,
}

/// The gradient of a map that was doubled by bilinear up-sampling.
///
/// # Safety
/// As [`activation_gradient`].
#[inline(always)]
pub unsafe fn double_gradient<L: Lanes>(job: &SpreadGradient) {
    let SpreadGradient { gradient, output, .. } = *job;
    for row in 0..gradient.height {
        let (above, fy) = bilinear_sample(row, output.height);
        let below = (above + 1).min(output.height - 1);
        for column in 0..gradient.width {
            let (left, fx) = bilinear_sample(column, output.width);
            let right = (left + 1).min(output.width - 1);
            let corners = [
                (above, left, (1.0 - fy) * (1.0 - fx)),
                (above, right, (1.0 - fy) * fx),
                (below, left, fy * (1.0 - fx)),
                (below, right, fy * fx),
            ];
            for channel in (0..output.channels).step_by(L::N) {
                let count = (output.channels - channel).min(L::N);
                // SAFETY: as the caller says.
                unsafe {
                    let g = load::<L>(gradient.pixel(row, column).add(channel), count);
                    for (y, x, weight) in corners {
                        let to = output.pixel(y, x).add(channel);
                        store::<L>(to, count, L::fma(g, L::splat(weight), load::<L>(to, count)));
                    }
                }
            }
        }
    }
}

/// The gradient of a map of which the largest values within 5x5 pixels were taken: it goes to the first of the largest,
/// row by row.
///
/// # Safety
/// As [`activation_gradient`].
#[inline(always)]
#[allow(clippy::extra_unused_type_parameters)] // Compiled for each instruction set, as all kernels.
pub unsafe fn max_pool_gradient<L: Lanes>(job: &SpreadGradient) {
    let SpreadGradient { gradient, value, output } = *job;
    for row in 0..value.height {
        for column in 0..value.width {
            for channel in 0..value.channels {
                // SAFETY: as the caller says; windows are cut at the map's border.
                unsafe {
                    let (mut most, mut place) = (f32::NEG_INFINITY, (row, column));
                    for y in row.saturating_sub(POOL_REACH)..(row + POOL_REACH + 1).min(value.height) {
                        for x in column.saturating_sub(POOL_REACH)..(column + POOL_REACH + 1).min(value.width)
                        {
                            let v = *value.pixel(y, x).add(channel);
                            if v > most {
                                (most, place) = (v, (y, x));
                            }
                        }
                    }
                    *output.pixel(place.0, place.1).add(channel) += *gradient.pixel(row, column).add(channel);
                }
            }
        }
    }
}
