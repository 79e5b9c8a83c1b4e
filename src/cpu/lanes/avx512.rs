//! AVX-512: 16 lanes, 32 registers.

use super::{Lanes, lanes_by};
use std::arch::x86_64::*;

/// AVX-512 (F, BW, DQ, VL).
#[derive(Clone, Copy)]
pub struct Avx512;

/// The first `count` lanes.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    ((1u32 << count) - 1) as u16
}

impl Lanes for Avx512 {
    type V = __m512;
    const N: usize = 16;
    const REGISTERS: usize = 32;

    lanes_by! {
        fn splat(x: f32) -> __m512 = _mm512_set1_ps(x);
        fn load(from: *const f32) -> __m512 = _mm512_loadu_ps(from);
        fn load_part(from: *const f32, count: usize) -> __m512 = _mm512_maskz_loadu_ps(first(count), from);
        fn store(to: *mut f32, v: __m512) = _mm512_storeu_ps(to, v);
        fn store_part(to: *mut f32, count: usize, v: __m512) = _mm512_mask_storeu_ps(to, first(count), v);
        fn fma(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        fn add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        fn sub(a: __m512, b: __m512) -> __m512 = _mm512_sub_ps(a, b);
        fn mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        fn div(a: __m512, b: __m512) -> __m512 = _mm512_div_ps(a, b);
        fn max(a: __m512, b: __m512) -> __m512 = _mm512_max_ps(a, b);
        fn min(a: __m512, b: __m512) -> __m512 = _mm512_min_ps(a, b);
        fn where_positive(gate: __m512, a: __m512) -> __m512 =
            _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate, _mm512_setzero_ps()), a);
        fn scale_by_power(a: __m512, shifted: __m512) -> __m512 = {
            let exponent = _mm512_add_epi32(_mm512_castps_si512(shifted), _mm512_set1_epi32(127));
            _mm512_mul_ps(a, _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent)))
        };
        fn interleave(a: __m512, b: __m512) -> [__m512; 2] = {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
            [_mm512_permutex2var_ps(a, low, b), _mm512_permutex2var_ps(a, high, b)]
        };
        fn prefetch(at: *const f32) = _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
}
