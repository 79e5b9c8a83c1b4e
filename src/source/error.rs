//! What can go wrong with a source, each as one sentence that names it and the way out.

use crate::pose::Size;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A source could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A path that names nothing.
    #[error("{} does not exist: check the path", path.display())]
    NotFound {
        /// As it was given.
        path: PathBuf,
    },
    /// A file or folder that is there, but that the system does not let us read.
    #[error("{} cannot be read ({reason}): check its permissions", path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// The system's own words.
        reason: String,
    },
    /// A file of 0 bytes.
    #[error("{} is empty (0 bytes): copy or record it again", path.display())]
    EmptyFile {
        /// As it was given.
        path: PathBuf,
    },
    /// Something that is read once, from one end to the other, or not at all.
    #[error("{} is {what} and not a file: save what comes from it as a file, and name that", path.display())]
    NotAFile {
        /// As it was given.
        path: PathBuf,
        /// What it is, with its article.
        what: &'static str,
    },
    /// A picture or video whose frames take more memory than there is.
    #[error("{} is {size} pixels large, which is more than can be read: make it smaller, or leave it out", path.display())]
    TooLarge {
        /// As it was given.
        path: PathBuf,
        /// Of its frames.
        size: Size,
    },
    /// A file that shows nothing, neither by its first bytes nor to ffmpeg.
    #[error(
        "{} is neither a picture nor a video: use jpg, png, webp, bmp, gif or tiff, or any video that ffmpeg reads",
        path.display()
    )]
    UnknownType {
        /// As it was given.
        path: PathBuf,
    },
    /// A folder without a picture directly in it.
    #[error(
        "the folder {} holds no pictures: choose one with jpg, png, webp, bmp, gif or tiff files in it",
        path.display()
    )]
    EmptyFolder {
        /// As it was given.
        path: PathBuf,
    },
    /// A picture source was asked for with an empty list.
    #[error("no pictures were given: name a picture or a folder")]
    NoPictures,
    /// A picture whose data cannot be decoded.
    #[error("the picture {} cannot be decoded ({reason}): convert it to png or jpg, or leave it out", path.display())]
    Picture {
        /// The picture's file.
        path: PathBuf,
        /// The decoder's own words.
        reason: String,
    },

    /// A picture in a format that only ffmpeg may read, and this one does not.
    #[error("the picture {} is in a format that this ffmpeg does not read ({reason}): convert it to png or jpg, or leave it out", path.display())]
    ForeignPicture {
        /// The picture's file.
        path: PathBuf,
        /// What ffmpeg says.
        reason: String,
    },

    /// A video needs ffmpeg or ffprobe, and the search path has none.
    #[error(
        "{} needs the program {program}, which is not installed: install ffmpeg (Debian/Ubuntu: sudo apt install \
         ffmpeg; Fedora: sudo dnf install ffmpeg; macOS: brew install ffmpeg; Windows: winget install ffmpeg)",
        path.display()
    )]
    FfmpegMissing {
        /// The video that was to be read or written.
        path: PathBuf,
        /// `ffmpeg` or `ffprobe`.
        program: &'static str,
    },
    /// A file that ffprobe understands, but without a video stream.
    #[error("{} has no video in it, only sound or other data: choose a file with a picture", path.display())]
    NoVideoStream {
        /// As it was given.
        path: PathBuf,
    },
    /// A video that no frame comes out of.
    #[error("{} cannot be opened as a video ({reason}): check that it plays elsewhere, or convert it to mp4", path.display())]
    Video {
        /// As it was given.
        path: PathBuf,
        /// What ffmpeg or ffprobe says about it.
        reason: String,
    },
    /// A video that ended before its promised length. The frames handed out so far are good.
    #[error(
        "the video {} is damaged or cut short after {frames} frames ({reason}): the frames before that are kept; \
         copy or convert it again for the rest", path.display()
    )]
    VideoCut {
        /// As it was given.
        path: PathBuf,
        /// How many frames could be decoded.
        frames: u64,
        /// What ffmpeg says, or what is missing.
        reason: String,
        /// Nearly all frames came out ([`SourceError::is_slight`]).
        slight: bool,
    },
    /// A video with a damaged place in the middle. The frames handed out so far are what can be decoded of it.
    #[error(
        "the video {} is damaged at about {seconds:.1} s ({reason}): what can be decoded of it is shown; copy or \
         convert it again for the rest", path.display()
    )]
    VideoDamaged {
        /// As it was given.
        path: PathBuf,
        /// Media time of the first damage, from the beginning of the video.
        seconds: f64,
        /// What ffmpeg says.
        reason: String,
        /// Nearly all frames came out ([`SourceError::is_slight`]).
        slight: bool,
    },
    /// A video that cannot be written, or a frame that does not fit it.
    #[error("the video {} cannot be written ({reason}): check the folder and the free space", path.display())]
    VideoWrite {
        /// The video that was to be written.
        path: PathBuf,
        /// What ffmpeg or the system says.
        reason: String,
    },
    /// A seek in a live source.
    #[error("{title} is live and cannot be wound to another time: use a video file for that")]
    NotSeekable {
        /// The source's title ([`SourceInfo::title`](super::SourceInfo::title)).
        title: String,
    },

    /// The machine has no camera.
    #[error("no camera was found: plug one in, or open a video, a picture or the mannequin")]
    NoCamera,
    /// No camera has this number, device path or piece of a name.
    #[error("there is no camera \"{wanted}\": choose one of {known}")]
    CameraUnknown {
        /// The camera that was asked for.
        wanted: String,
        /// Numbers and names of the cameras that are there.
        known: String,
    },
    /// Another program has the camera open.
    #[error("{camera} is in use by another program: close that program and try again")]
    CameraBusy {
        /// The camera's name.
        camera: String,
    },
    /// The system does not let this user or this program use cameras.
    #[error(
        "{camera} may not be used: allow this user to use cameras (Linux: sudo usermod -aG video $USER, then log in \
         again; macOS and Windows: the privacy settings) and try again"
    )]
    CameraPermission {
        /// The camera's name.
        camera: String,
    },
    /// The camera can be opened, but its first picture does not arrive.
    #[error(
        "{camera} gives no pictures ({reason}): check that it is switched on and plugged in, then try again"
    )]
    CameraNotStreaming {
        /// The camera's name.
        camera: String,
        /// What the driver says, or what was waited for.
        reason: String,
    },
    /// The camera has disappeared.
    #[error("{camera} was unplugged: plug it in and open it again")]
    CameraUnplugged {
        /// The camera's name.
        camera: String,
    },
    /// The camera has stopped sending pictures, without an error.
    #[error("{camera} has sent no picture for {seconds} seconds: unplug it, plug it in and open it again")]
    CameraStalled {
        /// The camera's name.
        camera: String,
        /// How long a picture was waited for.
        seconds: u64,
    },
    /// The camera does not offer the format that was asked for.
    #[error("{camera} does not offer {wanted}: choose {known}, or another that \"tmpose cameras\" lists")]
    CameraFormat {
        /// The camera's name.
        camera: String,
        /// As [`CameraFormat`](super::CameraFormat) is written.
        wanted: String,
        /// Formats that it offers, the best first.
        known: String,
    },
    /// Any other failure of a camera.
    #[error("{camera} failed ({reason}): unplug it, plug it in and open it again")]
    Camera {
        /// The camera's name.
        camera: String,
        /// The driver's own words.
        reason: String,
    },
}

impl SourceError {
    /// What `error` says of a file or folder that was to be read.
    pub(super) fn of_access(path: &Path, error: &std::io::Error) -> SourceError {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => SourceError::NotFound { path: path.to_owned() },
            _ => SourceError::Unreadable { path: path.to_owned(), reason: error.to_string() },
        }
    }

    /// Whether it is no more than a note on a video of which at least 95 % of the frames came out.
    pub fn is_slight(&self) -> bool {
        matches!(
            self,
            SourceError::VideoCut { slight: true, .. } | SourceError::VideoDamaged { slight: true, .. }
        )
    }

    /// Whether a disk has no room for what was to be written.
    pub fn is_full_disk(&self) -> bool {
        // What ffmpeg says of it.
        matches!(self, SourceError::VideoWrite { reason, .. } if reason.contains("No space left"))
    }
}
