//! The person detector against ONNX Runtime (references from scripts/make_detector_reference.py), and its files.

mod program;
mod support;

use burn::prelude::*;
use burn::tensor::TensorData;
use image::{Rgb, RgbImage};
use program::tmpose;
use std::path::Path;
use support::{closed_form, fixture, reference, teachers};
use tmpose::detect::{self, DetectSettings, Detector, DetectorConfig, DetectorInfo, DetectorNet};
use tmpose::gpu::ComputeDevice;
use tmpose::model::backbone::{ConvMismatch, ConvWeights};
use tmpose::weights::{self, Precision, TrainingRecord};

const CLOSED_FORM: &str = "detector_reference.safetensors";
const TRAINED: &str = "detector_reference_trained.safetensors";
/// The script's `GAIN` and `BIAS`.
const GAIN: f64 = 1.5;
const BIAS: f64 = 0.1;

fn cpu() -> Device {
    Device::flex()
}

fn noise(device: &Device) -> Tensor<4> {
    let values = closed_form("input.320x320", 0.0, 2.0, 3 * 320 * 320);
    Tensor::from_data(TensorData::new(values, [1, 3, 320, 320]), device)
}

/// The script's picture.
fn picture() -> RgbImage {
    let value = |x: u32, y: u32, c: u32| ((x * x / 90 + 3 * y + 80 * c) % 256) as u8;
    RgbImage::from_fn(500, 333, |x, y| Rgb([value(x, y, 0), value(x, y, 1), value(x, y, 2)]))
}

