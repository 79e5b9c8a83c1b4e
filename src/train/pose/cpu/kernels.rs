//! The losses on heatmaps and other rows of numbers, written so that the compiler turns them into vector instructions.

use crate::cpu::{exp, kernels};

/// Numbers a sum is spread over; a plain sum must be added in order and stays scalar.
const LANES: usize = 16;

/// Sum of `at(i)` for i below `len`.
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

/// The largest value; minus infinity of none.
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

kernels! {
    /// Adds `factor` x (`x` - `target`) to `gradient`; returns the sum of the squared error.
    pub fn squared_error(x: &[f32], target: &[f32], factor: f32, gradient: &mut [f32]) -> f32 {
        let n = x.len();
        let (target, gradient) = (&target[..n], &mut gradient[..n]);
        for i in 0..n {
            gradient[i] += factor * (x[i] - target[i]);
        }
        sum_of(n, |i| (x[i] - target[i]) * (x[i] - target[i]))
    }

    /// `x += y`.
    pub fn add(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
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
