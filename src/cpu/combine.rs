//! Sums, up-sampling, pooling and gates: what lies between the convolutions.

use super::activation::activate;
use super::convolution::{load, store};
use super::lanes::Lanes;
use super::pack::Packed;
use super::view::{Activation, Addend, View};
use std::ops::Range;

/// What [`sum`] does: a sum of maps.
#[derive(Clone)]
pub struct Sum<'a> {
    /// What is added, from the first on.
    pub addends: &'a [Addend],
    /// Applied to the sum.
    pub activation: Activation,
    /// Where the result goes.
    pub output: View,
    /// Where the rectified sum goes too.
    pub rectified: Option<View>,
    /// Rows that are made.
    pub rows: Range<usize>,
}

/// Some rows of a sum.
///
/// # Safety
/// As [`Lanes`]; the views belong to the caller for the time of the call, nobody writes what is read, and all are of the
/// output's size.
#[inline(always)]
pub unsafe fn sum<L: Lanes>(job: &Sum) {
    // SAFETY: as the caller says.
    unsafe {
        for row in job.rows.clone() {
            for column in 0..job.output.width {
                let mut channel = 0;
                while channel < job.output.channels {
                    let count = (job.output.channels - channel).min(L::N);
                    let mut v = L::splat(0.0);
                    for addend in job.addends {
                        let added = load::<L>(addend.view.pixel(row, column).add(channel), count);
                        v = L::fma(added, L::splat(addend.times), v);
                    }
                    let result = activate::<L>(v, job.activation);
                    store::<L>(job.output.pixel(row, column).add(channel), count, result);
                    if let Some(rectified) = &job.rectified {
                        let v = activate::<L>(v, Activation::Relu);
                        store::<L>(rectified.pixel(row, column).add(channel), count, v);
                    }
                    channel += L::N;
                }
            }
        }
    }
}

/// What [`double`] does: bilinear up-sampling to twice the size, corners aligned, plus another map.
#[derive(Clone)]
pub struct Double {
    /// The small map.
    pub source: View,
    /// Added to it, of the output's size.
    pub addend: View,
    /// Where the result goes.
    pub output: View,
    /// Rows that are made.
    pub rows: Range<usize>,
}

/// The sample below `i` of twice as many, and how far behind it `i` lies.
pub fn bilinear_sample(i: usize, small: usize) -> (usize, f32) {
    let place = i as f32 * (small - 1) as f32 / (2 * small - 1) as f32;
    let below = (place as usize).min(small.saturating_sub(2));
    (below, place - below as f32)
}

/// Some rows of a doubled map.
///
/// # Safety
/// As [`sum`].
#[inline(always)]
pub unsafe fn double<L: Lanes>(job: &Double) {
    // SAFETY: as the caller says; the samples behind the last one are the last one.
    unsafe {
        let source = &job.source;
        for row in job.rows.clone() {
            let (above, fy) = bilinear_sample(row, source.height);
            let below = (above + 1).min(source.height - 1);
            for column in 0..job.output.width {
                let (left, fx) = bilinear_sample(column, source.width);
                let right = (left + 1).min(source.width - 1);
                let corners = [
                    (source.pixel(above, left), (1.0 - fy) * (1.0 - fx)),
                    (source.pixel(above, right), (1.0 - fy) * fx),
                    (source.pixel(below, left), fy * (1.0 - fx)),
                    (source.pixel(below, right), fy * fx),
                ];
                let mut channel = 0;
                while channel < job.output.channels {
                    let count = (job.output.channels - channel).min(L::N);
                    let mut v = load::<L>(job.addend.pixel(row, column).add(channel), count);
                    for (corner, weight) in corners {
                        v = L::fma(load::<L>(corner.add(channel), count), L::splat(weight), v);
                    }
                    store::<L>(job.output.pixel(row, column).add(channel), count, v);
                    channel += L::N;
                }
            }
        }
    }
}

