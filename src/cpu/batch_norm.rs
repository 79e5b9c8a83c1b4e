//! Batch norms in training: statistics of a map, and what is made of it with those of the whole batch.

use super::activation::activate;
use super::convolution::{load, store};
use super::lanes::Lanes;
use super::view::{Activation, Addend, View};

/// What [`channel_moments`] does.
#[derive(Clone, Copy, Debug)]
pub struct ChannelMoments {
    /// The map. Never up-sampled.
    pub source: View,
    /// Where each channel's mean goes.
    pub mean: *mut f32,
    /// Where the sum of its squared distances from that goes.
    pub squares: *mut f32,
}

/// Mean and squared distances of each channel.
///
/// # Safety
/// As [`Lanes`]; the memory belongs to the caller for the time of the call, and nobody writes what is read.
#[inline(always)]
pub unsafe fn channel_moments<L: Lanes>(job: &ChannelMoments) {
    let source = &job.source;
    let pixels = source.height * source.width;
    for channel in (0..source.channels).step_by(L::N) {
        let count = (source.channels - channel).min(L::N);
        // SAFETY: as the caller says.
        unsafe {
            let at = |pixel: usize| load::<L>(source.at.add(pixel * source.step + channel), count);
            let mut sum = [L::splat(0.0); 4];
            for pixel in 0..pixels {
                sum[pixel % 4] = L::add(sum[pixel % 4], at(pixel));
            }
            let sum = L::add(L::add(sum[0], sum[1]), L::add(sum[2], sum[3]));
            let mean = L::mul(sum, L::splat(1.0 / pixels as f32));
            let mut squares = [L::splat(0.0); 4];
            for pixel in 0..pixels {
                let v = L::sub(at(pixel), mean);
                squares[pixel % 4] = L::fma(v, v, squares[pixel % 4]);
            }
            let squares = L::add(L::add(squares[0], squares[1]), L::add(squares[2], squares[3]));
            store::<L>(job.mean.add(channel), count, mean);
            store::<L>(job.squares.add(channel), count, squares);
        }
    }
}

/// What [`scale_channels`] does.
#[derive(Clone)]
pub struct ScaleChannels<'a> {
    /// The map. Never up-sampled.
    pub source: View,
    /// Factor of each channel.
    pub scale: *const f32,
    /// Added to each channel.
    pub shift: *const f32,
    /// Added too, each of the map's size.
    pub addends: &'a [Addend],
    /// Applied to the sum.
    pub activation: Activation,
    /// Where the result goes.
    pub output: View,
}

/// Scaled and shifted channels.
///
/// # Safety
/// As [`channel_moments`].
#[inline(always)]
pub unsafe fn scale_channels<L: Lanes>(job: &ScaleChannels) {
    let (source, output) = (&job.source, &job.output);
    for row in 0..output.height {
        for column in 0..output.width {
            for channel in (0..output.channels).step_by(L::N) {
                let count = (output.channels - channel).min(L::N);
                // SAFETY: as the caller says.
                unsafe {
                    let v = load::<L>(source.pixel(row, column).add(channel), count);
                    let scale = load::<L>(job.scale.add(channel), count);
                    let mut v = L::fma(v, scale, load::<L>(job.shift.add(channel), count));
                    for addend in job.addends {
                        let added = load::<L>(addend.view.pixel(row, column).add(channel), count);
                        v = L::fma(added, L::splat(addend.times), v);
                    }
                    let to = output.pixel(row, column).add(channel);
                    store::<L>(to, count, activate::<L>(v, job.activation));
                }
            }
        }
    }
}

/// What [`norm_sums`] does.
#[derive(Clone, Copy, Debug)]
pub struct NormSums {
    /// What was normalised.
    pub source: View,
    /// The gradient of the normalised map.
    pub gradient: View,
    /// Of each channel in the whole batch.
    pub mean: *const f32,
    /// 1 / standard deviation, likewise.
    pub inverse: *const f32,
    /// Where each channel's sum of the gradient goes.
    pub sum: *mut f32,
    /// Where that of the gradient times the normalised map goes.
    pub along: *mut f32,
}

/// What a batch norm's gradient needs to know of a map.
///
/// # Safety
/// As [`channel_moments`].
#[inline(always)]
pub unsafe fn norm_sums<L: Lanes>(job: &NormSums) {
    let NormSums { source, gradient, .. } = *job;
    for channel in (0..source.channels).step_by(L::N) {
        let count = (source.channels - channel).min(L::N);
        // SAFETY: as the caller says.
        unsafe {
            let (mean, inverse) =
                (load::<L>(job.mean.add(channel), count), load::<L>(job.inverse.add(channel), count));
            let (mut sum, mut along) = ([L::splat(0.0); 2], [L::splat(0.0); 2]);
            for pixel in 0..source.height * source.width {
                let g = load::<L>(gradient.at.add(pixel * gradient.step + channel), count);
                let v = load::<L>(source.at.add(pixel * source.step + channel), count);
                let normed = L::mul(L::sub(v, mean), inverse);
                sum[pixel % 2] = L::add(sum[pixel % 2], g);
                along[pixel % 2] = L::fma(g, normed, along[pixel % 2]);
            }
            store::<L>(job.sum.add(channel), count, L::add(sum[0], sum[1]));
            store::<L>(job.along.add(channel), count, L::add(along[0], along[1]));
        }
    }
}

/// What [`norm_gradient`] does.
#[derive(Clone, Copy, Debug)]
pub struct NormGradient {
    /// What was normalised.
    pub source: View,
    /// The gradient of the normalised map.
    pub gradient: View,
    /// Of each channel in the whole batch.
    pub mean: *const f32,
    /// 1 / standard deviation, likewise.
    pub inverse: *const f32,
    /// Of each channel: mean of the gradient, mean of the gradient times the normalised map, and gamma.
    pub factors: [*const f32; 3],
    /// Where the gradient of the source goes.
    pub output: View,
    /// Added to what is there instead of taking its place.
    pub add: bool,
}

/// The gradient of what a batch norm saw.
///
/// # Safety
/// As [`channel_moments`].
#[inline(always)]
pub unsafe fn norm_gradient<L: Lanes>(job: &NormGradient) {
    let NormGradient { source, gradient, mean, inverse, factors, output, add } = *job;
    for channel in (0..source.channels).step_by(L::N) {
        let count = (source.channels - channel).min(L::N);
        // SAFETY: as the caller says.
        unsafe {
            let of = |numbers: *const f32| load::<L>(numbers.add(channel), count);
            let (mean, inverse, [sum, along, gamma]) = (of(mean), of(inverse), factors.map(of));
            let scale = L::mul(gamma, inverse);
            for pixel in 0..source.height * source.width {
                let g = load::<L>(gradient.at.add(pixel * gradient.step + channel), count);
                let v = load::<L>(source.at.add(pixel * source.step + channel), count);
                let to = output.at.add(pixel * output.step + channel);
                let before = if add { load::<L>(to, count) } else { L::splat(0.0) };
                let normed = L::mul(L::sub(v, mean), inverse);
                let apart = L::sub(L::sub(g, sum), L::mul(normed, along));
                store::<L>(to, count, L::fma(apart, scale, before));
            }
        }
    }
}
