//! How long the person detector takes on the CPU. Only prints: run with
//! `cargo test --release --test detector_speed -- --ignored --nocapture`.

use burn::prelude::*;
use burn::tensor::Distribution;
use image::{Rgb, RgbImage};
use std::time::Instant;
use tmpose::detect::{DetectSettings, Detector, DetectorConfig, DetectorInfo};
use tmpose::gpu::ComputeDevice;
use tmpose::weights::TrainingRecord;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
#[ignore = "a measurement"]
fn stages() {
    let device = ComputeDevice::cpu();
    let net = DetectorConfig::default().init(&device.device);
    let images = Tensor::<4>::random([1, 3, 320, 320], Distribution::Default, &device.device);
    let plain = (0..16).map(|_| {
        let clock = Instant::now();
        net.forward(images.clone()).into_iter().for_each(|level| drop(level.scores.into_data()));
        clock.elapsed().as_secs_f64() * 1e3
    });
    println!("operation by operation: {:.2} ms", median(plain.skip(1).collect()));
    let info = DetectorInfo::new(DetectorConfig::default(), TrainingRecord::default());
    let mut detector = Detector::from_parts(net, info, device);
    for (width, height) in [(640, 480), (1280, 720), (1920, 1080)] {
        let value = |x: u32, y: u32| ((x * y) % 251) as u8;
        let img = RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, value(x, y)]));
        let runs = (0..41).map(|_| detector.detect(&img, &DetectSettings::default()).unwrap().1);
        let runs: Vec<_> = runs.skip(1).collect();
        let ms = |time: fn(&tmpose::detect::DetectTimes) -> std::time::Duration| {
            median(runs.iter().map(|t| time(t).as_secs_f64() * 1e3).collect())
        };
        let [prepare, network, decode, whole] =
            [ms(|t| t.prepare), ms(|t| t.network), ms(|t| t.decode), ms(|t| t.whole)];
        println!(
            "{width}x{height}: prepare {prepare:.2}, network {network:.2}, decode {decode:.2}, whole {whole:.2} ms"
        );
    }
}