/// What [`max_pool`] does: the largest value within 5x5 pixels.
#[derive(Clone)]
pub struct MaxPool {
    /// The map.
    pub source: View,
    /// Of the same size.
    pub output: View,
    /// Rows that are made.
    pub rows: Range<usize>,
}

/// Pixels on each side of the one in the middle of a pool's window.
pub const POOL_REACH: usize = 2;

/// Some rows of the largest values.
///
/// # Safety
/// As [`sum`].
#[inline(always)]
pub unsafe fn max_pool<L: Lanes>(job: &MaxPool) {
    // SAFETY: as the caller says; windows are cut at the map's border.
    unsafe {
        let View { height, width, channels, .. } = job.source;
        for row in job.rows.clone() {
            for column in 0..width {
                let mut channel = 0;
                while channel < channels {
                    let count = (channels - channel).min(L::N);
                    let mut v = load::<L>(job.source.pixel(row, column).add(channel), count);
                    for y in row.saturating_sub(POOL_REACH)..(row + POOL_REACH + 1).min(height) {
                        for x in column.saturating_sub(POOL_REACH)..(column + POOL_REACH + 1).min(width) {
                            v = L::max(load::<L>(job.source.pixel(y, x).add(channel), count), v);
                        }
                    }
                    store::<L>(job.output.pixel(row, column).add(channel), count, v);
                    channel += L::N;
                }
            }
        }
    }
}

/// What [`gate`] does: weights of a pointwise convolution times how far each of its inputs is open. A channel is open by
/// the hard sigmoid of what a matrix makes of the channels' means (squeeze and excitation, arXiv 1709.01507).
#[derive(Clone)]
pub struct Gate<'a> {
    /// The map whose channels are gated.
    pub source: View,
    /// The matrix with its bias, a pointwise convolution of as many outputs as inputs.
    pub matrix: &'a Packed,
    /// The weights of the convolution behind the gate.
    pub packed: &'a Packed,
    /// Where the gated weights go, laid out as `packed`.
    pub output: *mut f32,
    /// Memory for three numbers a channel, channels filled up to whole vectors.
    pub scratch: *mut f32,
}

/// The gated weights.
///
/// # Safety
/// As [`sum`]; scratch memory is long enough.
#[inline(always)]
pub unsafe fn gate<L: Lanes>(job: &Gate) {
    // SAFETY: as the caller says.
    unsafe {
        let channels = job.source.channels;
        let pixels = job.source.height * job.source.width;
        let wide = channels.next_multiple_of(L::N);
        let (means, open) = (job.scratch, job.scratch.add(wide));
        let mut channel = 0;
        while channel < channels {
            let count = (channels - channel).min(L::N);
            let mut v = L::splat(0.0);
            for pixel in 0..pixels {
                v = L::add(v, load::<L>(job.source.at.add(pixel * job.source.step + channel), count));
            }
            L::store(means.add(channel), L::mul(v, L::splat(1.0 / pixels as f32)));
            channel += L::N;
        }
        let (sixth, half) = (L::splat(1.0 / 6.0), L::splat(0.5));
        for panel in &job.matrix.panels {
            for n in 0..panel.vectors {
                let first = panel.first + n * L::N;
                let mut v = L::load(job.matrix.bias.as_ptr().add(first));
                for k in 0..channels {
                    let weights = job.matrix.values.as_ptr().add(panel.at + (k * panel.vectors + n) * L::N);
                    v = L::fma(L::splat(*means.add(k)), L::load(weights), v);
                }
                let v = L::min(L::max(L::fma(v, sixth, half), L::splat(0.0)), L::splat(1.0));
                L::store(open.add(first), v);
            }
        }
        for panel in &job.packed.panels {
            for k in 0..job.packed.inputs {
                let by = L::splat(*open.add(k));
                for n in 0..panel.vectors {
                    let at = panel.at + (k * panel.vectors + n) * L::N;
                    L::store(job.output.add(at), L::mul(by, L::load(job.packed.values.as_ptr().add(at))));
                }
            }
        }
    }
}
