//! A picture of any size into the network's square, and boxes back.

use crate::cpu::kernels;
use crate::pose::Size;
use crate::vision::{BBox, IMAGENET_MEAN, IMAGENET_STD, ResampleWeights, resample_weights};
use image::RgbImage;
use rayon::prelude::*;

/// Grey of the square where the picture does not reach, 0 to 255 (RTMDet's).
pub const PADDING: u8 = 114;

/// The picture lies at the top left of a square, as large as its aspect allows.
///
/// Coordinates are continuous here, as boxes are: a picture spans `0 ..= width`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Letterbox {
    /// Of the picture, in its pixels.
    from: Size,
    /// Of the picture within the square, in the square's pixels.
    to: Size,
    /// Side of the square in pixels.
    side: usize,
}

impl Letterbox {
    /// Of a picture of `size` pixels in a square of `side` pixels; none for a picture without pixels.
    pub fn new(size: Size, side: usize) -> Option<Letterbox> {
        if size.is_empty() {
            return None;
        }
        let [width, height] = [size.width, size.height].map(u64::from);
        let longest = width.max(height);
        // Rounded to whole pixels, at least one.
        let scaled = |length: u64| ((2 * length * side as u64 + longest) / (2 * longest)).max(1) as u32;
        Some(Letterbox { from: size, to: Size::new(scaled(width), scaled(height)), side })
    }

    /// Size of the picture within the square, in the square's pixels.
    pub fn size_in_square(&self) -> Size {
        self.to
    }

    /// Pixels of the square for one pixel of the picture, along x and y; they differ by the rounding.
    pub fn scale(&self) -> [f32; 2] {
        [self.to.width as f32 / self.from.width as f32, self.to.height as f32 / self.from.height as f32]
    }

    /// A box of the picture in the square.
    pub fn to_square(&self, b: &BBox) -> BBox {
        let [x, y] = self.scale();
        BBox { x: b.x * x, y: b.y * y, w: b.w * x, h: b.h * y }
    }

    /// A box of the square in the picture, not clipped.
    pub fn to_picture(&self, b: &BBox) -> BBox {
        let [x, y] = self.scale();
        BBox { x: b.x / x, y: b.y / y, w: b.w / x, h: b.h / y }
    }

    /// The square, normalised, pixel by pixel: `side x side x 3`; the twin of
    /// [`Kernels::letterbox`](crate::gpu::kernels::Kernels::letterbox). Where the picture shrinks, every pixel of the
    /// square is the mean of what it covers, so that nothing is skipped; where it grows, it is interpolated.
    ///
    /// # Panics
    /// When `picture` has another size than this was made for.
    pub fn square(&self, picture: &RgbImage) -> Vec<f32> {
        assert_eq!(Size::from(picture.dimensions()), self.from, "the letterbox of another picture");
        let ([from_height, from_width], [to_height, to_width]) = (self.from.hw(), self.to.hw());
        let columns = resample_weights(from_width, to_width);
        let rows = resample_weights(from_height, to_height);
        let line = from_width * 3;
        let normal = |value: f32, c: usize| (value / 255.0 - IMAGENET_MEAN[c]) / IMAGENET_STD[c];
        let empty: [f32; 3] = std::array::from_fn(|c| normal(f32::from(PADDING), c));
        let mut square = vec![0.0; self.side * self.side * 3];
        square.par_chunks_exact_mut(self.side * 3).enumerate().for_each_init(
            || vec![0f32; line],
            |tall, (y, out)| {
                let (seen, beyond) = match rows.get(y) {
                    Some(taps) => {
                        gather(taps, picture.as_raw(), tall);
                        out.as_chunks_mut::<3>().0.split_at_mut(columns.len())
                    }
                    None => out.as_chunks_mut::<3>().0.split_at_mut(0),
                };
                for (pixel, taps) in seen.iter_mut().zip(&columns) {
                    let values = mean(taps, tall);
                    *pixel = std::array::from_fn(|c| normal(values[c], c));
                }
                beyond.fill(empty);
            },
        );
        square
    }
}

