//! Colours in linear light, and the palettes that several parts of an environment share.

use glam::{Vec3A, vec3a};

/// Painted walls, as 0xRRGGBB.
pub(super) const WALLS: [u32; 10] =
    [0xe8e2d6, 0xcfd8d3, 0xb8c4cc, 0xd8c3a5, 0xa9b59a, 0x8fa3b0, 0xe3d0c5, 0x6f8190, 0xc9a58b, 0xf1eee8];
/// Timber, as 0xRRGGBB.
pub(super) const WOODS: [u32; 6] = [0xb58a5e, 0x8a6240, 0x6b4a32, 0xc9a678, 0x9a7b5b, 0x584436];
/// Strong colours of small things, as 0xRRGGBB.
pub(super) const ACCENTS: [u32; 8] =
    [0x2f6f8f, 0xb8523c, 0x4a7a4f, 0xd6a23f, 0x5c4a72, 0x27303b, 0xa34a5e, 0x7aa0b5];

/// Linear light of an sRGB colour written as 0xRRGGBB.
pub(super) fn rgb(hex: u32) -> Vec3A {
    let c = |shift: u32| (((hex >> shift) & 255) as f32 / 255.0).powf(2.2);
    vec3a(c(16), c(8), c(0))
}
