//! From a description to an open source.

use super::animation::AnimationSource;
use super::kind::{FileKind, kind_of};
use super::mannequin::MannequinSource;
use super::{CameraSource, PictureSource, Source, SourceError, SourceSpec, VideoSource};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Opens a source. It can take seconds (cameras, files on slow disks): keep it off a window's thread.
///
/// # Errors
/// One sentence that names the file or device and the way out.
pub fn open(spec: &SourceSpec) -> Result<Box<dyn Source>, SourceError> {
    Ok(match spec {
        SourceSpec::Camera { camera, format } => Box::new(CameraSource::open(camera, *format)?),
        SourceSpec::Video(path) => open_video(path, Arc::default())?,
        SourceSpec::Pictures(paths) => Box::new(PictureSource::open(paths)?),
        SourceSpec::Mannequin { seed, size } => Box::new(MannequinSource::new(*seed, *size)),
        SourceSpec::Crowd { seed, people, size } => Box::new(MannequinSource::crowd(*seed, *size, *people)),
    })
}

/// Opens a video, or a picture file of several frames. Once `stop` is raised nothing waits for its decoder any more.
///
/// # Errors
/// One sentence that names the file and the way out.
pub fn open_video(path: &Path, stop: Arc<AtomicBool>) -> Result<Box<dyn Source>, SourceError> {
    Ok(match kind_of(path)? {
        FileKind::Animation(format) => Box::new(AnimationSource::open(path, format)?),
        _ => Box::new(VideoSource::open_until(path, stop)?),
    })
}
