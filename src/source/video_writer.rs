//! Writing a video: H.264 through the `ffmpeg` program, every frame with its own time.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdin, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use image::RgbImage;

use super::ffmpeg::{self, Programs};
use super::{SourceError, matroska};
use crate::files::PendingProcess;
use crate::pose::Size;

/// Lines of ffmpeg's log that are kept to explain a failure.
const KEPT_LINES: usize = 8;
/// An H.264 encoder that ffmpeg may have.
#[derive(Clone, Copy)]
struct VideoEncoder {
    name: &'static str,
    /// For a clear picture.
    options: &'static [&'static str],
}

/// The encoders, the best first.
const ENCODERS: [VideoEncoder; 6] = [
    VideoEncoder { name: "libx264", options: &["-preset", "veryfast", "-crf", "20"] },
    VideoEncoder { name: "h264_videotoolbox", options: &["-q:v", "65"] },
    VideoEncoder { name: "h264_mf", options: &["-quality", "80"] },
    VideoEncoder { name: "libopenh264", options: &["-b:v", "6M"] },
    VideoEncoder { name: "h264_nvenc", options: &["-cq", "22"] },
    VideoEncoder { name: "h264_qsv", options: &["-global_quality", "22"] },
];

/// A video that is being written. [`VideoWriter::finish`] makes it appear under its name; a writer that is
/// dropped before leaves nothing behind.
pub struct VideoWriter {
    path: PathBuf,
    size: Size,
    pixels: Option<ChildStdin>,
    process: PendingProcess,
    log: Option<JoinHandle<Vec<String>>>,
    last: Option<Duration>,
}

impl VideoWriter {
    /// Starts a video of `size` in pixels; the name ends in mp4, m4v, mov or mkv. `fps` is the rate
    /// of the source where it has one; the times of the frames decide. An odd width or height gets one
    /// black column or row, which H.264 needs.
    ///
    /// # Errors
    /// [`SourceError::FfmpegMissing`], or [`SourceError::VideoWrite`] for a folder that is not there, an
    /// unknown ending, or an ffmpeg without an H.264 encoder.
    pub fn create(path: &Path, size: Size, fps: Option<f64>) -> Result<Self, SourceError> {
        Self::create_with(path, size, fps, &Programs::default())
    }

    fn create_with(
        path: &Path,
        size: Size,
        fps: Option<f64>,
        programs: &Programs,
    ) -> Result<Self, SourceError> {
        let failed = |reason: String| SourceError::VideoWrite { path: path.to_owned(), reason };
        let format =
            container(path).ok_or_else(|| failed("its name must end in mp4, mov or mkv".to_owned()))?;
        if size.is_empty() {
            return Err(failed("its frames have no pixels".to_owned()));
        }
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(failed(format!("the folder {} does not exist", folder.display())));
        }
        let encoder = find_encoder(path, programs)?;
        let unfinished = PendingProcess::name_beside(path);
        let mut command = programs.ffmpeg();
        command.args([
            "-hide_banner",
            "-nostats",
            "-loglevel",
            "error",
            "-y",
            "-f",
            "matroska",
            "-i",
            "pipe:0",
        ]);
        command.args(["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv"]);
        command.args(["-c:v", encoder.name]).args(encoder.options).args(["-pix_fmt", "yuv420p"]);
        command.args(["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]);
        // Without the second option times are rounded to a constant rate.
        command.args(ffmpeg::keep_timestamps(programs)).args(["-enc_time_base", "-1"]);
        if format != "matroska" {
            command.args(["-video_track_timescale", "90000", "-movflags", "+faststart"]);
        }
        command.args(["-f", format]).arg(ffmpeg::file_argument(&unfinished));
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|e| ffmpeg::start_error(path, "ffmpeg", &e))?;
        let pixels = child.stdin.take();
        let errors = child.stderr.take();
        let process = PendingProcess::new(child, unfinished);
        let log = std::thread::Builder::new()
            .name("video writer log".to_owned())
            .spawn(move || errors.map(last_lines).unwrap_or_default())
            .map_err(|e| failed(e.to_string()))?;
        let mut writer =
            VideoWriter { path: path.to_owned(), size, pixels, process, log: Some(log), last: None };
        writer.send(&[&matroska::header(size, fps.filter(|fps| fps.is_finite() && *fps > 0.0))])?;
        Ok(writer)
    }

