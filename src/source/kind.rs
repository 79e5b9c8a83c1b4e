//! What a file is, told by what it holds rather than by its name.

use std::fs::{File, Metadata};
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use image::AnimationDecoder;
use image::ImageFormat;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;

use super::ffmpeg::Programs;
use super::video::probe::{self, Guess};
use super::{SourceError, jpeg_sequence};

/// What a file is to be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// A picture that the image library reads.
    Picture(ImageFormat),
    /// A picture that only ffmpeg may read: HEIC, AVIF, JPEG XL, JPEG 2000 and what it knows besides.
    ForeignPicture,
    /// A GIF, PNG or WebP file of several frames.
    Animation(ImageFormat),
    /// Moving pictures for ffmpeg.
    Video,
    /// Nothing that shows anything.
    Other,
}

/// How many bytes are looked at for a magic number.
const HEAD: u64 = 64;
/// Names of pictures, by their extension in lower case, where the content says nothing.
const PICTURES: [&str; 8] = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"];
/// Names of videos.
const VIDEOS: [&str; 16] = [
    "mp4", "mov", "avi", "mkv", "webm", "m4v", "3gp", "mpg", "mpeg", "ts", "m2ts", "mts", "wmv", "flv",
    "ogv", "vob",
];
/// Names of JPEGs one behind the other.
const JPEG_SEQUENCES: [&str; 3] = ["mjpeg", "mjpg", "mjp"];

/// Tells what the file at `path` is. Content of no known kind is left to the reader that the name asks for, which says what
/// is wrong with it; else ffprobe is asked.
///
/// # Errors
/// [`SourceError::NotFound`], [`SourceError::Unreadable`], [`SourceError::NotAFile`] or [`SourceError::EmptyFile`].
pub(super) fn kind_of(path: &Path) -> Result<FileKind, SourceError> {
    let head = head_of(path)?;
    Ok(match kind_of_head(path, &head) {
        FileKind::Picture(ImageFormat::Jpeg) if jpeg_sequence::is_sequence(path) => FileKind::Video,
        FileKind::Other if has_extension(path, &PICTURES) => FileKind::ForeignPicture,
        FileKind::Other if has_extension(path, &VIDEOS) => FileKind::Video,
        FileKind::Other => match probe::guess(path, &Programs::default()) {
            Guess::Picture => FileKind::ForeignPicture,
            Guess::Video => FileKind::Video,
            Guess::Neither => FileKind::Other,
        },
        known => known,
    })
}

/// As [`kind_of`] for one of many files in a folder: nothing is asked of another program, and no large part of a file is
/// read.
///
/// # Errors
/// As [`kind_of`].
pub(super) fn quick_kind_of(path: &Path) -> Result<FileKind, SourceError> {
    let head = head_of(path)?;
    Ok(match kind_of_head(path, &head) {
        FileKind::Picture(ImageFormat::Jpeg)
            if has_extension(path, &JPEG_SEQUENCES) && jpeg_sequence::is_sequence(path) =>
        {
            FileKind::Video
        }
        FileKind::Other if has_extension(path, &PICTURES) => FileKind::ForeignPicture,
        FileKind::Other if has_extension(path, &VIDEOS) => FileKind::Video,
        known => known,
    })
}

/// The first bytes of a file.
fn head_of(path: &Path) -> Result<Vec<u8>, SourceError> {
    let metadata = std::fs::metadata(path).map_err(|e| SourceError::of_access(path, &e))?;
    if !metadata.is_file() {
        return Err(SourceError::NotAFile { path: path.to_owned(), what: what_else(&metadata) });
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    read.map_err(|e| SourceError::of_access(path, &e))?;
    if head.is_empty() {
        return Err(SourceError::EmptyFile { path: path.to_owned() });
    }
    Ok(head)
}

/// Whether the file at `path` begins like a picture that only ffmpeg may read.
pub(super) fn has_foreign_content(path: &Path) -> bool {
    head_of(path).is_ok_and(|head| is_foreign_picture(&head))
}

/// What is no file and no folder.
#[cfg(unix)]
fn what_else(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_dir() {
        "a folder"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn what_else(metadata: &Metadata) -> &'static str {
    if metadata.is_dir() { "a folder" } else { "a device" }
}

fn kind_of_head(path: &Path, head: &[u8]) -> FileKind {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    match image::guess_format(head) {
        Ok(format @ (Gif | Png | WebP)) if moves(path, format) => FileKind::Animation(format),
        Ok(format @ (Bmp | Gif | Jpeg | Png | Tiff | WebP)) => FileKind::Picture(format),
        _ if is_foreign_picture(head) => FileKind::ForeignPicture,
        _ if is_video(head) => FileKind::Video,
        _ => FileKind::Other,
    }
}

/// Whether a file has more than one frame. A broken one is a picture, whose reader says what is wrong.
fn moves(path: &Path, format: ImageFormat) -> bool {
    let Ok(file) = File::open(path) else { return false };
    moves_in(BufReader::new(file), format)
}

fn moves_in(file: impl std::io::BufRead + Seek, format: ImageFormat) -> bool {
    match format {
        ImageFormat::Gif => {
            GifDecoder::new(file).is_ok_and(|gif| gif.into_frames().take(2).flatten().count() == 2)
        }
        ImageFormat::Png => PngDecoder::new(file).is_ok_and(|png| png.is_apng().unwrap_or(false)),
        ImageFormat::WebP => WebPDecoder::new(file).is_ok_and(|webp| webp.has_animation()),
        _ => false,
    }
}

/// Has the name one of these extensions?
fn has_extension(path: &Path, known: &[&str]) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|e| known.contains(&e.as_str()))
}

