//! The program itself, under a virtual display with whatever Vulkan there is (software in CI): the
//! window opens, plays a generated video through a network, and its report and picture tell so.

use burn::prelude::Device;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tmpose::model::{PoseNetConfig, Variant};
use tmpose::pose::Skeleton;
use tmpose::weights::{self, Precision, TrainingRecord, WeightsInfo};

/// A virtual display, closed when dropped.
struct Display {
    server: Child,
    name: String,
}

impl Display {
    /// `None` when Xvfb is not installed.
    fn open() -> Option<Display> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1400x900x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        // It writes its number when it is ready.
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        Some(Display { server, name: format!(":{}", number.trim()) })
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Runs `tmpose view` until it closes by itself; returns its report and its picture.
fn view(display: &Display, folder: &Path, arguments: &[&str]) -> (serde_json::Value, image::RgbImage) {
    let (report, picture) = (folder.join("report.json"), folder.join("window.png"));
    let output = Command::new(env!("CARGO_BIN_EXE_tmpose"))
        .arg("view")
        .args(arguments)
        .args(["--fresh", "--device", "cpu"])
        .args(if arguments.contains(&"--exit-after") { &[] } else { &["--exit-after", "8"][..] })
        .arg("--report")
        .arg(&report)
        .arg("--screenshot")
        .arg(&picture)
        .env("DISPLAY", &display.name)
        .env_remove("WAYLAND_DISPLAY")
        .env("XDG_DATA_HOME", folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report = std::fs::read_to_string(report).unwrap_or_else(|_| panic!("no report; it said: {said}"));
    (serde_json::from_str(&report).unwrap(), image::open(picture).unwrap().to_rgb8())
}

/// Weights that were never trained: what the network says does not matter here, that it runs does.
fn untrained_weights(folder: &Path) -> PathBuf {
    let skeleton = Skeleton::coco17();
    let config = PoseNetConfig::new(Variant::T, skeleton);
    let model = config.init(&Device::flex());
    let info = WeightsInfo::new(config, skeleton.clone(), TrainingRecord::default());
    let path = folder.join("untrained.safetensors");
    weights::save(&path, &model, &info, Precision::F16).unwrap();
    path
}

/// Thirty frames of a solid, saturated green, which nothing else in the window has.
fn green_video(folder: &Path) -> PathBuf {
    let path = folder.join("green.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "color=c=0x00ff00:size=320x240:rate=15:duration=2"])
        .args(["-pix_fmt", "yuv420p"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    path
}

fn share_of_green(picture: &image::RgbImage) -> f64 {
    let green = picture.pixels().filter(|p| p[1] > 200 && p[0] < 60 && p[2] < 60).count();
    green as f64 / f64::from(picture.width() * picture.height())
}

#[test]
fn the_window_plays_a_video_through_the_network() {
    let Some(display) = Display::open() else {
        println!("skipped: Xvfb is not installed (Debian/Ubuntu: sudo apt install xvfb)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let video = green_video(folder.path());
    let weights = untrained_weights(folder.path());
    // An untrained network sees nobody, and a detector nobody in plain green; without one the whole picture is looked at.
    let weights = ["--weights", weights.to_str().unwrap(), "--keep", "0.6", "--detector", "none"];
    let arguments = [&[video.to_str().unwrap()], &weights[..]].concat();
    let (report, picture) = view(&display, folder.path(), &arguments);

    assert_eq!(report["model"]["status"], "ready", "{report:#}");
    assert_eq!(report["model"]["backend"], report["cpu"]["instructions"], "{report:#}");
    assert!(report["cpu"]["workspaces_mb"].as_f64().unwrap() > 1.0, "{report:#}");
    assert_eq!(report["source"]["title"], "green.mp4");
    assert_eq!(report["source"]["error"], serde_json::Value::Null);
    assert!(report["source"]["frames"].as_u64().unwrap() > 1, "{report:#}");
    assert_eq!(report["result"]["kept_tokens"], 153);
    assert_eq!(report["result"]["looked_at"], 1);
    assert!(report["frame_age_ms"]["to_screen"]["p50"].as_f64().unwrap() > 0.0);
    assert!(report["whole_ms"].as_f64().unwrap() > 0.0);
    // The video's own colour fills a good part of the window.
    assert!(share_of_green(&picture) > 0.1, "{}", share_of_green(&picture));
}

#[test]
fn without_weights_the_window_still_shows_the_mannequin() {
    let Some(display) = Display::open() else {
        println!("skipped: Xvfb is not installed (Debian/Ubuntu: sudo apt install xvfb)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // A file that is not there is named in the message; the picture goes on.
    let missing = folder.path().join("missing.safetensors");
    std::fs::write(&missing, b"no weights").unwrap();
    let (report, _) = view(&display, folder.path(), &["mannequin:3", "--weights", missing.to_str().unwrap()]);
    assert_eq!(report["model"]["status"], "failed");
    assert!(report["model"]["reason"].as_str().unwrap().contains("missing.safetensors"), "{report:#}");
    assert!(report["source"]["frames"].as_u64().unwrap() > 1, "{report:#}");
}

#[test]
fn a_training_beside_the_viewer_is_saved_when_the_window_closes() {
    let Some(display) = Display::open() else {
        println!("skipped: Xvfb is not installed (Debian/Ubuntu: sudo apt install xvfb)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let settings = folder.path().join("training.toml");
    let text = format!(
        "[model]\ndepth = 1\nfreeze_backbone = true\n[data]\ntrain = [\"mannequin:4\"]\n\
         [schedule]\nsteps = 1000000\nbatch = 2\n[run]\ndevice = \"cpu\"\nout = {run:?}\nlog_steps = 1\n"
    );
    std::fs::write(&settings, text).unwrap();
    let arguments = ["mannequin:3", "--train-config", settings.to_str().unwrap(), "--train-start"];
    let (report, _) = view(&display, folder.path(), &[&arguments[..], &["--exit-after", "40"]].concat());

    let training = &report["training"];
    assert_eq!(training["error"], serde_json::Value::Null, "{report:#}");
    assert!(training["step"].as_u64().unwrap() > 0, "{report:#}");
    assert!(report["source"]["frames"].as_u64().unwrap() > 1, "{report:#}");
    // The window closed while the training ran, and nothing was lost.
    let log = std::fs::read_to_string(run.join("log.jsonl")).unwrap();
    assert!(log.lines().last().unwrap().contains("\"event\":\"stopped\""), "{log}");
    assert!(run.join("checkpoint.safetensors").is_file());
}
