//! A training of the real program that is interrupted, killed and starved of disk space goes on as if
//! nothing had happened.
#![cfg(unix)]

mod program;
mod training;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use training::{assert_same_weights, killed, logged_numbers, said, started, succeed};

/// Validations fall between checkpoints, so that a kill repeats some of either.
const SETTINGS: &str = r#"
[model]
depth = 1
freeze_backbone = true
[data]
train = ["people"]
val = "people"
cache = "features"
[schedule]
steps = 120
batch = 4
warm_up = 4
[run]
device = "cpu"
shards = 3
log_steps = 1
checkpoint_steps = 7
val_steps = 25
"#;

/// A folder with a small set and the settings.
fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    succeed(dir.path(), "mannequin people --frames 6 --crops --seed 3");
    succeed(dir.path(), "mannequin people --frames 2 --crops --seed 4 --split val");
    std::fs::write(dir.path().join("train.toml"), SETTINGS).unwrap();
    dir
}

/// The numbers of every step and validation.
fn numbers(run: &Path) -> BTreeMap<(String, u64), String> {
    let of_a_step = ["loss", "mse", "cross_entropy", "learning_rate", "gradient"];
    logged_numbers(run, &of_a_step, &["ap", "ap50", "ar", "pck01", "pck02"])
}

#[test]
fn a_training_that_was_interrupted_and_killed_ends_with_the_same_bits() {
    let dir = prepared();
    let here = dir.path();
    succeed(here, "train --config train.toml --out whole");

    let child = started(here, "train --config train.toml --out run", 12);
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("`tmpose train --resume run` continues"), "{}", said(&output));

    for step in [40, 80] {
        killed(here, "train --resume run", step);
    }
    // What a crash in the middle of a line leaves behind.
    use std::io::Write;
    let mut log = std::fs::File::options().append(true).open(here.join("run/log.jsonl")).unwrap();
    log.write_all(br#"{"event":"st"#).unwrap();
    succeed(here, "train --resume run");

    let (whole, run) = (numbers(&here.join("whole")), numbers(&here.join("run")));
    assert_eq!(whole.keys().filter(|(kind, _)| kind == "step").count(), 120);
    assert_eq!(run, whole);
    assert_same_weights(&here.join("run"), &here.join("whole"));
    let log = std::fs::read_to_string(here.join("run/log.jsonl")).unwrap();
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[test]
fn a_full_disk_keeps_the_last_checkpoint_and_says_so() {
    let dir = prepared();
    let here = dir.path();
    succeed(here, "train --config train.toml --out run --steps 7");
    let checkpoint = here.join("run/checkpoint.safetensors");
    let before = std::fs::read(&checkpoint).unwrap();

    // No file may grow beyond some hundred kilobytes: to the program it is as if the disk were full.
    let line = "trap '' XFSZ; ulimit -f 400; exec \"$0\" train --resume run --steps 21";
    let output = Command::new("sh")
        .args(["-c", line, env!("CARGO_BIN_EXE_tmpose")])
        .current_dir(here)
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("no space") && text.contains("checkpoint.safetensors"), "{text}");
    assert!(text.contains("the earlier one is kept"), "{text}");
    assert!(std::fs::read(&checkpoint).unwrap() == before);
    let left = std::fs::read_dir(here.join("run")).unwrap().map(|e| e.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().starts_with(".tmp")));

    succeed(here, "train --resume run --steps 21");
    assert!(numbers(&here.join("run")).contains_key(&("step".into(), 21)));
}
