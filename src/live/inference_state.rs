//! What the inference thread and the window share: settings and loaders in, results, status and measurements out.

use super::capture_context::LiveFrame;
use super::estimator::{ModelLoader, ModelStatus};
use super::people_tracker_settings::PeopleTrackerSettings;
use super::person_detector::{DetectorLoader, DetectorStatus};
use super::rate::{Rate, RecentValues};
use super::slot::{Notifier, Slot, lock};
use super::times::FrameTimes;
use crate::infer::PoseEstimate;
use crate::model::KeptTokens;
use crate::track::TrackedPerson;
use crate::vision::Detection;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A frame with its people.
#[derive(Clone, Debug)]
pub struct LiveResult {
    /// The frame as the source delivered it.
    pub frame: LiveFrame,
    /// The people who are tracked.
    pub people: Vec<TrackedPerson>,
    /// See [`PeopleResult::estimates`](super::PeopleResult::estimates).
    pub estimates: Vec<PoseEstimate>,
    /// What the detector found when it ran last: also people who are not tracked.
    pub detections: Arc<Vec<Detection>>,
    /// The visual tokens that the network worked on, person by person in the order of `estimates`.
    pub kept: KeptTokens,
    /// How long the stages took, and how old the frame was.
    pub times: FrameTimes,
    /// The settings that this result was computed with.
    pub settings: PeopleTrackerSettings,
    /// Rises by one with each result.
    pub number: u64,
}

/// What was measured over the last results.
#[derive(Clone, Debug)]
pub struct LiveMeasurements {
    /// Times of frames, oldest first.
    pub history: RecentValues<FrameTimes>,
    /// Results a second.
    pub rate: f64,
    /// What went wrong with the last frame, if anything did.
    pub error: Option<String>,
}

/// Results whose times are kept for the plots.
const HISTORY: usize = 240;

/// What the inference thread measured and the window has not asked for yet.
pub(super) struct MeasurementState {
    pub history: RecentValues<FrameTimes>,
    pub rate: Rate,
    pub error: Option<String>,
}

impl Default for MeasurementState {
    fn default() -> Self {
        MeasurementState { history: RecentValues::new(HISTORY), rate: Rate::default(), error: None }
    }
}

/// Everything that the inference thread shares with the window.
pub(super) struct InferenceState {
    pub notifier: Arc<Notifier>,
    pub frames: Arc<Slot<LiveFrame>>,
    pub settings: Slot<PeopleTrackerSettings>,
    /// A model to load, or `None` to unload.
    pub model: Slot<Option<ModelLoader>>,
    /// A person detector to load, or `None` to unload.
    pub detector: Slot<Option<DetectorLoader>>,
    pub results: Slot<LiveResult>,
    pub status: Mutex<ModelStatus>,
    pub detector_status: Mutex<DetectorStatus>,
    pub measuring: Mutex<MeasurementState>,
    stop: AtomicBool,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl InferenceState {
    /// Without a model; frames arrive in `frames`, whose notifier must be `notifier`. `wake` tells the window that
    /// something changed.
    pub fn new(
        notifier: Arc<Notifier>,
        frames: Arc<Slot<LiveFrame>>,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> InferenceState {
        InferenceState {
            settings: Slot::new(notifier.clone()),
            model: Slot::new(notifier.clone()),
            detector: Slot::new(notifier.clone()),
            // Nobody waits for results: the window is woken by `wake`.
            results: Slot::new(Arc::default()),
            status: Mutex::default(),
            detector_status: Mutex::default(),
            measuring: Mutex::default(),
            stop: AtomicBool::new(false),
            notifier,
            frames,
            wake,
        }
    }

    /// Tells the inference thread to end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.notifier.notify();
    }

    pub fn measured(&self) -> LiveMeasurements {
        let measuring = lock(&self.measuring);
        LiveMeasurements {
            history: measuring.history.clone(),
            rate: measuring.rate.per_second(Instant::now()),
            error: measuring.error.clone(),
        }
    }

    pub fn set_status(&self, status: ModelStatus) {
        *lock(&self.status) = status;
        self.wake();
    }

    pub fn set_detector_status(&self, status: DetectorStatus) {
        *lock(&self.detector_status) = status;
        self.wake();
    }

    /// Tells the window that something changed.
    pub fn wake(&self) {
        (self.wake)();
    }

    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
