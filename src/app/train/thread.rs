//! A training on a thread of its own, beside the viewer.

use super::progress::{TrainPhase, TrainProgress};
use super::words::sentence;
use crate::data::SetSource;
use crate::synth::training_set;
use crate::train::{self, PoseEvent, TrainConfig};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a window that closes waits for the step that runs, so that it is saved.
const PATIENCE: Duration = Duration::from_secs(60);
/// The window is woken at most this often.
const WAKE: Duration = Duration::from_millis(50);
/// Pictures of the mannequin that are validated on when it is not trained on.
const VALIDATION_PICTURES: usize = 100;

/// What the thread and the window share: the state, and a number that rises with each change.
///
/// The thread folds every event into the state instead of queueing it. So no event is lost, nothing grows
/// while the window is minimised and draws nothing, and the training never waits for the window.
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
    /// Starts a training, or goes on with the one in `config`'s folder if it has a checkpoint. Its
    /// progress goes on from `before`.
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
        let (raised, told, ctx) = (stop.clone(), shared.clone(), ctx.clone());
        let thread = std::thread::Builder::new().name("tmpose-train".into()).spawn(move || {
            let change = |change: &mut dyn FnMut(&mut TrainProgress)| {
                told.change(|progress| change(progress));
                ctx.request_repaint_after(WAKE);
            };
            if let Err(sentence) = guarded(|| work(config, resume, &change, &raised)) {
                change(&mut |p| p.enter(TrainPhase::Failed(sentence.clone()), Instant::now()));
            }
        })?;
        Ok(TrainThread { stop, shared, seen: 0, thread: Some(thread), abandoned: false })
    }

    /// The state, if it changed since the last call.
    pub fn new_progress(&mut self) -> Option<TrainProgress> {
        let state = self.shared.lock();
        (state.0 != self.seen).then(|| {
            self.seen = state.0;
            state.1.clone()
        })
    }

    /// Asks the training to end after the step that runs, with everything saved.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Leaves the thread to itself when the window closes; the newest checkpoint stays.
    pub fn abandon(&mut self) {
        self.abandoned = true;
    }

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
            if self.abandoned || start.elapsed() > PATIENCE {
                log::warn!("the training is still busy; what is saved is its last checkpoint");
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // A panic was reported by the thread itself.
        let _ = thread.join();
    }
}

/// Tells the shared state.
type ReportChange<'a> = dyn Fn(&mut dyn FnMut(&mut TrainProgress)) + Sync + 'a;

/// Carries a training out; the error is a sentence.
fn work(
    mut config: TrainConfig,
    resume: bool,
    change: &ReportChange<'_>,
    stop: &AtomicBool,
) -> Result<(), String> {
    if resume {
        let told = history(&config.run.out);
        change(&mut |p| {
            if p.last.is_none() {
                told.iter().for_each(|event| p.record(event, Instant::now()));
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
        let drawing =
            |done, total| change(&mut |p| p.enter(TrainPhase::Drawing { done, total }, Instant::now()));
        if !draw_mannequins(&mut config, &drawing, stop)? {
            change(&mut |p| p.enter(TrainPhase::Stopped { step: 0 }, Instant::now()));
            return Ok(());
        }
        let listen = |event: &PoseEvent| change(&mut |p| p.record(event, Instant::now()));
        let command = "tmpose train --config config.toml, started in the window";
        train::run(&config, resume, command, &listen, stop).map_err(|error| sentence(&error.to_string()))
    })
}

/// Draws the mannequin's pictures and puts their folders in its place. False when it was stopped meanwhile.
fn draw_mannequins(
    config: &mut TrainConfig,
    progress: &(dyn Fn(usize, usize) + Sync),
    stop: &AtomicBool,
) -> Result<bool, String> {
    let run = config.run.out.clone();
    let draw = |count: usize| -> Result<Option<PathBuf>, String> {
        let folder = run.join(format!("mannequin-{count}"));
        let whole =
            training_set(&folder, count, progress, stop).map_err(|error| sentence(&error.to_string()))?;
        Ok(whole.then_some(folder))
    };
    let mut drawn = None;
    for spec in &mut config.data.train {
        if let SetSource::Mannequin(pictures) = spec.source {
            let Some(folder) = draw(pictures.unwrap_or(1))? else { return Ok(false) };
            *spec = folder.clone().into();
            drawn = Some(folder);
        }
    }
    if let Some(SetSource::Mannequin(pictures)) = config.data.val {
        if pictures.is_some() || drawn.is_none() {
            drawn = draw(pictures.unwrap_or(VALIDATION_PICTURES))?;
        }
        config.data.val = drawn.map(SetSource::Path);
        return Ok(config.data.val.is_some());
    }
    Ok(true)
}

/// What the run's log tells, so that the curves of a resumed training begin at its first step. Lines of
/// another version are left out.
fn history(run: &Path) -> Vec<PoseEvent> {
    let text = std::fs::read_to_string(run.join("log.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Turns a panic into a sentence: a bug in the training must not take the window with it.
fn guarded(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(format!("The training broke off by a fault of the program ({text}); resume goes on from its last checkpoint."))
    })
}
