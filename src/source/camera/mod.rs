//! Cameras: found and opened through nokhwa, read by a thread of their own.

mod choose;
mod decode;
mod errors;
mod list;
mod native;
mod reader;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use self::reader::{CameraReader, CameraStream, RawPicture, Received};
use super::{CameraFormat, Frame, Source, SourceError, SourceInfo};

pub use list::{CameraInfo, list_cameras};

/// How long a camera may take.
#[derive(Clone, Copy, Debug)]
struct Timeouts {
    /// To open and to send its first picture: some cameras warm up for seconds.
    start: Duration,
    /// Between two pictures; a camera in the dark may expose for a second.
    next: Duration,
}

const TIMEOUTS: Timeouts = Timeouts { start: Duration::from_secs(10), next: Duration::from_secs(5) };
/// This many pictures in a row that cannot be decoded are more than a bad cable.
const MAX_BROKEN: u32 = 30;

/// An open camera. A thread takes every picture at once and keeps only the newest, so that the next frame
/// is always fresh; it is decoded when it is asked for.
pub struct CameraSource {
    info: SourceInfo,
    format: CameraFormat,
    reader: CameraReader,
    timeouts: Timeouts,
    /// The first picture, which opening waits for.
    first: Option<RawPicture>,
    started: Instant,
    ended: bool,
}

impl CameraSource {
    /// Opens the camera with this number, device path or piece of its name.
    ///
    /// # Errors
    /// [`SourceError::NoCamera`], [`SourceError::CameraUnknown`], and the other errors about cameras when
    /// it does not send a first picture.
    pub fn open(camera: &str, format: Option<CameraFormat>) -> Result<Self, SourceError> {
        let (index, name) = list::find(camera, &list::installed()?)?;
        let opener = {
            let name = name.clone();
            move || native::open(index, &name, format)
        };
        Self::start(&name, TIMEOUTS, opener)
    }

    /// The format that was agreed with the camera.
    pub fn format(&self) -> CameraFormat {
        self.format
    }

    /// The camera is opened on the thread that reads it: some systems tie the two together.
    fn start(
        name: &str,
        timeouts: Timeouts,
        opener: impl FnOnce() -> Result<Box<dyn CameraStream>, SourceError> + Send + 'static,
    ) -> Result<Self, SourceError> {
        let (tell, opened) = sync_channel(1);
        let reader = CameraReader::start(name, opener, tell)?;
        let format = match opened.recv_timeout(timeouts.start) {
            Ok(result) => result?,
            Err(RecvTimeoutError::Timeout) => {
                return Err(errors::not_streaming(name, "it does not answer"));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(errors::not_streaming(name, "its driver failed"));
            }
        };
        let first = match reader.take(timeouts.start) {
            Received::Picture(picture) => picture,
            Received::Ended(error) => return Err(error),
            Received::TimedOut => return Err(errors::not_streaming(name, "the first one did not arrive")),
        };
        let size = decode::size(&first.bytes, format);
        let info = SourceInfo {
            title: name.to_owned(),
            size,
            fps: Some(f64::from(format.fps)),
            frames: None,
            duration: None,
            live: true,
            seekable: false,
            notes: Vec::new(),
        };
        let started = first.arrived;
        Ok(CameraSource { info, format, reader, timeouts, first: Some(first), started, ended: false })
    }

    fn take(&mut self) -> Result<RawPicture, SourceError> {
        if let Some(first) = self.first.take()
            && !self.reader.has_newer()
        {
            return Ok(first);
        }
        match self.reader.take(self.timeouts.next) {
            Received::Picture(picture) => Ok(picture),
            Received::Ended(error) => Err(error),
            Received::TimedOut => Err(SourceError::CameraStalled {
                camera: self.info.title.clone(),
                seconds: self.timeouts.next.as_secs(),
            }),
        }
    }

    fn newest(&mut self) -> Result<Frame, SourceError> {
        let mut reason = String::new();
        for _ in 0..MAX_BROKEN {
            let picture = self.take()?;
            match decode::to_rgb(&picture.bytes, self.format) {
                Ok(pixels) => {
                    return Ok(Frame {
                        pixels: Arc::new(pixels),
                        timestamp: picture.arrived.saturating_duration_since(self.started),
                        sequence: picture.number,
                        truth: None,
                        name: None,
                    });
                }
                Err(broken) => reason = broken,
            }
        }
        let reason = format!("its pictures cannot be decoded: {reason}");
        Err(SourceError::Camera { camera: self.info.title.clone(), reason })
    }
}

impl Source for CameraSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        if self.ended {
            return Ok(None);
        }
        let frame = self.newest();
        self.ended = frame.is_err();
        frame.map(Some)
    }

    fn seek(&mut self, _to: Duration) -> Result<(), SourceError> {
        Err(SourceError::NotSeekable { title: self.info.title.clone() })
    }

    fn measured_fps(&self) -> Option<f64> {
        self.reader.rate()
    }
}
