//! `tmpose ablate` from the outside: one command makes the table, the numbers and the chart.

mod program;

use burn::prelude::*;
use program::tmpose;
use serde_json::Value;
use std::path::Path;
use tmpose::model::{PoseNetConfig, Variant};
use tmpose::pose::Skeleton;
use tmpose::weights::{self, Precision, TrainingRecord, WeightsInfo};

fn succeed(folder: &Path, line: &str) {
    let output = tmpose(folder, line);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "tmpose {line}: {said}");
}

#[test]
fn one_command_compares_masks_and_ratios() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let device = Device::flex();
    device.seed(7);
    let skeleton = Skeleton::coco17().clone();
    let config = PoseNetConfig::new(Variant::T, &skeleton).with_depth(1);
    let record = TrainingRecord { sets: vec!["people/val x1".into()], ..TrainingRecord::default() };
    let info = WeightsInfo::new(config.clone(), skeleton, record);
    weights::save(&here.join("w.safetensors"), &config.init(&device), &info, Precision::F16).unwrap();
    succeed(here, "mannequin people --frames 3 --crops --seed 4 --split val");

    succeed(
        here,
        "ablate --weights w.safetensors --device cpu --data people --keep 1,.4 --mask random,block \
         --positions gathered,prefix --seeds 2 --runs 1 --out out",
    );
    let report: Value =
        serde_json::from_slice(&std::fs::read(here.join("out/ablation.json")).unwrap()).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let lines: Vec<_> =
        rows.iter().map(|r| (r["mask"].as_str().unwrap(), r["tokens"].as_u64().unwrap())).collect();
    assert_eq!(lines, [("none", 256), ("random", 102), ("block", 100), ("random", 102)]);
    assert_eq!(rows[1]["pck01"]["values"].as_array().unwrap().len(), 2, "a random mask for each seed");
    assert!(rows[1]["pck01"]["deviation"].is_number() && rows[2]["pck01"]["deviation"].is_null());
    assert!(rows[1]["executed"]["total"].as_f64() < rows[0]["executed"]["total"].as_f64());
    assert!(rows[0]["ms"]["whole"].as_f64().unwrap() > 0.0);

    let csv = std::fs::read_to_string(here.join("out/ablation.csv")).unwrap();
    let columns: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(columns, [21; 5], "a header and four lines of as many columns");
    let markdown = std::fs::read_to_string(here.join("out/ABLATION.md")).unwrap();
    for part in ["tmpose ablate", "\u{b1}", "Table 4", "people/val", "**Warning", "prefix positions"] {
        assert!(markdown.contains(part), "{part} is not in {markdown}");
    }
    let chart = image::open(here.join("out/ablation.png")).unwrap();
    assert_eq!((chart.width(), chart.height()), (1440, 900));
}

#[test]
fn a_wrong_mask_or_number_of_seeds_is_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    for wrong in ["--mask most", "--seeds 0", "--keep 1.5"] {
        let output = tmpose(dir.path(), &format!("ablate --data people --out out {wrong}"));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}
