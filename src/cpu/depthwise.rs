//! Depthwise convolutions, row by row.

use super::activation::activate;
use super::convolution::{load, store};
use super::lanes::Lanes;
use super::pack::PackedDepthwise;
use super::view::{Activation, View};

/// What [`depthwise`] does: one row of a depthwise convolution.
#[derive(Clone, Copy)]
pub struct DepthwiseRow<'a> {
    /// The map; as many channels as there are weights. Never up-sampled.
    pub source: View,
    /// The weights of its channels.
    pub packed: &'a PackedDepthwise,
    /// Sides of the kernel, 3 or 5; there are `kernel / 2` pixels of zeros around the map.
    pub kernel: usize,
    /// Pixels of the map from one pixel of the result to the next, 1 or 2.
    pub stride: usize,
    /// Row of the result.
    pub row: usize,
    /// Pixels of the result's row.
    pub width: usize,
    /// Where the row's first pixel goes.
    pub to: *mut f32,
    /// Numbers from one pixel of the result to the next.
    pub to_step: usize,
    /// Applied last.
    pub activation: Activation,
}

/// Pixels that are made at once.
const PIXELS: usize = 4;

/// One row.
///
/// # Safety
/// As [`Lanes`]; the row's memory belongs to the caller for the time of the call, and nobody writes what is read.
#[inline(always)]
pub unsafe fn depthwise<L: Lanes>(job: &DepthwiseRow) {
    // SAFETY: as the caller says.
    unsafe {
        match (job.kernel, job.stride) {
            (3, 1) => row_of::<L, 3, 1>(job),
            (3, _) => row_of::<L, 3, 2>(job),
            (_, 1) => row_of::<L, 5, 1>(job),
            _ => row_of::<L, 5, 2>(job),
        }
    }
}

/// # Safety
/// As [`depthwise`].
#[inline(always)]
unsafe fn row_of<L: Lanes, const K: usize, const S: usize>(job: &DepthwiseRow) {
    let mut channel = 0;
    while channel < job.source.channels {
        let count = (job.source.channels - channel).min(L::N);
        // SAFETY: as the caller says.
        unsafe {
            if count == L::N {
                channels_of::<L, K, S, true>(job, channel, count);
            } else {
                channels_of::<L, K, S, false>(job, channel, count);
            }
        }
        channel += L::N;
    }
}

/// A row of `count` channels from `channel` on; FULL says that they are a whole vector.
///
/// # Safety
/// As [`depthwise`].
#[inline(always)]
unsafe fn channels_of<L: Lanes, const K: usize, const S: usize, const FULL: bool>(
    job: &DepthwiseRow,
    channel: usize,
    count: usize,
) {
    // SAFETY: rows from `kernel_rows` and columns below `width` lie in the map; the others are left out.
    unsafe {
        let View { height, width, step, .. } = job.source;
        let base = job.source.at.add(channel).cast_const();
        let weights = job.packed.values.as_ptr().add(channel);
        let wide = job.packed.wide();
        let bias = L::load(job.packed.bias.as_ptr().add(channel));
        let reach = K / 2;
        // Rows of the kernel that lie in the map: row y of the kernel is row `top + y - reach` of the map.
        let top = job.row * S;
        let (first, end) = (reach.saturating_sub(top), (height + reach - top).min(K));
        let take = |row: usize, column: usize| base.add((row * width + column) * step);
        let mut x = 0;
        while x < job.width {
            // The last pixels are made together with some that are made already, so that none is made alone.
            if x + PIXELS > job.width && job.width >= PIXELS {
                x = job.width - PIXELS;
            }
            let made = PIXELS.min(job.width - x);
            let inside = made == PIXELS && x * S >= reach && (x + PIXELS - 1) * S + K - reach <= width;
            let mut sums = [bias; PIXELS];
            for y in first..end {
                let row = top + y - reach;
                if inside && S == 1 {
                    // Neighbouring pixels share what they see.
                    let mut seen = [bias; PIXELS + 4];
                    for i in 0..PIXELS + K - 1 {
                        seen[i] = get::<L, FULL>(take(row, x + i - reach), count);
                    }
                    for k in 0..K {
                        let w = L::load(weights.add((y * K + k) * wide));
                        for i in 0..PIXELS {
                            sums[i] = L::fma(seen[i + k], w, sums[i]);
                        }
                    }
                    continue;
                }
                for k in 0..K {
                    let w = L::load(weights.add((y * K + k) * wide));
                    for i in 0..PIXELS {
                        let column = ((x + i) * S + k).wrapping_sub(reach);
                        if inside || (i < made && column < width) {
                            sums[i] = L::fma(get::<L, FULL>(take(row, column), count), w, sums[i]);
                        }
                    }
                }
            }
            for i in 0..PIXELS {
                if i < made {
                    let to = job.to.add((x + i) * job.to_step + channel);
                    store::<L>(to, count, activate::<L>(sums[i], job.activation));
                }
            }
            x += PIXELS;
        }
    }
}

/// # Safety
/// As [`Lanes::load_part`].
#[inline(always)]
unsafe fn get<L: Lanes, const FULL: bool>(from: *const f32, count: usize) -> L::V {
    // SAFETY: as the caller says.
    unsafe { if FULL { L::load(from) } else { load::<L>(from, count) } }
}
