//! The thread that reads a source. How it paces and obeys is in `playback`, what it shares with the window
//! in `capture_context`; a camera that is lost is opened again and again, with growing backoff (`outage`).

use super::capture_context::{CaptureContext, CaptureState, FrameSinks, SourceStatus, Transport};
use super::join;
use super::outage::Backoff;
use super::playback::Playback;
use super::slot::lock;
use crate::source::{Source, SourceError};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Opens the source on the capture thread, since a camera may take seconds to answer; called again for a
/// camera that was lost.
pub type Opener = Box<dyn FnMut() -> Result<Box<dyn Source>, SourceError> + Send>;

/// A source that sends nothing for so long has stalled: said then, while it is still waited for.
const SILENCE: Duration = Duration::from_secs(2);

/// The running capture thread. Dropping it stops and joins the thread.
pub(super) struct Capture {
    shared: Arc<CaptureState>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Starts a thread that first waits for `previous` to end (two threads must not hold one camera)
    /// and then opens the source.
    pub fn start(
        open: Opener,
        number: u64,
        transport: Transport,
        sinks: FrameSinks,
        previous: Option<Capture>,
    ) -> Capture {
        let shared = Arc::new(CaptureState::new(transport));
        if let Some(previous) = &previous {
            previous.shared.change(|control| control.stop = true);
        }
        let body = {
            let shared = shared.clone();
            move || {
                drop(previous);
                run(&CaptureContext::new(&shared, &sinks, number), open);
            }
        };
        let thread = std::thread::Builder::new().name("tmpose-capture".into()).spawn(body);
        if let Err(error) = &thread {
            let mut status = lock(&shared.status);
            status.opening = false;
            status.error = Some(format!(
                "no thread could be started for the source ({error}): close programs and try again"
            ));
        }
        Capture { shared, thread: thread.ok() }
    }

    pub fn status(&self) -> SourceStatus {
        let mut status = lock(&self.shared.status).clone();
        status.rate = lock(&self.shared.rate).per_second(Instant::now());
        let waited = lock(&self.shared.asked).map(|since| since.elapsed());
        status.silent = waited.filter(|time| *time >= SILENCE && !status.opening && status.outage.is_none());
        status
    }

    /// Tries a lost camera now, instead of after the pause.
    pub fn retry(&self) {
        self.shared.change(|control| control.retry = true);
    }

    /// Ends the thread without waiting for it.
    pub fn retire(self) {
        self.shared.change(|control| control.stop = true);
        let farewell = std::thread::Builder::new().name("tmpose-farewell".into());
        if let Err(error) = farewell.spawn(move || drop(self)) {
            log::warn!("a source was closed without a thread of its own: {error}");
        }
    }

    pub fn transport(&self) -> Transport {
        lock(&self.shared.control).transport
    }

    pub fn set_transport(&self, transport: Transport) {
        self.shared.change(|control| control.transport = transport);
    }

    pub fn step(&self, frames: i32) {
        self.shared.change(|control| {
            control.transport.playing = false;
            control.step = frames.signum();
        });
    }

    pub fn seek(&self, to: Duration) {
        self.shared.change(|control| control.seek = Some(to));
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.change(|control| control.stop = true);
        if let Some(thread) = self.thread.take() {
            join::join_or_abandon(thread);
        }
    }
}

/// Plays the source until told to stop; opens a lost camera again and again.
fn run(context: &CaptureContext, mut open: Opener) {
    let _guard = PanicGuard(context);
    let mut backoff = Backoff::default();
    loop {
        if context.stopped() {
            return;
        }
        let lost = match context.ask(&mut open) {
            Ok(mut source) => {
                let info = source.info().clone();
                context.opened(info.clone());
                backoff = Backoff::default();
                // The source is dropped before the pause: a camera that is held cannot be opened.
                Playback::new(context, info).run(source.as_mut())
            }
            Err(error) => Some(error),
        };
        let Some(error) = lost else { return };
        if !context.was_open() {
            // It never was there: trying again is the user's choice.
            context.status(|s| {
                s.opening = false;
                s.error = Some(error.to_string());
            });
            return;
        }
        context.lost(&error);
        if !context.pause(backoff.next()) {
            return;
        }
    }
}

/// Makes a message of a panic inside a decoder or driver, so that the picture does not just stand still.
struct PanicGuard<'a, 'b>(&'a CaptureContext<'b>);

impl Drop for PanicGuard<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.status(|s| {
                s.opening = false;
                s.ended = true;
                s.outage = None;
                s.error = Some("the source stopped by an internal error: open it again".into());
            });
        }
    }
}
