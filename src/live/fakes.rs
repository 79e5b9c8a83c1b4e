//! A scripted source and a scripted network, for the tests of the pipeline and of the window.

use super::*;
use crate::gpu::ComputeDevice;
use crate::infer::{Estimate, InferError, Settings, StageTimes};
use crate::model::{ModelConfig, Variant};
use crate::pose::{Keypoint, Pose, Skeleton};
use crate::source::{Frame, Source, SourceError, SourceInfo};
use crate::vision::{BBox, CropBox};
use crate::weights::{TrainingRecord, WeightsInfo};
use crossbeam_channel::{Receiver, Sender};
use image::RgbImage;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Frames of 64x48 at 100 frames a second; frame n says n by its timestamp.
pub struct Scripted {
    info: SourceInfo,
    next: u64,
    sent: u64,
    pub fail_at: Option<u64>,
    alive: Arc<AtomicUsize>,
}

pub const TICK: Duration = Duration::from_millis(10);

impl Scripted {
    pub fn boxed(frames: u64, alive: &Arc<AtomicUsize>) -> Box<dyn Source> {
        Box::new(Scripted::new(frames, alive))
    }

    pub fn new(frames: u64, alive: &Arc<AtomicUsize>) -> Scripted {
        alive.fetch_add(1, Ordering::SeqCst);
        let info = SourceInfo {
            title: "scripted".into(),
            size: [64, 48],
            fps: Some(100.0),
            frames: Some(frames),
            duration: Some(TICK * frames as u32),
            live: false,
            seekable: true,
        };
        Scripted { info, next: 0, sent: 0, fail_at: None, alive: alive.clone() }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Source for Scripted {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        if self.fail_at == Some(self.next) {
            return Err(SourceError::NoCamera);
        }
        if Some(self.next) == self.info.frames {
            return Ok(None);
        }
        let timestamp = TICK * self.next as u32;
        self.next += 1;
        self.sent += 1;
        let pixels = Arc::new(RgbImage::new(64, 48));
        Ok(Some(Frame { pixels, timestamp, sequence: self.sent - 1, truth: None, name: None }))
    }

    fn seek(&mut self, to: Duration) -> Result<(), SourceError> {
        let last = self.info.frames.unwrap_or(1) - 1;
        self.next = ((to.as_millis() / TICK.as_millis()) as u64).min(last);
        Ok(())
    }
}

/// Estimates at once, or when the test opens the gate; a keep ratio of 0.5 makes it panic.
pub struct Fake {
    pub gate: Option<Receiver<()>>,
    pub entered: Option<Sender<()>>,
    alive: Arc<AtomicUsize>,
    warm: bool,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl PoseEstimator for Fake {
    fn estimate(
        &mut self,
        img: &RgbImage,
        boxes: &[BBox],
        settings: &Settings,
        _heatmaps: bool,
    ) -> Result<Estimated, InferError> {
        if std::mem::replace(&mut self.warm, true) {
            if let Some(entered) = &self.entered {
                let _ = entered.try_send(());
            }
            if let Some(gate) = &self.gate {
                let _ = gate.recv();
            }
        }
        assert!(settings.keep_ratio != 0.5, "half of the tokens is too few");
        let keypoints = vec![Keypoint { x: 1.0, y: 2.0, score: 0.1 }; 17];
        let crop = CropBox::from_bbox(&boxes[0], 0.75, 1.25);
        let estimate = Estimate { pose: Pose { keypoints, score: 0.1 }, crop, heatmaps: None };
        let kept = (0..(settings.keep_ratio * 256.0) as usize).collect();
        assert!(img.width() > 0);
        Ok((vec![estimate], StageTimes { whole: TICK, ..StageTimes::default() }, kept))
    }
}

pub fn summary() -> ModelSummary {
    let skeleton = Skeleton::coco17();
    let info =
        WeightsInfo::new(ModelConfig::new(Variant::T, skeleton), skeleton.clone(), TrainingRecord::default());
    ModelSummary {
        path: PathBuf::from("fake.safetensors"),
        info: Arc::new(info),
        device: ComputeDevice::cpu(),
    }
}

pub fn loader(fake: Fake) -> Loader {
    fake.alive.fetch_add(1, Ordering::SeqCst);
    Box::new(move || Ok((Box::new(fake), summary())))
}

pub fn free(alive: &Arc<AtomicUsize>) -> Fake {
    Fake { gate: None, entered: None, alive: alive.clone(), warm: false }
}

/// Polls as the window does; fails after ten seconds.
pub fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if let Some(value) = poll() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{what} did not happen");
}
