//! What the capture thread does with a source: it paces files by their timestamps, drains cameras, and
//! obeys the transport (play, pause, step, seek, loop).

use super::capture_context::{CaptureContext, Control};
use crate::source::{Frame, Source, SourceError, SourceInfo};
use std::time::{Duration, Instant};

/// More than this behind its timestamps a source plays slower, instead of catching up in a burst.
const LATE: Duration = Duration::from_millis(150);

/// A source that is being played.
pub(super) struct Playback<'a> {
    context: &'a CaptureContext<'a>,
    info: SourceInfo,
    /// A time and the media time that was due then.
    clock: Option<(Instant, Duration)>,
    /// Read, but not yet due.
    pending: Option<Frame>,
    /// One frame is shown also while paused: after opening, a seek and a step.
    show_one: bool,
    ended: bool,
    /// Timestamp of the frame shown last.
    position: Duration,
    /// Frames shown since the last end.
    since_end: u64,
    /// The source's own number of the frame read last.
    numbered: Option<u64>,
    /// Rings of the window's notifier that were answered.
    heard: u64,
}

impl<'a> Playback<'a> {
    pub fn new(context: &'a CaptureContext<'a>, info: SourceInfo) -> Playback<'a> {
        Playback {
            context,
            info,
            clock: None,
            pending: None,
            show_one: true,
            ended: false,
            position: Duration::ZERO,
            since_end: 0,
            numbered: None,
            heard: 0,
        }
    }

    /// Plays until told to stop. Returns early when a camera fails, with what happened.
    pub fn run(&mut self, source: &mut dyn Source) -> Option<SourceError> {
        loop {
            let orders = self.context.orders();
            if orders.stop {
                return None;
            }
            self.obey(source, orders);
            let running = orders.transport.playing && !self.ended;
            let wanted = running || (self.show_one && !self.ended);
            // A paused camera is drained, so that it goes on with a fresh picture.
            if !wanted && !self.info.live {
                self.clock = None;
                self.heard = self.context.wait(self.heard, None);
                continue;
            }
            let next = match self.pending.take() {
                Some(frame) => Ok(Some(frame)),
                None => self.context.ask(|| source.next_frame()),
            };
            match next {
                Ok(Some(frame)) => self.frame(source, frame, running),
                Ok(None) => self.end(source, orders.transport.looping),
                Err(error) if self.info.live => return Some(error),
                Err(error) => self.error(source, error, orders.transport.looping),
            }
        }
    }

    /// Carries out a seek or a step, and starts again when play is pressed at the end.
    fn obey(&mut self, source: &mut dyn Source, orders: Control) {
        let target = match (orders.seek, orders.step) {
            (Some(to), _) => Some(to),
            // The frame before this one is the last that is not after half a frame earlier.
            (None, -1) => Some(self.position.saturating_sub(self.frame_time() / 2)),
            (None, 1) => {
                self.show_one = true;
                None
            }
            _ if self.ended && orders.transport.playing => Some(Duration::ZERO),
            _ => None,
        };
        let Some(to) = target.filter(|_| self.info.seekable) else { return };
        self.pending = None;
        self.clock = None;
        self.show_one = true;
        self.ended = false;
        self.context.status(|s| (s.ended, s.error, s.error_at) = (false, None, None));
        self.seek(source, to);
    }

    /// Goes elsewhere; false when that failed, which is said.
    fn seek(&mut self, source: &mut dyn Source, to: Duration) -> bool {
        self.context.new_run();
        let sought = self.context.ask(|| source.seek(to));
        sought.map_err(|error| self.context.fail(error, Some(to))).is_ok()
    }

    /// Shows a frame when it is due, or keeps it when the window asks for something before that.
    fn frame(&mut self, source: &mut dyn Source, frame: Frame, running: bool) {
        let due = self.due(source, &frame, running);
        if due > Instant::now() {
            let rung = self.context.wait(self.heard, Some(due));
            if rung != self.heard {
                self.heard = rung;
                self.pending = Some(frame);
                return;
            }
        }
        let missed = self.numbered.map_or(0, |last| frame.sequence.saturating_sub(last + 1));
        self.numbered = Some(frame.sequence);
        if running || self.show_one {
            self.position = frame.timestamp;
            self.since_end += 1;
            self.show_one = false;
            self.context.show(frame, due, missed);
        }
    }

    /// The moment at which a frame is to be shown.
    fn due(&mut self, source: &mut dyn Source, frame: &Frame, running: bool) -> Instant {
        let now = Instant::now();
        let timestamp = frame.timestamp;
        if self.info.live || self.show_one {
            // The frames after it are due as long after it as their timestamps say.
            self.clock = running.then_some((now, timestamp));
            return now;
        }
        let (start, media) = *self.clock.get_or_insert((now, timestamp));
        // A timestamp before the clock's start (a damaged file) is due now.
        let due = start + timestamp.saturating_sub(media);
        if now <= due + LATE {
            return due;
        }
        self.context.status(|s| s.late += 1);
        self.clock = Some((now, timestamp));
        // What is drawn on demand skips what it was too slow for; a file plays slower.
        if self.info.seekable && self.info.duration.is_none() {
            let to = media + now.saturating_duration_since(start);
            match source.seek(to) {
                Ok(()) => self.clock = Some((now, to)),
                Err(error) => self.context.fail(error, Some(to)),
            }
        }
        now
    }

    /// Begins again, or stops the transport.
    fn end(&mut self, source: &mut dyn Source, looping: bool) {
        // One picture is not shown again and again, and an empty source not asked forever.
        let again = looping && self.info.seekable && self.info.frames != Some(1) && self.since_end > 0;
        self.since_end = 0;
        self.show_one = false;
        self.clock = None;
        self.ended = !again;
        if again && !self.seek(source, Duration::ZERO) {
            self.ended = true;
        }
        if self.ended {
            self.context.end();
        }
    }

    /// A folder goes on with its next picture. Of a damaged video that is all that can be read, and with the
    /// loop on it is played again.
    fn error(&mut self, source: &mut dyn Source, error: SourceError, looping: bool) {
        let timed = self.info.fps.is_some();
        self.context.fail(error, timed.then_some(self.position));
        if timed {
            self.end(source, looping);
        }
    }

    /// Pictures count one second each.
    fn frame_time(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.info.fps.unwrap_or(1.0).clamp(0.1, 1000.0))
    }
}
