//! One run of ffmpeg over a video: RGB frames with their times, until the end.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::process::{ChildStderr, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use image::RgbImage;

use super::showinfo::{LogLine, ShowinfoFrame, TimeBase, read_line};
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
    /// The container's own time.
    pub pts: Option<i64>,
    pub time_base: TimeBase,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamEnd {
    /// The errors that ffmpeg logged after the first frame (before it, the decoder may have started
    /// between keyframes, which is not the file's fault), or at all when there was no frame.
    pub errors: Vec<String>,
    /// ffmpeg itself says that it failed, or it was ended from outside.
    pub failed: bool,
}

/// A running ffmpeg. Dropping it ends the child.
pub(super) struct Decoder {
    child: OwnedChild,
    pixels: ChildStdout,
    log: Receiver<LogLine>,
    reader: Option<JoinHandle<()>>,
    time_base: Option<TimeBase>,
    frames: u64,
    errors: VecDeque<String>,
}

/// Errors that tell nothing about the file, but about where decoding began, or about times that the
/// raw output rounds (ours come from the log).
const HARMLESS: [&str; 4] =
    ["co located POCs unavailable", "mmco: unref short failure", "no frame!", "dts to muxer"];
/// More than these are not kept: a damaged file can produce one for every block.
const MAX_ERRORS: usize = 16;

impl Decoder {
    pub fn start(path: &Path, stream: u32, start: StartAt, programs: &Programs) -> Result<Self, SourceError> {
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
        // Rotation metadata is applied by ffmpeg before our filters; pixels that are not square are
        // stretched so that people keep their proportions.
        let filters = "scale=w=trunc(iw*sar+0.5):h=ih,setsar=1,format=rgb24,showinfo=checksum=0";
        command.arg("-i").arg(ffmpeg::file_argument(path));
        command.args(["-map", &format!("0:{stream}"), "-an", "-sn", "-dn", "-vf", filters]);
        command.args(ffmpeg::keep_timestamps(programs));
        command.args(["-f", "rawvideo", "pipe:1"]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map(OwnedChild)
            .map_err(|e| ffmpeg::start_error(path, "ffmpeg", &e))?;
        let no_pipe =
            || SourceError::Video { path: path.to_owned(), reason: "ffmpeg has no pipe".to_owned() };
        let pixels = child.0.stdout.take().ok_or_else(no_pipe)?;
        let errors = child.0.stderr.take().ok_or_else(no_pipe)?;
        let (sender, log) = channel();
        let reader = std::thread::Builder::new()
            .name("video log".to_owned())
            .spawn(move || forward_log(errors, &sender))
            .map_err(|e| SourceError::Video { path: path.to_owned(), reason: e.to_string() })?;
        Ok(Decoder {
            child,
            pixels,
            log,
            reader: Some(reader),
            time_base: None,
            frames: 0,
            errors: VecDeque::new(),
        })
    }

    /// The next frame, or how the run ended.
    pub fn next(&mut self) -> Result<DecodedFrame, StreamEnd> {
        // The line comes before the frame, so waiting for it cannot block the pipe; when ffmpeg ends,
        // the log is closed.
        while let Ok(line) = self.log.recv() {
            match line {
                LogLine::TimeBase(base) => self.time_base = Some(base),
                LogLine::Frame(announced) => return self.read(announced),
                LogLine::Error(text) => self.keep_error(text),
                LogLine::Other => {}
            }
        }
        Err(self.end(false))
    }

    /// Whether ffmpeg has logged an error about the file.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    fn read(&mut self, announced: ShowinfoFrame) -> Result<DecodedFrame, StreamEnd> {
        let Size { width, height } = announced.size;
        let Some(time_base) = self.time_base else { return Err(self.end(true)) };
        let mut bytes = vec![0; width as usize * height as usize * 3];
        if let Err(error) = self.pixels.read_exact(&mut bytes) {
            if error.kind() != ErrorKind::UnexpectedEof {
                self.keep_error(error.to_string());
            }
            return Err(self.end(true));
        }
        if self.frames == 0 {
            self.errors.clear();
        }
        self.frames += 1;
        match RgbImage::from_raw(width, height, bytes) {
            Some(pixels) => Ok(DecodedFrame { pixels, pts: announced.pts, time_base }),
            None => Err(self.end(true)),
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
        if let Some(reader) = self.reader.take() {
            // It ends with the child's log; it has nothing to report.
            let _ = reader.join();
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
