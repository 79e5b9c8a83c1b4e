//! What the capture thread shares with the window: the transport's orders go in, frames and the source's
//! status come out.

use super::outage::Outage;
use super::rate::Rate;
use super::slot::{Notifier, Slot, lock};
use crate::source::{Frame, SourceError, SourceInfo};
use std::cell::Cell;
use std::sync::{Arc, Mutex};
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

/// What the window and the capture thread share.
pub(super) struct CaptureState {
    pub control: Mutex<Control>,
    notifier: Notifier,
    pub status: Mutex<SourceStatus>,
    pub rate: Mutex<Rate>,
    /// Since when the thread has been inside a call of the source.
    pub asked: Mutex<Option<Instant>>,
}

impl CaptureState {
    pub fn new(transport: Transport) -> CaptureState {
        CaptureState {
            control: Mutex::new(Control { transport, ..Control::default() }),
            notifier: Notifier::default(),
            status: Mutex::new(SourceStatus { opening: true, ..SourceStatus::default() }),
            rate: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// Asks something of the capture thread and wakes it.
    pub fn change(&self, change: impl FnOnce(&mut Control)) {
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

/// The capture thread's side of what it shares with the window.
pub(super) struct CaptureContext<'a> {
    shared: &'a CaptureState,
    sinks: &'a FrameSinks,
    /// See [`LiveFrame::source`].
    number: u64,
    /// See [`LiveFrame::run`].
    run: Cell<u64>,
}

impl<'a> CaptureContext<'a> {
    pub fn new(shared: &'a CaptureState, sinks: &'a FrameSinks, number: u64) -> CaptureContext<'a> {
        CaptureContext { shared, sinks, number, run: Cell::new(0) }
    }

    /// True once the source was open.
    pub fn was_open(&self) -> bool {
        lock(&self.shared.status).info.is_some()
    }

    /// The source is open, for the first time or again.
    pub fn opened(&self, info: SourceInfo) {
        self.new_run();
        self.status(|s| {
            s.opening = false;
            s.info = Some(info);
            s.returns += u64::from(s.outage.take().is_some());
        });
    }

    /// A source that was open is gone.
    pub fn lost(&self, error: &SourceError) {
        self.status(|s| {
            let reason = error.to_string();
            s.outage = Some(match s.outage.take() {
                Some(outage) => Outage { reason, tries: outage.tries + 1, ..outage },
                None => Outage { reason, since: Instant::now(), tries: 0 },
            });
        });
    }

    /// Waits before the next try; false when the thread is to end.
    pub fn pause(&self, time: Duration) -> bool {
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

    /// True when the thread is to end.
    pub fn stopped(&self) -> bool {
        lock(&self.shared.control).stop
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
