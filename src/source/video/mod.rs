//! Video files: decoded by the `ffmpeg` program, with true timestamps and exact seeks.

mod clock;
mod decoder;
mod input;
pub(super) mod probe;
mod showinfo;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use self::clock::Clock;
use self::decoder::{Decoder, StartAt, StreamEnd};
use self::input::VideoInput;
use self::probe::Probe;
use super::ffmpeg::{self, Programs};
use super::{Frame, Source, SourceError, SourceInfo};

/// A seek decodes this much before its goal, so that the frame shown at that time is among them.
const SEEK_MARGIN: f64 = 1.0;
/// A goal at most this far ahead is reached by decoding on, which is quicker than a new start.
const MAX_DECODE_AHEAD: Duration = Duration::from_secs(1);
/// A video that ends this much before its promised length was cut.
const CUT_TOLERANCE: Duration = Duration::from_millis(500);

/// A video of which at least this part came out has lost little.
const SLIGHT: f64 = 0.95;

/// An open video. It holds one or two frames at a time, whatever the video's length.
pub struct VideoSource {
    input: VideoInput,
    programs: Programs,
    probe: Probe,
    info: SourceInfo,
    /// `None` after the end.
    decoder: Option<Decoder>,
    /// Frames that a seek or the opening has decoded already.
    waiting: VecDeque<Frame>,
    clock: Clock,
    /// Frames decoded since the beginning; `None` after a seek, when the count says nothing.
    decoded_frames: Option<u64>,
    /// A cut that was found while a seek read ahead, to be reported after the waiting frames.
    pending_error: Option<SourceError>,
    /// Time of the frame at which ffmpeg first logged an error.
    first_damage: Option<Duration>,
    sequence: u64,
    /// Raised when nobody waits any more.
    stop: Arc<AtomicBool>,
}

