//! The thread that reads a source, and what it shares with the window. How it paces and obeys is in
//! `playback`.

use super::ending;
use super::playback::Playback;
use super::rate::Rate;
use super::slot::{Bell, Slot, lock};
use crate::source::{Frame, Source, SourceError, SourceInfo};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A frame on its way through the pipeline.
#[derive(Clone, Debug)]
pub struct LiveFrame {
    pub frame: Frame,
    /// Which opened source it came from; rises by one with each source.
    pub source: u64,
    /// When it was due (files) or arrived (cameras): the beginning of its age.
    pub captured: Instant,
}

/// What the transport bar asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Transport {
    pub playing: bool,
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

/// Opens the source on the capture thread, since a camera may take seconds to answer.
pub type Opener = Box<dyn FnOnce() -> Result<Box<dyn Source>, SourceError> + Send>;

/// What the window wants of the capture thread.
#[derive(Clone, Copy, Default)]
pub(super) struct Control {
    pub transport: Transport,
    pub seek: Option<Duration>,
    /// Frames to step: +1 forward, -1 back.
    pub step: i32,
    pub stop: bool,
}

struct Shared {
    control: Mutex<Control>,
    bell: Bell,
    status: Mutex<SourceStatus>,
    rate: Mutex<Rate>,
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Control)) {
        change(&mut lock(&self.control));
        self.bell.ring();
    }
}

/// Where the capture thread leaves its frames.
#[derive(Clone)]
pub(super) struct Outlets {
    /// For the network.
    pub frames: Arc<Slot<LiveFrame>>,
    /// For a window that shows frames before their poses are known.
    pub preview: Arc<Slot<LiveFrame>>,
    /// Tells the window that something changed.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

/// The running capture thread. Dropping it stops and joins the thread.
pub(super) struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Starts a thread that first waits for `previous` to end (two threads must not hold one camera)
    /// and then opens the source.
    pub fn start(
        open: Opener,
        number: u64,
        transport: Transport,
        outlets: Outlets,
        previous: Option<Capture>,
    ) -> Capture {
        let shared = Arc::new(Shared {
            control: Mutex::new(Control { transport, ..Control::default() }),
            bell: Bell::default(),
            status: Mutex::new(SourceStatus { opening: true, ..SourceStatus::default() }),
            rate: Mutex::default(),
        });
        if let Some(previous) = &previous {
            previous.shared.change(|control| control.stop = true);
        }
        let run = {
            let shared = shared.clone();
            move || {
                drop(previous);
                let desk = Desk { shared: &shared, outlets: &outlets, number };
                desk.run(open);
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
        status
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
            ending::join(thread);
        }
    }
}

/// The capture thread's side of what it shares with the window.
pub(super) struct Desk<'a> {
    shared: &'a Shared,
    outlets: &'a Outlets,
    number: u64,
}

impl Desk<'_> {
    fn run(&self, open: Opener) {
        if lock(&self.shared.control).stop {
            return;
        }
        let _guard = PanicGuard(self);
        match open() {
            Ok(mut source) => {
                let info = source.info().clone();
                self.status(|s| {
                    s.opening = false;
                    s.info = Some(info.clone());
                });
                Playback::new(self, info).run(source.as_mut());
            }
            Err(error) => self.status(|s| {
                s.opening = false;
                s.error = Some(error.to_string());
            }),
        }
    }

    /// What the window asked for since the last call; a seek or step is handed out once.
    pub fn orders(&self) -> Control {
        let mut control = lock(&self.shared.control);
        let orders = *control;
        (control.seek, control.step) = (None, 0);
        orders
    }

    /// Waits until the window asks for something new, at most until `deadline`; see [`Bell::wait`].
    pub fn wait(&self, heard: u64, deadline: Option<Instant>) -> u64 {
        self.shared.bell.wait(heard, deadline)
    }

    /// Hands a frame on. `missed` frames came before it and were never seen.
    pub fn show(&self, frame: Frame, captured: Instant, missed: u64) {
        lock(&self.shared.rate).tick(Instant::now());
        let live = LiveFrame { frame, source: self.number, captured };
        {
            let mut status = lock(&self.shared.status);
            status.position = live.frame.timestamp;
            status.frames += 1;
            status.missed += missed;
        }
        self.outlets.frames.put(live.clone());
        self.outlets.preview.put(live);
        (self.outlets.wake)();
    }

    /// The source is at its end: the transport stops by itself.
    pub fn end(&self) {
        lock(&self.shared.control).transport.playing = false;
        self.status(|s| s.ended = true);
    }

    pub fn fail(&self, error: SourceError) {
        self.status(|s| s.error = Some(error.to_string()));
    }

    pub fn status(&self, change: impl FnOnce(&mut SourceStatus)) {
        change(&mut lock(&self.shared.status));
        (self.outlets.wake)();
    }
}

/// Turns a panic inside a decoder or driver into a message, instead of a picture that stands still.
struct PanicGuard<'a, 'b>(&'a Desk<'b>);

impl Drop for PanicGuard<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.status(|s| {
                s.opening = false;
                s.ended = true;
                s.error = Some("the source stopped by an internal error: open it again".into());
            });
        }
    }
}
