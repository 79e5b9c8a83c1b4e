//! The inference thread: newest frame in, newest result out. What it does with a frame is in `inference`.

use super::capture::LiveFrame;
use super::estimator::{ModelLoader, ModelStatus};
use super::inference::Inference;
use super::join;
use super::person_detector::{DetectorLoader, DetectorStatus};
use super::rate::{Rate, RecentValues};
use super::slot::{Notifier, Slot, lock};
use super::times::FrameTimes;
use crate::infer::{PoseEstimate, Settings};
use crate::track::{TrackSettings, TrackedPerson};
use crate::vision::Detection;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

/// What the user chose for the network and for the people.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveSettings {
    pub infer: Settings,
    /// Bring the heatmaps along (they are copied for each frame).
    pub heatmaps: bool,
    pub follow: TrackSettings,
    /// Use the person detector, if one is loaded.
    pub detect: bool,
}

impl Default for LiveSettings {
    fn default() -> Self {
        let (infer, follow) = (Settings::default(), TrackSettings::default());
        LiveSettings { infer, heatmaps: false, follow, detect: true }
    }
}

/// A frame with its people.
#[derive(Clone, Debug)]
pub struct LiveResult {
    pub frame: LiveFrame,
    pub people: Vec<TrackedPerson>,
    /// What the network saw in each box that was looked at; [`TrackedPerson::index`] points into it. Of a box in which
    /// nobody was found there is one as well.
    pub estimates: Vec<PoseEstimate>,
    /// What the detector found when it looked last: also people who are not followed.
    pub found: Arc<Vec<Detection>>,
    /// Ascending indices of the kept visual tokens.
    pub kept: Vec<usize>,
    pub times: FrameTimes,
    /// The settings that this result was computed with.
    pub settings: LiveSettings,
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
    pub settings: Slot<LiveSettings>,
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

/// The running inference thread. Dropping it stops and joins the thread.
pub(super) struct InferenceThread {
    pub shared: Arc<InferenceState>,
    thread: Option<JoinHandle<()>>,
}

impl InferenceThread {
    /// Starts the thread. Frames arrive in `frames`, whose notifier must be `notifier`.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn start(
        notifier: Arc<Notifier>,
        frames: Arc<Slot<LiveFrame>>,
        settings: LiveSettings,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> std::io::Result<InferenceThread> {
        let shared = Arc::new(InferenceState {
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
        });
        let thread = std::thread::Builder::new().name("tmpose-infer".into()).spawn({
            let shared = shared.clone();
            move || Inference::new(&shared, settings).run()
        })?;
        Ok(InferenceThread { shared, thread: Some(thread) })
    }
}

impl Drop for InferenceThread {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.notifier.notify();
        if let Some(thread) = self.thread.take() {
            join::join_or_abandon(thread);
        }
    }
}
