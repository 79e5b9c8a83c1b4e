//! Animated GIF, PNG and WebP files.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, DynamicImage, Frames, ImageDecoder, ImageFormat, ImageResult};

use super::{Frame, Source, SourceError, SourceInfo, limits, pictures};
use crate::pose::Size;
use crate::vision::flatten;

/// A frame that is to last less than browsers' shortest lasts what they make of it.
const SHORTEST: Duration = Duration::from_millis(20);
const INSTEAD: Duration = Duration::from_millis(100);

/// The frames of an animation, one after the other.
pub struct AnimationSource {
    path: PathBuf,
    format: ImageFormat,
    info: SourceInfo,
    /// From a thread of its own: that library's frames cannot be sent to another one.
    frames: Receiver<ImageResult<image::Frame>>,
    /// A frame that a seek has decoded already.
    waiting: Option<Frame>,
    /// When the next frame begins.
    time: Duration,
    sequence: u64,
}

impl AnimationSource {
    /// Opens the file, which has the `format`.
    ///
    /// # Errors
    /// It cannot be read, or is too large.
    pub(super) fn open(path: &Path, format: ImageFormat) -> Result<AnimationSource, SourceError> {
        let (frames, size) = decode(path, format)?;
        let title = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let info = SourceInfo {
            title,
            size,
            fps: None,
            frames: None,
            duration: None,
            live: false,
            seekable: true,
            notes: Vec::new(),
        };
        let path = path.to_owned();
        Ok(AnimationSource { path, format, info, frames, waiting: None, time: Duration::ZERO, sequence: 0 })
    }

    fn decode(&mut self) -> Result<Option<Frame>, SourceError> {
        let frame = match self.frames.recv() {
            Err(_) => return Ok(None),
            Ok(Ok(frame)) => frame,
            Ok(Err(error)) => return Err(pictures::picture_error(&self.path, &error)),
        };
        let told = Duration::from(frame.delay());
        let timestamp = self.time;
        self.time += if told < SHORTEST { INSTEAD } else { told };
        let pixels = Arc::new(flatten(DynamicImage::from(frame.into_buffer())));
        Ok(Some(Frame { pixels, timestamp, sequence: 0, truth: None, name: None }))
    }
}

/// The frames of a file from the first one on, and their size.
fn decode(
    path: &Path,
    format: ImageFormat,
) -> Result<(Receiver<ImageResult<image::Frame>>, Size), SourceError> {
    let file = BufReader::new(File::open(path).map_err(|e| SourceError::of_access(path, &e))?);
    // One frame waits while the next one is decoded.
    let (sender, frames) = sync_channel(1);
    let send = move |frames: Frames| {
        for frame in frames {
            // What follows a damaged frame builds on it.
            let damaged = frame.is_err();
            if sender.send(frame).is_err() || damaged {
                break;
            }
        }
    };
    // Memory for the canvas, and for the frame that is drawn on it.
    let check = |size: Size| limits::check_memory(path, size, 8 * size.area() as u64).map(|()| size);
    let start = |job: Box<dyn FnOnce() + Send>| {
        let started = std::thread::Builder::new().name("animation".to_owned()).spawn(job);
        started.map_err(|e| SourceError::of_access(path, &e))
    };
    let wrong = |e: image::ImageError| pictures::picture_error(path, &e);
    let size = match format {
        ImageFormat::Gif => {
            let decoder = GifDecoder::new(file).map_err(wrong)?;
            let size = check(decoder.dimensions().into())?;
            start(Box::new(move || send(decoder.into_frames())))?;
            size
        }
        ImageFormat::WebP => {
            let decoder = WebPDecoder::new(file).map_err(wrong)?;
            let size = check(decoder.dimensions().into())?;
            start(Box::new(move || send(decoder.into_frames())))?;
            size
        }
        _ => {
            let decoder = PngDecoder::new(file).map_err(wrong)?;
            let size = check(decoder.dimensions().into())?;
            let decoder = decoder.apng().map_err(wrong)?;
            start(Box::new(move || send(decoder.into_frames())))?;
            size
        }
    };
    Ok((frames, size))
}

impl Source for AnimationSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        let frame = match self.waiting.take() {
            Some(frame) => Some(frame),
            None => self.decode()?,
        };
        Ok(frame.map(|frame| {
            let sequence = self.sequence;
            self.sequence += 1;
            Frame { sequence, ..frame }
        }))
    }

    fn seek(&mut self, to: Duration) -> Result<(), SourceError> {
        self.frames = decode(&self.path, self.format)?.0;
        (self.waiting, self.time) = (None, Duration::ZERO);
        // `time` is when the frame after the waiting one begins.
        while let Some(frame) = self.decode()? {
            self.waiting = Some(frame);
            if self.time > to {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::gif::GifEncoder;
    use image::{Delay, Rgba, RgbaImage};

    fn animation() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let frame = |shade: u8, ms| {
            let pixels = RgbaImage::from_pixel(4, 3, Rgba([shade, shade, shade, 255]));
            image::Frame::from_parts(pixels, 0, 0, Delay::from_numer_denom_ms(ms, 1))
        };
        let mut bytes = Vec::new();
        GifEncoder::new(&mut bytes).encode_frames([frame(0, 200), frame(100, 0), frame(200, 50)]).unwrap();
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn frames_last_as_a_browser_shows_them_and_seeks_find_them() {
        let (_folder, path) = animation();
        let mut source = AnimationSource::open(&path, ImageFormat::Gif).unwrap();
        assert_eq!(source.info().size, Size::new(4, 3));
        let mut next =
            || source.next_frame().unwrap().map(|f| (f.timestamp.as_millis(), f.pixels[(0, 0)].0[0]));
        assert_eq!(
            [next(), next(), next(), next()],
            [Some((0, 0)), Some((200, 100)), Some((300, 200)), None]
        );
        for (to, found) in [(0, 0), (199, 0), (200, 200), (9999, 300)] {
            source.seek(Duration::from_millis(to)).unwrap();
            let frame = source.next_frame().unwrap().unwrap();
            assert_eq!(frame.timestamp.as_millis(), found, "{to}");
        }
    }
}
