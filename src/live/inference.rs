//! What the inference thread does: it loads networks, hands frames to the [`PeopleTracker`] and publishes its results.

use super::capture_context::LiveFrame;
use super::estimator::{EstimatorError, ModelLoader, ModelStatus};
use super::guard::guarded;
use super::inference_state::{InferenceState, LiveResult, MeasurementState};
use super::people_tracker::{PeopleError, PeopleResult, PeopleTracker, frame_info};
use super::people_tracker_settings::PeopleTrackerSettings;
use super::person_detector::{DetectorError, DetectorLoader, DetectorStatus, PersonDetector};
use super::slot::lock;
use crate::detect::DetectSettings;
use crate::gpu::DeviceImage;
use crate::track::FrameInfo;
use image::RgbImage;
use std::sync::Arc;
use std::time::Instant;

/// The state of the inference thread.
pub(super) struct Inference<'a> {
    shared: &'a InferenceState,
    settings: PeopleTrackerSettings,
    /// `None` while there is no model.
    people: Option<PeopleTracker>,
    /// A detector that waits for a model.
    detector: Option<Box<dyn PersonDetector>>,
    current: Option<CurrentFrame>,
    last: Option<FrameKey>,
    number: u64,
}

/// The frame on show.
struct CurrentFrame {
    frame: LiveFrame,
    info: FrameInfo,
}

/// Which frame of which source a result was of.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FrameKey {
    source: u64,
    run: u64,
    /// The source's own number of the frame.
    sequence: u64,
}

impl FrameKey {
    fn of(frame: &LiveFrame) -> FrameKey {
        FrameKey { source: frame.source, run: frame.run, sequence: frame.frame.sequence }
    }

    /// Frames of the same run between `last` and this one.
    fn skipped_since(self, last: FrameKey) -> u64 {
        let same_run = (last.source, last.run) == (self.source, self.run);
        if same_run { self.sequence.saturating_sub(last.sequence + 1) } else { 0 }
    }
}

impl<'a> Inference<'a> {
    pub fn new(shared: &'a InferenceState, settings: PeopleTrackerSettings) -> Self {
        Inference { shared, settings, people: None, detector: None, current: None, last: None, number: 0 }
    }

    /// Works until the thread is told to stop.
    pub fn run(&mut self) {
        let mut heard = 0;
        while !self.shared.stopped() {
            if let Some(request) = self.shared.model.take() {
                self.load(request);
            }
            if let Some(request) = self.shared.detector.take() {
                self.load_detector(request);
            }
            if let Some(settings) = self.shared.settings.take() {
                if let Some(people) = &mut self.people {
                    people.set_settings(settings.clone());
                }
                self.settings = settings;
            }
            if let Some(frame) = self.shared.frames.take() {
                self.begin(frame);
                self.update(PeopleTracker::process_image);
            } else if self.is_outdated() {
                self.update(PeopleTracker::reprocess_image);
            } else {
                heard = self.shared.notifier.wait(heard, None);
            }
        }
    }

    /// Whether the result on show is not that of the present networks and settings.
    fn is_outdated(&self) -> bool {
        self.current.is_some() && self.people.as_ref().is_some_and(PeopleTracker::is_outdated)
    }

    /// Replaces the model. The old one goes first: two may not fit into a GPU's memory.
    fn load(&mut self, request: Option<ModelLoader>) {
        if let Some(mut people) = self.people.take() {
            self.detector = people.take_detector();
        }
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
            Ok::<_, EstimatorError>((estimator, summary))
        }) {
            Ok((estimator, summary)) => {
                let (detector, settings) = (self.detector.take(), self.settings.clone());
                self.people = Some(PeopleTracker::new(estimator, detector, settings));
                ModelStatus::Ready(Arc::new(summary))
            }
            Err(error) => ModelStatus::Failed(error.to_string()),
        };
        *lock(&self.shared.measuring) = MeasurementState::default();
        self.shared.set_status(status);
    }

    /// Replaces the person detector; the old one goes first.
    fn load_detector(&mut self, request: Option<DetectorLoader>) {
        self.set_detector(None);
        let Some(loader) = request else {
            self.shared.set_detector_status(DetectorStatus::None);
            return;
        };
        self.shared.set_detector_status(DetectorStatus::Loading);
        let status = match guarded(|| {
            let (mut detector, summary) = loader()?;
            detector.find(&DeviceImage::new(&RgbImage::new(64, 64)), &DetectSettings::default())?;
            Ok::<_, DetectorError>((detector, summary))
        }) {
            Ok((detector, summary)) => {
                self.set_detector(Some(detector));
                DetectorStatus::Ready(Arc::new(summary))
            }
            Err(error) => DetectorStatus::Failed(error.to_string()),
        };
        self.shared.set_detector_status(status);
    }

    fn set_detector(&mut self, detector: Option<Box<dyn PersonDetector>>) {
        match &mut self.people {
            Some(people) => people.set_detector(detector),
            None => self.detector = detector,
        }
    }

    /// Takes a frame that was not processed before.
    fn begin(&mut self, frame: LiveFrame) {
        let discontinuous = self.current.as_ref().is_none_or(|last| {
            let follows = (last.frame.source, last.frame.run) == (frame.source, frame.run);
            !follows || frame.frame.timestamp < last.frame.frame.timestamp
        });
        if self.current.as_ref().is_some_and(|last| last.frame.source != frame.source) {
            // What was measured belongs to the source on show.
            *lock(&self.shared.measuring) = MeasurementState::default();
        }
        let info = FrameInfo { discontinuous, ..frame_info(&frame.frame) };
        self.current = Some(CurrentFrame { frame, info });
    }

    /// Processes the current frame and publishes its people, or the error.
    fn update(
        &mut self,
        process: fn(&mut PeopleTracker, &DeviceImage, &FrameInfo) -> Result<PeopleResult, PeopleError>,
    ) {
        let (Some(people), Some(CurrentFrame { frame, info })) = (&mut self.people, &self.current) else {
            return;
        };
        // One upload serves the detector and the pose network.
        let image = DeviceImage::new(&frame.frame.pixels);
        let mut result = process(people, &image, info);
        if let Err(PeopleError::Detector(error)) = result {
            // It goes on as without a detector.
            people.take_detector();
            self.shared.set_detector_status(DetectorStatus::Failed(error.to_string()));
            result = people.reprocess_image(&image, info);
        }
        match result {
            Ok(result) => {
                let frame = frame.clone();
                self.publish(frame, result);
            }
            Err(error) => {
                people.forget();
                lock(&self.shared.measuring).error = Some(error.to_string());
                self.shared.wake();
            }
        }
    }

    fn publish(&mut self, frame: LiveFrame, result: PeopleResult) {
        let PeopleResult { people, estimates, detections, kept, mut times } = result;
        let key = FrameKey::of(&frame);
        let last = self.last.replace(key);
        times.age = (last != Some(key)).then(|| frame.captured.elapsed());
        times.skipped = last.map_or(0, |last| key.skipped_since(last));
        {
            let mut measuring = lock(&self.shared.measuring);
            measuring.history.push(times);
            measuring.rate.tick(Instant::now());
            measuring.error = None;
        }
        self.number += 1;
        let (settings, number) = (self.settings.clone(), self.number);
        self.shared.results.put(LiveResult {
            frame,
            people,
            estimates,
            detections,
            kept,
            times,
            settings,
            number,
        });
        self.shared.wake();
    }
}
