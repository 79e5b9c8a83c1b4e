//! Smooth random functions of the plane and of space, for textures: value noise, that is random values on a lattice,
//! interpolated in between.

use super::interpolate::lerp;
use super::random::SeededRng;
use glam::Vec3A;
use std::sync::LazyLock;

/// Lattice points along each axis, after which the noise repeats.
const LATTICE: usize = 32;
/// The values at the lattice points, x fastest.
static VALUES: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let mut rng = SeededRng::new(7, 7);
    (0..LATTICE * LATTICE * LATTICE).map(|_| rng.unit()).collect()
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
