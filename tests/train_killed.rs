//! A training of the real program that is interrupted, killed and starved of disk space goes on as if
//! nothing had happened.
#![cfg(unix)]

use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

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

fn tmpose(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tmpose"));
    command.args(line.split_whitespace()).current_dir(folder).env_remove("RUST_LOG");
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeed(folder: &Path, line: &str) {
    let output = tmpose(folder, line).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "tmpose {line}: {}", said(&output));
}

/// A folder with a small set and the settings.
fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    succeed(dir.path(), "mannequin people --frames 6 --crops --seed 3");
    succeed(dir.path(), "mannequin people --frames 2 --crops --seed 4 --split val");
    std::fs::write(dir.path().join("train.toml"), SETTINGS).unwrap();
    dir
}

fn events(run: &Path) -> Vec<Value> {
    let log = std::fs::read_to_string(run.join("log.jsonl")).unwrap_or_default();
    // The last line may be under way.
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Starts a training and returns when its log has step `step`.
fn started(folder: &Path, line: &str, step: u64) -> Child {
    let child = tmpose(folder, line).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    let steps = |e: &Value| e["event"] == "step" && e["step"].as_u64() >= Some(step);
    while !events(&folder.join("run")).iter().any(steps) {
        assert!(begun.elapsed() < Duration::from_secs(300), "step {step} did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

/// The numbers of every step and validation; those that were made twice must agree.
fn course(run: &Path) -> BTreeMap<(String, u64), String> {
    let mut course = BTreeMap::new();
    for event in events(run).into_iter().filter(|e| e["keep_ratio"].as_f64().unwrap_or(1.0) == 1.0) {
        let kind = event["event"].as_str().unwrap().to_owned();
        let numbers = match kind.as_str() {
            "step" => ["loss", "mse", "cross_entropy", "learning_rate", "gradient"].map(|n| event[n].clone()),
            "validated" => ["ap", "ap50", "ar", "pck01", "pck02"].map(|n| event["score"][n].clone()),
            _ => continue,
        };
        let numbers = format!("{numbers:?}");
        let before = course.insert((kind, event["step"].as_u64().unwrap()), numbers.clone());
        assert!(before.is_none_or(|before| before == numbers), "{event}");
    }
    course
}

/// All tensors of a file, without the header's times.
fn tensors(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
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
    assert!(said(&output).contains("`tmpose train --resume run` goes on"), "{}", said(&output));

    for step in [40, 80] {
        let mut child = started(here, "train --resume run", step);
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "it was over before it could be killed");
    }
    // What a crash in the middle of a line leaves behind.
    use std::io::Write;
    let mut log = std::fs::File::options().append(true).open(here.join("run/log.jsonl")).unwrap();
    log.write_all(br#"{"event":"st"#).unwrap();
    succeed(here, "train --resume run");

    let (whole, run) = (course(&here.join("whole")), course(&here.join("run")));
    assert_eq!(whole.keys().filter(|(kind, _)| kind == "step").count(), 120);
    assert_eq!(run, whole);
    for file in ["checkpoint.safetensors", "last.safetensors", "best.safetensors"] {
        assert!(tensors(&here.join("run").join(file)) == tensors(&here.join("whole").join(file)), "{file}");
    }
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
    assert!(text.contains("no room") && text.contains("checkpoint.safetensors"), "{text}");
    assert!(text.contains("the earlier one is kept"), "{text}");
    assert!(std::fs::read(&checkpoint).unwrap() == before);
    let left = std::fs::read_dir(here.join("run")).unwrap().map(|e| e.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().starts_with(".tmp")));

    succeed(here, "train --resume run --steps 21");
    assert!(course(&here.join("run")).contains_key(&("step".into(), 21)));
}