fn at(head: &[u8], offset: usize, tag: &[u8]) -> bool {
    head.get(offset..offset + tag.len()) == Some(tag)
}

fn is_foreign_picture(head: &[u8]) -> bool {
    let stills: [&[u8]; 6] = [b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif"];
    let heif = at(head, 4, b"ftyp") && stills.iter().any(|brand| at(head, 8, brand));
    let boxed = |kind: &[u8]| at(head, 0, &[0, 0, 0, 12]) && at(head, 4, kind);
    let jpeg_xl = at(head, 0, &[0xff, 0x0a]) || boxed(b"JXL ");
    let jpeg_2000 = at(head, 0, &[0xff, 0x4f, 0xff, 0x51]) || boxed(b"jP  ");
    heif || jpeg_xl || jpeg_2000
}

fn is_video(head: &[u8]) -> bool {
    let quicktime = at(head, 4, b"ftyp");
    let old_quicktime = at(head, 4, b"moov") || at(head, 4, b"mdat") || at(head, 4, b"wide");
    let matroska = at(head, 0, &[0x1a, 0x45, 0xdf, 0xa3]);
    let avi = at(head, 0, b"RIFF") && at(head, 8, b"AVI ");
    quicktime || old_quicktime || matroska || avi
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::gif::GifEncoder;
    use image::{Frame, RgbaImage};

    fn kind(name: &str, bytes: &[u8]) -> Result<FileKind, SourceError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let kind = kind_of(&path);
        assert!(kind.is_err() || quick_kind_of(&path).is_ok());
        kind
    }

    #[test]
    fn content_decides_before_the_name() {
        let png = b"\x89PNG\r\n\x1a\n0000";
        let mp4 = b"\0\0\0\x20ftypisom\0\0\x02\0";
        for name in ["a.png", "no_extension", "a.bak", "a.mp4"] {
            assert_eq!(kind(name, png).unwrap(), FileKind::Picture(ImageFormat::Png), "{name}");
        }
        assert_eq!(kind("wrong.jpg", mp4).unwrap(), FileKind::Video);
        assert_eq!(kind("a.avi", b"RIFF\0\0\0\0AVI LIST").unwrap(), FileKind::Video);
        assert_eq!(kind("a.webm", &[0x1a, 0x45, 0xdf, 0xa3]).unwrap(), FileKind::Video);
        assert_eq!(kind("a", b"\0\0\0\x20ftypheic").unwrap(), FileKind::ForeignPicture);
        assert_eq!(kind("a", b"\xff\x0a__").unwrap(), FileKind::ForeignPicture);
    }

    #[test]
    fn an_unknown_content_is_left_to_the_reader_that_the_name_asks_for() {
        assert_eq!(kind("broken.JPG", b"nothing").unwrap(), FileKind::ForeignPicture);
        assert_eq!(kind("broken.MP4", b"nothing").unwrap(), FileKind::Video);
        assert_eq!(kind("notes.txt", b"hello, this is no picture at all").unwrap(), FileKind::Other);
    }

    #[test]
    fn several_frames_are_an_animation() {
        let gif = |frames: usize| {
            let mut bytes = Vec::new();
            let frame = Frame::new(RgbaImage::new(3, 2));
            GifEncoder::new(&mut bytes).encode_frames(std::iter::repeat_n(frame, frames)).unwrap();
            bytes
        };
        assert_eq!(kind("a.gif", &gif(1)).unwrap(), FileKind::Picture(ImageFormat::Gif));
        assert_eq!(kind("a.png", &gif(2)).unwrap(), FileKind::Animation(ImageFormat::Gif));
    }

    #[test]
    fn what_cannot_be_opened_is_refused_by_name() {
        assert!(matches!(kind("a.mp4", b""), Err(SourceError::EmptyFile { .. })));
        assert!(matches!(kind_of(Path::new("/nowhere/x.png")), Err(SourceError::NotFound { .. })));
        let folder = tempfile::tempdir().unwrap();
        let error = kind_of(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is a folder"), "{error}");
    }
}
