//! The estimator with a small model of random weights on the CPU backend.

use super::*;
use crate::gpu::ComputeDevice;
use crate::model::{MaskKind, ModelConfig, Variant, fill_params};
use crate::pose::Skeleton;
use crate::vision::BBox;
use crate::weights::{TrainingRecord, WeightsInfo};
use image::{Rgb, RgbImage, imageops};

/// A crop of exactly the network's size, so that the crop is a copy of pixels: 192 x 256 about the
/// middle of a 240 x 300 picture.
const MIDDLE: BBox = BBox { x: 43.2, y: 47.6, w: 153.6, h: 204.8 };

fn estimator() -> Estimator {
    let device = ComputeDevice::cpu();
    device.device.seed(7);
    let skeleton = Skeleton::coco17().clone();
    let config = ModelConfig::new(Variant::T, &skeleton);
    // A fresh head draws nothing: its last matrix is zero.
    let model = fill_params(config.init(&device.device), |param| {
        let numbers = 0..param.shape.iter().product::<usize>();
        (param.path == "head.fc2.weight").then(|| numbers.map(|i| (i as f32 * 0.37).sin() * 0.05).collect())
    });
    Estimator::from_parts(model, WeightsInfo::new(config, skeleton, TrainingRecord::default()), device)
}

fn picture() -> RgbImage {
    RgbImage::from_fn(240, 300, |x, y| {
        let stripe = if (x / 13 + y / 7) % 3 == 0 { 200 } else { 30 };
        Rgb([stripe, (x % 256) as u8, (y % 256) as u8])
    })
}

fn close(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    let largest = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest <= tolerance, "differs by {largest}");
}

fn maps(estimates: &[Estimate], person: usize) -> &[f32] {
    &estimates[person].heatmaps.as_ref().unwrap().values
}

#[test]
fn persons_of_a_batch_do_not_influence_each_other() {
    let mut estimator = estimator();
    let settings = Settings { keep_ratio: 0.4, ..Settings::default() };
    let other = BBox { x: 10.0, y: 20.0, w: 60.0, h: 90.0 };
    let (both, times, kept) = estimator.estimate(&picture(), &[MIDDLE, other], &settings, true).unwrap();
    let (alone, ..) = estimator.estimate(&picture(), &[other], &settings, true).unwrap();
    assert_eq!(both.len(), 2);
    assert_eq!(kept.len(), 102);
    close(maps(&both, 1), maps(&alone, 0), 1e-4);
    assert_eq!(both[0].pose.keypoints.len(), 17);
    let stages: std::time::Duration = times.stages().iter().map(|(_, time)| *time).sum();
    assert!(stages <= times.whole);
}

#[test]
fn more_persons_than_one_batch_holds_keep_their_order() {
    let mut estimator = estimator();
    let settings = Settings { keep_ratio: 0.1, ..Settings::default() };
    let boxes: Vec<BBox> =
        (0..19).map(|i| BBox { x: i as f32 * 8.0, y: 20.0, w: 40.0, h: 60.0 + i as f32 }).collect();
    let (all, ..) = estimator.estimate(&picture(), &boxes, &settings, true).unwrap();
    let (last, ..) = estimator.estimate(&picture(), &boxes[18..], &settings, true).unwrap();
    assert_eq!(all.len(), 19);
    close(maps(&all, 18), maps(&last, 0), 1e-4);
}

#[test]
fn with_flip_test_a_mirrored_picture_gives_the_mirrored_heatmaps() {
    let mut estimator = estimator();
    // 128 tokens: an even count, for which the mask is its own mirror image.
    let settings = Settings { keep_ratio: 0.5, flip_test: true, ..Settings::default() };
    let (straight, ..) = estimator.estimate(&picture(), &[MIDDLE], &settings, true).unwrap();
    let mirrored = imageops::flip_horizontal(&picture());
    let (seen, ..) = estimator.estimate(&mirrored, &[MIDDLE], &settings, true).unwrap();
    let back = seen[0].heatmaps.as_ref().unwrap().mirrored(&Skeleton::coco17().mirror());
    close(maps(&straight, 0), &back.values, 1e-4);
}

#[test]
fn dropping_tokens_changes_the_heatmaps_and_masks_change_from_call_to_call() {
    let mut estimator = estimator();
    let mut seen = Vec::new();
    for (mask, keep_ratio) in [
        (MaskKind::None, 0.5),
        (MaskKind::Progressive, 1.0),
        (MaskKind::Uniform, 0.5),
        (MaskKind::Random, 0.5),
    ] {
        let settings = Settings { mask, keep_ratio, seed: 3, ..Settings::default() };
        let (found, _, kept) = estimator.estimate(&picture(), &[MIDDLE], &settings, true).unwrap();
        seen.push((maps(&found, 0).to_vec(), kept.len()));
    }
    assert_eq!(seen.iter().map(|s| s.1).collect::<Vec<_>>(), [256, 256, 128, 128]);
    close(&seen[0].0, &seen[1].0, 0.0);
    assert_ne!(seen[1].0, seen[2].0);
    assert_ne!(seen[2].0, seen[3].0);
}

#[test]
fn heatmaps_come_only_when_wanted_and_nobody_gives_nothing() {
    let mut estimator = estimator();
    let (one, ..) = estimator.estimate(&picture(), &[MIDDLE], &Settings::default(), false).unwrap();
    assert!(one[0].heatmaps.is_none());
    let (none, times, _) = estimator.estimate(&picture(), &[], &Settings::default(), true).unwrap();
    assert!(none.is_empty());
    assert_eq!(times.network, std::time::Duration::ZERO);
}

#[test]
fn wrong_requests_are_told_apart() {
    let mut estimator = estimator();
    for keep_ratio in [0.0, 1.5, f64::NAN] {
        let settings = Settings { keep_ratio, ..Settings::default() };
        let error = estimator.estimate(&picture(), &[MIDDLE], &settings, false).unwrap_err();
        assert!(matches!(error, InferError::KeepRatio(_)), "{error}");
    }
    for (w, h) in [(0.0, 10.0), (10.0, -1.0), (f32::NAN, 10.0)] {
        let empty = BBox { x: 0.0, y: 0.0, w, h };
        let error = estimator.estimate(&picture(), &[empty], &Settings::default(), false).unwrap_err();
        assert!(matches!(error, InferError::Box(_)), "{error}");
    }
    let missing = std::path::Path::new("no-such-weights.safetensors");
    let error = Estimator::load(missing, ComputeDevice::cpu()).err().unwrap().to_string();
    assert!(error.contains("no-such-weights.safetensors"), "{error}");
}
