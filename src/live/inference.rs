//! What the inference thread does with a frame: who is in it, where, and in which pose.

use super::capture::LiveFrame;
use super::estimator::{Estimated, ModelLoader, ModelStatus, PoseEstimator};
use super::inference_thread::{InferenceState, LiveResult, LiveSettings, MeasurementState};
use super::person_detector::{DetectorLoader, DetectorStatus, PersonDetector};
use super::slot::lock;
use super::times::FrameTimes;
use crate::gpu::DeviceImage;
use crate::pose::{Pose, Skeleton};
use crate::track::{FrameInfo, TrackSettings, TrackedPerson, Tracker};
use crate::vision::{BBox, Detection};
use image::RgbImage;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The state of the inference thread.
pub(super) struct Inference<'a> {
    shared: &'a InferenceState,
    settings: LiveSettings,
    estimator: Option<Box<dyn PoseEstimator>>,
    detector: Option<Box<dyn PersonDetector>>,
    tracker: Tracker,
    /// What the detector found last, perhaps some frames ago.
    found: Arc<Vec<Detection>>,
    current: Option<Current>,
    /// Source, run and the source's own number of the frame of the last result.
    last: Option<(u64, u64, u64)>,
    number: u64,
}

/// The frame on show.
struct Current {
    frame: LiveFrame,
    frame_info: FrameInfo,
    /// The tracker as it was before this frame: when another person is to be followed, the frame is looked
    /// at as if that had been so from its beginning.
    before: Tracker,
    /// What the detector found in this frame, if it was asked.
    found: Option<Arc<Vec<Detection>>>,
    /// People were found in it, or looked for in vain.
    looked: bool,
    /// Where poses were estimated. The same boxes serve when only the network's settings change, so that
    /// the difference is the settings'.
    boxes: Vec<BBox>,
}

/// What a change asks of the frame on show.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Again {
    Nothing,
    /// Other poses in the same boxes; nobody moves on by it.
    Poses,
    /// Other people.
    People,
}

impl<'a> Inference<'a> {
    pub fn new(shared: &'a InferenceState, settings: LiveSettings) -> Self {
        Inference {
            shared,
            settings,
            estimator: None,
            detector: None,
            tracker: tracker(Skeleton::coco17()),
            found: Arc::default(),
            current: None,
            last: None,
            number: 0,
        }
    }

    /// Works until the thread is told to stop.
    pub fn run(&mut self) {
        let mut heard = 0;
        while !self.shared.stopped() {
            let mut again = Again::Nothing;
            if let Some(request) = self.shared.model.take() {
                self.load(request);
                again = Again::People;
            }
            if let Some(request) = self.shared.detector.take() {
                self.load_detector(request);
                again = Again::People;
            }
            if let Some(settings) = self.shared.settings.take() {
                again = again.max(self.change(settings));
            }
            if let Some(frame) = self.shared.frames.take() {
                self.begin(frame);
                self.report(Inference::look);
            } else {
                match again {
                    Again::People => self.report(Inference::look),
                    Again::Poses => self.report(Inference::estimate_again),
                    Again::Nothing => heard = self.shared.notifier.wait(heard, None),
                }
            }
        }
    }

    /// Replaces the model. The old one goes first: two may not fit into a GPU's memory.
    fn load(&mut self, request: Option<ModelLoader>) {
        self.estimator = None;
        let Some(loader) = request else {
            self.shared.set_status(ModelStatus::None);
            return;
        };
        self.shared.set_status(ModelStatus::Loading { done: 0, of: 0 });
        let status = match guarded(|| {
            let (mut estimator, summary) = loader()?;
            // The first passes compile kernels and tune them; they must not count as frames.
            let shared = self.shared;
            estimator.warm_up(&self.settings.infer, &mut |done, of| {
                shared.set_status(ModelStatus::Loading { done, of });
            })?;
            Ok::<_, crate::infer::InferError>((estimator, summary))
        }) {
            Ok((estimator, summary)) => {
                self.estimator = Some(estimator);
                self.forget(Some(&summary.info.skeleton));
                ModelStatus::Ready(Arc::new(summary))
            }
            Err(sentence) => ModelStatus::Failed(sentence),
        };
        *lock(&self.shared.measuring) = MeasurementState::default();
        self.shared.set_status(status);
    }

