//! Runs the programs in `examples/`, which `cargo test` builds.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The program of an example; Cargo puts examples in a folder beside that of the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is missing: cargo build --example {name}", program.display());
    program
}

/// What an example that must succeed says on stdout.
fn succeed(folder: &Path, name: &str, args: &[&str]) -> String {
    let output = Command::new(example(name)).args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn train_prints_the_loss_of_each_step_and_writes_weights() {
    let dir = tempfile::tempdir().unwrap();
    let said = succeed(dir.path(), "train", &["mannequin:4", "run"]);
    let losses = said.lines().filter_map(|line| line.split_once(": loss ")?.1.parse::<f64>().ok());
    assert_eq!(losses.filter(|loss| *loss > 0.0).count(), 3, "{said}");
    let weights = dir.path().join("run/best.safetensors");
    let (model, info) = tmpose::weights::load(&weights, &burn::prelude::Device::flex()).unwrap();
    assert_eq!((model.config().layers(), info.record.steps), (1, 3));
}
