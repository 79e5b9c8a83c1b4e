//! What a user asks for, before it is opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::SourceError;
use super::kind::{FileKind, kind_of};
use crate::pose::Size;

/// A source by description: small, comparable, and cheap to send to another thread.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceSpec {
    /// A camera of this machine.
    Camera {
        /// The camera's number in [`super::list_cameras`], its device path, or a piece of its name.
        camera: String,
        /// `None`: chosen for us (about 640x480 at the best rate).
        format: Option<CameraFormat>,
    },
    /// A video file, or a picture file of several frames.
    Video(PathBuf),
    /// Pictures and folders of pictures, in this order; a folder's in natural order.
    Pictures(Vec<PathBuf>),
    /// The drawn figure whose true keypoints are known.
    Mannequin {
        /// Fixes build, clothes, actions and scenes.
        seed: u64,
        /// Size of its frames in pixels.
        size: Size,
    },
    /// Several mannequins side by side in one picture.
    Crowd {
        /// Of the first one; the others follow.
        seed: u64,
        /// How many, 1 to [`MAX_FIGURES`](crate::synth::MAX_FIGURES).
        people: u32,
        /// Size of the frames in pixels.
        size: Size,
    },
}

/// How a camera codes its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PixelFormat {
    /// Each picture is a JPEG of its own.
    Mjpeg,
    /// YCbCr 4:2:2, packed as Y0 Cb Y1 Cr: 16 bits a pixel.
    Yuyv,
    /// YCbCr 4:2:0, a plane of Y and one of Cb and Cr: 12 bits a pixel.
    Nv12,
    /// Brightness alone: 8 bits a pixel.
    Gray,
    /// Red, green, blue: 24 bits a pixel.
    Rgb,
    /// Blue, green, red: 24 bits a pixel.
    Bgr,
}

impl PixelFormat {
    /// Every format, for lists and for reading a name.
    pub const ALL: [PixelFormat; 6] = [
        PixelFormat::Mjpeg,
        PixelFormat::Yuyv,
        PixelFormat::Nv12,
        PixelFormat::Gray,
        PixelFormat::Rgb,
        PixelFormat::Bgr,
    ];
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PixelFormat::Mjpeg => "MJPEG",
            PixelFormat::Yuyv => "YUYV",
            PixelFormat::Nv12 => "NV12",
            PixelFormat::Gray => "GRAY",
            PixelFormat::Rgb => "RGB",
            PixelFormat::Bgr => "BGR",
        })
    }
}

/// One way in which a camera can send pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CameraFormat {
    /// Size of its pictures in pixels.
    pub size: Size,
    /// Frames a second.
    pub fps: u32,
    /// How each picture is coded.
    pub pixels: PixelFormat,
}

impl fmt::Display for CameraFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} {}", self.size, self.fps, self.pixels)
    }
}

/// A text that is not a camera format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a camera format: write it like \"640x480@30 MJPEG\"")]
pub struct CameraFormatError(String);

impl FromStr for CameraFormat {
    type Err = CameraFormatError;

    /// Reads what `Display` writes: "640x480@30 MJPEG".
    fn from_str(text: &str) -> Result<Self, CameraFormatError> {
        let read = || {
            let (numbers, pixels) = text.trim().split_once(' ')?;
            let (size, fps) = numbers.split_once('@')?;
            let name = pixels.trim().to_uppercase();
            let pixels = PixelFormat::ALL.into_iter().find(|p| p.to_string() == name)?;
            Some(CameraFormat { size: size.parse().ok()?, fps: fps.parse().ok()?, pixels })
        };
        read().ok_or_else(|| CameraFormatError(text.to_owned()))
    }
}

impl SourceSpec {
    /// The camera with this number in the list, device path, or piece of its name.
    pub fn camera(camera: impl Into<String>) -> Self {
        SourceSpec::Camera { camera: camera.into(), format: None }
    }
}

/// What a path holds, decided by its content, else by its name.
///
/// # Errors
/// [`SourceError::NotFound`], [`SourceError::Unreadable`], [`SourceError::NotAFile`], [`SourceError::EmptyFile`], or
/// [`SourceError::UnknownType`].
pub fn spec_from_path(path: &Path) -> Result<SourceSpec, SourceError> {
    if std::fs::metadata(path).map_err(|e| SourceError::of_access(path, &e))?.is_dir() {
        return Ok(SourceSpec::Pictures(vec![path.to_owned()]));
    }
    match kind_of(path)? {
        FileKind::Picture(_) | FileKind::ForeignPicture => Ok(SourceSpec::Pictures(vec![path.to_owned()])),
        FileKind::Animation(_) | FileKind::Video => Ok(SourceSpec::Video(path.to_owned())),
        FileKind::Other => Err(SourceError::UnknownType { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_format_is_read_as_it_is_written() {
        for pixels in PixelFormat::ALL {
            let format = CameraFormat { size: Size::new(640, 480), fps: 30, pixels };
            assert_eq!(format.to_string().to_lowercase().parse(), Ok(format));
        }
        let error = "640x480 MJPEG".parse::<CameraFormat>().unwrap_err().to_string();
        assert_eq!(error, "\"640x480 MJPEG\" is not a camera format: write it like \"640x480@30 MJPEG\"");
    }

    #[test]
    fn a_path_is_told_by_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        std::fs::write(&path, b"\x89PNG\r\n\x1a\n0000").unwrap();
        assert_eq!(spec_from_path(&path).unwrap(), SourceSpec::Pictures(vec![path]));
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, b"hello").unwrap();
        assert!(matches!(spec_from_path(&path), Err(SourceError::UnknownType { .. })));
        let shown = SourceSpec::Pictures(vec![folder.path().to_owned()]);
        assert_eq!(spec_from_path(folder.path()).unwrap(), shown);
    }
}
