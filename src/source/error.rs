//! What can go wrong with a source, each as one sentence that names it and the way out.

use std::path::PathBuf;

/// A source could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{} does not exist: check the path", path.display())]
    NotFound { path: PathBuf },
    #[error("{} cannot be read ({reason}): check its permissions", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} is empty (0 bytes): copy or record it again", path.display())]
    EmptyFile { path: PathBuf },
    #[error(
        "{} is neither a picture nor a video that tmpose knows: use jpg, png, webp, bmp, gif or tiff, or mp4, \
         mov, avi, mkv or webm", path.display()
    )]
    UnknownType { path: PathBuf },
    #[error(
        "the folder {} holds no pictures: choose one with jpg, png, webp, bmp, gif or tiff files in it",
        path.display()
    )]
    EmptyFolder { path: PathBuf },
    #[error("no pictures were given: name a picture or a folder")]
    NoPictures,
    #[error("the picture {} cannot be decoded ({reason}): convert it to png or jpg, or leave it out", path.display())]
    Picture { path: PathBuf, reason: String },

    #[error(
        "{} needs the program {program}, which is not installed: install ffmpeg (Debian/Ubuntu: sudo apt install \
         ffmpeg; Fedora: sudo dnf install ffmpeg; macOS: brew install ffmpeg; Windows: winget install ffmpeg)",
        path.display()
    )]
    FfmpegMissing { path: PathBuf, program: &'static str },
    #[error("{} has no video in it, only sound or other data: choose a file with a picture", path.display())]
    NoVideoStream { path: PathBuf },
    #[error("{} cannot be opened as a video ({reason}): check that it plays elsewhere, or convert it to mp4", path.display())]
    Video { path: PathBuf, reason: String },
    #[error(
        "the video {} is damaged or cut short after {frames} frames ({reason}): the frames before that are kept; \
         copy or convert it again for the rest", path.display()
    )]
    VideoCut { path: PathBuf, frames: u64, reason: String },
    #[error(
        "the video {} is damaged at about {seconds:.1} s ({reason}): what can be decoded of it is shown; copy or \
         convert it again for the rest", path.display()
    )]
    VideoDamaged { path: PathBuf, seconds: f64, reason: String },
    #[error("the video {} cannot be written ({reason}): check the folder and the free space", path.display())]
    VideoWrite { path: PathBuf, reason: String },
    #[error("{title} is live and cannot be wound to another time: use a video file for that")]
    NotSeekable { title: String },

    #[error("no camera was found: plug one in, or open a video, a picture or the mannequin")]
    NoCamera,
    #[error("there is no camera \"{wanted}\": choose one of {known}")]
    CameraUnknown { wanted: String, known: String },
    #[error("{camera} is in use by another program: close that program and try again")]
    CameraBusy { camera: String },
    #[error(
        "{camera} may not be used: allow this user to use cameras (Linux: sudo usermod -aG video $USER, then log in \
         again; macOS and Windows: the privacy settings) and try again"
    )]
    CameraPermission { camera: String },
    #[error(
        "{camera} gives no pictures ({reason}): check that it is switched on and plugged in, then try again"
    )]
    CameraNotStreaming { camera: String, reason: String },
    #[error("{camera} was unplugged: plug it in and open it again")]
    CameraUnplugged { camera: String },
    #[error("{camera} has sent no picture for {seconds} seconds: unplug it, plug it in and open it again")]
    CameraStalled { camera: String, seconds: u64 },
    #[error("{camera} does not offer {wanted}: choose {known}, or another that \"tmpose cameras\" lists")]
    CameraFormat { camera: String, wanted: String, known: String },
    #[error("{camera} failed ({reason}): unplug it, plug it in and open it again")]
    Camera { camera: String, reason: String },
}
