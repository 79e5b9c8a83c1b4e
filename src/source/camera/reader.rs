//! The thread that takes every picture of a camera at once and keeps the newest.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::errors;
use crate::source::{CameraFormat, SourceError};

/// A camera's stream as the thread sees it; tests put a fake in its place.
pub(super) trait CameraStream {
    fn format(&self) -> CameraFormat;

    /// Waits for the next picture and gives its bytes in the camera's format.
    fn next_picture(&mut self) -> Result<Vec<u8>, SourceError>;

    /// Starts the stream again after a picture that could not be had.
    fn restart(&mut self) -> Result<(), SourceError>;
}

/// A picture as the camera sent it.
#[derive(Clone, Debug)]
pub(super) struct RawPicture {
    pub bytes: Vec<u8>,
    /// When the driver handed it out.
    pub arrived: Instant,
    /// Counts every picture, also those that nobody took.
    pub number: u64,
}

/// What came of waiting for a picture.
pub(super) enum Received {
    Picture(RawPicture),
    Ended(SourceError),
    /// Nothing came in time.
    TimedOut,
}

/// So many pictures in a row may fail before the camera is given up: bad cables lose single pictures.
const RETRIES: u32 = 5;
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// The rate is measured over the last pictures of this long.
const RATE_WINDOW: Duration = Duration::from_secs(2);
/// How long a drop waits for the thread, so that the camera is free for the next one who opens it.
const JOIN_TIMEOUT: Duration = Duration::from_secs(1);

/// What the thread and its owner share.
#[derive(Default)]
struct ReaderState {
    /// `None` once it was taken.
    newest: Option<RawPicture>,
    /// Why the thread has ended, if nobody has been told.
    ended: Option<SourceError>,
    /// When the pictures of the last [`RATE_WINDOW`] arrived.
    times: VecDeque<Instant>,
    /// Asks the thread to end.
    stop: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<ReaderState>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, ReaderState> {
        // The state is whole after every statement, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread of one camera. Dropping it stops the thread and closes the camera.
pub(super) struct CameraReader {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl CameraReader {
    /// Starts the thread. It opens the camera, sends `opened` the agreed format or why there is none, and then
    /// reads it.
    pub fn start(
        name: &str,
        opener: impl FnOnce() -> Result<Box<dyn CameraStream>, SourceError> + Send + 'static,
        opened: SyncSender<Result<CameraFormat, SourceError>>,
    ) -> Result<Self, SourceError> {
        let shared = Arc::new(Shared::default());
        let thread = {
            let (shared, name) = (Arc::clone(&shared), name.to_owned());
            std::thread::Builder::new().name("camera".to_owned()).spawn(move || match opener() {
                Ok(mut stream) => {
                    if opened.send(Ok(stream.format())).is_ok() {
                        read_pictures(&name, &mut *stream, &shared);
                    }
                }
                // When nobody waits for the answer any more, nobody needs it.
                Err(error) => drop(opened.send(Err(error))),
            })
        };
        let thread = thread.map_err(|e| SourceError::Camera {
            camera: name.to_owned(),
            reason: format!("no thread: {e}"),
        })?;
        Ok(CameraReader { shared, thread: Some(thread) })
    }

    /// The newest picture that was not taken yet; waits up to `timeout` for one.
    pub fn take(&self, timeout: Duration) -> Received {
        let waiting = |state: &mut ReaderState| state.newest.is_none() && state.ended.is_none();
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), timeout, waiting);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match (state.newest.take(), state.ended.take()) {
            (Some(picture), ended) => {
                state.ended = ended;
                Received::Picture(picture)
            }
            (None, Some(error)) => Received::Ended(error),
            (None, None) => Received::TimedOut,
        }
    }

    pub fn has_newer(&self) -> bool {
        self.shared.lock().newest.is_some()
    }

    /// Pictures a second that the camera really sends.
    pub fn rate(&self) -> Option<f64> {
        let state = self.shared.lock();
        let (first, last) = (state.times.front()?, state.times.back()?);
        let length = last.duration_since(*first).as_secs_f64();
        (length > 0.0).then(|| (state.times.len() - 1) as f64 / length)
    }
}

impl Drop for CameraReader {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        let Some(thread) = self.thread.take() else { return };
        // A camera that has stalled may never return; its thread is left behind then.
        let deadline = Instant::now() + JOIN_TIMEOUT;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

fn read_pictures(name: &str, stream: &mut dyn CameraStream, shared: &Shared) {
    let mut number = 0;
    let mut failures = 0;
    loop {
        let result = stream.next_picture();
        let arrived = Instant::now();
        let mut state = shared.lock();
        if state.stop {
            return;
        }
        match result {
            Ok(bytes) => {
                failures = 0;
                state.newest = Some(RawPicture { bytes, arrived, number });
                number += 1;
                state.times.push_back(arrived);
                while state.times.front().is_some_and(|&t| arrived.duration_since(t) > RATE_WINDOW) {
                    state.times.pop_front();
                }
                shared.changed.notify_all();
                continue;
            }
            Err(error) if failures == RETRIES || errors::is_final(&error) => {
                state.ended = Some(if number == 0 { errors::at_start(name, error) } else { error });
                shared.changed.notify_all();
                return;
            }
            Err(error) => {
                log::debug!("{error}; trying again");
                failures += 1;
            }
        }
        drop(state);
        std::thread::sleep(RETRY_PAUSE);
        if let Err(error) = stream.restart() {
            log::debug!("{error}; trying again");
            if errors::is_final(&error) {
                shared.lock().ended = Some(error);
                shared.changed.notify_all();
                return;
            }
        }
    }
}