/// Convolution `i` holds the closed form named `detector.<i>`.
fn closed_form_weights() -> Vec<ConvWeights> {
    let shapes = DetectorConfig::default().init(&cpu()).weight_shapes();
    let one = |(i, shape): (usize, Vec<usize>)| {
        let amp = GAIN * (3.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
        let weight = closed_form(&format!("detector.{i}.weight"), 0.0, amp, shape.iter().product());
        let outputs = shape[0];
        let bias = closed_form(&format!("detector.{i}.bias"), 0.0, BIAS, outputs);
        ConvWeights {
            name: format!("detector.{i}"),
            weight: TensorData::new(weight, shape),
            bias: TensorData::new(bias, [outputs]),
        }
    };
    shapes.into_iter().enumerate().map(one).collect()
}

fn closed_form_net() -> DetectorNet {
    DetectorConfig::default().init(&cpu()).with_weights(closed_form_weights()).unwrap()
}

fn info() -> DetectorInfo {
    let record = TrainingRecord { start: "closed form".into(), steps: 7, ..TrainingRecord::default() };
    DetectorInfo::new(DetectorConfig::default(), record)
}

/// Every level's sample within 1e-3 of the largest value of its kind; the reference's distances are cut at zero.
fn assert_levels(net: &DetectorNet, file: &str) {
    for level in net.forward(noise(&cpu())) {
        let (shape, sample) = reference(file, &format!("level{}.sample", level.stride));
        let (_, largest) = reference(file, &format!("level{}.largest", level.stride));
        let [_, _, height, width] = level.scores.dims();
        let step = (width / 8).max(1);
        let all = Tensor::cat(vec![level.scores, level.distances], 1).permute([0, 2, 3, 1]);
        let all: Vec<f32> = all.into_data().try_into_vec().unwrap();
        let picked = (0..height).step_by(step).flat_map(|y| (0..width).step_by(step).map(move |x| (y, x)));
        let picked: Vec<&[f32]> = picked.map(|(y, x)| &all[(y * width + x) * 5..][..5]).collect();
        assert_eq!(picked.len() * 5, shape.iter().product::<usize>());
        for (ours, theirs) in picked.iter().zip(sample.chunks(5)) {
            for c in 0..5 {
                let theirs = if c == 0 { theirs[0] } else { theirs[c].max(0.0) };
                let apart = (f64::from(ours[c]) - theirs).abs();
                assert!(apart < 1e-3 * largest[c].max(1.0), "stride {}, value {c}: {apart}", level.stride);
            }
        }
    }
}

fn assert_boxes(net: DetectorNet, file: &str, min_score: f32) {
    let mut detector = Detector::from_parts(net, info(), ComputeDevice::cpu());
    let settings = DetectSettings { min_score, nms_iou: 0.6, most: 20 };
    let (found, times) = detector.detect(&picture(), &settings).unwrap();
    let (shape, boxes) = reference(file, "boxes");
    assert_eq!(found.len(), shape[0]);
    for (ours, theirs) in found.iter().zip(boxes.chunks(5)) {
        let b = ours.bbox;
        for (ours, theirs) in [b.x, b.y, b.w, b.h].into_iter().zip(theirs) {
            assert!((f64::from(ours) - theirs).abs() < 0.02, "{b:?} where {theirs} is expected");
        }
        assert!((f64::from(ours.score) - theirs[4]).abs() < 1e-3, "{} and {}", ours.score, theirs[4]);
    }
    assert!(times.prepare + times.network + times.decode <= times.whole);
}

#[test]
fn agrees_with_onnx_runtime_on_closed_form_weights() {
    assert_levels(&closed_form_net(), CLOSED_FORM);
    assert_boxes(closed_form_net(), CLOSED_FORM, 0.5);
}

#[test]
fn agrees_with_onnx_runtime_on_the_published_weights_where_they_are() {
    let Some(folder) = teachers() else { return };
    let (net, info) = detect::import(&folder.join("rtmdet_nano_person_320.onnx"), &cpu()).unwrap();
    assert!(info.record.start.contains("OpenMMLab, Apache-2.0"), "{}", info.record.start);
    assert_levels(&net, TRAINED);
    assert_boxes(net, TRAINED, 0.02);
}

#[test]
fn several_pictures_at_once_are_found_as_one_by_one() {
    let mut detector = Detector::from_parts(closed_form_net(), info(), ComputeDevice::cpu());
    let settings = DetectSettings { min_score: 0.3, ..DetectSettings::default() };
    let pictures = [
        picture(),
        RgbImage::new(0, 0),
        image::imageops::flip_horizontal(&picture()),
        RgbImage::from_pixel(1, 1, Rgb([9, 9, 9])),
        RgbImage::from_pixel(10_000, 10, Rgb([90, 9, 9])),
        RgbImage::from_pixel(3, 4000, Rgb([9, 200, 9])),
    ];
    let (together, _) = detector.detect_all(&pictures.each_ref(), &settings).unwrap();
    for (picture, together) in pictures.iter().zip(&together) {
        let (alone, _) = detector.detect(picture, &settings).unwrap();
        assert_eq!(&alone, together);
        let (width, height) = picture.dimensions();
        for found in together {
            let b = found.bbox;
            assert!(b.x >= 0.0 && b.y >= 0.0 && b.w > 0.0 && b.h > 0.0, "{b:?}");
            assert!(b.x + b.w <= width as f32 * 1.0001 && b.y + b.h <= height as f32 * 1.0001, "{b:?}");
        }
    }
    assert!(!together[0].is_empty() && together[1].is_empty());
}

#[test]
fn a_saved_detector_comes_back_and_finds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("detect.safetensors");
    detect::save(&path, &closed_form_net(), &info(), Precision::F32).unwrap();
    assert_eq!(detect::read_info(&path).unwrap(), info());
    let mut loaded = Detector::load(&path, ComputeDevice::cpu()).unwrap();
    assert_eq!(loaded.info(), &info());
    let mut kept = Detector::from_parts(closed_form_net(), info(), ComputeDevice::cpu());
    let settings = DetectSettings::everything();
    assert_eq!(
        loaded.detect(&picture(), &settings).unwrap().0,
        kept.detect(&picture(), &settings).unwrap().0
    );
}

