//! NEON: 4 lanes, 32 registers. Every 64-bit ARM processor has it.

use super::{Lanes, lanes_by};
use std::arch::aarch64::*;

/// NEON.
#[derive(Clone, Copy)]
pub struct Neon;

/// Reads `count` numbers one by one, and zeros.
///
/// # Safety
/// As [`Lanes::load_part`].
#[inline(always)]
unsafe fn part(from: *const f32, count: usize) -> float32x4_t {
    let mut lanes = [0f32; 4];
    // SAFETY: the caller's pointer holds `count` numbers, the array four.
    unsafe {
        std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
        vld1q_f32(lanes.as_ptr())
    }
}

/// Writes the first `count` lanes.
///
/// # Safety
/// As [`Lanes::store_part`].
#[inline(always)]
unsafe fn put_part(to: *mut f32, count: usize, v: float32x4_t) {
    let mut lanes = [0f32; 4];
    // SAFETY: the caller's pointer holds `count` numbers, the array four.
    unsafe {
        vst1q_f32(lanes.as_mut_ptr(), v);
        std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
    }
}

impl Lanes for Neon {
    type V = float32x4_t;
    const N: usize = 4;
    const REGISTERS: usize = 32;

    lanes_by! {
        fn splat(x: f32) -> float32x4_t = vdupq_n_f32(x);
        fn load(from: *const f32) -> float32x4_t = vld1q_f32(from);
        fn load_part(from: *const f32, count: usize) -> float32x4_t = part(from, count);
        fn store(to: *mut f32, v: float32x4_t) = vst1q_f32(to, v);
        fn store_part(to: *mut f32, count: usize, v: float32x4_t) = put_part(to, count, v);
        fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t = vfmaq_f32(c, a, b);
        fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t = vaddq_f32(a, b);
        fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t = vsubq_f32(a, b);
        fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t = vmulq_f32(a, b);
        fn div(a: float32x4_t, b: float32x4_t) -> float32x4_t = vdivq_f32(a, b);
        fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t = vbslq_f32(vcgtq_f32(a, b), a, b);
        fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t = vbslq_f32(vcltq_f32(a, b), a, b);
        fn where_positive(gate: float32x4_t, a: float32x4_t) -> float32x4_t =
            vbslq_f32(vcgtq_f32(gate, vdupq_n_f32(0.0)), a, vdupq_n_f32(0.0));
        fn scale_by_power(a: float32x4_t, shifted: float32x4_t) -> float32x4_t = {
            let exponent = vaddq_s32(vreinterpretq_s32_f32(shifted), vdupq_n_s32(127));
            vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
        };
        fn interleave(a: float32x4_t, b: float32x4_t) -> [float32x4_t; 2] = [vzip1q_f32(a, b), vzip2q_f32(a, b)];
        fn prefetch(_at: *const f32) = {};
    }
}
