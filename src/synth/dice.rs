//! Seeded chance without state that outlives a call: everything the mannequin shows is a pure
//! function of (seed, size, time), so each choice hashes its own place instead of drawing from a
//! shared generator.

use glam::{Vec3A, vec3a};
use std::sync::LazyLock;

/// Mixes two numbers into one that looks random (the finaliser of SplitMix64).
pub(super) fn hash(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_add(b.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A short stream of choices that begins at a hashed place.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, topic: u64) -> Dice {
        Dice(hash(seed, topic))
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f32 {
        self.0 = hash(self.0, 1);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    pub(super) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    pub(super) fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// An index below `n` (`n` > 0).
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f32) as usize).min(n - 1)
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

const LATTICE: usize = 32;
static VALUES: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let mut dice = Dice::new(7, 7);
    (0..LATTICE * LATTICE * LATTICE).map(|_| dice.unit()).collect()
});

/// `f32::floor` for numbers that fit an i32, without a library call on older processors.
fn floor(x: f32) -> f32 {
    let whole = x as i32 as f32;
    if whole > x { whole - 1.0 } else { whole }
}

/// Smooth value noise in [0, 1], one lattice cell a unit, repeating every 32 units.
pub(super) fn noise2(x: f32, y: f32) -> f32 {
    let (fx, fy) = (floor(x), floor(y));
    let smooth = |w: f32| w * w * (3.0 - 2.0 * w);
    let (u, v) = (smooth(x - fx), smooth(y - fy));
    let at = |i: i32, j: i32| {
        let (i, j) = ((fx as i32 + i) as usize % LATTICE, (fy as i32 + j) as usize % LATTICE);
        VALUES[j * LATTICE + i]
    };
    let (low, high) = (lerp(at(0, 0), at(1, 0), u), lerp(at(0, 1), at(1, 1), u));
    lerp(low, high, v)
}

/// Smooth value noise in [0, 1] in space; as [`noise2`].
pub(super) fn noise3(p: Vec3A) -> f32 {
    let f = p.floor();
    let w = p - f;
    let w = w * w * (3.0 - 2.0 * w);
    let cell = f.as_ivec3();
    let at = |i: i32, j: i32, k: i32| {
        let wrap = |c: i32| (c as usize) % LATTICE;
        VALUES[(wrap(cell.z + k) * LATTICE + wrap(cell.y + j)) * LATTICE + wrap(cell.x + i)]
    };
    let plane = |k: i32| {
        let (low, high) = (lerp(at(0, 0, k), at(1, 0, k), w.x), lerp(at(0, 1, k), at(1, 1, k), w.x));
        lerp(low, high, w.y)
    };
    lerp(plane(0), plane(1), w.z)
}

pub(super) fn lerp(a: f32, b: f32, w: f32) -> f32 {
    a + (b - a) * w
}

/// 0 to 1 with flat ends, for `x` in [0, 1] (clamped outside).
pub(super) fn ease(x: f32) -> f32 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// [`ease`] between two edges.
pub(super) fn step(from: f32, to: f32, x: f32) -> f32 {
    ease((x - from) / (to - from))
}

/// Linear light of an sRGB colour written as 0xRRGGBB.
pub(super) fn rgb(hex: u32) -> Vec3A {
    let c = |shift: u32| (((hex >> shift) & 255) as f32 / 255.0).powf(2.2);
    vec3a(c(16), c(8), c(0))
}
