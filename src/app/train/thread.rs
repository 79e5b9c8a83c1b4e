//! A training on a thread of its own, beside the viewer.

use super::progress::{TrainPhase, TrainProgress};
use crate::app::sentence::sentence;
use crate::train::{self, PoseEvent, RunControl, TrainConfig};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a closing window waits for the current step to be finished and saved.
const SAVE_TIMEOUT: Duration = Duration::from_secs(60);
/// The shortest time between two repaints for the training's sake.
const REPAINT_INTERVAL: Duration = Duration::from_millis(50);

/// What the thread and the window share: the progress, and a number that rises with each change.
///
/// The thread applies every event to the progress instead of queueing it. No event is lost, nothing grows while the
/// window is minimised and draws nothing, and the training never waits for the window.
#[derive(Default)]
struct SharedProgress {
    state: Mutex<(u64, TrainProgress)>,
}

impl SharedProgress {
    fn lock(&self) -> MutexGuard<'_, (u64, TrainProgress)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut TrainProgress)) {
        let mut state = self.lock();
        state.0 += 1;
        change(&mut state.1);
    }
}

/// A training that runs or has ended. Dropping it stops the training and waits until it is saved.
pub struct TrainThread {
    stop: Arc<AtomicBool>,
    shared: Arc<SharedProgress>,
    seen: u64,
    thread: Option<JoinHandle<()>>,
    /// Do not wait for the thread any more.
    abandoned: bool,
}

impl TrainThread {
    /// Starts a training, or with `resume` continues the one in `config`'s folder. Its progress continues from
    /// `before`.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn start(
        ctx: &egui::Context,
        config: TrainConfig,
        resume: bool,
        mut before: TrainProgress,
    ) -> std::io::Result<TrainThread> {
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(SharedProgress::default());
        before.enter(TrainPhase::Preparing, Instant::now());
        shared.change(|progress| *progress = before);
        let (raised, progress, ctx) = (stop.clone(), shared.clone(), ctx.clone());
        let thread = std::thread::Builder::new().name("tmpose-train".into()).spawn(move || {
            let change = |change: &mut dyn FnMut(&mut TrainProgress)| {
                progress.change(|progress| change(progress));
                ctx.request_repaint_after(REPAINT_INTERVAL);
            };
            if let Err(sentence) = guarded(|| work(config, resume, &change, &raised)) {
                change(&mut |p| p.enter(TrainPhase::Failed(sentence.clone()), Instant::now()));
            }
        })?;
        Ok(TrainThread { stop, shared, seen: 0, thread: Some(thread), abandoned: false })
    }

    /// The progress, if it changed since the last call.
    pub fn new_progress(&mut self) -> Option<TrainProgress> {
        let state = self.shared.lock();
        (state.0 != self.seen).then(|| {
            self.seen = state.0;
            state.1.clone()
        })
    }

    /// Asks the training to end after the current step, with everything saved.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Whether it was asked to end.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Leaves the thread to itself when the window closes; the newest checkpoint stays.
    pub fn abandon(&mut self) {
        self.abandoned = true;
    }

    /// Whether the thread has ended.
    pub fn ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for TrainThread {
    fn drop(&mut self) {
        self.stop();
        let Some(thread) = self.thread.take() else { return };
        let start = Instant::now();
        while !thread.is_finished() {
            if self.abandoned || start.elapsed() > SAVE_TIMEOUT {
                log::warn!("the training is still busy; what is saved is its last checkpoint");
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // A panic was reported by the thread itself.
        let _ = thread.join();
    }
}

/// Changes the shared progress.
type ReportChange<'a> = dyn Fn(&mut dyn FnMut(&mut TrainProgress)) + Sync + 'a;

/// Carries a training out; the error is a sentence.
fn work(
    config: TrainConfig,
    resume: bool,
    change: &ReportChange<'_>,
    stop: &AtomicBool,
) -> Result<(), String> {
    if resume {
        let logged = logged_events(&config.run.out);
        change(&mut |p| {
            if p.last.is_none() {
                logged.iter().for_each(|event| p.record(event, Instant::now()));
                p.enter(TrainPhase::Preparing, Instant::now());
            }
        });
    }
    // A pool of its own with one core less than the machine has: the viewer's network then waits neither
    // behind a training step nor for a core.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(cores.saturating_sub(1).max(1))
        .thread_name(|n| format!("tmpose-train-{n}"))
        .build()
        .map_err(|error| format!("No threads could be started for the training: {error}."))?;
    pool.install(|| {
        let on_event = |event: &PoseEvent| change(&mut |p| p.record(event, Instant::now()));
        let command = "tmpose train --config config.toml, started in the window";
        let control = RunControl { resume, command, on_event: &on_event, stop };
        train::run(&config, &control).map_err(|error| sentence(&error.to_string()))
    })
}

/// The events in the run's log, so that the curves of a resumed training begin at its first step. Lines that another
/// version wrote and this one cannot read are left out.
fn logged_events(run: &Path) -> Vec<PoseEvent> {
    let text = std::fs::read_to_string(run.join("log.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Makes a sentence of a panic: a bug in the training must not end the window.
fn guarded(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(format!("The training ended because of a bug in tmpose ({text}); resuming continues from its last checkpoint."))
    })
}