#[test]
fn files_of_the_other_kind_are_told_apart_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let detector = folder.path().join("people.safetensors");
    detect::save(&detector, &closed_form_net(), &info(), Precision::F16).unwrap();
    let told = [
        weights::load(&detector, &cpu()).unwrap_err().to_string(),
        weights::read_info(&detector).unwrap_err().to_string(),
    ];
    for text in told {
        assert!(
            text.contains("people.safetensors holds a person detector, and a pose network is needed"),
            "{text}"
        );
        assert!(text.contains("tmpose-t-coco17.safetensors") && !text.contains('\n'), "{text}");
    }
    let pose = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/tmpose-t-coco17.safetensors");
    let text = detect::read_info(&pose).unwrap_err().to_string();
    assert!(text.contains("holds a pose network, and a person detector is needed"), "{text}");
    let text = detect::load(&fixture(CLOSED_FORM), &cpu()).unwrap_err().to_string();
    assert!(text.contains("no tmpose header"), "{text}");
    let text = detect::load(&folder.path().join("none"), &cpu()).unwrap_err().to_string();
    assert!(text.contains("cannot read"), "{text}");
}

#[test]
fn a_header_that_no_network_fits_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("detect.safetensors");
    let net = closed_form_net();
    let with = |change: fn(&mut DetectorConfig)| {
        let mut info = info();
        change(&mut info.config);
        detect::save(&path, &net, &info, Precision::F16).unwrap_err().to_string()
    };
    assert!(with(|c| c.head = 32).contains("other tensors than its header says"));
    assert!(with(|c| c.input = 123).contains("multiple of 32"));
    assert!(!path.exists());
}

#[test]
fn weights_of_another_network_are_refused() {
    let mut weights = closed_form_weights();
    let last = weights.pop().unwrap();
    let fresh = || DetectorConfig::default().init(&cpu());
    let error = fresh().with_weights(weights.clone()).unwrap_err();
    assert_eq!(error, ConvMismatch::Count { wanted: 123, found: 122 });
    weights.insert(0, last);
    let error = fresh().with_weights(weights).unwrap_err();
    assert!(matches!(error, ConvMismatch::Shape { index: 0, .. }), "{error}");
}

#[test]
fn the_mean_of_two_files_lies_between_them_and_knows_where_it_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    detect::save(&at("a.safetensors"), &closed_form_net(), &info(), Precision::F32).unwrap();
    let twice = closed_form_weights().into_iter().map(|w| ConvWeights {
        weight: TensorData::new(
            w.weight.clone().try_into_vec::<f32>().unwrap().iter().map(|v| 2.0 * v).collect::<Vec<_>>(),
            w.weight.shape().to_vec(),
        ),
        ..w
    });
    let net = DetectorConfig::default().init(&cpu()).with_weights(twice.collect()).unwrap();
    detect::save(&at("b.safetensors"), &net, &info(), Precision::F32).unwrap();

    let output = tmpose(dir.path(), "average a.safetensors:3 b.safetensors --f32 --out mean.safetensors");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mean, info) = detect::load(&at("mean.safetensors"), &cpu()).unwrap();
    let wanted = support::params(&closed_form_net());
    for (name, (shape, values)) in support::params(&mean) {
        // The means of biases are the biases.
        let factor = if shape.len() > 1 { 1.25 } else { 1.0 };
        let near = |(a, b): (&f32, &f32)| (a - factor * b).abs() <= 1e-6 * b.abs();
        assert!(values.iter().zip(&wanted[&name].1).all(near), "{name}");
    }
    assert_eq!(
        info.record.start,
        "mean of 0.75 of a.safetensors (from closed form); 0.25 of b.safetensors (from closed form)"
    );

    let pose = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights").join(weights::DEFAULT_FILE);
    std::fs::copy(pose, at("pose.safetensors")).unwrap();
    let output = tmpose(dir.path(), "average a.safetensors pose.safetensors --out mixed.safetensors");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.lines().count() == 1 && said.contains("pose.safetensors"),
        "{said}"
    );
    assert!(!at("mixed.safetensors").exists());
}
