//! The programs in `examples/`, run on mannequins with the weights of the repository. `cargo test` builds them; where
//! tests are chosen by name, `cargo test --examples --test examples` does.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tmpose::pose::Size;
use tmpose::source::VideoWriter;
use tmpose::synth::Mannequin;

const SIZE: Size = Size { width: 320, height: 240 };
/// Frames a second of the videos.
const RATE: u32 = 10;

/// The program of an example; Cargo puts examples in a folder beside that of the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is missing: cargo build --example {name}", program.display());
    program
}

/// An example that finds the weights of the repository.
fn with_weights(name: &str) -> Command {
    let mut command = Command::new(example(name));
    command
        .env("TMPOSE_WEIGHTS", Path::new(env!("CARGO_MANIFEST_DIR")).join("weights"))
        .env_remove("TMPOSE_DETECTOR");
    command
}

/// What a program printed that succeeded.
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The mannequin in frame `index` of a video.
fn frame(index: u32) -> image::RgbImage {
    Mannequin::new(7, SIZE).render(f64::from(index) / f64::from(RATE)).0
}

#[test]
fn picture_prints_the_joints_and_draws_the_skeleton() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in.png", "out.png"].map(|name| folder.path().join(name));
    frame(0).save(&input).unwrap();
    let text = printed(&with_weights("picture").arg(&input).arg(&output).output().unwrap());
    assert!(text.starts_with("person 1, score 0."), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("  ")).count(), 17, "{text}");
    assert!(text.contains("  left_wrist: "), "{text}");
    assert!(image::open(&output).unwrap().into_rgb8() != frame(0), "a skeleton is drawn");
}

#[test]
fn video_follows_the_person_through_all_frames() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("walk.mp4");
    let mut writer = VideoWriter::create(&input, SIZE, Some(f64::from(RATE))).unwrap();
    for index in 0..5 {
        writer.push(&frame(index), Duration::from_secs(1) * index / RATE).unwrap();
    }
    writer.finish().unwrap();
    let text = printed(&with_weights("video").arg(&input).output().unwrap());
    for time in ["0.000 s", "0.100 s", "0.200 s", "0.300 s", "0.400 s"] {
        assert!(text.contains(&format!("{time}: person 1 at ")), "{text}");
    }
}

#[test]
fn own_source_takes_raw_frames() {
    let arguments = [SIZE.width.to_string(), SIZE.height.to_string(), RATE.to_string()];
    let mut command = with_weights("own_source");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = command.spawn().unwrap();
    let mut input = program.stdin.take().unwrap();
    for index in 0..3 {
        input.write_all(&frame(index)).unwrap();
    }
    drop(input);
    let text = printed(&program.wait_with_output().unwrap());
    for index in 0..3 {
        assert!(text.contains(&format!("frame {index}: person 1, ")), "{text}");
    }
}

#[test]
fn without_arguments_they_say_how_to_use_them() {
    for name in ["picture", "video", "own_source"] {
        let output = with_weights(name).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(&format!("usage: {name} ")), "{text}");
    }
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
