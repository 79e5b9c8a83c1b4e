//! The inference thread: newest frame in, newest result out.

use super::capture::LiveFrame;
use super::ending;
use super::estimator::{Estimated, Loader, ModelStatus, PoseEstimator};
use super::rate::{History, Rate};
use super::slot::{Bell, Slot, lock};
use crate::infer::{BoxTracker, Estimate, Settings, StageTimes};
use crate::vision::BBox;
use image::RgbImage;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

/// What the user chose for the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveSettings {
    pub infer: Settings,
    /// Bring the heatmaps along (they are copied for each frame).
    pub heatmaps: bool,
}

/// A frame with its poses.
#[derive(Clone, Debug)]
pub struct LiveResult {
    pub frame: LiveFrame,
    pub estimates: Vec<Estimate>,
    /// Ascending indices of the kept visual tokens.
    pub kept: Vec<usize>,
    pub times: StageTimes,
    /// The settings that this result was computed with.
    pub settings: LiveSettings,
    /// Rises by one with each result.
    pub number: u64,
}

/// What was measured over the last results.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Stage times, oldest first.
    pub history: History<StageTimes>,
    /// Results a second.
    pub rate: f64,
    /// What went wrong with the last frame, if anything did.
    pub error: Option<String>,
}

/// Results whose times are kept for the plot.
const HISTORY: usize = 240;

struct Measuring {
    history: History<StageTimes>,
    rate: Rate,
    error: Option<String>,
}

