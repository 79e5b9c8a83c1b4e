//! Which of a camera's formats to use.
//!
//! Neither the largest nor the fastest is good: the largest is slow to decode and often at 5 frames a
//! second, the fastest is often tiny.

use std::cmp::Ordering;

use crate::pose::Size;
use crate::source::{CameraFormat, PixelFormat};

/// The picture that is wanted: large enough for a person some metres away.
const PREFERRED_SIZE: Size = Size::new(1280, 720);
/// Raw pictures above this size do not fit through USB 2 at full rate, and cost bandwidth everywhere.
const MAX_RAW_SIZE: Size = Size::new(640, 480);
/// Slower than this a movement falls apart.
const FLUENT_FPS: u32 = 24;
/// Faster than this is not seen.
const USEFUL_FPS: u32 = 30;

/// The formats from best to worst.
pub(super) fn ranked(offered: &[CameraFormat]) -> Vec<CameraFormat> {
    let mut formats = offered.to_vec();
    formats.retain(|f| (1..=240).contains(&f.fps) && !f.size.is_empty());
    let key = |f: &CameraFormat| (f.size.width, f.size.height, f.fps, f.pixels);
    formats.sort_by(|a, b| {
        cost(a).partial_cmp(&cost(b)).unwrap_or(Ordering::Equal).then_with(|| key(a).cmp(&key(b)))
    });
    formats.dedup();
    formats
}

/// In doublings: a picture of half or twice the wanted area costs 1, as does half the fluent rate times 2.
fn cost(format: &CameraFormat) -> f64 {
    let area = format.size.area() as f64;
    let wanted = PREFERRED_SIZE.area() as f64;
    let size = (area / wanted).log2();
    // Twice as expensive upwards: a larger picture brings nothing to a crop of 256x192.
    let size = if size > 0.0 { 2.0 * size } else { -size };
    let slow = 2.0 * (f64::from(FLUENT_FPS) / f64::from(format.fps)).log2().max(0.0);
    let fast = 0.1 * (f64::from(format.fps) / f64::from(USEFUL_FPS)).log2().abs();
    let coding = match format.pixels {
        PixelFormat::Gray => 6.0,
        PixelFormat::Mjpeg => 0.2,
        _ if area > MAX_RAW_SIZE.area() as f64 => 3.0,
        PixelFormat::Yuyv => 0.0,
        PixelFormat::Nv12 => 0.05,
        PixelFormat::Rgb | PixelFormat::Bgr => 0.1,
    };
    size + slow + fast + coding
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formats(pixels: PixelFormat, sizes: &[(u32, u32, &[u32])]) -> Vec<CameraFormat> {
        let mut all = Vec::new();
        for &(width, height, rates) in sizes {
            all.extend(rates.iter().map(|&fps| CameraFormat { size: Size::new(width, height), fps, pixels }));
        }
        all
    }

    fn best(offered: &[CameraFormat]) -> String {
        ranked(offered)[0].to_string()
    }

    #[test]
    fn a_webcam_is_used_with_mjpeg_above_640x480() {
        // A Logitech C920: raw pictures are slow above VGA.
        let mut offered = formats(
            PixelFormat::Yuyv,
            &[
                (160, 90, &[30]),
                (640, 480, &[30, 24, 15]),
                (1280, 720, &[10, 5]),
                (1920, 1080, &[5]),
                (2304, 1536, &[2]),
            ],
        );
        offered.extend(formats(
            PixelFormat::Mjpeg,
            &[(640, 480, &[30, 24]), (1280, 720, &[30, 24, 15]), (1920, 1080, &[30, 24])],
        ));
        assert_eq!(best(&offered), "1280x720@30 MJPEG");
    }

    #[test]
    fn without_mjpeg_a_fluent_small_picture_beats_a_slow_large_one() {
        let offered = formats(
            PixelFormat::Yuyv,
            &[(320, 240, &[30]), (640, 480, &[30]), (1280, 720, &[10]), (1920, 1080, &[5])],
        );
        assert_eq!(best(&offered), "640x480@30 YUYV");
    }

    #[test]
    fn the_fastest_format_is_not_taken_for_its_rate() {
        let mut offered = formats(PixelFormat::Bgr, &[(320, 180, &[60, 30]), (640, 480, &[30])]);
        offered.extend(formats(PixelFormat::Yuyv, &[(320, 180, &[60]), (640, 480, &[30, 15])]));
        assert_eq!(best(&offered), "640x480@30 YUYV");
    }

    #[test]
    fn a_camera_with_one_format_is_used_with_it() {
        for pixels in [PixelFormat::Gray, PixelFormat::Mjpeg, PixelFormat::Nv12] {
            let offered = formats(pixels, &[(3840, 2160, &[5])]);
            assert_eq!(ranked(&offered), offered);
        }
        assert!(ranked(&[]).is_empty());
    }

    #[test]
    fn colour_is_preferred_to_a_larger_grey_picture() {
        let mut offered = formats(PixelFormat::Gray, &[(1280, 720, &[30])]);
        offered.extend(formats(PixelFormat::Yuyv, &[(320, 240, &[30])]));
        assert_eq!(best(&offered), "320x240@30 YUYV");
    }
}
