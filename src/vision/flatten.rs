//! Pictures without transparency.

use image::{DynamicImage, Rgb, RgbImage, Rgba};

/// A picture as it looks on a white page: what is transparent is white.
pub fn flatten(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    let mut page = RgbImage::new(picture.width(), picture.height());
    for (to, Rgba([r, g, b, alpha])) in page.pixels_mut().zip(picture.pixels()) {
        let alpha = u32::from(*alpha);
        let over_white = |v: &u8| ((u32::from(*v) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        *to = Rgb([r, g, b].map(over_white));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayAlphaImage, LumaA, RgbaImage};

    #[test]
    fn colours_of_transparent_pixels_do_not_show() {
        let pixel = |color| flatten(RgbaImage::from_pixel(1, 1, Rgba(color)).into()).get_pixel(0, 0).0;
        assert_eq!(pixel([9, 8, 7, 255]), [9, 8, 7]);
        assert_eq!(pixel([9, 8, 7, 0]), [255; 3]);
        assert_eq!(pixel([0, 100, 255, 128]), [127, 177, 255]);
        let gray = GrayAlphaImage::from_pixel(1, 1, LumaA([40, 0]));
        assert_eq!(flatten(gray.into()).get_pixel(0, 0).0, [255; 3]);
    }
}
