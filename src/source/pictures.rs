//! Pictures and folders of pictures.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};

use crate::pose::Size;

use super::spec::{access_error, is_picture_name};
use super::{Frame, Source, SourceError, SourceInfo, natural_order};

/// How long a picture counts in a source of several: seeks and loops need a time.
pub const PICTURE_TIME: Duration = Duration::from_secs(1);

/// Reads a picture as RGB, turned upright by its EXIF orientation.
///
/// # Errors
/// [`SourceError::NotFound`], [`SourceError::Unreadable`], [`SourceError::EmptyFile`] or
/// [`SourceError::Picture`].
pub fn load_picture(path: &Path) -> Result<RgbImage, SourceError> {
    let (decoder, orientation) = decoder(path)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| picture_error(path, &e))?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// The pictures directly in `folder`, in natural order; hidden files are left out.
///
/// # Errors
/// [`SourceError::EmptyFolder`] without any, or [`SourceError::NotFound`], [`SourceError::Unreadable`].
pub fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| access_error(folder, &e))? {
        let path = entry.map_err(|e| access_error(folder, &e))?.path();
        let hidden = name_of(&path).starts_with('.');
        if !hidden && is_picture_name(&path) && path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(SourceError::EmptyFolder { path: folder.to_owned() });
    }
    found.sort_by(|a, b| natural_order::compare(&name_of(a), &name_of(b)));
    Ok(found)
}

fn decoder(path: &Path) -> Result<(impl ImageDecoder + use<>, Orientation), SourceError> {
    let metadata = std::fs::metadata(path).map_err(|e| access_error(path, &e))?;
    if metadata.is_file() && metadata.len() == 0 {
        return Err(SourceError::EmptyFile { path: path.to_owned() });
    }
    let reader = ImageReader::open(path).map_err(|e| access_error(path, &e))?;
    let reader = reader.with_guessed_format().map_err(|e| access_error(path, &e))?;
    let mut decoder = reader.into_decoder().map_err(|e| picture_error(path, &e))?;
    // A picture with broken EXIF data is still a picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((decoder, orientation))
}

/// Size in pixels as shown, from the header alone.
fn upright_size(path: &Path) -> Result<Size, SourceError> {
    let (decoder, orientation) = decoder(path)?;
    let stored = Size::from(decoder.dimensions());
    let turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    Ok(if turned { Size::new(stored.height, stored.width) } else { stored })
}

fn picture_error(path: &Path, error: &image::ImageError) -> SourceError {
    SourceError::Picture { path: path.to_owned(), reason: error.to_string().trim_end_matches('.').to_owned() }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Pictures one after the other.
pub struct PictureSource {
    paths: Vec<PathBuf>,
    info: SourceInfo,
    next: usize,
    sequence: u64,
}

impl PictureSource {
    /// Pictures and folders of pictures, in the order given.
    ///
    /// # Errors
    /// A path that is not there, a folder without pictures, or no picture whose header can be read. One
    /// unreadable picture among others is reported when its turn comes.
    pub fn open(given: &[PathBuf]) -> Result<Self, SourceError> {
        let mut paths = Vec::new();
        for path in given {
            if std::fs::metadata(path).map_err(|e| access_error(path, &e))?.is_dir() {
                paths.extend(pictures_in(path)?);
            } else {
                paths.push(path.clone());
            }
        }
        let size = first_size(&paths)?;
        let title = match given {
            [one] => name_of(one),
            several => format!("{} pictures", several.len()),
        };
        let frames = paths.len() as u64;
        let duration = PICTURE_TIME.saturating_mul(u32::try_from(frames).unwrap_or(u32::MAX));
        let info = SourceInfo {
            title,
            size,
            fps: None,
            frames: Some(frames),
            duration: Some(duration),
            live: false,
            seekable: true,
        };
        Ok(PictureSource { paths, info, next: 0, sequence: 0 })
    }
}

/// The size of the first picture that can be read, or why the first one cannot.
fn first_size(paths: &[PathBuf]) -> Result<Size, SourceError> {
    let mut first_error = None;
    for path in paths {
        match upright_size(path) {
            Ok(size) => return Ok(size),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or(SourceError::NoPictures))
}

impl Source for PictureSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        let Some(path) = self.paths.get(self.next) else { return Ok(None) };
        let timestamp = PICTURE_TIME.saturating_mul(u32::try_from(self.next).unwrap_or(u32::MAX));
        // Onwards even if this one cannot be read, so that the others are still seen.
        self.next += 1;
        let pixels = Arc::new(load_picture(path)?);
        let sequence = self.sequence;
        self.sequence += 1;
        Ok(Some(Frame { pixels, timestamp, sequence, truth: None, name: Some(name_of(path)) }))
    }

    fn seek(&mut self, to: Duration) -> Result<(), SourceError> {
        let index = usize::try_from(to.as_secs() / PICTURE_TIME.as_secs()).unwrap_or(usize::MAX);
        self.next = index.min(self.paths.len().saturating_sub(1));
        Ok(())
    }
}
