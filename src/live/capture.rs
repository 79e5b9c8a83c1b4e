//! The thread that reads a source: it paces files by their timestamps, drains cameras, and obeys the
//! transport (play, pause, step, seek, loop).

use super::ending;
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

#[derive(Default)]
struct Control {
    transport: Transport,
    seek: Option<Duration>,
    /// Frames to step: +1 forward, -1 back.
    step: i32,
    stop: bool,
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
                let mut player = Player { shared: &shared, outlets: &outlets, number, clock: None };
                player.run(open);
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

/// The state of the capture thread.
struct Player<'a> {
    shared: &'a Shared,
    outlets: &'a Outlets,
    number: u64,
    /// A moment and the media time that was due then.
    clock: Option<(Instant, Duration)>,
}

/// More than this behind its timestamps a source plays slower, instead of catching up in a burst.
const LATE: Duration = Duration::from_millis(150);

impl Player<'_> {
    fn run(&mut self, open: Opener) {
        if lock(&self.shared.control).stop {
            return;
        }
        let guard = PanicGuard(self);
        let opened = open();
        let player = &mut *guard.0;
        let mut source = match opened {
            Ok(source) => source,
            Err(error) => {
                player.status(|s| {
                    s.opening = false;
                    s.error = Some(error.to_string());
                });
                return;
            }
        };
        let info = source.info().clone();
        player.status(|s| {
            s.opening = false;
            s.info = Some(info.clone());
        });
        player.play(source.as_mut(), &info);
    }

    /// Until told to stop.
    fn play(&mut self, source: &mut dyn Source, info: &SourceInfo) {
        let frame_time = Duration::from_secs_f64(1.0 / info.fps.unwrap_or(1.0).clamp(0.1, 1000.0));
        let mut heard = 0;
        let mut pending: Option<Frame> = None;
        // A seek or a step shows one frame also while paused; so does opening.
        let mut show_one = true;
        let mut ended = false;
        let mut position = Duration::ZERO;
        let mut since_start = 0u64;
        let mut numbered: Option<u64> = None;
        loop {
            let (transport, seek, step) = {
                let mut control = lock(&self.shared.control);
                if control.stop {
                    return;
                }
                (control.transport, control.seek.take(), std::mem::take(&mut control.step))
            };
            let target = match (seek, step) {
                (Some(to), _) => Some(to),
                // The frame before this one is the last that is not after half a frame earlier.
                (None, -1) => Some(position.saturating_sub(frame_time / 2)),
                (None, 1) => {
                    show_one = true;
                    None
                }
                _ if ended && transport.playing => Some(Duration::ZERO),
                _ => None,
            };
            if let Some(to) = target.filter(|_| info.seekable) {
                pending = None;
                self.clock = None;
                show_one = true;
                ended = false;
                if let Err(error) = source.seek(to) {
                    self.fail(error);
                }
                self.status(|s| s.ended = false);
            }
            let running = transport.playing && !ended;
            let wanted = running || (show_one && !ended);
            if !wanted && !info.live {
                self.clock = None;
                heard = self.shared.bell.wait(heard, None);
                continue;
            }
            let next = match pending.take() {
                Some(frame) => Ok(Some(frame)),
                None => source.next_frame(),
            };
            match next {
                Ok(Some(frame)) => {
                    let due = if info.live || show_one {
                        let now = Instant::now();
                        // The frames after it are due as long after it as their timestamps say.
                        self.clock = running.then_some((now, frame.timestamp));
                        now
                    } else {
                        let (due, skip_to) = self.due(frame.timestamp);
                        // What is drawn on demand skips what it was too slow for; a file plays slower.
                        let endless = info.seekable && info.duration.is_none();
                        if let Some(to) = skip_to.filter(|_| endless) {
                            match source.seek(to) {
                                Ok(()) => self.clock = Some((due, to)),
                                Err(error) => self.fail(error),
                            }
                        }
                        due
                    };
                    if due > Instant::now() {
                        // Woken by the transport before the frame is due: look at it again.
                        let rung = self.shared.bell.wait(heard, Some(due));
                        if rung != heard {
                            heard = rung;
                            pending = Some(frame);
                            continue;
                        }
                    }
                    let missed = numbered.map_or(0, |last| frame.sequence.saturating_sub(last + 1));
                    numbered = Some(frame.sequence);
                    // A paused camera is drained, so that it goes on with a fresh picture.
                    if running || show_one {
                        position = frame.timestamp;
                        since_start += 1;
                        show_one = false;
                        self.hand_on(frame, due, missed);
                    }
                }
                Ok(None) => {
                    // One picture is not drawn again and again, and an empty source not asked forever.
                    let again =
                        transport.looping && info.seekable && info.frames != Some(1) && since_start > 0;
                    since_start = 0;
                    show_one = false;
                    self.clock = None;
                    if again {
                        if let Err(error) = source.seek(Duration::ZERO) {
                            self.fail(error);
                            ended = true;
                        }
                    } else {
                        ended = true;
                    }
                    if ended {
                        lock(&self.shared.control).transport.playing = false;
                        self.status(|s| s.ended = true);
                    }
                }
                Err(error) => {
                    self.fail(error);
                    // A folder goes on with its next picture; other sources are over.
                    if info.fps.is_some() || info.live {
                        ended = true;
                        lock(&self.shared.control).transport.playing = false;
                        self.status(|s| s.ended = true);
                        if info.live {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// When a frame is to be shown; and, if that is long past, the media time that is due now.
    fn due(&mut self, timestamp: Duration) -> (Instant, Option<Duration>) {
        let now = Instant::now();
        let (start, media) = *self.clock.get_or_insert((now, timestamp));
        // A timestamp before the clock's start (a damaged file) is due now.
        let due = start + timestamp.saturating_sub(media);
        if now > due + LATE {
            self.clock = Some((now, timestamp));
            lock(&self.shared.status).late += 1;
            return (now, Some(media + now.saturating_duration_since(start)));
        }
        (due, None)
    }

    fn hand_on(&self, frame: Frame, captured: Instant, missed: u64) {
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

    fn fail(&self, error: SourceError) {
        self.status(|s| s.error = Some(error.to_string()));
    }

    fn status(&self, change: impl FnOnce(&mut SourceStatus)) {
        change(&mut lock(&self.shared.status));
        (self.outlets.wake)();
    }
}

/// Turns a panic inside a decoder or driver into a message, instead of a picture that stands still.
struct PanicGuard<'a, 'b>(&'a mut Player<'b>);

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
