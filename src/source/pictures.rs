//! Pictures and folders of pictures.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};

use crate::pose::Size;
use crate::vision::flatten;

use super::folder::pictures_in;
use super::kind::{FileKind, quick_kind_of};
use super::tiff_pages::{self, AtPage};
use super::{Frame, Source, SourceError, SourceInfo, foreign_picture, limits};

/// How long a picture counts in a source of several: seeks and loops need a time.
pub const PICTURE_TIME: Duration = Duration::from_secs(1);

/// A picture of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureFile {
    /// The file.
    pub path: PathBuf,
    /// Which of the file's pages, from 1, where it has several.
    pub page: Option<u32>,
}

impl PictureFile {
    /// The file's name without its folder, and the page.
    pub fn title(&self) -> String {
        let name = name_of(&self.path);
        self.page.map_or(name.clone(), |page| format!("{name}, page {page}"))
    }

    /// Reads the picture as RGB, turned upright by its EXIF orientation; what is transparent is white, as on a page.
    ///
    /// # Errors
    /// [`SourceError::NotFound`], [`SourceError::Unreadable`], [`SourceError::EmptyFile`], [`SourceError::TooLarge`],
    /// [`SourceError::Picture`] or [`SourceError::ForeignPicture`].
    pub fn load(&self) -> Result<RgbImage, SourceError> {
        let path = &self.path;
        let (FileKind::Picture(format) | FileKind::Animation(format)) = quick_kind_of(path)? else {
            return foreign_picture::load(path).map(flatten);
        };
        let (decoder, orientation) = decoder(self, format)?;
        let size = Size::from(decoder.dimensions());
        // As it is stored, and twice as RGB: while it is turned upright.
        limits::check_memory(path, size, decoder.total_bytes().saturating_add(6 * size.area() as u64))?;
        let mut shown = DynamicImage::from_decoder(decoder).map_err(|e| picture_error(path, &e))?;
        shown.apply_orientation(orientation);
        Ok(flatten(shown))
    }
}

/// The pictures of the file at `path`: the pages of a TIFF file, else one.
pub fn pages_of(path: &Path) -> Vec<PictureFile> {
    let offsets = File::open(path).and_then(|file| tiff_pages::offsets(&mut BufReader::new(file)));
    let picture = |page| PictureFile { path: path.to_owned(), page };
    match offsets.map_or(0, |offsets| offsets.len()) {
        0 | 1 => vec![picture(None)],
        pages => (1..=pages as u32).map(|page| picture(Some(page))).collect(),
    }
}

/// Reads the picture at `path`, of several pages the first: see [`PictureFile::load`].
///
/// # Errors
/// As [`PictureFile::load`].
pub fn load_picture(path: &Path) -> Result<RgbImage, SourceError> {
    PictureFile { path: path.to_owned(), page: None }.load()
}

fn decoder(
    picture: &PictureFile,
    format: ImageFormat,
) -> Result<(impl ImageDecoder + use<>, Orientation), SourceError> {
    let path = &picture.path;
    let mut file = BufReader::new(File::open(path).map_err(|e| SourceError::of_access(path, &e))?);
    let offset = match picture.page {
        Some(page) => {
            let offsets = tiff_pages::offsets(&mut file).map_err(|e| SourceError::of_access(path, &e))?;
            offsets.get(page as usize - 1).copied()
        }
        None => None,
    };
    let file = AtPage::new(file, offset).map_err(|e| SourceError::of_access(path, &e))?;
    let reader = ImageReader::with_format(BufReader::new(file), format);
    let mut decoder = reader.into_decoder().map_err(|e| picture_error(path, &e))?;
    // A picture with broken EXIF data is still a picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((decoder, orientation))
}

/// Size in pixels as shown, from the header alone where that is possible.
fn upright_size(picture: &PictureFile) -> Result<Size, SourceError> {
    let (FileKind::Picture(format) | FileKind::Animation(format)) = quick_kind_of(&picture.path)? else {
        return picture.load().map(|shown| shown.dimensions().into());
    };
    let (decoder, orientation) = decoder(picture, format)?;
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

pub(super) fn picture_error(path: &Path, error: &image::ImageError) -> SourceError {
    SourceError::Picture { path: path.to_owned(), reason: error.to_string().trim_end_matches('.').to_owned() }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Pictures one after the other.
pub struct PictureSource {
    pictures: Vec<PictureFile>,
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
        let (mut pictures, mut notes) = (Vec::new(), Vec::new());
        for path in given {
            if std::fs::metadata(path).map_err(|e| SourceError::of_access(path, &e))?.is_dir() {
                let found = pictures_in(path, false)?;
                notes.extend(found.note(path));
                pictures.extend(found.pictures.iter().flat_map(|path| pages_of(path)));
            } else {
                pictures.extend(pages_of(path));
            }
        }
        let size = first_size(&pictures)?;
        let title = match given {
            [one] => name_of(one),
            several => format!("{} pictures", several.len()),
        };
        let frames = pictures.len() as u64;
        let duration = PICTURE_TIME.saturating_mul(u32::try_from(frames).unwrap_or(u32::MAX));
        let info = SourceInfo {
            title,
            size,
            fps: None,
            frames: Some(frames),
            duration: Some(duration),
            live: false,
            seekable: true,
            notes,
        };
        Ok(PictureSource { pictures, info, next: 0, sequence: 0 })
    }
}

/// The size of the first picture that can be read, or why the first one cannot.
fn first_size(pictures: &[PictureFile]) -> Result<Size, SourceError> {
    let mut first_error = None;
    for picture in pictures {
        match upright_size(picture) {
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
        let Some(picture) = self.pictures.get(self.next) else { return Ok(None) };
        let timestamp = PICTURE_TIME.saturating_mul(u32::try_from(self.next).unwrap_or(u32::MAX));
        // Onwards even if this one cannot be read, so that the others are still seen.
        self.next += 1;
        let pixels = Arc::new(picture.load()?);
        let sequence = self.sequence;
        self.sequence += 1;
        Ok(Some(Frame { pixels, timestamp, sequence, truth: None, name: Some(picture.title()) }))
    }

    fn seek(&mut self, to: Duration) -> Result<(), SourceError> {
        let index = usize::try_from(to.as_secs() / PICTURE_TIME.as_secs()).unwrap_or(usize::MAX);
        self.next = index.min(self.pictures.len().saturating_sub(1));
        Ok(())
    }
}
