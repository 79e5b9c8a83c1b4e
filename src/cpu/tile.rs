//! The register tile: sums of products of M pixels and N vectors of output channels.

use super::lanes::Lanes;

/// How far ahead weights are fetched, in numbers (4 KB).
const PREFETCH: usize = 1024;

/// Sums of M pixels times N vectors.
pub type Sums<V, const M: usize, const N: usize> = [[V; N]; M];

/// Adds `count` products to every sum: of pixel m the numbers from `rows[m]` on, of the weights `[count][N vectors]`. The
/// order of a sum is that of `count`, whatever M and N are.
///
/// # Safety
/// As [`Lanes`]; every row holds `count` numbers, the weights `count * N` vectors.
#[inline(always)]
pub unsafe fn multiply_add<L: Lanes, const M: usize, const N: usize>(
    sums: &mut Sums<L::V, M, N>,
    rows: &[*const f32; M],
    count: usize,
    weights: *const f32,
) {
    // SAFETY: as the caller says.
    unsafe { multiply_add_steps::<L, M, N>(sums, rows, count, weights, N * L::N) }
}

/// [`multiply_add`] with weights whose rows lie `step` numbers apart.
///
/// # Safety
/// As [`multiply_add`].
#[inline(always)]
pub unsafe fn multiply_add_steps<L: Lanes, const M: usize, const N: usize>(
    sums: &mut Sums<L::V, M, N>,
    rows: &[*const f32; M],
    count: usize,
    weights: *const f32,
    step: usize,
) {
    // SAFETY: as the caller says.
    unsafe {
        let mut weights = weights;
        for k in 0..count {
            let mut w = [L::splat(0.0); N];
            for n in 0..N {
                w[n] = L::load(weights.add(n * L::N));
                L::prefetch(weights.wrapping_add(PREFETCH + n * L::N));
            }
            for m in 0..M {
                let x = L::splat(*rows[m].add(k));
                for n in 0..N {
                    sums[m][n] = L::fma(x, w[n], sums[m][n]);
                }
            }
            weights = weights.wrapping_add(step);
        }
    }
}

/// Calls `$body` with the tile's height `$m` for a panel of `$vectors` vectors, both as constants.
macro_rules! with_tile {
    ($lanes:ty, $vectors:expr, |$m:ident, $n:ident| $body:expr) => {
        if <$lanes as $crate::cpu::lanes::Lanes>::REGISTERS < 32 {
            match $vectors {
                1 => $crate::cpu::tile::with_constants!($m = 8, $n = 1, $body),
                _ => $crate::cpu::tile::with_constants!($m = 6, $n = 2, $body),
            }
        } else {
            match $vectors {
                1 => $crate::cpu::tile::with_constants!($m = 12, $n = 1, $body),
                2 => $crate::cpu::tile::with_constants!($m = 12, $n = 2, $body),
                3 => $crate::cpu::tile::with_constants!($m = 8, $n = 3, $body),
                _ => $crate::cpu::tile::with_constants!($m = 6, $n = 4, $body),
            }
        }
    };
}
macro_rules! with_constants {
    ($m:ident = $mv:literal, $n:ident = $nv:literal, $body:expr) => {{
        const $m: usize = $mv;
        const $n: usize = $nv;
        $body
    }};
}
pub(super) use {with_constants, with_tile};
