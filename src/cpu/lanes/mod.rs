//! f32 vectors of one instruction set. KernelTable are written once, over [`Lanes`], and compiled for each.
//!
//! Every set gives the same bits: products and sums are fused everywhere, a sum runs in one order whatever the number
//! of lanes, and [`exp`] and [`Lanes::div`] round alike. A processor without fused multiply-add is the one exception
//! ([`Portable`]).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use portable::Portable;

/// Vectors of [`Lanes::N`] f32 numbers and what can be done with them.
///
/// # Safety
/// All functions: the processor has the instruction set. Pointers need no alignment; what is read and written lies in
/// memory of one allocation that nobody else writes, or reads while it is written.
#[allow(clippy::missing_safety_doc)] // One contract for all functions stands above.
pub trait Lanes: Copy + 'static {
    /// A vector.
    type V: Copy;
    /// Numbers in a vector.
    const N: usize;
    /// Vector registers; a tile is as large as they allow.
    const REGISTERS: usize;

    /// All lanes `x`.
    unsafe fn splat(x: f32) -> Self::V;
    /// N numbers from `from` on.
    unsafe fn load(from: *const f32) -> Self::V;
    /// `count` numbers (at most N) from `from` on, and zeros; no memory beyond them is touched.
    unsafe fn load_part(from: *const f32, count: usize) -> Self::V;
    /// Writes N numbers from `to` on.
    unsafe fn store(to: *mut f32, v: Self::V);
    /// Writes the first `count` lanes (at most N) from `to` on.
    unsafe fn store_part(to: *mut f32, count: usize, v: Self::V);
    /// `a * b + c`, rounded once.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a + b`.
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// `a > b ? a : b`; of two lanes one of which is not a number, b.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// `a < b ? a : b`; of two lanes one of which is not a number, b.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// `a` where `gate` is above zero, else zero.
    unsafe fn where_positive(gate: Self::V, a: Self::V) -> Self::V;
    /// `a * 2^n` where `shifted` is the whole number n plus 1.5 * 2^23, n from -126 to 127.
    unsafe fn scale_by_power(a: Self::V, shifted: Self::V) -> Self::V;
    /// `a0 b0 a1 b1 ...`: the first N of them, then the other N.
    unsafe fn interleave(a: Self::V, b: Self::V) -> [Self::V; 2];
    /// Brings the cache line of `at` near; any address may be named.
    unsafe fn prefetch(at: *const f32);
}

/// Implements functions of [`Lanes`] by one expression each. The `unsafe` block of all of them stands here.
macro_rules! lanes_by {
    ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $ret:ty)? = $body:expr;)*) => {$(
        #[inline(always)]
        #[allow(unused_unsafe)] // NEON has no prefetch that stable Rust knows.
        unsafe fn $name($($arg: $type),*) $(-> $ret)? {
            // SAFETY: the caller has the instruction set, and its pointers are valid (see `Lanes`).
            unsafe { $body }
        }
    )*};
}
use lanes_by;