    /// Replaces the person detector.
    fn load_detector(&mut self, request: Option<DetectorLoader>) {
        self.detector = None;
        self.forget(None);
        let Some(loader) = request else {
            self.shared.set_detector_status(DetectorStatus::None);
            return;
        };
        self.shared.set_detector_status(DetectorStatus::Loading);
        let status = match guarded(|| {
            let (mut finder, summary) = loader()?;
            finder.find(&DeviceImage::new(&RgbImage::new(64, 64)))?;
            Ok::<_, super::DetectorError>((finder, summary))
        }) {
            Ok((finder, summary)) => {
                self.detector = Some(finder);
                DetectorStatus::Ready(Arc::new(summary))
            }
            Err(sentence) => DetectorStatus::Failed(sentence),
        };
        self.shared.set_detector_status(status);
    }

    /// Takes other settings; says what they ask of the frame on show.
    fn change(&mut self, settings: LiveSettings) -> Again {
        let old = std::mem::replace(&mut self.settings, settings);
        let new = &self.settings;
        if new.detect != old.detect {
            self.forget(None);
            return Again::People;
        }
        // How often people are looked for matters from the next frame on.
        let TrackSettings { smoothing, detect_every, .. } = new.follow;
        if new.follow != (TrackSettings { smoothing, detect_every, ..old.follow }) {
            return Again::People;
        }
        if (smoothing, &new.infer, new.heatmaps) != (old.follow.smoothing, &old.infer, old.heatmaps) {
            self.tracker.set_smoothing(smoothing);
            return Again::Poses;
        }
        Again::Nothing
    }

    /// Nobody is known any more, also not in the frame on show; with a skeleton, people have its joints.
    fn forget(&mut self, skeleton: Option<&Skeleton>) {
        match skeleton {
            Some(skeleton) => self.tracker = tracker(skeleton),
            None => self.tracker.reset(),
        }
        self.found = Arc::default();
        if let Some(current) = &mut self.current {
            current.found = None;
            current.looked = false;
            current.before = self.tracker.clone();
        }
    }

    /// Takes a frame that was not seen before.
    fn begin(&mut self, frame: LiveFrame) {
        let jump = self.current.as_ref().is_none_or(|last| {
            let follows = (last.frame.source, last.frame.run) == (frame.source, frame.run);
            !follows || frame.frame.timestamp < last.frame.frame.timestamp
        });
        if jump {
            self.found = Arc::default();
        }
        if self.current.as_ref().is_some_and(|last| last.frame.source != frame.source) {
            // What was measured belongs to the source on show.
            *lock(&self.shared.measuring) = MeasurementState::default();
        }
        let frame_info = FrameInfo {
            timestamp: frame.frame.timestamp,
            discontinuous: jump,
            still: frame.frame.name.is_some(),
        };
        let before = self.tracker.clone();
        self.current =
            Some(Current { frame, frame_info, before, found: None, looked: false, boxes: Vec::new() });
    }

