//! Sampling a crop out of a picture, as OpenCV's `warpAffine` does it for 8-bit pixels.

use super::Affine;
use crate::pose::Size;
use image::RgbImage;

/// Positions are rounded to 1/32 pixel; sums over a row are kept at 1/1024.
const POSITION_BITS: i32 = 5;
const SUM_BITS: i32 = 10;
const SUM_ONE: f64 = (1 << SUM_BITS) as f64;
const FRACTION: i32 = (1 << POSITION_BITS) - 1;

/// Where the pixels of a crop lie in the picture, in 1/1024 pixels: pixel (x, y) is looked for at
/// `columns[x] + rows[y]` (both x and y, the sum saturating). The GPU's crop reads the same numbers, so
/// that it needs no 64-bit arithmetic and cannot differ.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingGrid {
    /// What each column of the crop adds, `[x, y]`.
    pub columns: Vec<[i32; 2]>,
    /// What each row of the crop adds, `[x, y]`.
    pub rows: Vec<[i32; 2]>,
}

impl SamplingGrid {
    /// The grid of a crop of `size` pixels.
    pub fn new(image_to_crop: &Affine, size: Size) -> SamplingGrid {
        let [[a, b, c], [d, e, f]] = image_to_crop.inverse().0;
        // `as i32` saturates, as OpenCV's conversion does.
        let fixed = |v: f64| (v * SUM_ONE).round_ties_even() as i32;
        let half = 1 << (SUM_BITS - POSITION_BITS - 1);
        let column = |x: u32| [fixed(a * f64::from(x)), fixed(d * f64::from(x))];
        let row =
            |y: u32| [b * f64::from(y) + c, e * f64::from(y) + f].map(|v| fixed(v).saturating_add(half));
        SamplingGrid {
            columns: (0..size.width).map(column).collect(),
            rows: (0..size.height).map(row).collect(),
        }
    }
}

/// The crop of `size` pixels that `image_to_crop` cuts out of `img`, sampled bilinearly with black
/// outside of the picture. Equal to OpenCV 4.10's `warpAffine` on u8 to the
/// bit, so that a network sees here what it saw in training elsewhere.
pub fn warp(img: &RgbImage, image_to_crop: &Affine, size: Size) -> RgbImage {
    let mut out = RgbImage::new(size.width, size.height);
    let source = Source { pixels: img.as_raw(), width: img.width() as i32, height: img.height() as i32 };
    if size.is_empty() || source.width == 0 || source.height == 0 {
        return out;
    }
    let grid = SamplingGrid::new(image_to_crop, size);
    for ([x0, y0], row) in grid.rows.iter().zip(out.chunks_exact_mut(size.width as usize * 3)) {
        for (pixel, step) in row.chunks_exact_mut(3).zip(&grid.columns) {
            let sx = x0.saturating_add(step[0]) >> (SUM_BITS - POSITION_BITS);
            let sy = y0.saturating_add(step[1]) >> (SUM_BITS - POSITION_BITS);
            source.sample(sx, sy, pixel);
        }
    }
    out
}

struct Source<'a> {
    pixels: &'a [u8],
    width: i32,
    height: i32,
}

impl Source<'_> {
    /// Writes the pixel at a position in 1/32 pixels into `out` (3 values).
    #[inline]
    fn sample(&self, sx: i32, sy: i32, out: &mut [u8]) {
        let (x, y) = (sx >> POSITION_BITS, sy >> POSITION_BITS);
        let (fx, fy) = ((sx & FRACTION) as u32, (sy & FRACTION) as u32);
        let weights = [(32 - fx) * (32 - fy), fx * (32 - fy), (32 - fx) * fy, fx * fy];
        if x >= 0 && y >= 0 && x + 1 < self.width && y + 1 < self.height {
            let stride = self.width as usize * 3;
            let at = y as usize * stride + x as usize * 3;
            // Two slices of fixed length leave the compiler nothing to check inside the loop.
            let top = &self.pixels[at..at + 6];
            let bottom = &self.pixels[at + stride..at + stride + 6];
            for k in 0..3 {
                let sum = weights[0] * u32::from(top[k])
                    + weights[1] * u32::from(top[k + 3])
                    + weights[2] * u32::from(bottom[k])
                    + weights[3] * u32::from(bottom[k + 3]);
                out[k] = ((sum + 512) >> 10) as u8;
            }
        } else if x >= -1 && y >= -1 && x < self.width && y < self.height {
            self.sample_at_border(x, y, weights, out);
        }
        // Else all four neighbours lie outside: the output is black already.
    }

    #[cold]
    fn sample_at_border(&self, x: i32, y: i32, weights: [u32; 4], out: &mut [u8]) {
        for (k, value) in out.iter_mut().enumerate() {
            let at = |x: i32, y: i32| {
                if x < 0 || y < 0 || x >= self.width || y >= self.height {
                    return 0;
                }
                u32::from(self.pixels[(y as usize * self.width as usize + x as usize) * 3 + k])
            };
            let sum = weights[0] * at(x, y)
                + weights[1] * at(x + 1, y)
                + weights[2] * at(x, y + 1)
                + weights[3] * at(x + 1, y + 1);
            *value = ((sum + 512) >> 10) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> RgbImage {
        RgbImage::from_fn(13, 9, |x, y| image::Rgb([x as u8 * 19, y as u8 * 28, (x * y) as u8]))
    }

    #[test]
    fn the_identity_copies() {
        let img = picture();
        assert_eq!(warp(&img, &Affine::IDENTITY, Size::new(13, 9)), img);
    }

    #[test]
    fn mirroring_is_an_involution() {
        let img = picture();
        let once = warp(&img, &Affine::mirror(13), Size::new(13, 9));
        assert_eq!(once, image::imageops::flip_horizontal(&img));
        assert_eq!(warp(&once, &Affine::mirror(13), Size::new(13, 9)), img);
    }

    #[test]
    fn outside_is_black_and_degenerate_maps_do_not_panic() {
        let img = picture();
        let away = Affine([[1.0, 0.0, 100.0], [0.0, 1.0, 0.0]]);
        assert!(warp(&img, &away, Size::new(13, 9)).iter().all(|&v| v == 0));
        for m in [[[0.0; 3]; 2], [[f64::NAN; 3]; 2], [[1e300; 3], [-1e300, 1.0, 3.0]]] {
            assert_eq!(warp(&img, &Affine(m), Size::new(4, 3)).dimensions(), (4, 3));
        }
        assert_eq!(warp(&img, &Affine::IDENTITY, Size::new(0, 3)).len(), 0);
        assert_eq!(warp(&RgbImage::new(0, 0), &Affine::IDENTITY, Size::square(2)).len(), 12);
    }
}
