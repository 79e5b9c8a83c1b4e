//! Pictures that the image library does not read, through the `ffmpeg` program where it can: HEIC, AVIF, JPEG XL, JPEG 2000.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use image::{DynamicImage, ImageFormat};

use super::SourceError;
use super::ffmpeg::{self, Programs};
use super::kind::has_foreign_content;
use crate::pose::Size;

/// Where a HEIF file lists its parts, in bytes from its beginning.
const PARTS: u64 = 1 << 16;

/// Reads the picture at `path`.
///
/// # Errors
/// [`SourceError::FfmpegMissing`], or [`SourceError::Picture`] where ffmpeg does not read it either.
pub(super) fn load(path: &Path) -> Result<DynamicImage, SourceError> {
    let failed = |reason: String| {
        let path = path.to_owned();
        // A name alone promises nothing of ffmpeg.
        match has_foreign_content(&path) {
            true => SourceError::ForeignPicture { path, reason },
            false => SourceError::Picture { path, reason },
        }
    };
    let output = Programs::default()
        .ffmpeg()
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-i"])
        .arg(ffmpeg::file_argument(path))
        .args(["-frames:v", "1", "-c:v", "png", "-f", "image2pipe", "pipe:1"])
        .output()
        .map_err(|e| ffmpeg::start_error(path, "ffmpeg", &e))?;
    if output.stdout.is_empty() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let reason = errors.lines().map(|l| ffmpeg::plain_reason(l, path)).find(|l| !l.is_empty());
        return Err(failed(reason.unwrap_or_else(|| "ffmpeg does not read it".to_owned())));
    }
    let picture = image::load_from_memory_with_format(&output.stdout, ImageFormat::Png)
        .map_err(|e| failed(e.to_string()))?;
    let size = Size::new(picture.width(), picture.height());
    match stated_size(path) {
        // Phones store a picture as tiles, which an old ffmpeg does not put together.
        Some(stated) if stated.area() > size.area() => Err(failed(format!(
            "this ffmpeg reads only {size} of its {stated} pixels; a newer one may read all"
        ))),
        _ => Ok(picture),
    }
}

/// The size of the largest picture that a HEIF file states; none in other files.
fn stated_size(path: &Path) -> Option<Size> {
    let mut head = Vec::new();
    File::open(path).ok()?.take(PARTS).read_to_end(&mut head).ok()?;
    head.get(4..8).filter(|kind| *kind == b"ftyp")?;
    // `ispe`, version and flags, width, height.
    let sizes = head.windows(16).filter(|window| window.starts_with(b"ispe\0\0\0\0"));
    let number = |bytes: &[u8]| bytes.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte));
    sizes
        .map(|window| Size::new(number(&window[8..12]), number(&window[12..])))
        .max_by_key(|size| size.area())
}
