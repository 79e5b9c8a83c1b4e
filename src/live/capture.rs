//! The thread that reads a source, and what it shares with the window. How it paces and obeys is in
//! `playback`; a camera that is lost is opened again and again, with growing backoff (`outage`).

use super::join;
use super::outage::{Backoff, Outage};
use super::playback::Playback;
use super::rate::Rate;
use super::slot::{Notifier, Slot, lock};
use crate::source::{Frame, Source, SourceError, SourceInfo};
use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A frame on its way through the pipeline.
#[derive(Clone, Debug)]
pub struct LiveFrame {
    /// The picture and its media time.
    pub frame: Frame,
    /// Which opened source it came from; rises by one with each source.
    pub source: u64,
    /// Rises when a frame does not follow the one before it: after a seek, at the start of a loop, and when
    /// a lost camera is back.
    pub run: u64,
    /// When it was due (files) or arrived (cameras): the beginning of its age.
    pub captured: Instant,
}

/// What the transport bar asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Transport {
    /// Frames follow at their own pace; otherwise the picture stands still.
    pub playing: bool,
    /// At its end a file begins again.
    pub looping: bool,
}

/// How the source is doing, for the window.
#[derive(Clone, Debug, Default)]
pub struct SourceStatus {
    /// `None` while it opens, or when it could not be opened.
    pub info: Option<SourceInfo>,
    /// True until it is open or has failed.
    pub opening: bool,
    /// What went wrong last; the frames so far stay on show.
    pub error: Option<String>,
    /// Where in a video that was.
    pub error_at: Option<Duration>,
    /// A camera that was lost and is tried again, until it is back.
    pub outage: Option<Outage>,
    /// Times that a lost camera came back.
    pub returns: u64,
    /// How long the source has sent nothing although it was asked, once that is long.
    pub silent: Option<Duration>,
    /// True when the last frame was shown and nothing loops.
    pub ended: bool,
    /// Timestamp of the frame shown last.
    pub position: Duration,
    /// Frames handed on.
    pub frames: u64,
    /// Gaps in the source's own numbering: frames a camera sent while nobody was reading.
    pub missed: u64,
    /// Times that the source was too slow for its own timestamps (decoding, drawing).
    pub late: u64,
    /// Frames a second.
    pub rate: f64,
}

/// Opens the source on the capture thread, since a camera may take seconds to answer; called again for a
/// camera that was lost.
pub type Opener = Box<dyn FnMut() -> Result<Box<dyn Source>, SourceError> + Send>;

/// A source that sends nothing for so long has stalled: said then, while it is still waited for.
const SILENCE: Duration = Duration::from_secs(2);

/// What the window wants of the capture thread.
#[derive(Clone, Copy, Default)]
pub(super) struct Control {
    pub transport: Transport,
    pub seek: Option<Duration>,
    /// Frames to step: +1 forward, -1 back.
    pub step: i32,
    /// Try a lost camera now.
    pub retry: bool,
    pub stop: bool,
}

struct CaptureState {
    control: Mutex<Control>,
    notifier: Notifier,
    status: Mutex<SourceStatus>,
    rate: Mutex<Rate>,
    /// Since when the thread has been inside a call of the source.
    asked: Mutex<Option<Instant>>,
}

impl CaptureState {
    fn change(&self, change: impl FnOnce(&mut Control)) {
        change(&mut lock(&self.control));
        self.notifier.notify();
    }
}

/// Where the capture thread leaves its frames.
#[derive(Clone)]
pub(super) struct FrameSinks {
    /// For the network.
    pub frames: Arc<Slot<LiveFrame>>,
    /// For a window that shows frames before their poses are known.
    pub preview: Arc<Slot<LiveFrame>>,
    /// Tells the window that something changed.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

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
        let shared = Arc::new(CaptureState {
            control: Mutex::new(Control { transport, ..Control::default() }),
            notifier: Notifier::default(),
            status: Mutex::new(SourceStatus { opening: true, ..SourceStatus::default() }),
            rate: Mutex::default(),
            asked: Mutex::default(),
        });
        if let Some(previous) = &previous {
            previous.shared.change(|control| control.stop = true);
        }
        let run = {
            let shared = shared.clone();
            move || {
                drop(previous);
                CaptureContext { shared: &shared, sinks: &sinks, number, run: Cell::new(0) }.run(open);
            }
        };
        let thread = std::thread::Builder::new().name("tmpose-capture".into()).spawn(run);
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

/// The capture thread's side of what it shares with the window.
pub(super) struct CaptureContext<'a> {
    shared: &'a CaptureState,
    sinks: &'a FrameSinks,
    number: u64,
    /// See [`LiveFrame::run`].
    run: Cell<u64>,
}