impl VideoSource {
    /// Opens `path` and decodes its first frame.
    ///
    /// # Errors
    /// [`SourceError::FfmpegMissing`]; [`SourceError::NoVideoStream`] for sound; [`SourceError::Video`]
    /// for a file that no frame comes out of.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Self::open_until(path, Arc::default())
    }

    /// As [`VideoSource::open`]; once `stop` is raised nothing waits for ffmpeg any more, and the video is at its end.
    ///
    /// # Errors
    /// As [`VideoSource::open`].
    pub fn open_until(path: &Path, stop: Arc<AtomicBool>) -> Result<Self, SourceError> {
        Self::open_with(path, Programs::default(), stop)
    }

    fn open_with(path: &Path, programs: Programs, stop: Arc<AtomicBool>) -> Result<Self, SourceError> {
        let bytes = std::fs::metadata(path).map_err(|e| SourceError::of_access(path, &e))?.len();
        if bytes == 0 {
            return Err(SourceError::EmptyFile { path: path.to_owned() });
        }
        let format = input::forced_format(path);
        let probe = probe::probe(path, format, &programs)?;
        let input = VideoInput::new(path, format, &probe, &programs);
        super::limits::check(path, input.size)?;
        let title = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let mut notes = Vec::new();
        if probe.streams > 1 {
            let (size, codec) = (probe.size, &probe.codec);
            let (streams, stream) = (probe.streams, probe.stream);
            notes.push(format!(
                "{title} has {streams} videos in it: number {stream} ({size}, {codec}) is shown"
            ));
        }
        if input.lacks_tone_mapping(&probe) {
            notes.push(format!(
                "{title} has a high dynamic range, which this ffmpeg cannot map to a screen's (it lacks zscale): colours \
                 look pale, and fewer people may be found"
            ));
        }
        let estimated =
            || Some((probe.duration?.as_secs_f64() * probe.fps?).round() as u64).filter(|&frames| frames > 0);
        let info = SourceInfo {
            title,
            size: input.size,
            fps: probe.fps,
            frames: probe.frames.or_else(estimated),
            duration: probe.duration,
            live: false,
            seekable: true,
            notes,
        };
        let decoder = Decoder::start(&input, StartAt::Beginning, &programs)?;
        let clock = Clock::new(probe.fps);
        let mut source = VideoSource {
            input,
            programs,
            probe,
            info,
            decoder: Some(decoder),
            waiting: VecDeque::new(),
            clock,
            decoded_frames: Some(0),
            pending_error: None,
            first_damage: None,
            sequence: 0,
            stop,
        };
        match source.decode() {
            Ok(Some(first)) => {
                source.waiting.push_back(first);
                Ok(source)
            }
            Ok(None) => Err(source.unusable("no picture can be decoded".to_owned())),
            Err(SourceError::VideoCut { reason, .. }) => Err(source.unusable(reason)),
            Err(other) => Err(other),
        }
    }

    fn nothing_at(&self, to: Duration) -> SourceError {
        self.unusable(format!("no picture can be decoded at {:.2} s", to.as_secs_f64()))
    }

    fn unusable(&self, reason: String) -> SourceError {
        SourceError::Video { path: self.input.path.clone(), reason }
    }

    /// The next frame out of the decoder.
    fn decode(&mut self) -> Result<Option<Frame>, SourceError> {
        let Some(decoder) = &mut self.decoder else { return Ok(None) };
        match decoder.next(&self.stop) {
            Ok(decoded) => {
                let has_errors = decoder.has_errors();
                let timestamp = self.clock.media_time(decoded.time);
                if has_errors && self.first_damage.is_none() {
                    self.first_damage = Some(timestamp);
                }
                if let Some(count) = &mut self.decoded_frames {
                    *count += 1;
                }
                let pixels = Arc::new(decoded.pixels);
                Ok(Some(Frame { pixels, timestamp, sequence: 0, truth: None, name: None }))
            }
            Err(end) => {
                self.decoder = None;
                if self.stop.load(Ordering::Relaxed) { Ok(None) } else { self.check_end(end) }
            }
        }
    }

    /// Did the video end where it should?
    fn check_end(&self, end: StreamEnd) -> Result<Option<Frame>, SourceError> {
        let reached = self.clock.newest().unwrap_or_default();
        let early = match self.probe.duration {
            Some(length) if self.probe.duration_is_exact => reached + CUT_TOLERANCE < length,
            _ => false,
        };
        // The last frame of a video may last long, so that an early end alone proves nothing: frames
        // must be missing too, where the container counts them.
        let missing = match (self.decoded_frames, self.probe.frames) {
            (Some(decoded_frames), Some(promised)) => decoded_frames + promised / 50 + 2 < promised,
            _ => false,
        };
        let reason = match end.errors.first() {
            Some(line) => ffmpeg::plain_reason(line, &self.input.path),
            None if end.failed => "ffmpeg ended early".to_owned(),
            None if early && missing => {
                format!("it promises {} frames", self.probe.frames.unwrap_or_default())
            }
            None => return Ok(None),
        };
        let slight = self.share_decoded(reached).is_some_and(|share| share >= SLIGHT);
        // It was decoded well beyond the damage: more is lost there than at the end.
        if let Some(at) = self.first_damage.filter(|at| *at + CUT_TOLERANCE < reached && !early) {
            let seconds = at.as_secs_f64();
            return Err(SourceError::VideoDamaged { path: self.input.path.clone(), seconds, reason, slight });
        }
        let frames = self.decoded_frames.unwrap_or(self.sequence);
        Err(SourceError::VideoCut { path: self.input.path.clone(), frames, reason, slight })
    }

    /// Which part of its frames came out, where the container tells how many or how long they are.
    fn share_decoded(&self, reached: Duration) -> Option<f64> {
        if let (Some(decoded), Some(promised)) = (self.decoded_frames, self.probe.frames) {
            return Some(decoded as f64 / promised as f64);
        }
        let step = 1.0 / self.probe.fps.unwrap_or(f64::INFINITY);
        Some((reached.as_secs_f64() + step) / self.probe.duration?.as_secs_f64())
    }

    fn restart(&mut self, start: StartAt) -> Result<(), SourceError> {
        // The old child first: two decoders of a large video would double the memory.
        self.decoder = None;
        self.waiting.clear();
        self.pending_error = None;
        self.first_damage = None;
        self.clock.restart();
        self.decoded_frames = (start == StartAt::Beginning).then_some(0);
        self.decoder = Some(Decoder::start(&self.input, start, &self.programs)?);
        Ok(())
    }

    /// Decodes up to `to` and keeps the frame shown then, and the one after it. False if all frames are
    /// later, or there are none.
    fn read_up_to(&mut self, to: Duration) -> Result<bool, SourceError> {
        let mut shown = self.waiting.pop_front();
        if shown.as_ref().is_some_and(|frame| frame.timestamp > to) {
            return Ok(false);
        }
        let mut next = self.waiting.pop_front();
        loop {
            let frame = match next.take() {
                Some(frame) => Some(frame),
                None => match self.decode() {
                    Ok(frame) => frame,
                    Err(cut @ (SourceError::VideoCut { .. } | SourceError::VideoDamaged { .. }))
                        if shown.is_some() =>
                    {
                        self.pending_error = Some(cut);
                        None
                    }
                    Err(other) => return Err(other),
                },
            };
            let Some(frame) = frame else { break };
            if frame.timestamp > to {
                if shown.is_none() {
                    return Ok(false);
                }
                self.waiting.extend(shown.take());
                self.waiting.push_back(frame);
                return Ok(true);
            }
            shown = Some(frame);
        }
        let found = shown.is_some();
        self.waiting.extend(shown);
        Ok(found)
    }

    /// As [`Self::read_up_to`]; a damaged place before any frame is no more than a failed attempt.
    fn finds(&mut self, to: Duration) -> Result<bool, SourceError> {
        match self.read_up_to(to) {
            Err(SourceError::VideoCut { .. }) => Ok(false),
            other => other,
        }
    }

    /// Is `to` between the next frame and a little later?
    fn is_just_ahead(&self, to: Duration) -> bool {
        let Some(newest) = self.clock.newest() else { return false };
        match self.waiting.front() {
            Some(next) => next.timestamp <= to && to <= next.timestamp + MAX_DECODE_AHEAD,
            None => newest < to && to <= newest + MAX_DECODE_AHEAD,
        }
    }

    /// Seconds after the container's start at which `to` lies.
    fn container_seconds(&self, to: Duration) -> f64 {
        to.as_secs_f64() + self.clock.origin_seconds().unwrap_or(self.probe.start) - self.probe.start
    }
}

