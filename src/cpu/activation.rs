//! Activations of vectors.

use super::lanes::{Lanes, exp};
use super::view::Activation;

/// The activation of each lane.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
pub unsafe fn activate<L: Lanes>(v: L::V, activation: Activation) -> L::V {
    // SAFETY: arithmetic on vectors; the caller has the instruction set.
    unsafe {
        match activation {
            Activation::None => v,
            Activation::Relu => L::max(v, L::splat(0.0)),
            Activation::Silu => L::div(v, L::add(L::splat(1.0), exp::<L>(L::sub(L::splat(0.0), v)))),
            Activation::Gelu => gelu::<L>(v),
        }
    }
}

/// The derivative of SiLU or GELU where the activation's input is `v`.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
pub unsafe fn slope<L: Lanes>(v: L::V, activation: Activation) -> L::V {
    // SAFETY: arithmetic on vectors; the caller has the instruction set.
    unsafe {
        let one = L::splat(1.0);
        match activation {
            Activation::None => one,
            Activation::Relu => L::where_positive(v, one),
            Activation::Silu => {
                let open = L::div(one, L::add(one, exp::<L>(L::sub(L::splat(0.0), v))));
                // s + v s (1 - s)
                L::fma(L::mul(v, open), L::sub(one, open), open)
            }
            Activation::Gelu => {
                let (tail, density) = normal_tail::<L>(v);
                // The share below v, plus v times the density.
                let below = L::add(
                    L::sub(tail, L::mul(L::splat(2.0), L::where_positive(v, tail))),
                    L::where_positive(v, one),
                );
                let slope =
                    L::splat(0.5 * std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2);
                L::fma(L::mul(v, density), slope, below)
            }
        }
    }
}

/// With erf after Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn gelu<L: Lanes>(v: L::V) -> L::V {
    // SAFETY: arithmetic on vectors; the caller has the instruction set.
    unsafe {
        let size = L::max(v, L::sub(L::splat(0.0), v));
        let (tail, _) = normal_tail::<L>(v);
        // x - x tail above zero, x tail below: max(x, 0) - |x| tail.
        L::sub(L::max(v, L::splat(0.0)), L::mul(size, tail))
    }
}

/// The normal distribution's share beyond |v|, and e^(-v v / 2).
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn normal_tail<L: Lanes>(v: L::V) -> (L::V, L::V) {
    // SAFETY: arithmetic on vectors; the caller has the instruction set.
    unsafe {
        let size = L::max(v, L::sub(L::splat(0.0), v));
        let z = L::mul(size, L::splat(std::f32::consts::FRAC_1_SQRT_2));
        let density = exp::<L>(L::mul(L::mul(v, v), L::splat(-0.5)));
        let t = L::div(L::splat(1.0), L::fma(z, L::splat(0.327_591_1), L::splat(1.0)));
        let p = L::fma(L::splat(1.061_405_4), t, L::splat(-1.453_152_1));
        let p = L::fma(p, t, L::splat(1.421_413_8));
        let p = L::fma(p, t, L::splat(-0.284_496_74));
        let p = L::fma(p, t, L::splat(0.254_829_6));
        (L::mul(L::mul(p, t), L::mul(density, L::splat(0.5))), density)
    }
}