/// Everything that the inference thread shares with the window.
pub(super) struct Shared {
    pub bell: Arc<Bell>,
    pub frames: Arc<Slot<LiveFrame>>,
    pub settings: Slot<LiveSettings>,
    /// A model to load, or `None` to unload.
    pub model: Slot<Option<Loader>>,
    pub results: Slot<LiveResult>,
    pub status: Mutex<ModelStatus>,
    measuring: Mutex<Measuring>,
    stop: AtomicBool,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Shared {
    pub fn measured(&self) -> Measured {
        let measuring = lock(&self.measuring);
        Measured {
            history: measuring.history.clone(),
            rate: measuring.rate.per_second(Instant::now()),
            error: measuring.error.clone(),
        }
    }

    fn set_status(&self, status: ModelStatus) {
        *lock(&self.status) = status;
        (self.wake)();
    }
}

/// The running inference thread. Dropping it stops and joins the thread.
pub(super) struct Worker {
    pub shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread. Frames arrive in `frames`, whose bell must be `bell`.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn start(
        bell: Arc<Bell>,
        frames: Arc<Slot<LiveFrame>>,
        settings: LiveSettings,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> std::io::Result<Worker> {
        let shared = Arc::new(Shared {
            settings: Slot::new(bell.clone()),
            model: Slot::new(bell.clone()),
            // Nobody waits for results: the window is woken by `wake`.
            results: Slot::new(Arc::default()),
            status: Mutex::default(),
            measuring: Mutex::new(Measuring {
                history: History::new(HISTORY),
                rate: Rate::default(),
                error: None,
            }),
            stop: AtomicBool::new(false),
            bell,
            frames,
            wake,
        });
        let thread = std::thread::Builder::new().name("tmpose-infer".into()).spawn({
            let shared = shared.clone();
            move || Inference::new(&shared, settings).run()
        })?;
        Ok(Worker { shared, thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.bell.ring();
        if let Some(thread) = self.thread.take() {
            ending::join(thread);
        }
    }
}

/// The state of the inference thread.
struct Inference<'a> {
    shared: &'a Shared,
    settings: LiveSettings,
    estimator: Option<Box<dyn PoseEstimator>>,
    tracker: BoxTracker,
    /// The frame on show and the boxes it was estimated with, to estimate it again when the settings
    /// change: the same boxes, so that the difference is the settings'.
    current: Option<(LiveFrame, Vec<BBox>)>,
    number: u64,
}

impl<'a> Inference<'a> {
    fn new(shared: &'a Shared, settings: LiveSettings) -> Self {
        let tracker = BoxTracker::new();
        Inference { shared, settings, estimator: None, tracker, current: None, number: 0 }
    }

    fn run(&mut self) {
        let mut heard = 0;
        while !self.shared.stop.load(Ordering::Acquire) {
            let mut again = false;
            if let Some(request) = self.shared.model.take() {
                self.load(request);
                again = true;
            }
            if let Some(settings) = self.shared.settings.take() {
                again |= settings != self.settings;
                self.settings = settings;
            }
            if let Some(frame) = self.shared.frames.take() {
                let boxes = self.boxes(&frame);
                self.current = Some((frame, boxes));
                self.estimate(true);
            } else if again {
                self.estimate(false);
            } else {
                heard = self.shared.bell.wait(heard, None);
            }
        }
    }

    /// Replaces the model. The old one goes first: two may not fit into a GPU's memory.
    fn load(&mut self, request: Option<Loader>) {
        self.estimator = None;
        self.tracker.reset();
        let Some(loader) = request else {
            self.shared.set_status(ModelStatus::None);
            return;
        };
        self.shared.set_status(ModelStatus::Loading);
        let status = match guarded(|| {
            let (mut estimator, summary) = loader()?;
            // The first pass compiles kernels and tunes them; it must not count as a frame.
            let [height, width] = summary.info.config.input;
            let blank = RgbImage::new(width as u32, height as u32);
            let whole = BBox { x: 0.0, y: 0.0, w: width as f32, h: height as f32 };
            estimator.estimate(&blank, &[whole], &self.settings.infer, false)?;
            Ok((estimator, summary))
        }) {
            Ok((estimator, summary)) => {
                self.estimator = Some(estimator);
                ModelStatus::Ready(Arc::new(summary))
            }
            Err(sentence) => ModelStatus::Failed(sentence),
        };
        {
            let mut measuring = lock(&self.shared.measuring);
            measuring.history.clear();
            measuring.rate = Rate::default();
            measuring.error = None;
        }
        self.shared.set_status(status);
    }

    /// Where the person is looked for in a new frame.
    fn boxes(&mut self, frame: &LiveFrame) -> Vec<BBox> {
        let jump = self.current.as_ref().is_none_or(|(last, _)| {
            let (from, to) = (last.frame.timestamp, frame.frame.timestamp);
            let pictures = frame.frame.name.is_some();
            last.source != frame.source || pictures || to < from || (to - from).as_secs_f64() > 1.0
        });
        if jump {
            self.tracker.reset();
        }
        let (width, height) = frame.frame.pixels.dimensions();
        // A picture gets no second chance in a next frame.
        if let (Some(estimator), true) = (&mut self.estimator, frame.frame.name.is_some()) {
            let (pixels, settings) = (&frame.frame.pixels, &self.settings.infer);
            let searched = self.tracker.search(width, height, |at| {
                let (estimates, ..) = guarded(|| estimator.estimate(pixels, &[at], settings, false))?;
                Ok::<_, String>(estimates.into_iter().next().map(|e| e.pose))
            });
            if searched.is_err() {
                // The estimate that follows meets the same error, and reports it.
                self.tracker.reset();
            }
        }
        vec![self.tracker.next_box(width, height)]
    }

    /// Estimates the current frame; `new` if it was not estimated before.
    fn estimate(&mut self, new: bool) {
        let (Some(estimator), Some((frame, boxes))) = (&mut self.estimator, &self.current) else { return };
        let pixels = &frame.frame.pixels;
        let settings = &self.settings;
        match guarded(|| estimator.estimate(pixels, boxes, &settings.infer, settings.heatmaps)) {
            Ok((estimates, times, kept)) => {
                if let (true, Some(first)) = (new, estimates.first()) {
                    self.tracker.update(&first.pose, pixels.width(), pixels.height());
                }
                let frame = frame.clone();
                self.publish(frame, (estimates, times, kept));
            }
            Err(sentence) => {
                self.tracker.reset();
                lock(&self.shared.measuring).error = Some(sentence);
                (self.shared.wake)();
            }
        }
    }

    fn publish(&mut self, frame: LiveFrame, (estimates, times, kept): Estimated) {
        {
            let mut measuring = lock(&self.shared.measuring);
            measuring.history.push(times);
            measuring.rate.tick(Instant::now());
            measuring.error = None;
        }
        self.number += 1;
        let settings = self.settings.clone();
        self.shared.results.put(LiveResult { frame, estimates, kept, times, settings, number: self.number });
        (self.shared.wake)();
    }
}

/// Runs the network's code; Burn panics when a GPU goes away, and that must not end the program.
fn guarded<T>(work: impl FnOnce() -> Result<T, crate::infer::InferError>) -> Result<T, String> {
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
