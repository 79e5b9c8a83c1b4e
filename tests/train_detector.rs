//! A detector's training end to end with the real program and a tiny network: it learns, is killed, goes on exactly,
//! and its weights are measured.

mod program;
mod training;

use burn::prelude::*;
use image::RgbImage;
use program::tmpose;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;
use tmpose::detect::{self, DetectorConfig, DetectorInfo};
use tmpose::weights::{Precision, TrainingRecord};
use training::{assert_same_weights, events, killed, logged_numbers, succeed, tensors};

const SETTINGS: &str = r#"
[model]
init = "start.safetensors"
[data]
train = ["set"]
val = "set"
[schedule]
steps = 60
batch = 4
warm_up = 4
learning_rate = 5e-3
[run]
device = "cpu"
shards = 2
log_steps = 1
checkpoint_steps = 7
val_steps = 25
"#;

/// Light standing figures on a dark ground, in COCO's layout; one picture has a crowd, one nobody.
fn write_set(root: &Path) {
    std::fs::create_dir_all(root.join("images")).unwrap();
    std::fs::create_dir_all(root.join("annotations")).unwrap();
    for (split, count) in [("train", 8u32), ("val", 5)] {
        let (mut images, mut annotations) = (Vec::new(), Vec::new());
        for n in 0..count {
            // No picture is in both parts.
            let shift = if split == "val" { 3 } else { 0 };
            let (left, top) = (10 + 5 * n + shift, 8 + 2 * n);
            let picture = RgbImage::from_fn(96, 64, |x, y| {
                let figure = n != 3 && (left..left + 22).contains(&x) && (top..top + 40).contains(&y);
                if figure {
                    image::Rgb([240, 200, 160])
                } else {
                    image::Rgb([20 + shift as u8, 30 + x as u8, y as u8])
                }
            });
            let name = format!("{split}{n}.png");
            picture.save(root.join("images").join(&name)).unwrap();
            images.push(json!({"id": n + 1, "file_name": name, "width": 96, "height": 64}));
            if n != 3 {
                annotations.push(json!({
                    "id": 2 * n + 1, "image_id": n + 1, "category_id": 1, "iscrowd": 0,
                    "bbox": [left, top, 22, 40], "area": 880,
                }));
            }
            if n == 2 {
                annotations.push(json!({
                    "id": 2 * n + 2, "image_id": n + 1, "category_id": 1, "iscrowd": 1,
                    "bbox": [60, 0, 36, 64], "area": 2304,
                }));
            }
        }
        let file = json!({"images": images, "annotations": annotations});
        std::fs::write(root.join(format!("annotations/instances_{split}.json")), file.to_string()).unwrap();
    }
}

/// A folder with the set, the settings and a tiny network to start from.
fn prepared() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_set(&dir.path().join("set"));
    std::fs::write(dir.path().join("train.toml"), SETTINGS).unwrap();
    // The seed is the process's: tests that draw at the same time would take numbers from each other.
    static DRAWING: Mutex<()> = Mutex::new(());
    let _alone = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::flex();
    device.seed(3);
    let config =
        DetectorConfig { input: 64, stem: 8, widths: [8, 16, 16, 32], head: 16, ..DetectorConfig::default() };
    let record = TrainingRecord { start: "drawn for a test".into(), ..TrainingRecord::default() };
    let info = DetectorInfo::new(config.clone(), record);
    detect::save(&dir.path().join("start.safetensors"), &config.init(&device), &info, Precision::F32)
        .unwrap();
    dir
}