impl CaptureContext<'_> {
    fn run(&self, mut open: Opener) {
        let _guard = PanicGuard(self);
        let mut backoff = Backoff::default();
        loop {
            if lock(&self.shared.control).stop {
                return;
            }
            let lost = match self.ask(&mut open) {
                Ok(mut source) => {
                    let info = source.info().clone();
                    self.opened(info.clone());
                    backoff = Backoff::default();
                    // The source is dropped before the pause: a camera that is held cannot be opened.
                    Playback::new(self, info).run(source.as_mut())
                }
                Err(error) => Some(error),
            };
            let Some(error) = lost else { return };
            if lock(&self.shared.status).info.is_none() {
                // It never was there: trying again is the user's choice.
                self.status(|s| {
                    s.opening = false;
                    s.error = Some(error.to_string());
                });
                return;
            }
            self.lost(&error);
            if !self.pause(backoff.next()) {
                return;
            }
        }
    }

    /// The source is open, for the first time or again.
    fn opened(&self, info: SourceInfo) {
        self.new_run();
        self.status(|s| {
            s.opening = false;
            s.info = Some(info);
            s.returns += u64::from(s.outage.take().is_some());
        });
    }

    /// A source that was open is gone.
    fn lost(&self, error: &SourceError) {
        self.status(|s| {
            let reason = error.to_string();
            s.outage = Some(match s.outage.take() {
                Some(outage) => Outage { reason, tries: outage.tries + 1, ..outage },
                None => Outage { reason, since: Instant::now(), tries: 0 },
            });
        });
    }

    /// Waits before the next try; false when the thread is to end.
    fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut heard = 0;
        loop {
            {
                let mut control = lock(&self.shared.control);
                if control.stop {
                    return false;
                }
                if std::mem::take(&mut control.retry) || Instant::now() >= until {
                    return true;
                }
            }
            heard = self.wait(heard, Some(until));
        }
    }

    /// Asks something of the source, which may take its time: a silent one is noticed by the window.
    pub fn ask<T>(&self, question: impl FnOnce() -> T) -> T {
        *lock(&self.shared.asked) = Some(Instant::now());
        let answer = question();
        *lock(&self.shared.asked) = None;
        answer
    }

    /// What follows does not follow what was shown last.
    pub fn new_run(&self) {
        self.run.set(self.run.get() + 1);
    }

    /// What the window asked for since the last call; a seek or step is handed out once.
    pub fn orders(&self) -> Control {
        let mut control = lock(&self.shared.control);
        let orders = *control;
        (control.seek, control.step) = (None, 0);
        orders
    }

    /// Waits until the window asks for something new, at most until `deadline`; see [`Notifier::wait`].
    pub fn wait(&self, heard: u64, deadline: Option<Instant>) -> u64 {
        self.shared.notifier.wait(heard, deadline)
    }

    /// Hands a frame on. `missed` frames came before it and were never seen.
    pub fn show(&self, frame: Frame, captured: Instant, missed: u64) {
        lock(&self.shared.rate).tick(Instant::now());
        let live = LiveFrame { frame, source: self.number, run: self.run.get(), captured };
        {
            let mut status = lock(&self.shared.status);
            status.position = live.frame.timestamp;
            status.frames += 1;
            status.missed += missed;
        }
        self.sinks.frames.put(live.clone());
        self.sinks.preview.put(live);
        (self.sinks.wake)();
    }

    /// The source is at its end: the transport stops by itself.
    pub fn end(&self) {
        lock(&self.shared.control).transport.playing = false;
        self.status(|s| s.ended = true);
    }

    /// Says what went wrong, and where.
    pub fn fail(&self, error: SourceError, at: Option<Duration>) {
        self.status(|s| (s.error, s.error_at) = (Some(error.to_string()), at));
    }

    pub fn status(&self, change: impl FnOnce(&mut SourceStatus)) {
        change(&mut lock(&self.shared.status));
        (self.sinks.wake)();
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
