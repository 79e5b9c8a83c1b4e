//! `tmpose bench live` from the outside: several people, both paces, and what it writes.

mod program;

use burn::prelude::*;
use program::tmpose;
use serde_json::{Value, json};
use std::path::Path;
use tmpose::model::{PoseNetConfig, Variant};
use tmpose::pose::Skeleton;
use tmpose::weights::{self, Precision, TrainingRecord, WeightsInfo};

/// Writes `w.safetensors`: a small network that has learned nothing.
fn write_weights(folder: &Path) {
    let skeleton = Skeleton::coco17();
    let config = PoseNetConfig::new(Variant::T, skeleton).with_depth(1);
    let model = config.init(&Device::flex());
    let info = WeightsInfo::new(config, skeleton.clone(), TrainingRecord::default());
    weights::save(&folder.join("w.safetensors"), &model, &info, Precision::F16).unwrap();
}

#[test]
fn the_live_pipeline_is_measured_with_several_people_at_both_paces() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    write_weights(here);
    let output = tmpose(
        here,
        "bench live mannequin:3 --people 1,2 --seconds 0.5 --memory-every 0.2 --detector none --device cpu \
         --weights w.safetensors --json out/live.json --markdown out/live.md --curve out/live.csv",
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report: Value = serde_json::from_slice(&std::fs::read(here.join("out/live.json")).unwrap()).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let kinds: Vec<_> =
        rows.iter().map(|r| (r["pace"].as_str().unwrap(), r["people"].as_u64().unwrap())).collect();
    assert_eq!(kinds, [("free", 1), ("free", 2), ("source", 1), ("source", 2)]);
    for row in rows {
        let number = |name: &str| row[name].as_f64().unwrap();
        assert!(number("frames") >= 1.0 && number("frames_per_second") > 0.0, "{row}");
        assert!((0.0..=1.0).contains(&number("dropped_share")), "{row}");
        assert!(row["capture_to_result_ms"]["p99"].as_f64() >= row["capture_to_result_ms"]["p50"].as_f64());
        assert!(row["stages_ms"]["backbone"]["frames"].as_u64() > Some(0), "{row}");
    }
    assert_eq!(rows[0]["dropped"], json!(0), "a frame that waits for its turn is not dropped");
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(table, std::fs::read_to_string(here.join("out/live.md")).unwrap());
    assert!(std::fs::read_to_string(here.join("out/live.csv")).unwrap().starts_with("pace,people,seconds"));
}

#[test]
fn what_cannot_be_measured_is_refused_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    write_weights(here);
    for (line, sentence) in [
        ("bench live nothing.mp4 --weights w.safetensors", "nothing.mp4"),
        ("bench live mannequin:x --weights w.safetensors", "mannequin seed"),
        ("bench live --weights gone.safetensors --detector none --seconds 1", "gone.safetensors"),
        (
            "bench live --weights w.safetensors --device cpu --detector w.safetensors --seconds 1",
            "w.safetensors",
        ),
    ] {
        let output = tmpose(here, line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        // The graphics stack may have said something before it.
        let error = said.lines().rfind(|l| l.starts_with("error: ")).unwrap_or_default();
        assert!(error.contains(sentence), "{line}: {said}");
    }
}
