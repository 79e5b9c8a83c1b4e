//! AVX2 with FMA: 8 lanes, 16 registers.

use super::{Lanes, lanes_by};
use std::arch::x86_64::*;

/// AVX2 and FMA.
#[derive(Clone, Copy)]
pub struct Avx2;

/// The first `count` lanes.
///
/// # Safety
/// The processor has AVX2; `count` is at most 8.
#[inline(always)]
unsafe fn first(count: usize) -> __m256i {
    static MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: 8 numbers from index 8 - count on lie in the array.
    unsafe { _mm256_loadu_si256(MASK.as_ptr().add(8 - count).cast()) }
}

impl Lanes for Avx2 {
    type V = __m256;
    const N: usize = 8;
    const REGISTERS: usize = 16;

    lanes_by! {
        fn splat(x: f32) -> __m256 = _mm256_set1_ps(x);
        fn load(from: *const f32) -> __m256 = _mm256_loadu_ps(from);
        fn load_part(from: *const f32, count: usize) -> __m256 = _mm256_maskload_ps(from, first(count));
        fn store(to: *mut f32, v: __m256) = _mm256_storeu_ps(to, v);
        fn store_part(to: *mut f32, count: usize, v: __m256) = _mm256_maskstore_ps(to, first(count), v);
        fn fma(a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fmadd_ps(a, b, c);
        fn add(a: __m256, b: __m256) -> __m256 = _mm256_add_ps(a, b);
        fn sub(a: __m256, b: __m256) -> __m256 = _mm256_sub_ps(a, b);
        fn mul(a: __m256, b: __m256) -> __m256 = _mm256_mul_ps(a, b);
        fn div(a: __m256, b: __m256) -> __m256 = _mm256_div_ps(a, b);
        fn max(a: __m256, b: __m256) -> __m256 = _mm256_max_ps(a, b);
        fn min(a: __m256, b: __m256) -> __m256 = _mm256_min_ps(a, b);
        fn where_positive(gate: __m256, a: __m256) -> __m256 =
            _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(gate, _mm256_setzero_ps()), a);
        fn scale_by_power(a: __m256, shifted: __m256) -> __m256 = {
            let exponent = _mm256_add_epi32(_mm256_castps_si256(shifted), _mm256_set1_epi32(127));
            _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        };
        fn interleave(a: __m256, b: __m256) -> [__m256; 2] = {
            let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            [_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high)]
        };
        fn prefetch(at: *const f32) = _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
}
