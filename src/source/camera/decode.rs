//! From a camera's bytes to RGB.

use image::{ImageFormat, ImageReader, RgbImage};
use nokhwa::pixel_format::{FormatDecoder, RgbFormat};
use nokhwa::utils::Resolution;
use std::io::Cursor;

use super::native::frame_format;
use crate::pose::Size;
use crate::source::{CameraFormat, PixelFormat};

/// The picture in RGB, or why it cannot be decoded.
pub(super) fn to_rgb(bytes: &[u8], format: CameraFormat) -> Result<RgbImage, String> {
    let CameraFormat { size: Size { width, height }, pixels, .. } = format;
    let Some(expected) = raw_length(format) else {
        // Not nokhwa's decoder: on a broken picture it panics through C code.
        let picture = image::load_from_memory_with_format(bytes, ImageFormat::Jpeg);
        return picture.map(|p| p.into_rgb8()).map_err(|e| e.to_string());
    };
    // Drivers round their buffers up to whole pages.
    let Some(bytes) = bytes.get(..expected) else {
        return Err(format!("{} bytes instead of {expected}", bytes.len()));
    };
    let rgb = RgbFormat::write_output(frame_format(pixels), Resolution::new(width, height), bytes);
    let rgb = rgb.map_err(|e| e.to_string())?;
    RgbImage::from_raw(width, height, rgb).ok_or_else(|| "its size does not fit its data".to_owned())
}

/// Size of a picture in pixels: a JPEG's own, which some cameras round.
pub(super) fn size(bytes: &[u8], format: CameraFormat) -> Size {
    match format.pixels {
        PixelFormat::Mjpeg => ImageReader::with_format(Cursor::new(bytes), ImageFormat::Jpeg)
            .into_dimensions()
            .map_or(format.size, Size::from),
        _ => format.size,
    }
}

/// Bytes of a raw picture; nothing for a compressed one.
fn raw_length(format: CameraFormat) -> Option<usize> {
    let area = format.size.area();
    match format.pixels {
        PixelFormat::Mjpeg => None,
        PixelFormat::Yuyv => Some(area * 2),
        PixelFormat::Nv12 => Some(area * 3 / 2),
        PixelFormat::Gray => Some(area),
        PixelFormat::Rgb | PixelFormat::Bgr => Some(area * 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(pixels: PixelFormat, bytes: &[u8]) -> Result<[u8; 3], String> {
        let format = CameraFormat { size: Size::new(4, 2), fps: 30, pixels };
        to_rgb(bytes, format).map(|picture| picture.get_pixel(3, 1).0)
    }

    fn near(seen: [u8; 3], expected: [u8; 3]) -> bool {
        seen.into_iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 3)
    }

    #[test]
    fn every_raw_format_becomes_the_same_red() {
        let red = [254, 0, 0];
        // BT.601 in the limited range that cameras use: Y 81, U 90, V 240.
        assert!(near(decoded(PixelFormat::Yuyv, &[81, 90, 81, 240].repeat(4)).unwrap(), red));
        let nv12 = [vec![81; 8], [90, 240].repeat(2)].concat();
        assert!(near(decoded(PixelFormat::Nv12, &nv12).unwrap(), red));
        assert_eq!(decoded(PixelFormat::Rgb, &[255, 0, 0].repeat(8)).unwrap(), [255, 0, 0]);
        assert_eq!(decoded(PixelFormat::Bgr, &[0, 0, 255].repeat(8)).unwrap(), [255, 0, 0]);
        assert_eq!(decoded(PixelFormat::Gray, &[77; 8]).unwrap(), [77; 3]);
    }

    #[test]
    fn a_longer_buffer_is_cut_and_a_shorter_one_refused() {
        assert!(decoded(PixelFormat::Gray, &[77; 4096]).is_ok());
        assert_eq!(decoded(PixelFormat::Gray, &[77; 7]).unwrap_err(), "7 bytes instead of 8");
    }

    #[test]
    fn a_jpeg_is_decoded_with_its_own_size_and_a_broken_one_refused() {
        let mut jpeg = Vec::new();
        let picture = RgbImage::from_pixel(16, 8, image::Rgb([10, 200, 30]));
        picture.write_to(&mut Cursor::new(&mut jpeg), ImageFormat::Jpeg).unwrap();
        let agreed = CameraFormat { size: Size::new(20, 10), fps: 30, pixels: PixelFormat::Mjpeg };
        assert_eq!(size(&jpeg, agreed), Size::new(16, 8));
        assert!(near(to_rgb(&jpeg, agreed).unwrap().get_pixel(8, 4).0, [10, 200, 30]));
        assert!(to_rgb(b"not a picture", agreed).is_err());
        assert_eq!(size(b"not a picture", agreed), Size::new(20, 10));
    }
}
