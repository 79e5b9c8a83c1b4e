//! Multiply-adds that need no memory: what a core can do at most.

use super::lanes::Lanes;
use std::hint::black_box;

/// Sums that [`peak`] keeps in registers.
pub const PEAK_SUMS: usize = 12;

/// What [`peak`] does.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// Rounds of one multiply-add for each sum.
    pub turns: usize,
}

/// Multiply-adds that need no memory.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
pub unsafe fn peak<L: Lanes>(job: &Peak) {
    // SAFETY: arithmetic on vectors; the caller has the instruction set.
    unsafe {
        let mut sums = [L::splat(1.0); PEAK_SUMS];
        // Unknown to the compiler, so that nothing is computed beforehand.
        let (a, b) = (L::splat(black_box(0.999_999)), L::splat(black_box(1e-6)));
        for _ in 0..job.turns {
            for sum in &mut sums {
                *sum = L::fma(*sum, a, b);
            }
        }
        for sum in sums {
            let mut out = [0f32; 16];
            L::store(out.as_mut_ptr(), sum);
            black_box(out);
        }
    }
}
