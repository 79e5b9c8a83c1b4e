//! Learning from another network, and from oneself, with the real program. The people are drawn here.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn tmpose(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tmpose"));
    command.args(line.split_whitespace()).current_dir(folder).env_remove("RUST_LOG").output().unwrap()
}

fn succeed(folder: &Path, line: &str) {
    let output = tmpose(folder, line);
    assert!(output.status.success(), "tmpose {line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// One number of every step of a run.
fn logged_values(run: &Path, key: &str) -> Vec<f64> {
    let log = std::fs::read_to_string(run.join("log.jsonl")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|e| e["event"] == "step").map(|e| e[key].as_f64().unwrap()).collect()
}

/// Draws people, and trains a teacher of two layers for two steps.
fn prepare(folder: &Path) {
    succeed(folder, "mannequin people --frames 6 --crops --seed 3");
    succeed(
        folder,
        "train --data people --variant tmpose-t --depth 2 --device cpu --batch 2 --steps 2 --out teacher",
    );
}

#[test]
fn a_student_gets_nearer_to_its_teacher() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    prepare(here);
    let settings = r#"
        [model]
        depth = 1
        freeze_backbone = true
        [data]
        train = ["people"]
        cache = "features"
        draws = 2
        [distillation]
        teacher = "teacher/last.safetensors"
        heatmaps = 20.0
        tokens = 1.0
        attention = 1.0
        [masks]
        sandwich = true
        [schedule]
        steps = 24
        batch = 3
        warm_up = 2
        [run]
        device = "cpu"
        log_steps = 1
    "#;
    std::fs::write(here.join("student.toml"), settings).unwrap();
    succeed(here, "train --config student.toml --out student");
    let run = here.join("student");
    let (teacher, sandwich) = (logged_values(&run, "teacher"), logged_values(&run, "sandwich"));
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&teacher[20..]) < 0.9 * mean(&teacher[..4]), "{teacher:?}");
    assert!(sandwich.iter().all(|s| s.is_finite()) && sandwich[23] > 0.0, "{sandwich:?}");
    for draw in ["teacher", "teacher-1", "train", "train-1"] {
        assert!(here.join("features").join(draw).join("features.bin").exists(), "{draw}");
    }
    let card = std::fs::read_to_string(run.join("model-card.md")).unwrap();
    assert!(card.contains("teacher: last.safetensors: 2 steps on people/train x1"), "{card}");

    // What the teacher said lies on disk, half of it cut off here: the next run computes only that, and
    // goes the same way.
    let lessons = here.join("features/teacher/features.bin");
    let said = std::fs::read(&lessons).unwrap();
    std::fs::write(&lessons, &said[..said.len() / 2 + 1]).unwrap();
    succeed(here, "train --config student.toml --out again");
    assert_eq!(std::fs::read(&lessons).unwrap(), said);
    assert_eq!(logged_values(&here.join("again"), "loss"), logged_values(&run, "loss"));
}

#[test]
fn a_teacher_sees_the_pictures_of_a_network_that_trains_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    prepare(here);
    succeed(
        here,
        "train --data people --variant tmpose-t --depth 1 --device cpu --batch 2 --steps 2 --sandwich \
         --teacher teacher/last.safetensors --out student",
    );
    let run = here.join("student");
    assert!(
        logged_values(&run, "teacher").iter().chain(&logged_values(&run, "sandwich")).all(|part| *part > 0.0)
    );
}

#[test]
fn a_teacher_that_is_no_weight_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    succeed(here, "mannequin people --frames 2 --crops --seed 3");
    std::fs::write(here.join("teacher.onnx"), "no network").unwrap();
    for (file, said) in [("missing.safetensors", "cannot read"), ("teacher.onnx", "not ONNX")] {
        let line = format!("train --data people --device cpu --out run --teacher {file}");
        let output = tmpose(here, &line);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(file) && text.contains(said), "{text}");
    }
}
