//! The parts of a pass that are no matrix products, written so that the compiler turns them into
//! vector instructions.

use crate::cpu::{exp, kernels};

/// Numbers a sum is spread over; a plain sum must be added in order and stays scalar.
const LANES: usize = 16;

#[inline(always)]
fn sum_of(len: usize, at: impl Fn(usize) -> f32) -> f32 {
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

#[inline(always)]
fn max_of(values: &[f32]) -> f32 {
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

/// Epsilon of every layer norm (METHOD 2.5).
const EPSILON: f32 = 1e-5;

kernels! {
    /// Layer norm of each row of `d` numbers: `normed` without and `out` with gain and shift, `spread`
    /// 1 / standard deviation of each row.
    pub fn layer_norm(
        x: &[f32],
        gain: &[f32],
        shift: &[f32],
        normed: &mut [f32],
        spread: &mut [f32],
        out: &mut [f32],
    ) {
        let d = gain.len();
        let shift = &shift[..d];
        let rows = x.chunks_exact(d).zip(normed.chunks_exact_mut(d)).zip(out.chunks_exact_mut(d));
        for (((x, normed), out), spread) in rows.zip(spread.iter_mut()) {
            let mean = sum_of(d, |i| x[i]) / d as f32;
            let var = sum_of(d, |i| (x[i] - mean) * (x[i] - mean)) / d as f32;
            let s = 1.0 / (var + EPSILON).sqrt();
            *spread = s;
            for i in 0..d {
                let n = (x[i] - mean) * s;
                normed[i] = n;
                out[i] = n * gain[i] + shift[i];
            }
        }
    }

    /// Gradient of [`layer_norm`]: adds to `dx`, `dgain` and `dshift`.
    pub fn layer_norm_gradient(
        dout: &[f32],
        normed: &[f32],
        spread: &[f32],
        gain: &[f32],
        dx: &mut [f32],
        dgain: &mut [f32],
        dshift: &mut [f32],
    ) {
        let d = gain.len();
        let (dgain, dshift) = (&mut dgain[..d], &mut dshift[..d]);
        let rows = dout.chunks_exact(d).zip(normed.chunks_exact(d)).zip(dx.chunks_exact_mut(d));
        for (((dout, normed), dx), &s) in rows.zip(spread) {
            let mean = sum_of(d, |i| dout[i] * gain[i]) / d as f32;
            let along = sum_of(d, |i| dout[i] * gain[i] * normed[i]) / d as f32;
            for i in 0..d {
                dgain[i] += dout[i] * normed[i];
                dshift[i] += dout[i];
                dx[i] += (dout[i] * gain[i] - mean - normed[i] * along) * s;
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

    /// Gradient of [`softmax`] with respect to its input, in place of `dp`.
    pub fn softmax_gradient(p: &[f32], dp: &mut [f32], n: usize, scale: f32) {
        for (p, dp) in p.chunks_exact(n).zip(dp.chunks_exact_mut(n)) {
            let mean = sum_of(n, |i| p[i] * dp[i]);
            for i in 0..n {
                dp[i] = p[i] * (dp[i] - mean) * scale;
            }
        }
    }

    /// Adds `bias` to each row of `x`, then the exact (erf) GELU in place; `slope` is its derivative.
    pub fn bias_gelu(x: &mut [f32], bias: &[f32], slope: &mut [f32]) {
        let d = bias.len();
        for (x, slope) in x.chunks_exact_mut(d).zip(slope.chunks_exact_mut(d)) {
            for i in 0..d {
                let v = x[i] + bias[i];
                // erf after Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7.
                let z = v.abs() * std::f32::consts::FRAC_1_SQRT_2;
                let bell = exp(-0.5 * v * v);
                let t = 1.0 / (1.0 + 0.327_591_1 * z);
                let p = 1.061_405_4 * t - 1.453_152_1;
                let p = p * t + 1.421_413_8;
                let p = p * t - 0.284_496_74;
                let p = p * t + 0.254_829_6;
                let tail = 0.5 * p * t * bell;
                let phi = if v < 0.0 { tail } else { 1.0 - tail };
                x[i] = v * phi;
                slope[i] = phi + v * bell * 0.398_942_3;
            }
        }
    }

    /// `x *= y`.
    pub fn scale_by(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x *= y;
        }
    }

    /// `x += y`.
    pub fn add(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }

    /// Adds `factor` x (`x` - `goal`) to `gradient`; returns the squared error's sum.
    pub fn pull(x: &[f32], goal: &[f32], factor: f32, gradient: &mut [f32]) -> f32 {
        let n = x.len();
        let (goal, gradient) = (&goal[..n], &mut gradient[..n]);
        for i in 0..n {
            gradient[i] += factor * (x[i] - goal[i]);
        }
        sum_of(n, |i| (x[i] - goal[i]) * (x[i] - goal[i]))
    }

    /// Adds `bias` to each row.
    pub fn add_bias(x: &mut [f32], bias: &[f32]) {
        for row in x.chunks_exact_mut(bias.len()) {
            for (x, b) in row.iter_mut().zip(bias) {
                *x += b;
            }
        }
    }

    /// Adds the sum of all rows to `bias`: the gradient of [`add_bias`].
    pub fn add_rows(bias: &mut [f32], x: &[f32]) {
        for row in x.chunks_exact(bias.len()) {
            for (b, x) in bias.iter_mut().zip(row) {
                *b += x;
            }
        }
    }

    /// Loss of one map and its gradient in place of it. `across` and `down` are the target's profiles,
    /// `weight` the joint's, above 0. Returns the squared error's sum (times weight squared) and the
    /// cross-entropy (times weight), both without their factors.
    pub fn map_loss(
        map: &mut [f32],
        across: &[f32],
        down: &[f32],
        weight: f32,
        mse: f32,
        cross_entropy: f32,
        temperature: f32,
        room: &mut [f32],
    ) -> [f32; 2] {
        let w = across.len();
        let cells = map.len();
        let room = &mut room[..cells];
        let top = max_of(map);
        for (share, m) in room.iter_mut().zip(map.iter()) {
            *share = exp((*m - top) * temperature);
        }
        let mass = sum_of(cells, |i| room[i]);
        let goal_mass = sum_of(w, |i| across[i]) * sum_of(down.len(), |i| down[i]);
        let (by, goal_by) = (1.0 / mass, 1.0 / goal_mass.max(1e-6));
        let squared = weight * weight * mse;
        let pull = weight * cross_entropy * temperature;
        let (mut error, mut picked) = (0f32, 0f32);
        for ((map, share), g) in map.chunks_exact_mut(w).zip(room.chunks_exact(w)).zip(down) {
            error += sum_of(w, |i| (map[i] - g * across[i]) * (map[i] - g * across[i]));
            picked += g * sum_of(w, |i| across[i] * (map[i] - top));
            for i in 0..w {
                let goal = g * across[i];
                map[i] = squared * (map[i] - goal) + pull * (share[i] * by - goal * goal_by);
            }
        }
        // -sum q log softmax(t h) = log(mass) - t sum q (h - top)
        let entropy = mass.ln() - temperature * picked * goal_by;
        [weight * weight * error, weight * entropy]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_is_the_exact_one_and_its_slope_the_derivative() {
        // x * Phi(x), from tables of the normal distribution.
        let table = [(-2.0, -0.045500), (-1.0, -0.158655), (0.0, 0.0), (0.5, 0.345731), (3.0, 2.995_95)];
        for (x, expected) in table {
            let (mut y, mut slope) = ([x], [0.0]);
            bias_gelu(&mut y, &[0.0], &mut slope);
            assert!((y[0] - expected).abs() < 2e-6, "{x}: {} {expected}", y[0]);
            let at = |x: f32| {
                let mut y = [x];
                bias_gelu(&mut y, &[0.0], &mut [0.0]);
                y[0]
            };
            assert!(((at(x + 1e-2) - at(x - 1e-2)) / 2e-2 - slope[0]).abs() < 1e-3);
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
}
