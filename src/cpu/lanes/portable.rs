//! Four lanes in plain Rust: for processors that none of the others is written for, and for Miri.

use super::{Lanes, lanes_by};

/// Arrays of four. With `FUSED` products and sums are fused as elsewhere, which is slow where the processor cannot do
/// that; without it they are rounded twice.
#[derive(Clone, Copy)]
pub struct Portable<const FUSED: bool>;

type Four = [f32; 4];

#[inline(always)]
fn each(a: Four, b: Four, f: impl Fn(f32, f32) -> f32) -> Four {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

/// # Safety
/// As [`Lanes::load_part`].
#[inline(always)]
unsafe fn part(from: *const f32, count: usize) -> Four {
    let mut lanes = [0f32; 4];
    // SAFETY: the caller's pointer holds `count` numbers, the array four.
    unsafe { std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count) };
    lanes
}

#[inline(always)]
fn fused<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

impl<const FUSED: bool> Lanes for Portable<FUSED> {
    type V = Four;
    const N: usize = 4;
    const REGISTERS: usize = 16;

    lanes_by! {
        fn load(from: *const f32) -> Four = from.cast::<Four>().read_unaligned();
        fn load_part(from: *const f32, count: usize) -> Four = part(from, count);
        fn store(to: *mut f32, v: Four) = to.cast::<Four>().write_unaligned(v);
        fn store_part(to: *mut f32, count: usize, v: Four) =
            std::ptr::copy_nonoverlapping(v.as_ptr(), to, count);
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Four {
        [x; 4]
    }

    #[inline(always)]
    unsafe fn fma(a: Four, b: Four, c: Four) -> Four {
        let f = fused::<FUSED>;
        [f(a[0], b[0], c[0]), f(a[1], b[1], c[1]), f(a[2], b[2], c[2]), f(a[3], b[3], c[3])]
    }

    #[inline(always)]
    unsafe fn add(a: Four, b: Four) -> Four {
        each(a, b, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(a: Four, b: Four) -> Four {
        each(a, b, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul(a: Four, b: Four) -> Four {
        each(a, b, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn div(a: Four, b: Four) -> Four {
        each(a, b, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn max(a: Four, b: Four) -> Four {
        each(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    unsafe fn min(a: Four, b: Four) -> Four {
        each(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    unsafe fn where_positive(gate: Four, a: Four) -> Four {
        each(gate, a, |gate, a| if gate > 0.0 { a } else { 0.0 })
    }

    #[inline(always)]
    unsafe fn scale_by_power(a: Four, shifted: Four) -> Four {
        each(a, shifted, |a, n| a * f32::from_bits(n.to_bits().wrapping_add(127) << 23))
    }

    #[inline(always)]
    unsafe fn interleave(a: Four, b: Four) -> [Four; 2] {
        [[a[0], b[0], a[1], b[1]], [a[2], b[2], a[3], b[3]]]
    }

    #[inline(always)]
    unsafe fn prefetch(_at: *const f32) {}
}