    /// Finds the people of the current frame and their poses.
    fn look(&mut self) -> Result<(), String> {
        let (Some(estimator), Some(current)) = (&mut self.estimator, &mut self.current) else {
            return Ok(());
        };
        let started = Instant::now();
        let pixels = &current.frame.frame.pixels;
        // For the detector and the pose network.
        let image = DeviceImage::new(pixels);
        let settings = &self.settings;
        let mut times = FrameTimes::default();
        let mut tracking = Stopwatch::default();
        self.tracker = current.before.clone();
        let tracker = &mut self.tracker;

        let wanted = tracking.time(|| tracker.predict(pixels, &current.frame_info, &settings.follow));
        if let (true, None, true, Some(finder)) =
            (wanted, &current.found, settings.detect, &mut self.detector)
        {
            let clock = Instant::now();
            match guarded(|| finder.find(&image)) {
                Ok(found) => current.found = Some(Arc::new(found)),
                Err(sentence) => {
                    // It goes on as without a detector.
                    self.detector = None;
                    self.shared.set_detector_status(DetectorStatus::Failed(sentence));
                }
            }
            times.detect = Some(clock.elapsed());
        }
        let blind = current.found.is_none();
        match &current.found {
            _ if !wanted => {}
            None => tracking.time(|| tracker.search_without_detector()),
            Some(found) => {
                self.found = found.clone();
                tracking.time(|| tracker.associate_detections(found));
            }
        }
        let (estimated, people) = loop {
            current.boxes = tracking.time(|| tracker.boxes());
            let boxes = &current.boxes;
            let estimated =
                guarded(|| estimator.estimate(&image, boxes, &settings.infer, settings.heatmaps))?;
            let poses = poses(&estimated);
            let people = tracking.time(|| tracker.update(&poses));
            // A picture gets no second chance in a next frame: who was just found is looked at closer.
            if !(blind && current.frame_info.still && tracker.is_refining()) {
                break (estimated, people);
            }
        };
        times.network = estimated.1;
        times.track = tracking.sum;
        times.whole = started.elapsed();
        let at = (current.frame.source, current.frame.run, current.frame.frame.sequence);
        let last = self.last.replace(at);
        times.age = (last != Some(at)).then(|| current.frame.captured.elapsed());
        times.skipped = match last {
            Some(last) if (last.0, last.1) == (at.0, at.1) => at.2.saturating_sub(last.2 + 1),
            _ => 0,
        };
        current.looked = true;
        let frame = current.frame.clone();
        self.publish(frame, people, estimated, times);
        Ok(())
    }

    /// Estimates the current frame again with other settings of the network, in the same boxes.
    fn estimate_again(&mut self) -> Result<(), String> {
        if !self.current.as_ref().is_some_and(|current| current.looked) {
            return self.look();
        }
        let (Some(estimator), Some(current)) = (&mut self.estimator, &self.current) else { return Ok(()) };
        let started = Instant::now();
        let (image, settings) = (DeviceImage::new(&current.frame.frame.pixels), &self.settings);
        let estimated =
            guarded(|| estimator.estimate(&image, &current.boxes, &settings.infer, settings.heatmaps))?;
        let people = self.tracker.replace_poses(&poses(&estimated));
        let times = FrameTimes { network: estimated.1, whole: started.elapsed(), ..FrameTimes::default() };
        let frame = current.frame.clone();
        self.publish(frame, people, estimated, times);
        Ok(())
    }

    /// Does something with the current frame, and says it when that failed.
    fn report(&mut self, work: fn(&mut Self) -> Result<(), String>) {
        if let Err(sentence) = work(self) {
            self.forget(None);
            lock(&self.shared.measuring).error = Some(sentence);
            self.shared.wake();
        }
    }

    fn publish(
        &mut self,
        frame: LiveFrame,
        people: Vec<TrackedPerson>,
        (estimates, _, kept): Estimated,
        times: FrameTimes,
    ) {
        {
            let mut measuring = lock(&self.shared.measuring);
            measuring.history.push(times);
            measuring.rate.tick(Instant::now());
            measuring.error = None;
        }
        self.number += 1;
        let (settings, found, number) = (self.settings.clone(), self.found.clone(), self.number);
        self.shared.results.put(LiveResult {
            frame,
            people,
            estimates,
            found,
            kept,
            times,
            settings,
            number,
        });
        self.shared.wake();
    }
}

fn tracker(skeleton: &Skeleton) -> Tracker {
    Tracker::new(skeleton.sigmas.iter().copied())
}

fn poses((estimates, ..): &Estimated) -> Vec<Pose> {
    estimates.iter().map(|e| e.pose.clone()).collect()
}

/// Adds up what several pieces of work took.
#[derive(Default)]
struct Stopwatch {
    sum: Duration,
}

impl Stopwatch {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let value = work();
        self.sum += started.elapsed();
        value
    }
}

/// Runs a network's code; Burn panics when a GPU goes away, and that must not end the program.
fn guarded<T, E: Display>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => {
            let said = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no reason was given");
            let first = said.lines().next().unwrap_or_default();
            Err(format!(
                "the device failed while the network ran ({first}): choose the CPU, or load the model again"
            ))
        }
    }
}
