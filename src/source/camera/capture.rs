//! The thread that drains a camera into a slot for its newest picture.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::trouble;
use crate::source::{CameraFormat, SourceError};

/// A camera as the drain sees it; tests put a fake in its place.
pub(super) trait Capture {
    fn format(&self) -> CameraFormat;

    /// Waits for the next picture and gives its bytes in the camera's format.
    fn shot(&mut self) -> Result<Vec<u8>, SourceError>;

    /// Starts the stream again after a failed shot.
    fn restart(&mut self) -> Result<(), SourceError>;
}

/// A picture as the camera sent it.
#[derive(Clone, Debug)]
pub(super) struct Shot {
    pub bytes: Vec<u8>,
    pub at: Instant,
    /// Counts every picture, also those that nobody took.
    pub number: u64,
}

/// What waiting for a picture brought.
pub(super) enum Taken {
    Shot(Shot),
    Ended(SourceError),
    /// Not in time.
    Nothing,
}

/// A failed shot is tried again this often: bad cables lose single pictures.
const RETRIES: u32 = 5;
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// The rate is measured over the last pictures of this long.
const RATE_WINDOW: Duration = Duration::from_secs(2);
/// How long a drop waits for the thread, so that the camera is free for the next one who opens it.
const FAREWELL: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Slot {
    newest: Option<Shot>,
    ended: Option<SourceError>,
    times: VecDeque<Instant>,
    stop: bool,
}

#[derive(Default)]
struct Shared {
    slot: Mutex<Slot>,
    news: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        // The slot is whole after every statement, so a panic elsewhere leaves nothing half done.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Drain {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drain {
    /// Starts the thread. It opens the camera, tells the agreed format or why there is none, and then
    /// drains it.
    pub fn start(
        name: &str,
        opener: impl FnOnce() -> Result<Box<dyn Capture>, SourceError> + Send + 'static,
        tell: SyncSender<Result<CameraFormat, SourceError>>,
    ) -> Result<Self, SourceError> {
        let shared = Arc::new(Shared::default());
        let thread = {
            let (shared, name) = (Arc::clone(&shared), name.to_owned());
            std::thread::Builder::new().name("camera".to_owned()).spawn(move || match opener() {
                Ok(mut capture) => {
                    if tell.send(Ok(capture.format())).is_ok() {
                        drain(&name, &mut *capture, &shared);
                    }
                }
                // When nobody waits for the answer any more, nobody needs it.
                Err(error) => drop(tell.send(Err(error))),
            })
        };
        let thread = thread.map_err(|e| SourceError::Camera {
            camera: name.to_owned(),
            reason: format!("no thread: {e}"),
        })?;
        Ok(Drain { shared, thread: Some(thread) })
    }

    /// The newest picture that was not taken yet; waits up to `patience` for one.
    pub fn take(&self, patience: Duration) -> Taken {
        let waiting = |slot: &mut Slot| slot.newest.is_none() && slot.ended.is_none();
        let waited = self.shared.news.wait_timeout_while(self.shared.lock(), patience, waiting);
        let (mut slot, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match (slot.newest.take(), slot.ended.take()) {
            (Some(shot), ended) => {
                slot.ended = ended;
                Taken::Shot(shot)
            }
            (None, Some(error)) => Taken::Ended(error),
            (None, None) => Taken::Nothing,
        }
    }

    pub fn has_newer(&self) -> bool {
        self.shared.lock().newest.is_some()
    }

    /// Pictures a second that the camera really sends.
    pub fn rate(&self) -> Option<f64> {
        let slot = self.shared.lock();
        let (first, last) = (slot.times.front()?, slot.times.back()?);
        let length = last.duration_since(*first).as_secs_f64();
        (length > 0.0).then(|| (slot.times.len() - 1) as f64 / length)
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        let Some(thread) = self.thread.take() else { return };
        // A camera that has stalled may never return; its thread is left behind then.
        let deadline = Instant::now() + FAREWELL;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

fn drain(name: &str, capture: &mut dyn Capture, shared: &Shared) {
    let mut number = 0;
    let mut failures = 0;
    loop {
        let result = capture.shot();
        let at = Instant::now();
        let mut slot = shared.lock();
        if slot.stop {
            return;
        }
        match result {
            Ok(bytes) => {
                failures = 0;
                slot.newest = Some(Shot { bytes, at, number });
                number += 1;
                slot.times.push_back(at);
                while slot.times.front().is_some_and(|&t| at.duration_since(t) > RATE_WINDOW) {
                    slot.times.pop_front();
                }
                shared.news.notify_all();
                continue;
            }
            Err(error) if failures == RETRIES || trouble::is_final(&error) => {
                slot.ended = Some(if number == 0 { trouble::at_start(name, error) } else { error });
                shared.news.notify_all();
                return;
            }
            Err(error) => {
                log::debug!("{error}; trying again");
                failures += 1;
            }
        }
        drop(slot);
        std::thread::sleep(RETRY_PAUSE);
        if let Err(error) = capture.restart() {
            log::debug!("{error}; trying again");
            if trouble::is_final(&error) {
                shared.lock().ended = Some(error);
                shared.news.notify_all();
                return;
            }
        }
    }
}
