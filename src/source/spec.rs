//! What a user asks for, before it is opened.

use std::fmt;
use std::path::PathBuf;

/// A source by description: small, comparable, and cheap to send to another thread.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceSpec {
    Camera {
        /// The camera's number in [`super::list_cameras`], its device path, or a piece of its name.
        camera: String,
        /// `None`: chosen for us (about 640x480 at the best rate).
        format: Option<CameraFormat>,
    },
    Video(PathBuf),
    /// Pictures and folders of pictures, in this order; a folder's in natural order.
    Pictures(Vec<PathBuf>),
    Mannequin {
        seed: u64,
        /// Width and height of its frames.
        size: [u32; 2],
    },
}

/// How a camera codes its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PixelFormat {
    Mjpeg,
    Yuyv,
    Nv12,
    Gray,
    Rgb,
    Bgr,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CameraFormat {
    pub width: u32,
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
    pub pixels: PixelFormat,
}

impl fmt::Display for CameraFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} {} at {}/s", self.width, self.height, self.pixels, self.fps)
    }
}
