//! Trainings of the real program that are stopped and killed, and what they leave behind.

use crate::program::{command, tmpose};
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

/// What the program said on stderr.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command that must succeed said on stdout.
pub fn succeed(folder: &Path, line: &str) -> String {
    let output = tmpose(folder, line);
    assert_eq!(output.status.code(), Some(0), "tmpose {line}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Starts a training in `run` and returns when its log has step `step`.
pub fn started(folder: &Path, line: &str, step: u64) -> Child {
    let child = command(folder, line).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    let made = |e: &Value| e["event"] == "step" && e["step"].as_u64() >= Some(step);
    while !events(&folder.join("run")).iter().any(made) {
        assert!(begun.elapsed() < Duration::from_secs(300), "step {step} did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

/// Starts a training in `run` and kills it when its log has step `step`.
pub fn killed(folder: &Path, line: &str, step: u64) {
    let mut child = started(folder, line, step);
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was over before it could be killed");
}

/// What a run's log tells.
pub fn events(run: &Path) -> Vec<Value> {
    let log = std::fs::read_to_string(run.join("log.jsonl")).unwrap_or_default();
    // The last line may be under way.
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Of every step these numbers and of every validation those of its score, at keep ratio 1 where it has one; what was
/// made twice must agree.
pub fn logged_numbers(
    run: &Path,
    of_a_step: &[&str],
    of_a_score: &[&str],
) -> BTreeMap<(String, u64), String> {
    let mut logged_numbers = BTreeMap::new();
    for event in events(run).into_iter().filter(|e| e["keep_ratio"].as_f64().unwrap_or(1.0) == 1.0) {
        let kind = event["event"].as_str().unwrap().to_owned();
        let (place, names) = match kind.as_str() {
            "step" => (&event, of_a_step),
            "validated" | "kept" => (&event["score"], of_a_score),
            _ => continue,
        };
        let numbers: Vec<&Value> = names.iter().map(|name| &place[name]).collect();
        let numbers = format!("{numbers:?}");
        let before = logged_numbers.insert((kind, event["step"].as_u64().unwrap()), numbers.clone());
        assert!(before.is_none_or(|before| before == numbers), "{event}");
    }
    logged_numbers
}

/// The trainings in two folders ended with the same bits.
pub fn assert_same_weights(one: &Path, other: &Path) {
    for file in ["checkpoint.safetensors", "last.safetensors", "best.safetensors"] {
        assert!(tensors(&one.join(file)) == tensors(&other.join(file)), "{file}");
    }
}

/// All tensors of a file, without the header's times.
pub fn tensors(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}
