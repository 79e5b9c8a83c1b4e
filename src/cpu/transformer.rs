//! The parts of a transformer's forward pass that are no matrix products, written so that the compiler
//! turns them into vector instructions. Inference takes them as they are; the training has versions of
//! its own of those whose gradient needs a trace.

use super::{exp, kernels};

/// Numbers a sum is spread over; a plain sum must be added in order and stays scalar.
const LANES: usize = 16;
/// Epsilon of every layer norm (docs/METHOD.md, "Encoder").
const EPSILON: f32 = 1e-5;

/// Sum of `at(i)` for i below `len`.
#[inline(always)]
pub fn sum_of(len: usize, at: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = len / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (l, lane) in lanes.iter_mut().enumerate() {
            *lane += at(start + l);
        }
    }
    let mut sum = lanes.iter().sum::<f32>();
    for i in whole..len {
        sum += at(i);
    }
    sum
}

/// The largest value; minus infinity of none.
#[inline(always)]
pub fn max_of(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane = if *v > *lane { *v } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |m, v| m.max(*v))
}

/// Mean and 1 / standard deviation of a row that a layer norm sees.
#[inline(always)]
pub fn moments(row: &[f32]) -> (f32, f32) {
    let d = row.len();
    let mean = sum_of(d, |i| row[i]) / d as f32;
    let var = sum_of(d, |i| (row[i] - mean) * (row[i] - mean)) / d as f32;
    (mean, 1.0 / (var + EPSILON).sqrt())
}

/// The normal distribution's share below `v`, and e^(-v v / 2).
#[inline(always)]
pub fn normal(v: f32) -> (f32, f32) {
    // erf after Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7.
    let z = v.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let density = exp(-0.5 * v * v);
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = 1.061_405_4 * t - 1.453_152_1;
    let p = p * t + 1.421_413_8;
    let p = p * t - 0.284_496_74;
    let p = p * t + 0.254_829_6;
    let tail = 0.5 * p * t * density;
    (if v < 0.0 { tail } else { 1.0 - tail }, density)
}

kernels! {
    /// Layer norm of each row of `gamma.len()` numbers, with gamma and beta.
    pub fn layer_norm(x: &[f32], gamma: &[f32], beta: &[f32], out: &mut [f32]) {
        let d = gamma.len();
        let beta = &beta[..d];
        for (x, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
            let (mean, s) = moments(x);
            for i in 0..d {
                out[i] = (x[i] - mean) * s * gamma[i] + beta[i];
            }
        }
    }

    /// Softmax of `scale` times each row of `n` numbers, in place.
    pub fn softmax(rows: &mut [f32], n: usize, scale: f32) {
        for row in rows.chunks_exact_mut(n) {
            let top = max_of(row);
            for v in row.iter_mut() {
                *v = exp((*v - top) * scale);
            }
            let by = 1.0 / sum_of(n, |i| row[i]);
            for v in row.iter_mut() {
                *v *= by;
            }
        }
    }

    /// Adds `bias` to each row of `x`, then the exact (erf) GELU in place.
    pub fn bias_gelu(x: &mut [f32], bias: &[f32]) {
        for row in x.chunks_exact_mut(bias.len()) {
            for (x, b) in row.iter_mut().zip(bias) {
                let v = *x + b;
                *x = v * normal(v).0;
            }
        }
    }

    /// `x += y`.
    pub fn add(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }

    /// Adds `bias` to each row.
    pub fn add_bias(x: &mut [f32], bias: &[f32]) {
        for row in x.chunks_exact_mut(bias.len()) {
            for (x, b) in row.iter_mut().zip(bias) {
                *x += b;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_is_the_exact_one() {
        // x * Phi(x), from tables of the normal distribution.
        let table = [(-2.0, -0.045500), (-1.0, -0.158655), (0.0, 0.0), (0.5, 0.345731), (3.0, 2.995_95)];
        for (x, expected) in table {
            let mut y = [x - 0.25];
            bias_gelu(&mut y, &[0.25]);
            assert!((y[0] - expected).abs() < 2e-6, "{x}: {} {expected}", y[0]);
        }
    }

    #[test]
    fn a_softmax_row_sums_to_one() {
        let mut rows: Vec<f32> = (0..42).map(|i| (i as f32 * 1.3).sin() * 5.0).collect();
        softmax(&mut rows, 21, 0.5);
        for row in rows.chunks(21) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        assert!((rows[1] / rows[0] - ((1.3f32.sin() * 5.0) * 0.5).exp()).abs() < 1e-3);
    }

    #[test]
    fn a_normed_row_has_mean_zero_and_spread_one() {
        let x: Vec<f32> = (0..21).map(|i| (i as f32 * 1.3).sin() * 5.0 + 7.0).collect();
        let mut out = vec![0.0; 21];
        layer_norm(&x, &[1.0; 21], &[0.0; 21], &mut out);
        let mean = |values: &[f32]| values.iter().sum::<f32>() / 21.0;
        assert!(mean(&out).abs() < 1e-5);
        assert!((mean(&out.iter().map(|v| v * v).collect::<Vec<_>>()) - 1.0).abs() < 1e-4);
    }
}
