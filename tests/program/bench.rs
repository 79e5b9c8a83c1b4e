//! A folder in which the real program runs with a small network.

use burn::module::Param;
use burn::prelude::*;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;
use tmpose::model::{PoseNet, PoseNetConfig, Variant};
use tmpose::pose::{Size, Skeleton};
use tmpose::source::VideoWriter;
use tmpose::weights::{self, Precision, TrainingRecord, WeightsInfo};

/// A folder with what the tests need, and the way to run the program in it.
pub struct Bench {
    pub dir: TempDir,
}

impl Bench {
    /// With `w.safetensors`: a small network of random weights.
    pub fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let device = Device::flex();
        let skeleton = Skeleton::coco17().clone();
        let config = PoseNetConfig::new(Variant::T, &skeleton).with_depth(1);
        device.seed(7);
        let PoseNet::TmPose(mut model) = config.init(&device);
        // Every joint is surely somewhere, each elsewhere: where the random maps are highest.
        let [height, width] = config.heatmap().hw();
        let bias: Tensor<1> = Tensor::from_floats(vec![0.5f32; height * width].as_slice(), &device);
        model.head.fc2.as_mut().unwrap().bias = Some(Param::from_tensor(bias));
        let info = WeightsInfo::new(config, skeleton, TrainingRecord::default());
        weights::save(&dir.path().join("w.safetensors"), &model.into(), &info, Precision::F16).unwrap();
        Bench { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, line: &str) -> Command {
        super::command(self.dir.path(), line)
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// `tmpose predict` with the small network on the CPU, looking for one person.
    pub fn predict(&self, line: &str) -> Output {
        self.run(&format!("predict -w w.safetensors --device cpu --detector none {line}"))
    }

    pub fn picture(&self, name: &str, width: u32, height: u32) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        frame(width, height, 0).save(path).unwrap();
    }

    pub fn video(&self, name: &str, frames: u32) {
        let mut writer = VideoWriter::create(&self.path(name), Size::new(96, 64), Some(10.0)).unwrap();
        for i in 0..frames {
            let time = Duration::from_millis(100 * u64::from(i));
            writer.push(&frame(96, 64, i), time).unwrap();
        }
        writer.finish().unwrap();
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(name)).unwrap()).unwrap()
    }
}

/// Something with shapes in it that moves.
pub fn frame(width: u32, height: u32, shift: u32) -> image::RgbImage {
    image::RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([
            ((x + 4 * shift) * 5 % 256) as u8,
            (y * 7 % 256) as u8,
            ((x / 8 + y / 8) % 2 * 200) as u8,
        ])
    })
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn succeeded(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// The one line that a failure says.
pub fn failed(output: &Output) -> String {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let mut lines = said.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    assert!(line.starts_with("error: ") && lines.next().is_none(), "{said}");
    line
}
