//! A scripted source, a scripted network and a scripted detector, for the tests of the pipeline and of the
//! window.

use super::*;
use crate::detect::DetectSettings;
use crate::gpu::{ComputeDevice, DeviceImage};
use crate::infer::{EstimatorOutput, InferError, PoseEstimate, Settings, StageTimes};
use crate::model::KeptTokens;
use crate::model::{PoseNetConfig, Variant};
use crate::pose::{Keypoint, Pose, Size, Skeleton};
use crate::source::{Frame, Source, SourceError, SourceInfo};
use crate::vision::{BBox, CropBox, Detection};
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
    /// Waits here before each frame, once it is set: a source that has stalled.
    pub hold: Option<Receiver<()>>,
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
            size: Size::new(64, 48),
            fps: Some(100.0),
            frames: Some(frames),
            duration: Some(TICK * frames as u32),
            live: false,
            seekable: true,
            notes: Vec::new(),
        };
        Scripted { info, next: 0, sent: 0, fail_at: None, hold: None, alive: alive.clone() }
    }

    /// A camera: it has no length, cannot be wound, and fails when it is unplugged.
    pub fn camera(alive: &Arc<AtomicUsize>) -> Scripted {
        let mut camera = Scripted::new(1_000_000, alive);
        camera.info.title = "Fake camera".into();
        (camera.info.frames, camera.info.duration) = (None, None);
        (camera.info.live, camera.info.seekable) = (true, false);
        camera
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
        if let Some(hold) = &self.hold {
            let _ = hold.recv();
        }
        if self.info.live {
            std::thread::sleep(TICK / 5);
        }
        if self.fail_at == Some(self.next) {
            return Err(unplugged());
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

/// What a camera says that is gone.
pub fn unplugged() -> SourceError {
    SourceError::CameraUnplugged { camera: "Fake camera".into() }
}

/// Estimates at once, after a pause, or when the test opens the gate; a keep ratio of 0.5 makes it panic.
pub struct Fake {
    /// How long each frame takes.
    pub pause: Duration,
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
        image: &DeviceImage,
        boxes: &[BBox],
        settings: &Settings,
        _heatmaps: bool,
    ) -> Result<EstimatorOutput, InferError> {
        if std::mem::replace(&mut self.warm, true) {
            if let Some(entered) = &self.entered {
                let _ = entered.try_send(());
            }
            if let Some(gate) = &self.gate {
                let _ = gate.recv();
            }
            std::thread::sleep(self.pause);
        }
        assert!(settings.budget.keep_ratio.get() != 0.5, "half of the tokens is too few");
        let estimates = boxes
            .iter()
            .map(|at| {
                let crop = CropBox::from_bbox(at, 0.75, 1.25);
                PoseEstimate { pose: standing_in(at), crop, heatmaps: None }
            })
            .collect();
        let kept = KeptTokens::shared((0..(settings.budget.keep_ratio.get() * 256.0) as usize).collect());
        assert!(image.pixels().width() > 0);
        Ok(EstimatorOutput { estimates, times: StageTimes { whole: TICK, ..StageTimes::default() }, kept })
    }

    fn warm_up(
        &mut self,
        settings: &Settings,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), InferError> {
        progress(0, 1);
        self.estimate(
            &DeviceImage::new(&RgbImage::new(4, 4)),
            &[BBox::whole(Size::square(4))],
            settings,
            false,
        )?;
        progress(1, 1);
        Ok(())
    }

    fn skeleton(&self) -> &Skeleton {
        Skeleton::coco17()
    }
}

/// Seventeen confident joints of somebody who stands there: people stand 20 pixels apart, so that however a box lies, it
/// shows the one who is nearest to its middle.
fn standing_in(at: &BBox) -> Pose {
    let middle = ((at.center()[0] - 10.0) / 20.0).round() * 20.0 + 10.0;
    let joint = |j: usize| Keypoint {
        x: middle + if j.is_multiple_of(2) { -5.0 } else { 5.0 },
        y: 6.0 + 36.0 * j as f32 / 16.0,
        score: 0.9,
    };
    Pose { keypoints: (0..17).map(joint).collect(), score: 0.9 }
}

/// Finds the same people in every picture, and counts how often it was asked.
pub struct FakeDetector {
    people: Vec<Detection>,
    asked: Arc<AtomicUsize>,
    alive: Arc<AtomicUsize>,
}

impl Drop for FakeDetector {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl PersonDetector for FakeDetector {
    fn find(&mut self, _image: &DeviceImage, _: &DetectSettings) -> Result<Vec<Detection>, DetectorError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.people.clone())
    }
}

/// A detector that finds people with these left edges, 12 pixels wide and 40 high.
pub fn finder(at: &[f32], asked: &Arc<AtomicUsize>, alive: &Arc<AtomicUsize>) -> DetectorLoader {
    alive.fetch_add(1, Ordering::SeqCst);
    let bbox = |&x: &f32| BBox { x, y: 4.0, w: 12.0, h: 40.0 };
    let people = at.iter().map(bbox).map(|bbox| Detection { bbox, score: 0.8 }).collect();
    let fake = FakeDetector { people, asked: asked.clone(), alive: alive.clone() };
    let summary =
        DetectorSummary { path: PathBuf::from("fake-detect.safetensors"), device: ComputeDevice::cpu() };
    Box::new(move || Ok((Box::new(fake), summary)))
}

pub fn summary() -> ModelSummary {
    let skeleton = Skeleton::coco17();
    let info = WeightsInfo::new(
        PoseNetConfig::new(Variant::T, skeleton),
        skeleton.clone(),
        TrainingRecord::default(),
    );
    ModelSummary {
        path: PathBuf::from("fake.safetensors"),
        info: Arc::new(info),
        device: ComputeDevice::cpu(),
    }
}

pub fn loader(fake: Fake) -> ModelLoader {
    fake.alive.fetch_add(1, Ordering::SeqCst);
    Box::new(move || Ok((Box::new(fake), summary())))
}

pub fn free(alive: &Arc<AtomicUsize>) -> Fake {
    Fake { pause: Duration::ZERO, gate: None, entered: None, alive: alive.clone(), warm: false }
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