    /// Adds a frame to be shown from `time` on. A time that is not after the one before is moved behind
    /// it, because a video cannot show two frames at once.
    ///
    /// # Errors
    /// [`SourceError::VideoWrite`] for a frame of another size, or when ffmpeg has ended.
    pub fn push(&mut self, frame: &RgbImage, time: Duration) -> Result<(), SourceError> {
        let size = Size::from(frame.dimensions());
        if size != self.size {
            return Err(self.failed(format!("a frame is {size} and the video {}", self.size)));
        }
        let earliest = self.last.map_or(Duration::ZERO, |last| last + Duration::from_millis(1));
        let time = time.max(earliest);
        self.last = Some(time);
        self.send(&[&matroska::frame_header(frame.as_raw().len(), time), frame.as_raw()])
    }

    /// Ends the video and gives it its name.
    ///
    /// # Errors
    /// [`SourceError::VideoWrite`] with what ffmpeg said.
    pub fn finish(mut self) -> Result<(), SourceError> {
        if self.last.is_none() {
            return Err(self.failed("it has no frames".to_owned()));
        }
        drop(self.pixels.take());
        let status = self.process.wait().map_err(|e| self.failed(e.to_string()))?;
        if !status.success() {
            return Err(self.explain());
        }
        let VideoWriter { path, process, .. } = self;
        process.finish(&path).map_err(|e| SourceError::VideoWrite { path, reason: e.to_string() })
    }

    fn send(&mut self, parts: &[&[u8]]) -> Result<(), SourceError> {
        let Some(pipe) = &mut self.pixels else {
            return Err(self.failed("ffmpeg has ended".to_owned()));
        };
        if parts.iter().try_for_each(|part| pipe.write_all(part)).is_err() {
            self.pixels = None;
            return Err(self.explain());
        }
        Ok(())
    }

    /// Why ffmpeg ended, in its own words.
    fn explain(&mut self) -> SourceError {
        // It has ended, or its input is closed and it is about to; its log ends with it.
        let _ = self.process.wait();
        let lines = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        let reason =
            lines.iter().map(|l| ffmpeg::plain_reason(l, self.process.unfinished())).find(|l| !l.is_empty());
        self.failed(reason.unwrap_or_else(|| "ffmpeg ended early".to_owned()))
    }

    fn failed(&self, reason: String) -> SourceError {
        SourceError::VideoWrite { path: self.path.clone(), reason }
    }
}

/// ffmpeg's name of the container that the file's name asks for.
fn container(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "mp4" | "m4v" => Some("mp4"),
        "mov" => Some("mov"),
        "mkv" => Some("matroska"),
        _ => None,
    }
}

/// The best encoder that this ffmpeg has.
fn find_encoder(path: &Path, programs: &Programs) -> Result<VideoEncoder, SourceError> {
    let output = programs.ffmpeg().args(["-hide_banner", "-encoders"]).output();
    let output = output.map_err(|e| ffmpeg::start_error(path, "ffmpeg", &e))?;
    let list = String::from_utf8_lossy(&output.stdout);
    let known: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    ENCODERS.into_iter().find(|encoder| known.contains(&encoder.name)).ok_or_else(|| {
        SourceError::VideoWrite {
            path: path.to_owned(),
            reason: "this ffmpeg has no H.264 encoder; install one with libx264".to_owned(),
        }
    })
}

fn last_lines(errors: ChildStderr) -> Vec<String> {
    let mut kept = VecDeque::new();
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_ffmpeg_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = Programs { ffmpeg: "/nowhere/ffmpeg".into(), ffprobe: "/nowhere/ffprobe".into() };
        let path = folder.path().join("out.mp4");
        let error = VideoWriter::create_with(&path, Size::square(16), None, &nowhere).err().unwrap();
        assert!(matches!(error, SourceError::FfmpegMissing { program: "ffmpeg", .. }), "{error}");
    }

    #[test]
    fn a_folder_that_is_not_there_and_an_unknown_ending_are_refused() {
        let refused = |path: &str| {
            VideoWriter::create(Path::new(path), Size::square(16), None).err().unwrap().to_string()
        };
        assert!(refused("/nowhere/out.mp4").contains("the folder /nowhere does not exist"));
        assert!(refused("/tmp/out.gif").contains("must end in mp4"));
    }
}
