//! The parts of a pass that are no matrix products, written so that the compiler turns them into
//! vector instructions.

use crate::cpu::transformer::{max_of, moments, normal, sum_of};
use crate::cpu::{exp, kernels};

// What inference needs too.
pub use crate::cpu::transformer::{add, add_bias, softmax};

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
            let (mean, s) = moments(x);
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
                let (phi, bell) = normal(v);
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

    /// Adds `factor` x (`x` - `goal`) to `gradient`; returns the squared error's sum.
    pub fn pull(x: &[f32], goal: &[f32], factor: f32, gradient: &mut [f32]) -> f32 {
        let n = x.len();
        let (goal, gradient) = (&goal[..n], &mut gradient[..n]);
        for i in 0..n {
            gradient[i] += factor * (x[i] - goal[i]);
        }
        sum_of(n, |i| (x[i] - goal[i]) * (x[i] - goal[i]))
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
    use crate::cpu::transformer;

    #[test]
    fn layers_with_a_trace_are_those_without_and_gelus_slope_is_the_derivative() {
        let x: Vec<f32> = (0..42).map(|i| (i as f32 * 1.3).sin() * 3.0).collect();
        let [gain, shift]: [Vec<f32>; 2] =
            [0.7, 1.9].map(|by| (0..21).map(|i| (i as f32 * by).cos()).collect());
        let [mut normed, mut out, mut plain] = [0; 3].map(|_| vec![0.0; 42]);
        layer_norm(&x, &gain, &shift, &mut normed, &mut [0.0; 2], &mut out);
        transformer::layer_norm(&x, &gain, &shift, &mut plain);
        assert_eq!(out, plain);

        let gelu = |x: &[f32]| {
            let mut y = x.to_vec();
            transformer::bias_gelu(&mut y, &gain);
            y
        };
        let (mut traced, mut slope) = (x.clone(), vec![0.0; 42]);
        bias_gelu(&mut traced, &gain, &mut slope);
        assert_eq!(traced, gelu(&x));
        let [above, below] = [1e-2, -1e-2].map(|by| gelu(&x.iter().map(|v| v + by).collect::<Vec<_>>()));
        for ((above, below), slope) in above.iter().zip(below).zip(slope) {
            assert!(((above - below) / 2e-2 - slope).abs() < 1e-3);
        }
    }
}