/// The weighted mean of rows of `tall.len()` numbers.
fn gather(taps: &ResampleWeights, rows: &[u8], tall: &mut [f32]) {
    tall.fill(0.0);
    let rows = rows.chunks_exact(tall.len()).skip(taps.first);
    for (row, &weight) in rows.zip(&taps.weights) {
        add_weighted(row, weight, tall);
    }
}

/// The weighted mean of pixels.
fn mean(taps: &ResampleWeights, pixels: &[f32]) -> [f32; 3] {
    let mut sum = [0.0; 3];
    for (pixel, weight) in pixels.as_chunks::<3>().0[taps.first..].iter().zip(&taps.weights) {
        (0..3).for_each(|c| sum[c] += pixel[c] * weight);
    }
    sum
}

kernels! {
    /// Adds `weight` times a row of bytes.
    pub fn add_weighted(row: &[u8], weight: f32, sums: &mut [f32]) {
        for (sum, &v) in sums.iter_mut().zip(row) {
            *sum += f32::from(v) * weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use proptest::prelude::*;

    fn denormal(pixel: &[f32]) -> [f32; 3] {
        std::array::from_fn(|c| (pixel[c] * IMAGENET_STD[c] + IMAGENET_MEAN[c]) * 255.0)
    }

    #[test]
    fn the_picture_keeps_its_aspect_and_lies_at_the_top_left() {
        let letterbox = Letterbox::new(Size::new(640, 480), 320).unwrap();
        assert_eq!(letterbox.to, Size::new(320, 240));
        let img = RgbImage::from_pixel(640, 480, Rgb([10, 200, 90]));
        let square = letterbox.square(&img);
        let at = |x: usize, y: usize| denormal(&square[(y * 320 + x) * 3..][..3]);
        let near = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(near(at(0, 0), [10.0, 200.0, 90.0]) && near(at(319, 239), [10.0, 200.0, 90.0]));
        assert!(near(at(0, 240), [114.0; 3]) && near(at(319, 319), [114.0; 3]));
    }

    #[test]
    fn a_picture_of_the_squares_size_is_only_normalised() {
        let img = RgbImage::from_fn(64, 64, |x, y| Rgb([x as u8 * 4, y as u8 * 3, (x * y) as u8]));
        let square = Letterbox::new(Size::square(64), 64).unwrap().square(&img);
        for (pixel, stored) in square.chunks(3).zip(img.pixels()) {
            let value = denormal(pixel);
            assert!((0..3).all(|c| (value[c] - f32::from(stored[c])).abs() < 1e-3));
        }
    }

    #[test]
    fn degenerate_pictures_have_a_square_or_none() {
        assert_eq!(Letterbox::new(Size::new(0, 5), 320), None);
        assert_eq!(Letterbox::new(Size::new(5, 0), 320), None);
        for (w, h) in [(1, 1), (10_000, 10), (10, 10_000), (1, 7), (319, 321)] {
            let img = RgbImage::from_pixel(w, h, Rgb([50, 60, 70]));
            let square = Letterbox::new(Size::new(w, h), 320).unwrap().square(&img);
            let first = denormal(&square[..3]);
            assert!((first[0] - 50.0).abs() < 1e-2 && (first[2] - 70.0).abs() < 1e-2, "{w}x{h}: {first:?}");
        }
    }

    proptest! {
        #[test]
        fn a_box_put_into_the_square_and_back_is_the_box(
            width in 1u32..8000, height in 1u32..8000,
            x in 0f32..1.0, y in 0f32..1.0, w in 0f32..1.0, h in 0f32..1.0,
        ) {
            let letterbox = Letterbox::new(Size::new(width, height), 320).unwrap();
            let [pw, ph] = [width as f32, height as f32];
            let b = BBox { x: x * pw, y: y * ph, w: w * pw, h: h * ph };
            let inside = letterbox.to_square(&b);
            prop_assert!(inside.x + inside.w <= 2.0 * 320.01 && inside.y + inside.h <= 2.0 * 320.01);
            let back = letterbox.to_picture(&inside);
            let worst = [back.x - b.x, back.y - b.y, back.w - b.w, back.h - b.h];
            prop_assert!(worst.iter().all(|d| d.abs() < 0.01), "{b:?} became {back:?}");
        }
    }
}
