//! From linear light to the picture's bytes: exposure, tone curve, sensor noise.

use super::random::{SeededRng, hash};
use glam::Vec3A;
use std::sync::LazyLock;

/// Linear light to sRGB, with a soft shoulder; index is light times 1024, up to 4.
static TONE_CURVE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..4096u32)
        .map(|i| {
            let x = i as f32 / 1024.0;
            let x = if x < 0.6 { x } else { 0.6 + 0.4 * (1.0 - (-(x - 0.6) / 0.4).exp()) };
            (x.powf(1.0 / 2.2) * 255.0 + 0.5).min(255.0) as u8
        })
        .collect()
});

/// Bell-shaped sensor noise, of which every picture reads another part.
static NOISE: LazyLock<Vec<i8>> = LazyLock::new(|| {
    let mut rng = SeededRng::new(11, 11);
    (0..1 << 16).map(|_| ((0..4).map(|_| rng.unit() - 0.5).sum::<f32>() * 27.0) as i8).collect()
});

/// What a camera makes of the light of one picture.
pub(super) struct CameraResponse {
    /// From linear light to an index of `tone`.
    exposure: f32,
    /// Of the noise, in 1/128 of its table's values.
    strength: i32,
    /// Seed of this picture's noise.
    seed: u64,
    tone: &'static [u8],
    noise: &'static [i8],
}

impl CameraResponse {
    /// `exposure` is a factor on linear light; `noise` is about the standard deviation of the noise in steps of a byte,
    /// and `seed` chooses its pattern.
    pub(super) fn new(exposure: f32, noise: f32, seed: u64) -> CameraResponse {
        CameraResponse {
            exposure: exposure * 1024.0,
            strength: (noise * 16.0) as i32,
            seed,
            tone: &TONE_CURVE,
            noise: &NOISE,
        }
    }

    /// Turns the linear light of row `y` into bytes, three a pixel.
    pub(super) fn row(&self, y: usize, light: &[Vec3A], bytes: &mut [u8]) {
        // Every row reads the noise from a place of its own.
        let mut at = hash(self.seed, y as u64) as usize & 0xFFFF;
        for (p, out) in light.iter().zip(bytes.chunks_exact_mut(3)) {
            let c = *p * self.exposure;
            for (v, byte) in [c.x, c.y, c.z].into_iter().zip(out) {
                let tone = i32::from(self.tone[(v.max(0.0) as usize).min(4095)]);
                at = (at + 1) & 0xFFFF;
                *byte = (tone + ((i32::from(self.noise[at]) * self.strength) >> 7)).clamp(0, 255) as u8;
            }
        }
    }
}
