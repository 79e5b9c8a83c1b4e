//! From 8-bit pixels to the network's numbers.

use image::RgbImage;
use std::sync::LazyLock;

/// Mean of the ImageNet pixels (R, G, B), of values 0 to 1 (docs/METHOD.md, "Colour").
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of the ImageNet pixels (R, G, B).
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Every 8-bit value of every channel, normalised; 3 KiB save a division for each value.
static TABLE: LazyLock<[[f32; 256]; 3]> = LazyLock::new(|| {
    std::array::from_fn(|c| std::array::from_fn(|v| (v as f32 / 255.0 - IMAGENET_MEAN[c]) / IMAGENET_STD[c]))
});

/// The network's number for every 8-bit value of each channel: `[channel][value]`.
pub fn normalization_table() -> &'static [[f32; 256]; 3] {
    &TABLE
}

/// Writes a crop as `[3, H, W]` row-major: value / 255, less the ImageNet mean, over its deviation.
///
/// # Panics
/// When `out` does not hold `3 * height * width` values.
pub fn normalize_into(crop: &RgbImage, out: &mut [f32]) {
    let size = crop.width() as usize * crop.height() as usize;
    assert_eq!(out.len(), 3 * size, "one value for each channel of each pixel");
    let (red, rest) = out.split_at_mut(size);
    let (green, blue) = rest.split_at_mut(size);
    let table = &*TABLE;
    for (((p, r), g), b) in crop.as_raw().chunks_exact(3).zip(red).zip(green).zip(blue) {
        *r = table[0][p[0] as usize];
        *g = table[1][p[1] as usize];
        *b = table[2][p[2] as usize];
    }
}

/// A crop as `[H, W, 3]`, pixel by pixel; otherwise as [`normalize_into`].
pub fn normalized_pixels(crop: &RgbImage) -> Vec<f32> {
    let table = &*TABLE;
    let pixel = |p: &[u8; 3]| [0, 1, 2].map(|c| table[c][usize::from(p[c])]);
    crop.as_raw().as_chunks::<3>().0.iter().flat_map(pixel).collect()
}

/// Writes a map `[channels, H, W]` as `[H, W, channels]`.
///
/// # Panics
/// When the two have not as many numbers.
pub fn planes_to_pixels(planes: &[f32], channels: usize, pixels: &mut [f32]) {
    assert_eq!(planes.len(), pixels.len(), "numbers of a map");
    for (channel, plane) in planes.chunks_exact(planes.len() / channels).enumerate() {
        for (pixel, value) in pixels.chunks_exact_mut(channels).zip(plane) {
            pixel[channel] = *value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_come_first_and_are_standardised() {
        let img = RgbImage::from_raw(2, 1, vec![255, 0, 128, 0, 255, 64]).unwrap();
        let mut out = [0.0; 6];
        normalize_into(&img, &mut out);
        let want = |v: f32, c: usize| (v / 255.0 - IMAGENET_MEAN[c]) / IMAGENET_STD[c];
        let expected =
            [want(255.0, 0), want(0.0, 0), want(0.0, 1), want(255.0, 1), want(128.0, 2), want(64.0, 2)];
        assert_eq!(out, expected);
        let pixels = [0, 2, 4, 1, 3, 5].map(|i| expected[i]);
        assert_eq!(normalized_pixels(&img), pixels);
        let mut turned = [0.0; 6];
        planes_to_pixels(&out, 3, &mut turned);
        assert_eq!(turned, pixels);
    }
}
