//! From heatmaps to keypoints.

use super::{Affine, CropBox, Heatmaps};
use crate::pose::{Keypoint, Size, UnknownName, find_by_name};

/// How a heatmap becomes a place (docs/METHOD.md, "Decoding").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoding {
    /// The highest cell, moved a quarter cell towards its higher neighbours (HRNet).
    Plain,
    /// The highest cell, refined by the Taylor expansion of the smoothed logarithm (DARK).
    Dark {
        /// Side of the Gaussian smoothing kernel in cells, odd; its sigma follows OpenCV's rule
        /// (11 gives 2.0, the sigma of the targets).
        blur: usize,
    },
}

impl Decoding {
    /// DARK for the targets that networks are trained with.
    pub const DARK: Decoding = Decoding::Dark { blur: 11 };
    /// The choices that have a name.
    pub const ALL: [Decoding; 2] = [Decoding::Plain, Decoding::DARK];

    /// The name used in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Decoding::Plain => "plain",
            Decoding::Dark { .. } => "dark",
        }
    }

    /// What it does, for people.
    pub fn description(self) -> &'static str {
        match self {
            Decoding::Plain => {
                "the highest cell, moved a quarter cell towards its higher neighbours; a little faster"
            }
            Decoding::Dark { .. } => {
                "distribution-aware: the maximum between the cells, a little more accurate"
            }
        }
    }
}

impl Default for Decoding {
    fn default() -> Self {
        Decoding::DARK
    }
}

impl std::fmt::Display for Decoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Decoding {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Decoding, UnknownName> {
        find_by_name("decoding", &Decoding::ALL, Decoding::name, text)
    }
}

/// The keypoint of each map in heatmap pixels. The score is the map's maximum before smoothing; a
/// map without a positive value gives (0, 0) with that maximum as score.
pub fn decode(maps: &Heatmaps, d: Decoding) -> Vec<Keypoint> {
    let kernel = match d {
        Decoding::Plain => Vec::new(),
        Decoding::Dark { blur } => gaussian_kernel(blur),
    };
    let [height, width] = maps.size.hw();
    (0..maps.joints)
        .map(|j| {
            let map = Map { values: maps.map(j), width, height };
            let Some((px, py, score)) = map.highest() else {
                return Keypoint { x: 0.0, y: 0.0, score: 0.0 };
            };
            if score <= 0.0 {
                return Keypoint { x: 0.0, y: 0.0, score };
            }
            let [dx, dy] = match d {
                Decoding::Plain => map.quarter(px, py),
                Decoding::Dark { .. } => map.taylor(px, py, score, &kernel),
            };
            Keypoint { x: px as f32 + dx, y: py as f32 + dy, score }
        })
        .collect()
}

/// Keypoints in heatmap pixels brought to image pixels: the inverse of the affine map of `crop` at
/// the heatmap's size.
pub fn keypoints_to_image(kp: &[Keypoint], crop: &CropBox, heatmap: Size) -> Vec<Keypoint> {
    let back = Affine::from_crop(crop, 0.0, heatmap).inverse();
    kp.iter()
        .map(|k| {
            let [x, y] = back.apply([f64::from(k.x), f64::from(k.y)]);
            Keypoint { x: x as f32, y: y as f32, score: k.score }
        })
        .collect()
}

/// OpenCV's Gaussian of `size` taps (made odd, at least 1): sigma = 0.3 ((size - 1) / 2 - 1) + 0.8, sum 1.
pub(crate) fn gaussian_kernel(size: usize) -> Vec<f64> {
    let size = size.max(1) | 1;
    let reach = (size / 2) as f64;
    let sigma = 0.3 * (reach - 1.0) + 0.8;
    let raw: Vec<f64> =
        (0..size).map(|i| (-(i as f64 - reach).powi(2) / (2.0 * sigma * sigma)).exp()).collect();
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|v| v / sum).collect()
}

/// Below this a smoothed value counts as this, so that its logarithm stays finite.
const FLOOR: f64 = 1e-10;
/// How far around the maximum the second derivatives of DARK look.
const REACH: usize = 2;
const SIDE: usize = 2 * REACH + 1;

