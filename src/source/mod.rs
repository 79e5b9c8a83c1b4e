//! Where frames come from: cameras, video files, pictures, and the rendered mannequin, behind one trait.
//!
//! A source hands out RGB frames with their media time, so that nothing above this folder needs to know
//! whether a frame was decoded, captured or drawn.

mod animation;
mod camera;
mod error;
mod ffmpeg;
mod folder;
mod foreign_picture;
mod jpeg_sequence;
mod kind;
mod limits;
mod mannequin;
mod matroska;
mod natural_order;
mod open;
mod pictures;
mod spec;
mod tiff_pages;
mod video;
mod video_writer;

use std::sync::Arc;
use std::time::Duration;

use image::RgbImage;

use crate::pose::Size;

pub use crate::synth::TruePerson;
pub use camera::{CameraInfo, CameraSource, list_cameras};
pub use error::SourceError;
pub use folder::{FolderPictures, pictures_in};
pub use mannequin::{MANNEQUIN_SIZE, MannequinSource};
pub use open::{open, open_video};
pub use pictures::{PICTURE_TIME, PictureFile, PictureSource, load_picture, pages_of};
pub use spec::{CameraFormat, CameraFormatError, PixelFormat, SourceSpec, spec_from_path};
pub use video::VideoSource;
pub use video_writer::VideoWriter;

/// One picture of a source.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The picture, upright (rotation metadata applied).
    pub pixels: Arc<RgbImage>,
    /// Media time: since the beginning of a video or mannequin; since the start of a camera.
    pub timestamp: Duration,
    /// Counts up by one for each frame of the source, so that a gap means frames that were dropped (a
    /// camera whose newest frame was taken). After a seek it goes on counting; it is not a position.
    pub sequence: u64,
    /// The people in the frame, where they are known (the mannequin).
    pub truth: Option<Arc<Vec<TruePerson>>>,
    /// File name of a picture, without its folder.
    pub name: Option<String>,
}

/// What is known about a source when it is open.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceInfo {
    /// A file name, a camera's name, ...: for a window's title.
    pub title: String,
    /// Size of its frames in pixels (of the first one where they differ: a folder of pictures).
    pub size: Size,
    /// Frames a second: average of a video, agreed rate of a camera; `None` for pictures.
    pub fps: Option<f64>,
    /// Number of frames where the container tells it; an estimate for some video containers.
    pub frames: Option<u64>,
    /// Length in media time; `None` where the container does not tell it, and for cameras and the mannequin, which
    /// have no end.
    pub duration: Option<Duration>,
    /// Frames appear in real time and are lost when nobody takes them (a camera).
    pub live: bool,
    /// [`Source::seek`] works.
    pub seekable: bool,
    /// What a user should know about how it is read, each a sentence.
    pub notes: Vec<String>,
}

/// A stream of frames.
pub trait Source: Send {
    /// What was known when the source was opened; it does not change.
    fn info(&self) -> &SourceInfo;

    /// The next frame, `None` at the end. Cameras wait for the newest frame.
    ///
    /// # Errors
    /// One sentence that names the file or device. After an error the frames handed out so far stay
    /// good; a picture folder goes on with the next picture, other sources have ended.
    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError>;

    /// Goes to a media time: the next frame is the one shown at that time, that is the last one whose
    /// timestamp is not after `to` (the first frame for 0). Pictures count one second each.
    ///
    /// # Errors
    /// [`SourceError::NotSeekable`] for live sources.
    fn seek(&mut self, to: Duration) -> Result<(), SourceError>;

    /// Frames a second that really arrive, of a live source; `None` before it is known, and for others.
    fn measured_fps(&self) -> Option<f64> {
        None
    }
}