/// e^x to 2e-7 relative for x in [-87, 88]; clamped beyond, and at the lower end where x is not a number.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
pub unsafe fn exp<L: Lanes>(x: L::V) -> L::V {
    // SAFETY: arithmetic on vectors; the caller has the instruction set.
    unsafe {
        let x = L::min(L::max(x, L::splat(-87.0)), L::splat(88.0));
        // x = n ln 2 + r with |r| <= ln 2 / 2; adding and taking away 1.5 * 2^23 rounds to a whole number.
        let magic = L::splat(12_582_912.0);
        let shifted = L::fma(x, L::splat(std::f32::consts::LOG2_E), magic);
        let n = L::sub(shifted, magic);
        let r = L::fma(n, L::splat(-0.693_359_4), x);
        let r = L::fma(n, L::splat(2.121_944_4e-4), r);
        let p = L::fma(L::splat(1.987_569_1e-4), r, L::splat(1.398_199_9e-3));
        let p = L::fma(p, r, L::splat(8.333_452e-3));
        let p = L::fma(p, r, L::splat(4.166_579_6e-2));
        let p = L::fma(p, r, L::splat(1.666_666_5e-1));
        let p = L::fma(p, r, L::splat(0.5));
        let p = L::fma(L::mul(p, r), r, L::add(r, L::splat(1.0)));
        L::scale_by_power(p, shifted)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cpu::simd::each_available;

    /// Runs a check of [`Lanes`] for every instruction set of this machine.
    pub trait LanesCheck {
        /// # Safety
        /// The processor has the instruction set of L.
        unsafe fn run<L: Lanes>(&self, name: &str);
    }

    struct Exp;
    impl LanesCheck for Exp {
        unsafe fn run<L: Lanes>(&self, name: &str) {
            for i in -870..880 {
                let x = i as f32 * 0.1 + 0.03;
                let mut out = [0f32; 16];
                // SAFETY: the instruction set is there, and `out` holds more than a vector.
                unsafe { L::store(out.as_mut_ptr(), exp::<L>(L::splat(x))) };
                let expected = f64::from(x).exp();
                let found = f64::from(out[L::N - 1]);
                assert!((found / expected - 1.0).abs() < 3e-7, "{name}: e^{x} = {found}, not {expected}");
            }
        }
    }

    #[test]
    fn exp_is_exact_to_seven_digits() {
        each_available(&Exp);
    }

    struct Elementwise;
    impl LanesCheck for Elementwise {
        unsafe fn run<L: Lanes>(&self, name: &str) {
            let a: Vec<f32> = (0..16).map(|i| (i as f32 - 7.5) * 1.3).collect();
            let b: Vec<f32> = (0..16).map(|i| (i * 7 % 16) as f32 - 8.2).collect();
            let mut out = [0f32; 40];
            // SAFETY: the instruction set is there; the slices are at least as long as what is read and written.
            unsafe {
                let (va, vb) = (L::load(a.as_ptr()), L::load(b.as_ptr()));
                let to = out.as_mut_ptr();
                let check = |what: &str, v: L::V, expected: &dyn Fn(f32, f32) -> f32| {
                    L::store(to, v);
                    for i in 0..L::N {
                        assert_eq!(*to.add(i), expected(a[i], b[i]), "{name}: {what} of lane {i}");
                    }
                };
                check("sum", L::add(va, vb), &|a, b| a + b);
                check("difference", L::sub(va, vb), &|a, b| a - b);
                check("product", L::mul(va, vb), &|a, b| a * b);
                check("quotient", L::div(va, vb), &|a, b| a / b);
                check("fused", L::fma(va, vb, va), &|a, b| a.mul_add(b, a));
                check("largest", L::max(va, vb), &f32::max);
                check("smallest", L::min(va, vb), &f32::min);
                check("gate", L::where_positive(va, vb), &|a, b| if a > 0.0 { b } else { 0.0 });
                for count in 0..=L::N {
                    out.fill(9.0);
                    L::store_part(out.as_mut_ptr(), count, L::load_part(a.as_ptr(), count));
                    assert_eq!(out[..count], a[..count], "{name}");
                    assert!(out[count..].iter().all(|v| *v == 9.0), "{name}: {count} lanes wrote more");
                    L::store(out.as_mut_ptr(), L::load_part(a.as_ptr(), count));
                    assert!(out[count..L::N].iter().all(|v| *v == 0.0), "{name}: {count} lanes read more");
                }
                let [low, high] = L::interleave(va, vb);
                L::store(out.as_mut_ptr(), low);
                L::store(out.as_mut_ptr().add(L::N), high);
                for i in 0..L::N {
                    assert_eq!([out[2 * i], out[2 * i + 1]], [a[i], b[i]], "{name}");
                }
            }
        }
    }

    #[test]
    fn lanes_do_what_numbers_do() {
        each_available(&Elementwise);
    }
}
