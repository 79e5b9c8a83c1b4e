//! One run of ffmpeg over a video: RGB frames of one size with their times, until the end.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::process::{ChildStderr, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use image::RgbImage;

use super::input::VideoInput;
use super::showinfo::{LogLine, TimeBase, read_line};
use crate::pose::Size;
use crate::source::SourceError;
use crate::source::ffmpeg::{self, OwnedChild, Programs};

/// Where a run begins, in seconds after the container's start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum StartAt {
    Beginning,
    /// The first frame at or after this time; the decoder works from the keyframe before but keeps quiet.
    Time(f64),
    /// The last keyframe at or before this time.
    KeyframeBefore(f64),
}

/// A decoded frame.
pub(super) struct DecodedFrame {
    pub pixels: RgbImage,
    /// The container's own time and its unit, where it has one.
    pub time: Option<(i64, TimeBase)>,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamEnd {
    /// The errors that ffmpeg logged. Those before the first frame count where the run began with the file: elsewhere the
    /// decoder may have started between keyframes, which is not the file's fault.
    pub errors: Vec<String>,
    /// ffmpeg itself says that it failed, or it was ended from outside.
    pub failed: bool,
}

/// A running ffmpeg. Dropping it ends the child.
///
/// One thread reads the pixels and one the log, so that neither pipe can block ffmpeg while the other is waited for.
pub(super) struct Decoder {
    child: OwnedChild,
    frames: Receiver<Vec<u8>>,
    log: Receiver<LogLine>,
    readers: Vec<JoinHandle<()>>,
    size: Size,
    time_base: Option<TimeBase>,
    from_beginning: bool,
    count: u64,
    errors: VecDeque<String>,
}

/// Errors that tell nothing about the file, but about where decoding began, or about times that the
/// raw output rounds (ours come from the log).
const HARMLESS: [&str; 4] =
    ["co located POCs unavailable", "mmco: unref short failure", "no frame!", "dts to muxer"];
/// More than these are not kept: a damaged file can produce one for every block.
const MAX_ERRORS: usize = 16;
/// ffmpeg is given up when no frame comes for so long: its longest pauses are a second or two, at the start of a large file
/// on a slow disk.
const PATIENCE: Duration = Duration::from_secs(40);
/// Time from one look at the flag to stop to the next.
const GLANCE: Duration = Duration::from_millis(50);
/// A frame's line is written before its pixels, so it is there or about to be.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

impl Decoder {
    pub fn start(input: &VideoInput, start: StartAt, programs: &Programs) -> Result<Self, SourceError> {
        let path = &input.path;
        let mut command = programs.ffmpeg();
        command.args(["-nostdin", "-hide_banner", "-nostats", "-loglevel", "repeat+level+info"]);
        // The container's own times, so that frames have the same time after every seek.
        command.arg("-copyts");
        match start {
            StartAt::Beginning => {}
            StartAt::Time(seconds) => {
                command.args(["-ss", &format!("{seconds:.6}")]);
            }
            StartAt::KeyframeBefore(seconds) => {
                command.args(["-noaccurate_seek", "-ss", &format!("{seconds:.6}")]);
            }
        }
        command.args(input.format.map(|format| ["-f", format]).into_iter().flatten());
        command.arg("-i").arg(ffmpeg::file_argument(path));
        command.args(["-map", &format!("0:{}", input.stream), "-an", "-sn", "-dn", "-vf", &input.filters()]);
        command.args(ffmpeg::keep_timestamps(programs));
        command.args(["-f", "rawvideo", "pipe:1"]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map(OwnedChild)
            .map_err(|e| ffmpeg::start_error(path, "ffmpeg", &e))?;
        let no_pipe = || failed(path, "ffmpeg has no pipe".to_owned());
        let pixels = child.0.stdout.take().ok_or_else(no_pipe)?;
        let errors = child.0.stderr.take().ok_or_else(no_pipe)?;
        // One frame waits while the next one is read.
        let (frame_sender, frames) = sync_channel(1);
        let (line_sender, log) = channel();
        let bytes = input.size.area() * 3;
        let readers = vec![
            thread(path, "video pixels", move || forward_frames(pixels, bytes, &frame_sender))?,
            thread(path, "video log", move || forward_log(errors, &line_sender))?,
        ];
        Ok(Decoder {
            child,
            frames,
            log,
            readers,
            size: input.size,
            time_base: None,
            from_beginning: start == StartAt::Beginning,
            count: 0,
            errors: VecDeque::new(),
        })
    }

    /// The next frame, or how the run ended; it ends soon after `stop` is raised.
    pub fn next(&mut self, stop: &AtomicBool) -> Result<DecodedFrame, StreamEnd> {
        let patience = Instant::now() + PATIENCE;
        let bytes = loop {
            match self.frames.recv_timeout(GLANCE) {
                Ok(bytes) => break bytes,
                Err(RecvTimeoutError::Disconnected) => return Err(self.end(false)),
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => return Err(self.end(true)),
                Err(RecvTimeoutError::Timeout) if Instant::now() > patience => {
                    self.keep_error(format!("ffmpeg gave no frame for {} seconds", PATIENCE.as_secs()));
                    return Err(self.end(true));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        let time = self.time_of_frame();
        if self.count == 0 && !self.from_beginning {
            self.errors.clear();
        }
        self.count += 1;
        match RgbImage::from_raw(self.size.width, self.size.height, bytes) {
            Some(pixels) => Ok(DecodedFrame { pixels, time }),
            None => Err(self.end(true)),
        }
    }

    /// Whether ffmpeg has logged an error about the file.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The time in the next frame's line.
    fn time_of_frame(&mut self) -> Option<(i64, TimeBase)> {
        let deadline = Instant::now() + LOG_PATIENCE;
        loop {
            let line = self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
            match line {
                LogLine::TimeBase(base) => self.time_base = Some(base),
                LogLine::Frame(pts) => return pts.zip(self.time_base),
                LogLine::Error(text) => self.keep_error(text),
                LogLine::Other => {}
            }
        }
    }

    fn keep_error(&mut self, text: String) {
        if self.errors.len() < MAX_ERRORS && !HARMLESS.iter().any(|h| text.contains(h)) {
            self.errors.push_back(text);
        }
    }

    fn end(&mut self, cut: bool) -> StreamEnd {
        if cut {
            let _ = self.child.0.kill();
        }
        let failed = self.child.0.wait().map_or(true, |status| !status.success());
        while let Ok(line) = self.log.recv() {
            if let LogLine::Error(text) = line {
                self.keep_error(text);
            }
        }
        StreamEnd { errors: self.errors.drain(..).collect(), failed: failed || cut }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let _ = self.child.0.kill();
        // Nobody listens any more, so that a thread that waits to hand on a frame ends.
        self.frames = sync_channel(0).1;
        for reader in self.readers.drain(..) {
            // It ends with the child's pipe; it has nothing to report.
            let _ = reader.join();
        }
    }
}

fn failed(path: &Path, reason: String) -> SourceError {
    SourceError::Video { path: path.to_owned(), reason }
}

fn thread(
    path: &Path,
    name: &str,
    job: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, SourceError> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(job);
    started.map_err(|e| failed(path, e.to_string()))
}

/// Hands on frames of so many bytes until ffmpeg ends or nobody wants them. What is left of a frame that was cut short is
/// no frame; ffmpeg's log says why.
fn forward_frames(mut pixels: ChildStdout, bytes: usize, sender: &SyncSender<Vec<u8>>) {
    loop {
        let mut frame = vec![0; bytes];
        match pixels.read_exact(&mut frame) {
            Ok(()) if sender.send(frame).is_ok() => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

/// Sends on what matters of ffmpeg's log until it ends. What waits in the channel stays small: ffmpeg is
/// only as far ahead as the pipe of pixels lets it be.
fn forward_log(errors: ChildStderr, sender: &Sender<LogLine>) {
    let mut lines = BufReader::new(errors);
    let mut line = Vec::new();
    // Bytes, not text: names in a file's metadata can be in any encoding.
    while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let parsed = read_line(&String::from_utf8_lossy(&line));
        line.clear();
        if parsed != LogLine::Other && sender.send(parsed).is_err() {
            // Nobody listens any more; go on reading so that ffmpeg is not blocked while it ends.
            continue;
        }
    }
}