fn fail(folder: &Path, line: &str) -> String {
    let output = tmpose(folder, line);
    assert_eq!(output.status.code(), Some(1), "tmpose {line}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The numbers of every step and validation.
fn numbers(run: &Path) -> BTreeMap<(String, u64), String> {
    let of_a_step = ["loss", "score_loss", "box_loss", "positives", "learning_rate", "gradient"];
    logged_numbers(run, &of_a_step, &["ap", "ap50", "ar100", "tall"])
}

#[test]
fn a_killed_training_ends_with_the_same_bits_and_its_weights_find_people() {
    let dir = prepared();
    let here = dir.path();
    succeed(here, "train detector --config train.toml --out whole");
    killed(here, "train detector --config train.toml --out run", 12);
    killed(here, "train detector --resume run", 40);
    succeed(here, "train detector --resume run");

    let (whole, run) = (numbers(&here.join("whole")), numbers(&here.join("run")));
    assert_eq!(whole.keys().filter(|(kind, _)| kind == "step").count(), 60);
    assert_eq!(run, whole);
    assert_same_weights(&here.join("run"), &here.join("whole"));
    let losses: Vec<f64> = events(&here.join("whole"))
        .iter()
        .filter(|e| e["event"] == "step")
        .map(|e| e["loss"].as_f64().unwrap())
        .collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&losses[50..]) < 0.9 * mean(&losses[..10]), "{losses:?}");

    let card = std::fs::read_to_string(here.join("whole/model-card.md")).unwrap();
    for part in ["drawn for a test", "set/train x1", "Accuracy on set/val", "frozen: none"] {
        assert!(card.contains(part), "{part} is not in {card}");
    }
    let table = succeed(
        here,
        "eval detector set --weights whole/best.safetensors --device cpu --json eval.json --markdown eval.md \
         --results boxes.json",
    );
    assert!(table.starts_with("set/val: 5 pictures, 4 people"), "{table}");
    let report: Value = serde_json::from_slice(&std::fs::read(here.join("eval.json")).unwrap()).unwrap();
    let last = events(&here.join("whole"));
    let last = last.iter().rfind(|e| e["event"] == "kept").unwrap();
    assert_eq!(
        report["boxes"]["ap"], last["score"]["ap"],
        "the training measured the same weights on the same set"
    );
    assert!(report["warning"].is_null());
    assert!(std::fs::read_to_string(here.join("eval.md")).unwrap().contains("| AP | AP50 |"));
    let boxes: Value = serde_json::from_slice(&std::fs::read(here.join("boxes.json")).unwrap()).unwrap();
    assert!(
        boxes.as_array().unwrap().iter().all(|b| b["category_id"] == 1 && b["bbox"][2].as_f64() > Some(0.0))
    );

    let again = tmpose(here, "eval detector set/train --weights whole/best.safetensors --device cpu");
    assert!(String::from_utf8_lossy(&again.stderr).contains("were trained on these pictures"));
}

#[test]
fn what_is_frozen_stays_and_the_rest_moves() {
    let dir = prepared();
    let here = dir.path();
    let start = tensors(&here.join("start.safetensors"));
    for (freeze, stays) in [("backbone", vec!["backbone."]), ("neck", vec!["backbone.", "neck."])] {
        let line = format!("train detector --config train.toml --out {freeze} --freeze {freeze} --steps 4");
        succeed(here, &line);
        // The checkpoint holds what is frozen as it is, in full precision.
        let checkpoint = tensors(&here.join(freeze).join("checkpoint.safetensors"));
        let frozen = start.iter().filter(|(name, _)| stays.iter().any(|part| name.starts_with(part)));
        for (name, values) in frozen {
            assert!(checkpoint[&format!("buffer.{name}")] == *values, "{name}");
        }
        let buffers = checkpoint.keys().filter(|name| name.starts_with("buffer.")).count();
        assert!(buffers > 0 && buffers < start.len());
        assert!(checkpoint["weights"] != checkpoint["first"]);
    }
}

#[test]
fn wrong_wishes_are_one_sentence_each() {
    let dir = prepared();
    let here = dir.path();
    for (line, part) in [
        ("train detector --out run", "data.train"),
        ("train detector --data nowhere --out run", "instances_train.json"),
        ("train detector --data set --freeze backbone --out run", "model.init"),
        ("train detector --data set --init gone.onnx --out run", "gone.onnx"),
        ("eval detector set --weights gone.safetensors", "gone.safetensors"),
        ("eval detector nowhere --weights start.safetensors", "instances_val.json"),
    ] {
        let said = fail(here, line);
        assert!(said.contains(part) && said.trim().lines().count() <= 2, "tmpose {line}: {said}");
    }
    let printed = succeed(here, "train detector --print-config --mosaic 0.25");
    assert!(printed.contains("mosaic = 0.25"), "{printed}");
    // The poses' own arguments are as they were.
    assert_eq!(tmpose(here, "eval --device cpu").status.code(), Some(2), "--data is still required");
}