#[derive(Clone, Copy)]
struct Map<'a> {
    values: &'a [f32],
    width: usize,
    height: usize,
}

impl Map<'_> {
    /// Column, row and value of the first highest cell.
    fn highest(&self) -> Option<(usize, usize, f32)> {
        let mut best: Option<(usize, f32)> = None;
        for (i, &v) in self.values.iter().enumerate() {
            if best.map_or(!v.is_nan(), |(_, b)| v > b) {
                best = Some((i, v));
            }
        }
        best.map(|(i, v)| (i % self.width, i / self.width, v))
    }

    fn quarter(&self, px: usize, py: usize) -> [f32; 2] {
        if !(px > 1 && px + 1 < self.width && py > 1 && py + 1 < self.height) {
            return [0.0; 2];
        }
        let at = |x: usize, y: usize| self.values[y * self.width + x];
        let step = |d: f32| if d == 0.0 || d.is_nan() { 0.0 } else { 0.25 * d.signum() };
        [step(at(px + 1, py) - at(px - 1, py)), step(at(px, py + 1) - at(px, py - 1))]
    }

    /// The offset from the highest cell to the maximum of the second-order expansion of the
    /// smoothed map's logarithm; zero near the border or where the expansion has no maximum.
    fn taylor(&self, px: usize, py: usize, score: f32, kernel: &[f64]) -> [f32; 2] {
        if !(px > 1 && px + 2 < self.width && py > 1 && py + 2 < self.height) {
            return [0.0; 2];
        }
        let mut near = [[0.0; SIDE]; SIDE];
        self.smooth(px - REACH, py - REACH, &mut near, kernel);
        // The reference rescales the smoothed map to its old maximum, then takes logarithms: a
        // constant that no derivative sees, unless a value is cut off at the floor. Smoothing never
        // raises the maximum, so the factor is at least 1: values above the floor stay above it,
        // and only the others need the whole map smoothed to find the factor.
        let low = near.iter().flatten().any(|&v| v < FLOOR);
        let factor = if low { f64::from(score) / self.smoothed_maximum(kernel) } else { 1.0 };
        let f = |dx: isize, dy: isize| {
            let (row, column) = (dy + REACH as isize, dx + REACH as isize);
            (near[row as usize][column as usize] * factor).max(FLOOR).ln()
        };
        let gx = 0.5 * (f(1, 0) - f(-1, 0));
        let gy = 0.5 * (f(0, 1) - f(0, -1));
        let xx = 0.25 * (f(2, 0) - 2.0 * f(0, 0) + f(-2, 0));
        let yy = 0.25 * (f(0, 2) - 2.0 * f(0, 0) + f(0, -2));
        let xy = 0.25 * (f(1, 1) - f(-1, 1) - f(1, -1) + f(-1, -1));
        let det = xx * yy - xy * xy;
        if det == 0.0 {
            return [0.0; 2];
        }
        let offset = [-(yy * gx - xy * gy) / det, -(xx * gy - xy * gx) / det];
        if offset.iter().all(|v| v.is_finite()) { offset.map(|v| v as f32) } else { [0.0; 2] }
    }

    /// Smoothed values of the `SIDE` x `SIDE` cells from (`x0`, `y0`) on, zero outside the map.
    fn smooth(&self, x0: usize, y0: usize, out: &mut [[f64; SIDE]; SIDE], kernel: &[f64]) {
        let reach = kernel.len() / 2;
        let first = y0.saturating_sub(reach);
        let last = (y0 + SIDE + reach).min(self.height);
        for y in first..last {
            let row = &self.values[y * self.width..(y + 1) * self.width];
            for i in 0..SIDE {
                let across = convolve_at(row, x0 + i, kernel);
                for (r, line) in out.iter_mut().enumerate() {
                    // Row `y` meets the kernel of output row `y0 + r` at this tap.
                    let tap = (y + reach).wrapping_sub(y0 + r);
                    if let Some(weight) = kernel.get(tap) {
                        line[i] += weight * across;
                    }
                }
            }
        }
    }

    /// The maximum of the whole smoothed map.
    fn smoothed_maximum(&self, kernel: &[f64]) -> f64 {
        self.smoothed(kernel).into_iter().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The whole map smoothed, zero padding.
    fn smoothed(&self, kernel: &[f64]) -> Vec<f64> {
        let reach = kernel.len() / 2;
        let mut out = vec![0.0; self.values.len()];
        for (y, row) in self.values.chunks_exact(self.width).enumerate() {
            let across: Vec<f64> = (0..self.width).map(|x| convolve_at(row, x, kernel)).collect();
            for target in y.saturating_sub(reach)..(y + reach + 1).min(self.height) {
                let weight = kernel[y + reach - target];
                let line = &mut out[target * self.width..(target + 1) * self.width];
                for (o, a) in line.iter_mut().zip(&across) {
                    *o += weight * a;
                }
            }
        }
        out
    }
}