impl Source for VideoSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        let frame = match self.waiting.pop_front() {
            Some(frame) => Some(frame),
            None => match self.pending_error.take() {
                Some(cut) => return Err(cut),
                None => self.decode()?,
            },
        };
        Ok(frame.map(|frame| {
            let sequence = self.sequence;
            self.sequence += 1;
            Frame { sequence, ..frame }
        }))
    }

    fn seek(&mut self, to: Duration) -> Result<(), SourceError> {
        let to = self.probe.duration.map_or(to, |length| to.min(length));
        if to.is_zero() {
            return self.restart(StartAt::Beginning);
        }
        if self.decoder.is_some() && self.is_just_ahead(to) && self.finds(to)? {
            return Ok(());
        }
        if self.clock.jumped() {
            // Times of the container lead nowhere.
            self.restart(StartAt::Beginning)?;
            return if self.finds(to)? { Ok(()) } else { Err(self.nothing_at(to)) };
        }
        let goal = self.container_seconds(to);
        let attempts = [
            StartAt::Time((goal - SEEK_MARGIN).max(0.0)),
            // No frame in the last second: one that lasts long, or a seek beyond the last frame.
            StartAt::KeyframeBefore(goal.max(0.0)),
            // The container cannot be sought in.
            StartAt::Beginning,
        ];
        for start in attempts {
            self.restart(start)?;
            if self.finds(to)? {
                return Ok(());
            }
        }
        Err(self.nothing_at(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_ffmpeg_is_explained_with_the_way_to_install_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"something").unwrap();
        let nowhere = Programs { ffmpeg: "/nowhere/ffmpeg".into(), ffprobe: "/nowhere/ffprobe".into() };
        let error = VideoSource::open_with(file.path(), nowhere, Arc::default()).err().unwrap();
        let text = error.to_string();
        assert!(matches!(error, SourceError::FfmpegMissing { program: "ffprobe", .. }), "{text}");
        assert!(
            text.contains("apt install ffmpeg") && text.contains(file.path().to_str().unwrap()),
            "{text}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn nobody_waits_for_an_ffmpeg_that_hangs_once_told_to_stop() {
        use std::os::unix::fs::PermissionsExt;
        /// It does tell its version, which is asked for once.
        const HANGS: &str = "[ \"$1\" = -version ] && echo ffmpeg version 5.1 && exit; exec sleep 100";
        let folder = tempfile::tempdir().unwrap();
        let program = |name: &str, script: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let stream =
            r#"{"index": 0, "codec_type": "video", "width": 8, "height": 8, "avg_frame_rate": "25/1"}"#;
        let ffprobe = program("ffprobe", &format!("echo '{{\"streams\": [{stream}]}}'"));
        let programs = Programs { ffmpeg: program("ffmpeg", HANGS), ffprobe };
        let video = program("a.mp4", "");
        let begin = std::time::Instant::now();
        let opened = VideoSource::open_with(&video, programs, Arc::new(AtomicBool::new(true)));
        assert!(opened.is_err() && begin.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_file_that_is_not_there_or_empty_is_named() {
        let missing = VideoSource::open(Path::new("/nowhere/clip.mp4")).err().unwrap();
        assert_eq!(missing.to_string(), "/nowhere/clip.mp4 does not exist: check the path");
        let empty = tempfile::NamedTempFile::new().unwrap();
        let error = VideoSource::open(empty.path()).err().unwrap();
        assert!(matches!(error, SourceError::EmptyFile { .. }), "{error}");
    }
}
