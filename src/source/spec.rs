//! What a user asks for, before it is opened.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::SourceError;
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
    /// A video file.
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

/// Names of pictures, by their extension in lower case.
const PICTURES: [&str; 8] = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"];
/// Names of videos. The first five are tested; the others are left to ffmpeg.
const VIDEOS: [&str; 16] = [
    "mp4", "mov", "avi", "mkv", "webm", "m4v", "3gp", "mpg", "mpeg", "ts", "m2ts", "mts", "wmv", "flv",
    "ogv", "vob",
];

/// What a path holds: decided by its first bytes, else by its extension.
///
/// # Errors
/// [`SourceError::NotFound`], [`SourceError::Unreadable`], [`SourceError::EmptyFile`], or
/// [`SourceError::UnknownType`].
pub fn spec_from_path(path: &Path) -> Result<SourceSpec, SourceError> {
    let pictures = || SourceSpec::Pictures(vec![path.to_owned()]);
    let metadata = std::fs::metadata(path).map_err(|e| access_error(path, &e))?;
    if metadata.is_dir() {
        return Ok(pictures());
    }
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(32).read_to_end(&mut start))
        .map_err(|e| access_error(path, &e))?;
    if start.is_empty() && metadata.is_file() {
        return Err(SourceError::EmptyFile { path: path.to_owned() });
    }
    if is_picture_data(&start) || (has_extension(path, &PICTURES) && !is_video_data(&start)) {
        Ok(pictures())
    } else if is_video_data(&start) || has_extension(path, &VIDEOS) {
        Ok(SourceSpec::Video(path.to_owned()))
    } else {
        Err(SourceError::UnknownType { path: path.to_owned() })
    }
}

/// Does the name say that this is a picture that we read?
pub fn is_picture_name(path: &Path) -> bool {
    has_extension(path, &PICTURES)
}

pub(super) fn access_error(path: &Path, error: &std::io::Error) -> SourceError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => SourceError::NotFound { path: path.to_owned() },
        _ => SourceError::Unreadable { path: path.to_owned(), reason: error.to_string() },
    }
}

fn has_extension(path: &Path, known: &[&str]) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|e| known.contains(&e.as_str()))
}

fn is_picture_data(start: &[u8]) -> bool {
    use image::ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    matches!(image::guess_format(start), Ok(Bmp | Gif | Jpeg | Png | Tiff | WebP))
}

fn is_video_data(start: &[u8]) -> bool {
    let at = |offset: usize, tag: &[u8]| start.get(offset..offset + tag.len()) == Some(tag);
    let still = [b"heic", b"heix", b"mif1", b"avif"];
    let quicktime = at(4, b"ftyp") && !still.iter().any(|brand| at(8, *brand));
    let old_quicktime = at(4, b"moov") || at(4, b"mdat") || at(4, b"wide");
    let matroska = at(0, &[0x1a, 0x45, 0xdf, 0xa3]);
    let avi = at(0, b"RIFF") && at(8, b"AVI ");
    quicktime || old_quicktime || matroska || avi
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec_of(name: &str, bytes: &[u8]) -> Result<SourceSpec, SourceError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        spec_from_path(&path)
    }

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
    fn content_decides_before_the_name() {
        let png = b"\x89PNG\r\n\x1a\n0000";
        let mp4 = b"\0\0\0\x20ftypisom\0\0\x02\0";
        assert!(matches!(spec_of("a.png", png), Ok(SourceSpec::Pictures(_))));
        assert!(matches!(spec_of("no_extension", png), Ok(SourceSpec::Pictures(_))));
        assert!(matches!(spec_of("wrong.jpg", mp4), Ok(SourceSpec::Video(_))));
        assert!(matches!(spec_of("a.avi", b"RIFF\0\0\0\0AVI LIST"), Ok(SourceSpec::Video(_))));
        assert!(matches!(spec_of("a.webm", &[0x1a, 0x45, 0xdf, 0xa3]), Ok(SourceSpec::Video(_))));
    }

    #[test]
    fn an_unknown_content_is_left_to_the_reader_that_the_name_asks_for() {
        assert!(matches!(spec_of("broken.JPG", b"nothing"), Ok(SourceSpec::Pictures(_))));
        assert!(matches!(spec_of("broken.MP4", b"nothing"), Ok(SourceSpec::Video(_))));
    }

    #[test]
    fn what_cannot_be_opened_is_refused_by_name() {
        assert!(matches!(spec_of("notes.txt", b"hello"), Err(SourceError::UnknownType { .. })));
        assert!(matches!(spec_of("a.heic", b"\0\0\0\x20ftypheic"), Err(SourceError::UnknownType { .. })));
        assert!(matches!(spec_of("a.mp4", b""), Err(SourceError::EmptyFile { .. })));
        assert!(matches!(spec_from_path(Path::new("/nowhere/x.png")), Err(SourceError::NotFound { .. })));
    }
}
