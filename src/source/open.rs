//! From a description to an open source.

use super::mannequin::MannequinSource;
use super::{CameraSource, PictureSource, Source, SourceError, SourceSpec, VideoSource};

/// Opens a source. It can take seconds (cameras, files on slow disks): keep it off a window's thread.
///
/// # Errors
/// One sentence that names the file or device and the way out.
pub fn open(spec: &SourceSpec) -> Result<Box<dyn Source>, SourceError> {
    Ok(match spec {
        SourceSpec::Camera { camera, format } => Box::new(CameraSource::open(camera, *format)?),
        SourceSpec::Video(path) => Box::new(VideoSource::open(path)?),
        SourceSpec::Pictures(paths) => Box::new(PictureSource::open(paths)?),
        SourceSpec::Mannequin { seed, size } => Box::new(MannequinSource::new(*seed, *size)),
        SourceSpec::Crowd { seed, people, size } => Box::new(MannequinSource::crowd(*seed, *size, *people)),
    })
}
