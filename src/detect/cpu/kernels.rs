//! The parts of the pass that are no matrix products. Maps are pixel by pixel, channels together.

use crate::cpu::{exp, kernels};

/// Channels that a depthwise convolution keeps in registers at once.
const BLOCK: usize = 16;

/// x times its sigmoid.
#[inline(always)]
fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

kernels! {
    /// SiLU of each row of `rows` plus `bias`, in place; rows lie `step` numbers apart.
    pub fn bias_silu(rows: &mut [f32], bias: &[f32], step: usize) {
        for row in rows.chunks_mut(step) {
            for (v, b) in row[..bias.len()].iter_mut().zip(bias) {
                *v = silu(*v + b);
            }
        }
    }

    /// Adds SiLU of each row of `rows` plus `bias` to a row of `sums`; those lie `step` numbers apart.
    pub fn add_bias_silu(rows: &[f32], bias: &[f32], sums: &mut [f32], step: usize) {
        for (row, sum) in rows.chunks_exact(bias.len()).zip(sums.chunks_mut(step)) {
            for ((s, v), b) in sum.iter_mut().zip(row).zip(bias) {
                *s += silu(*v + b);
            }
        }
    }

    /// Adds `bias` to each row of `rows`.
    pub fn add_bias(rows: &mut [f32], bias: &[f32]) {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (v, b) in row.iter_mut().zip(bias) {
                *v += b;
            }
        }
    }

    /// Adds each row of `rows`, `step` numbers apart, to `sums`.
    pub fn add_rows(rows: &[f32], sums: &mut [f32], step: usize) {
        for row in rows.chunks(step) {
            for (s, v) in sums.iter_mut().zip(row) {
                *s += v;
            }
        }
    }

    /// The larger of each pair, in place of the first.
    pub fn larger(values: &mut [f32], others: &[f32]) {
        for (v, o) in values.iter_mut().zip(others) {
            *v = if *o > *v { *o } else { *v };
        }
    }

    /// One row of a depthwise convolution with SiLU. `rows` are the rows of the input under the kernel: the first
    /// number of a row in `source`, and the row of the kernel; pixels lie `step` numbers apart. `weights` hold
    /// all channels of a tap together, tap by tap, `kernel` taps a row.
    pub fn depthwise_row(
        source: &[f32],
        rows: &[(usize, usize)],
        step: usize,
        width: usize,
        kernel: usize,
        stride: usize,
        weights: &[f32],
        bias: &[f32],
        out: &mut [f32],
    ) {
        let channels = bias.len();
        let reach = kernel / 2;
        for (x, out) in out.chunks_exact_mut(channels).enumerate() {
            // Taps outside of the map are zero.
            let first = reach.saturating_sub(x * stride);
            let last = kernel.min(width + reach - x * stride);
            let left = x * stride + first - reach;
            let mut c = 0;
            while c + BLOCK <= channels {
                let mut sums = [0f32; BLOCK];
                sums.copy_from_slice(&bias[c..c + BLOCK]);
                for &(at, row) in rows {
                    let mut from = at + left * step + c;
                    let mut tap = (row * kernel + first) * channels + c;
                    for _ in first..last {
                        let values = &source[from..][..BLOCK];
                        let weights = &weights[tap..][..BLOCK];
                        for i in 0..BLOCK {
                            sums[i] += values[i] * weights[i];
                        }
                        from += step;
                        tap += channels;
                    }
                }
                let out = &mut out[c..][..BLOCK];
                for i in 0..BLOCK {
                    out[i] = silu(sums[i]);
                }
                c += BLOCK;
            }
            for c in c..channels {
                let mut sum = bias[c];
                for &(at, row) in rows {
                    for k in 0..last - first {
                        sum += source[at + (left + k) * step + c] * weights[(row * kernel + first + k) * channels + c];
                    }
                }
                out[c] = silu(sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silu_is_exact_to_six_digits_and_calm_far_out() {
        for x in (-300..300).map(|i| i as f32 * 0.1) {
            let wide = f64::from(x);
            let want = wide / (1.0 + (-wide).exp());
            assert!((f64::from(silu(x)) - want).abs() <= 1e-6 * want.abs() + 1e-7, "{x}: {} {want}", silu(x));
        }
        assert!(silu(-1e30).abs() < 1e-6);
        assert_eq!(silu(1e30), 1e30);
    }
}
