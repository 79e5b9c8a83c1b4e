//! Interpolation between two numbers.

/// From `a` (w = 0) to `b` (w = 1), linearly.
pub(super) fn lerp(a: f32, b: f32, w: f32) -> f32 {
    a + (b - a) * w
}

/// From 0 to 1 with flat ends (3x^2 - 2x^3), for `x` in [0, 1]; clamped outside.
pub(super) fn ease(x: f32) -> f32 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// [`ease`] between two edges: 0 at `from` and 1 at `to`, which may be the smaller one.
pub(super) fn smoothstep(from: f32, to: f32, x: f32) -> f32 {
    ease((x - from) / (to - from))
}
