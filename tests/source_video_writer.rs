//! Written videos are read back: their frames, times and size.

use std::path::Path;
use std::time::Duration;

use image::{Rgb, RgbImage};
use tmpose::pose::Size;
use tmpose::source::{Source, SourceError, VideoSource, VideoWriter};

/// The written frames as (brightness, milliseconds), read back.
fn read_back(path: &Path) -> Vec<(u8, u64)> {
    let mut video = VideoSource::open(path).unwrap();
    let mut seen = Vec::new();
    while let Some(frame) = video.next_frame().unwrap() {
        seen.push((frame.pixels.get_pixel(5, 5).0[1], frame.timestamp.as_millis() as u64));
    }
    seen
}

fn write(path: &Path, size: Size, fps: Option<f64>, times: &[u64]) {
    let mut writer = VideoWriter::create(path, size, fps).unwrap();
    for (n, &time) in times.iter().enumerate() {
        let grey = 20 + 8 * n as u8;
        let frame = RgbImage::from_pixel(size.width, size.height, Rgb([grey; 3]));
        writer.push(&frame, Duration::from_millis(time)).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn every_frame_keeps_its_time() {
    let folder = tempfile::tempdir().unwrap();
    for (name, times) in [
        ("steady.mp4", (0..20).map(|n| n * 40).collect::<Vec<u64>>()),
        ("variable.mp4", vec![0, 33, 50, 300, 301, 2000, 2040, 2500]),
        ("variable.mkv", vec![0, 33, 50, 300, 301, 2000, 2040, 2500]),
        ("one.mov", vec![0]),
    ] {
        let path = folder.path().join(name);
        write(&path, Size::new(64, 48), Some(25.0), &times);
        let seen = read_back(&path);
        assert_eq!(seen.iter().map(|s| s.1).collect::<Vec<_>>(), times, "{name}");
        for (n, (grey, _)) in seen.iter().enumerate() {
            assert!(grey.abs_diff(20 + 8 * n as u8) <= 4, "{name}: frame {n} is {grey}");
        }
    }
}

#[test]
fn a_steady_video_has_the_rate_and_length_of_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("steady.mp4");
    let times: Vec<u64> = (0..25).map(|n| n * 40).collect();
    write(&path, Size::new(64, 48), Some(25.0), &times);
    let info = VideoSource::open(&path).unwrap().info().clone();
    assert!((info.fps.unwrap() - 25.0).abs() < 0.3, "{:?}", info.fps);
    assert!(info.duration.unwrap().abs_diff(Duration::from_secs(1)) < Duration::from_millis(10), "{info:?}");
    assert_eq!((info.frames, info.size), (Some(25), Size::new(64, 48)));
}

#[test]
fn colours_and_odd_sizes_survive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.mp4");
    let mut writer = VideoWriter::create(&path, Size::new(65, 49), None).unwrap();
    let colour = [200, 60, 90];
    for n in 0..3 {
        writer.push(&RgbImage::from_pixel(65, 49, Rgb(colour)), Duration::from_millis(n * 100)).unwrap();
    }
    writer.finish().unwrap();
    let mut video = VideoSource::open(&path).unwrap();
    assert_eq!(video.info().size, Size::new(66, 50));
    let seen = video.next_frame().unwrap().unwrap().pixels.get_pixel(30, 20).0;
    for (a, b) in seen.into_iter().zip(colour) {
        assert!(a.abs_diff(b) <= 6, "{seen:?} should be {colour:?}");
    }
}

#[test]
fn a_video_that_is_not_finished_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("never.mp4");
    let mut writer = VideoWriter::create(&path, Size::new(64, 48), None).unwrap();
    writer.push(&RgbImage::new(64, 48), Duration::ZERO).unwrap();
    let wrong_size = writer.push(&RgbImage::new(32, 32), Duration::ZERO).err().unwrap();
    assert!(matches!(wrong_size, SourceError::VideoWrite { .. }), "{wrong_size}");
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
