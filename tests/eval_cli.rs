//! `tmpose eval` from the outside: which boxes it looks at, what it writes, and what it warns of.

mod program;

use burn::module::Param;
use burn::prelude::*;
use program::tmpose;
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;
use tmpose::detect::{self, DetectorConfig, DetectorInfo};
use tmpose::model::{TmPoseConfig, Variant};
use tmpose::pose::Skeleton;
use tmpose::weights::{self, Precision, TrainingRecord, WeightsInfo};

/// What a command that must succeed said on stdout and on stderr.
fn succeed(folder: &Path, line: &str) -> (String, String) {
    let output = tmpose(folder, line);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "tmpose {line}: {said}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), said)
}

fn fail(folder: &Path, line: &str, code: i32) -> String {
    let output = tmpose(folder, line);
    assert_eq!(output.status.code(), Some(code), "tmpose {line}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Writes `w.safetensors`: a small network that surely sees every joint in the middle of its crop.
fn write_weights(folder: &Path, skeleton: &Skeleton, sets: &[&str]) {
    let device = Device::flex();
    device.seed(7);
    // Without the head that draws from the feature itself, only the bias below draws.
    let config = TmPoseConfig { depth: 1, feature_head: false, ..TmPoseConfig::new(Variant::T, skeleton) };
    let mut model = config.init(&device);
    let [height, width] = config.heatmap.hw();
    let mut middle = vec![0.0f32; height * width];
    middle[height / 2 * width + width / 2] = 10.0;
    let bias: Tensor<1> = Tensor::from_floats(middle.as_slice(), &device);
    model.head.fc2.as_mut().unwrap().bias = Some(Param::from_tensor(bias));
    let record =
        TrainingRecord { sets: sets.iter().map(|s| s.to_string()).collect(), ..TrainingRecord::default() };
    let info = WeightsInfo::new(config.into(), skeleton.clone(), record);
    weights::save(&folder.join("w.safetensors"), &model.into(), &info, Precision::F16).unwrap();
}

/// A folder with weights for COCO's joints, and drawn people in `people/`: three in the val part.
fn bench(sets: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_weights(dir.path(), Skeleton::coco17(), sets);
    succeed(dir.path(), "mannequin people --frames 2 --crops --seed 3");
    succeed(dir.path(), "mannequin people --frames 3 --crops --seed 4 --split val");
    dir
}

const EVAL: &str = "eval --weights w.safetensors --device cpu";

#[test]
fn all_numbers_are_written_as_tables_and_as_json() {
    let dir = bench(&[]);
    let here = dir.path();
    let (table, said) = succeed(
        here,
        &format!(
            "{EVAL} --data people --keep 1,.4 --per-joint --flip-test --json out/a.json --markdown out/a.md \
             --results out"
        ),
    );
    assert!(!said.contains("warning"), "{said}");
    assert!(table.contains("| kept | tokens | AP | AP50 | AP75 | APM | APL | AR |"), "{table}");
    assert!(table.contains("| left wrist |"), "{table}");
    let report = read_json(&here.join("out/a.json"));
    let set = &report["sets"][0];
    assert_eq!((&set["set"], &set["boxes"]), (&json!("people/val"), &json!("ground truth")));
    assert_eq!(set["warning"], Value::Null);
    assert_eq!(set["rows"][1]["tokens"], 102);
    assert_eq!(set["rows"][0]["persons"], 3);
    assert_eq!(set["rows"][0]["joints"].as_array().unwrap().len(), 17);
    let markdown = std::fs::read_to_string(here.join("out/a.md")).unwrap();
    for part in ["tmpose eval", "flip test", "pycocotools", "By joint:"] {
        assert!(markdown.contains(part), "{part} is not in {markdown}");
    }
    let results = read_json(&here.join("out/people_val_0.4.json"));
    assert_eq!(results.as_array().unwrap().len(), 3);
    assert_eq!(results[0]["keypoints"].as_array().unwrap().len(), 51);
}

#[test]
fn detected_boxes_take_the_place_of_annotated_ones() {
    let dir = bench(&[]);
    let here = dir.path();
    let set = read_json(&here.join("people/annotations/person_keypoints_val.json"));
    let annotated = set["annotations"].as_array().unwrap();
    let entry = |a: &Value, score: f64| json!({"image_id": a["image_id"], "category_id": 1, "bbox": a["bbox"], "score": score});
    // The first person twice, the second with too low a score, the third not at all; one box of another picture.
    let mut boxes = vec![entry(&annotated[0], 0.9), entry(&annotated[0], 0.8), entry(&annotated[1], 0.1)];
    boxes.push(json!({"image_id": 999_999, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 1.0}));
    std::fs::write(here.join("boxes.json"), json!(boxes).to_string()).unwrap();
    let (_, said) = succeed(
        here,
        &format!(
            "{EVAL} --data people --boxes boxes.json --box-score-min .3 --keep 1 --json a.json --results out"
        ),
    );
    assert!(said.contains("1 repeated boxes") && said.contains("2 pictures have no box"), "{said}");
    let set = &read_json(&here.join("a.json"))["sets"][0];
    assert_eq!((&set["boxes"], &set["estimated"]), (&json!("boxes.json"), &json!(1)));
    let row = &set["rows"][0];
    assert_eq!((&row["persons"], &row["estimates"]), (&json!(3), &json!(1)), "all persons are looked for");
    let results = read_json(&here.join("out/people_val_1.json"));
    let score = results[0]["score"].as_f64().unwrap();
    let joints: Vec<f64> = results[0]["keypoints"]
        .as_array()
        .unwrap()
        .iter()
        .skip(2)
        .step_by(3)
        .map(|v| v.as_f64().unwrap())
        .collect();
    let mean = joints.iter().sum::<f64>() / joints.len() as f64;
    assert!((score - 0.9 * mean).abs() < 1e-4, "the box's score times the mean of the joints'");
}

/// Writes `d.safetensors`: a detector that sees somebody everywhere.
fn write_detector(folder: &Path) {
    let device = Device::flex();
    let config =
        DetectorConfig { input: 64, stem: 4, widths: [4; 4], blocks: [1; 4], head: 4, head_layers: 1 };
    let mut net = config.init(&device);
    for head in &mut net.heads {
        head.score.bias = Some(Param::from_tensor(Tensor::from_floats([5.0], &device)));
    }
    let info = DetectorInfo::new(config, TrainingRecord::default());
    detect::save(&folder.join("d.safetensors"), &net, &info, Precision::F16).unwrap();
}

#[test]
fn boxes_of_our_own_detector_stand_beside_annotated_ones() {
    let dir = bench(&[]);
    let here = dir.path();
    write_detector(here);
    let line =
        format!("{EVAL} --data people --detector d.safetensors --keep 1 --json a.json --markdown a.md");
    let (table, _) = succeed(here, &line);
    assert!(table.contains("| kept | tokens | AP, detector's boxes | AP, annotated boxes |"), "{table}");
    let set = &read_json(&here.join("a.json"))["sets"][0];
    assert_eq!((&set["boxes"], &set["box_score_min"]), (&json!("d.safetensors"), &json!(0.1)));
    assert!(set["estimated"].as_u64().unwrap() > 3, "it sees more people than there are");
    let annotated = &set["with_annotated_boxes"];
    assert_eq!((annotated.as_array().unwrap().len(), &annotated[0]["estimates"]), (1, &json!(3)));
    // The same numbers as without a detector.
    succeed(here, &format!("{EVAL} --data people --keep 1 --json b.json"));
    assert_eq!(annotated[0], read_json(&here.join("b.json"))["sets"][0]["rows"][0]);
    assert!(std::fs::read_to_string(here.join("a.md")).unwrap().contains("All numbers with annotated boxes"));
    let two = fail(here, &format!("{EVAL} --data people --detector d.safetensors --boxes b.json"), 2);
    assert!(two.contains("cannot be used with"), "{two}");
    let none = fail(here, &format!("{EVAL} --data people --detector w.safetensors"), 1);
    assert!(none.contains("w.safetensors"), "{none}");
}

#[test]
fn pictures_that_the_weights_were_trained_on_are_told_of() {
    let dir = bench(&["people/train x2"]);
    let here = dir.path();
    let (_, said) = succeed(here, &format!("{EVAL} --data people --keep .25 --json a.json"));
    assert!(!said.contains("trained on"), "the val part is new: {said}");
    assert_eq!(read_json(&here.join("a.json"))["sets"][0]["seen_in_training"], Value::Null);

    let (_, said) =
        succeed(here, &format!("{EVAL} --data people/train --keep .25 --json b.json --markdown b.md"));
    assert!(said.contains("warning: people/train: these weights were trained on"), "{said}");
    assert_eq!(read_json(&here.join("b.json"))["sets"][0]["seen_in_training"]["pictures"], 2);
    assert!(std::fs::read_to_string(here.join("b.md")).unwrap().contains("**Warning: people/train"));
}

#[test]
fn an_mpii_set_gets_pckh() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    write_weights(here, Skeleton::mpii16(), &[]);
    std::fs::create_dir_all(here.join("mpii/annot")).unwrap();
    std::fs::create_dir_all(here.join("mpii/images")).unwrap();
    image::RgbImage::new(300, 300).save(here.join("mpii/images/a.png")).unwrap();
    // The crop's middle is 15 x scale below MPII's centre. Heads of 80 pixels forgive the half cell between
    // the middle of the crop and that of the heatmap.
    let person = |wrists: f64| {
        let joints: Vec<[f64; 2]> =
            (0..16).map(|j| [150.0, if j == 10 || j == 15 { wrists } else { 165.0 }]).collect();
        json!({
            "image": "a.png", "center": [150.0, 150.0], "scale": 1.0, "joints": joints,
            "joints_vis": vec![1; 16], "head_size": 80.0
        })
    };
    let entries = json!([person(165.0), person(265.0)]);
    std::fs::write(here.join("mpii/annot/valid.json"), entries.to_string()).unwrap();
    let (table, _) = succeed(here, &format!("{EVAL} --data mpii --keep 1 --json a.json"));
    assert!(table.contains("| Head | Shoulder | Elbow | Wrist | Hip | Knee | Ankle | Mean |"), "{table}");
    let pckh = &read_json(&here.join("a.json"))["sets"][0]["rows"][0]["pckh"];
    let columns: Vec<f64> = pckh["columns"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(columns, [100.0, 100.0, 100.0, 50.0, 100.0, 100.0, 100.0]);
    // Two of the 28 places that count are wrong.
    assert!((pckh["mean"].as_f64().unwrap() - 100.0 * 26.0 / 28.0).abs() < 1e-9);
}

#[test]
fn wrong_requests_end_with_a_sentence() {
    let dir = bench(&[]);
    let here = dir.path();
    let said = fail(here, &format!("{EVAL} --data people --boxes none.json"), 1);
    assert!(said.contains("none.json"), "{said}");
    std::fs::write(here.join("boxes.json"), "{}").unwrap();
    let said = fail(here, &format!("{EVAL} --data people --boxes boxes.json"), 1);
    assert!(said.contains("COCO's results format"), "{said}");
    let said = fail(here, &format!("{EVAL} --data people --data people/train --boxes boxes.json"), 1);
    assert!(said.contains("--data once"), "{said}");
    for wrong in ["--keep 0", "--nms 1.5", "--nms nan", "--box-score-min .5"] {
        fail(here, &format!("{EVAL} --data people {wrong}"), 2);
    }
}
