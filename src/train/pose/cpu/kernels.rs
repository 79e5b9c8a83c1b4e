//! The operations of a pass that are not matrix products, written so that the compiler turns them into vector
//! instructions.

use crate::cpu::transformer::{max_of, moments, normal, sum_of};
use crate::cpu::{exp, kernels};

// What inference needs too.
pub use crate::cpu::transformer::{add, add_bias, softmax};

kernels! {
    /// Layer norm of each row of `d` numbers: `normed` before and `out` after gamma and beta, and the inverse standard
    /// deviation of each row.
    pub fn layer_norm(
        x: &[f32],
        gamma: &[f32],
        beta: &[f32],
        normed: &mut [f32],
        inv_std: &mut [f32],
        out: &mut [f32],
    ) {
        let d = gamma.len();
        let beta = &beta[..d];
        let rows = x.chunks_exact(d).zip(normed.chunks_exact_mut(d)).zip(out.chunks_exact_mut(d));
        for (((x, normed), out), inv_std) in rows.zip(inv_std.iter_mut()) {
            let (mean, s) = moments(x);
            *inv_std = s;
            for i in 0..d {
                let n = (x[i] - mean) * s;
                normed[i] = n;
                out[i] = n * gamma[i] + beta[i];
            }
        }
    }

    /// Gradient of [`layer_norm`]: adds to `dx`, `dgamma` and `dbeta`.
    pub fn layer_norm_gradient(
        dout: &[f32],
        normed: &[f32],
        inv_std: &[f32],
        gamma: &[f32],
        dx: &mut [f32],
        dgamma: &mut [f32],
        dbeta: &mut [f32],
    ) {
        let d = gamma.len();
        let (dgamma, dbeta) = (&mut dgamma[..d], &mut dbeta[..d]);
        let rows = dout.chunks_exact(d).zip(normed.chunks_exact(d)).zip(dx.chunks_exact_mut(d));
        for (((dout, normed), dx), &s) in rows.zip(inv_std) {
            let mean = sum_of(d, |i| dout[i] * gamma[i]) / d as f32;
            let along = sum_of(d, |i| dout[i] * gamma[i] * normed[i]) / d as f32;
            for i in 0..d {
                dgamma[i] += dout[i] * normed[i];
                dbeta[i] += dout[i];
                dx[i] += (dout[i] * gamma[i] - mean - normed[i] * along) * s;
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
                let (phi, density) = normal(v);
                x[i] = v * phi;
                slope[i] = phi + v * density * 0.398_942_3;
            }
        }
    }

    /// `x *= y`.
    pub fn scale_by(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x *= y;
        }
    }

    /// Adds `factor` x (`x` - `target`) to `gradient`; returns the sum of the squared error.
    pub fn squared_error(x: &[f32], target: &[f32], factor: f32, gradient: &mut [f32]) -> f32 {
        let n = x.len();
        let (target, gradient) = (&target[..n], &mut gradient[..n]);
        for i in 0..n {
            gradient[i] += factor * (x[i] - target[i]);
        }
        sum_of(n, |i| (x[i] - target[i]) * (x[i] - target[i]))
    }

    /// Adds the sum of all rows to `bias`: the gradient of [`add_bias`].
    pub fn add_rows(bias: &mut [f32], x: &[f32]) {
        for row in x.chunks_exact(bias.len()) {
            for (b, x) in bias.iter_mut().zip(row) {
                *b += x;
            }
        }
    }

    /// Loss of one heatmap, which is replaced by its gradient. The target is the product of `target_x` and `target_y`;
    /// `weight` is the joint's, above 0. Returns the sum of the squared error, times the squared weight, and the
    /// cross-entropy, times the weight, both without their factors.
    pub fn map_loss(
        map: &mut [f32],
        target_x: &[f32],
        target_y: &[f32],
        weight: f32,
        mse: f32,
        cross_entropy: f32,
        temperature: f32,
        scratch: &mut [f32],
    ) -> [f32; 2] {
        let w = target_x.len();
        let cells = map.len();
        let scratch = &mut scratch[..cells];
        let top = max_of(map);
        for (share, m) in scratch.iter_mut().zip(map.iter()) {
            *share = exp((*m - top) * temperature);
        }
        let mass = sum_of(cells, |i| scratch[i]);
        let target_sum = sum_of(w, |i| target_x[i]) * sum_of(target_y.len(), |i| target_y[i]);
        let (by, target_scale) = (1.0 / mass, 1.0 / target_sum.max(1e-6));
        let squared = weight * weight * mse;
        let slope = weight * cross_entropy * temperature;
        let (mut error, mut picked) = (0f32, 0f32);
        for ((map, share), g) in map.chunks_exact_mut(w).zip(scratch.chunks_exact(w)).zip(target_y) {
            error += sum_of(w, |i| (map[i] - g * target_x[i]) * (map[i] - g * target_x[i]));
            picked += g * sum_of(w, |i| target_x[i] * (map[i] - top));
            for i in 0..w {
                let target = g * target_x[i];
                map[i] = squared * (map[i] - target) + slope * (share[i] * by - target * target_scale);
            }
        }
        // -sum q log softmax(t h) = log(mass) - t sum q (h - top)
        let entropy = mass.ln() - temperature * picked * target_scale;
        [weight * weight * error, weight * entropy]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::transformer;

    #[test]
    fn layers_with_a_trace_are_those_without_and_gelus_slope_is_the_derivative() {
        let x: Vec<f32> = (0..42).map(|i| (i as f32 * 1.3).sin() * 3.0).collect();
        let [gamma, beta]: [Vec<f32>; 2] =
            [0.7, 1.9].map(|by| (0..21).map(|i| (i as f32 * by).cos()).collect());
        let [mut normed, mut out, mut plain] = [0; 3].map(|_| vec![0.0; 42]);
        layer_norm(&x, &gamma, &beta, &mut normed, &mut [0.0; 2], &mut out);
        transformer::layer_norm(&x, &gamma, &beta, &mut plain);
        assert_eq!(out, plain);

        let gelu = |x: &[f32]| {
            let mut y = x.to_vec();
            transformer::bias_gelu(&mut y, &gamma);
            y
        };
        let (mut traced, mut slope) = (x.clone(), vec![0.0; 42]);
        bias_gelu(&mut traced, &gamma, &mut slope);
        assert_eq!(traced, gelu(&x));
        let [above, below] = [1e-2, -1e-2].map(|by| gelu(&x.iter().map(|v| v + by).collect::<Vec<_>>()));
        for ((above, below), slope) in above.iter().zip(below).zip(slope) {
            assert!(((above - below) / 2e-2 - slope).abs() < 1e-3);
        }
    }
}