/// One value of a row smoothed by a symmetric kernel, zero outside the row.
fn convolve_at(row: &[f32], x: usize, kernel: &[f64]) -> f64 {
    let reach = kernel.len() / 2;
    let first = x.saturating_sub(reach);
    let last = (x + reach + 1).min(row.len());
    let skipped = first + reach - x;
    row[first..last].iter().zip(&kernel[skipped..]).map(|(v, k)| f64::from(*v) * k).sum()
}

#[cfg(test)]
mod tests {
    use super::super::fixture_tests::Tensors;
    use super::super::gaussian_targets;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn smoothing_agrees_with_the_reference() {
        let tensors = Tensors::open("dark.safetensors");
        let kernel = gaussian_kernel(11);
        for (k, e) in kernel.iter().zip(tensors.f64("kernel1d")) {
            assert!((k - e).abs() < 1e-12);
        }
        let (values, blurred) = (tensors.f32("heatmap"), tensors.f32("blurred"));
        let pairs = values.chunks_exact(64 * 48).zip(blurred.chunks_exact(64 * 48));
        // Map 11 is all zero: 0/0 in the reference.
        for (j, (values, expected)) in pairs.enumerate().filter(|(j, _)| *j != 11) {
            let map = Map { values, width: 48, height: 64 };
            let origin = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let factor = f64::from(origin) / map.smoothed_maximum(&kernel);
            for (f, e) in map.smoothed(&kernel).iter().zip(expected) {
                assert!((f * factor - f64::from(*e)).abs() < 1e-5, "map {j}: {} is not {e}", f * factor);
            }
        }
    }

    #[test]
    fn empty_and_broken_maps_give_the_origin() {
        let empty = Heatmaps::zeros(2, Size::default());
        assert_eq!(decode(&empty, Decoding::default()), vec![Keypoint::default(); 2]);
        let broken = Heatmaps { values: vec![f32::NAN; 20], joints: 1, size: Size::new(5, 4) };
        assert_eq!(decode(&broken, Decoding::default()), vec![Keypoint::default()]);
    }

    proptest! {
        #[test]
        fn a_clean_gaussian_decodes_to_its_centre(x in 4f32..43.0, y in 4f32..59.0) {
            let maps = gaussian_targets(&[[x, y, 1.0]], Size::new(48, 64), 2.0).maps;
            let dark = decode(&maps, Decoding::default())[0];
            // Near the border the smoothing misses a part of the peak.
            let tolerance = if (8f32..40.0).contains(&x) && (8f32..56.0).contains(&y) { 0.02 } else { 0.3 };
            prop_assert!((dark.x - x).abs() < tolerance && (dark.y - y).abs() < tolerance, "{dark:?}");
            let plain = decode(&maps, Decoding::Plain)[0];
            prop_assert!((plain.x - x).abs() < 0.3 && (plain.y - y).abs() < 0.3, "{plain:?}");
        }

        #[test]
        fn no_map_makes_decoding_panic_or_leave_the_numbers(
            values in proptest::collection::vec(-1f32..1.0, 3 * 9 * 8), blur in 0usize..15,
        ) {
            let maps = Heatmaps { values, joints: 3, size: Size::new(8, 9) };
            for d in [Decoding::Plain, Decoding::Dark { blur }] {
                let kp = decode(&maps, d);
                prop_assert!(kp.iter().all(|k| k.x.is_finite() && k.y.is_finite()));
            }
        }
    }
}
