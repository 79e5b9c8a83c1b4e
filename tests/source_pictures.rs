//! Pictures and folders: every format, EXIF orientation, order, and what cannot be read.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use tmpose::pose::Size;
use tmpose::source::{self, PictureSource, Source, SourceError, SourceSpec, load_picture};

/// 40x20: the left half red, the right half blue.
fn two_halves() -> RgbImage {
    RgbImage::from_fn(40, 20, |x, _| if x < 20 { Rgb([220, 30, 30]) } else { Rgb([30, 30, 220]) })
}

fn is_red(picture: &RgbImage, x: u32, y: u32) -> bool {
    let [r, _, b] = picture.get_pixel(x, y).0;
    r > 150 && b < 100
}

/// A JPEG that says how the camera was held, in an EXIF block as cameras write it.
fn jpeg_with_orientation(orientation: u8) -> Vec<u8> {
    let mut jpeg = Vec::new();
    two_halves().write_to(&mut Cursor::new(&mut jpeg), ImageFormat::Jpeg).unwrap();
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() + 2) as u16;
    let mut block = vec![0xff, 0xe1];
    block.extend(length.to_be_bytes());
    block.extend(exif);
    jpeg.splice(2..2, block);
    jpeg
}

fn names(source: &mut dyn Source) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(frame) = source.next_frame().unwrap() {
        seen.push(frame.name.unwrap());
    }
    seen
}

#[test]
fn every_format_is_read_through_the_same_door() {
    let folder = tempfile::tempdir().unwrap();
    for extension in ["png", "jpg", "webp", "bmp", "gif", "tiff"] {
        let path = folder.path().join(format!("picture.{extension}"));
        // GIF holds only pictures with an alpha channel or a palette.
        let picture = DynamicImage::ImageRgb8(two_halves());
        let picture = if extension == "gif" { DynamicImage::ImageRgba8(picture.to_rgba8()) } else { picture };
        picture.save(&path).unwrap();
        let mut source = source::open(&source::spec_from_path(&path).unwrap()).unwrap();
        assert_eq!(source.info().size, Size::new(40, 20), "{extension}");
        let frame = source.next_frame().unwrap().unwrap();
        assert_eq!(frame.name.as_deref(), Some(format!("picture.{extension}").as_str()));
        assert!(is_red(&frame.pixels, 5, 10) && !is_red(&frame.pixels, 35, 10), "{extension}");
        assert!(source.next_frame().unwrap().is_none());
    }
}

#[test]
fn a_picture_taken_with_a_turned_camera_is_upright() {
    let folder = tempfile::tempdir().unwrap();
    let (lying, upright) = (Size::new(40, 20), Size::new(20, 40));
    // The size, and where the red half comes to lie.
    let cases = [
        (1, lying, [5, 10]),
        (2, lying, [35, 10]),   // mirrored
        (3, lying, [35, 10]),   // half a turn
        (6, upright, [10, 5]),  // a quarter turn clockwise
        (8, upright, [10, 35]), // a quarter turn anticlockwise
    ];
    for (orientation, size, red) in cases {
        let path = folder.path().join(format!("turned_{orientation}.jpg"));
        fs::write(&path, jpeg_with_orientation(orientation)).unwrap();
        let picture = load_picture(&path).unwrap();
        assert_eq!(Size::from(picture.dimensions()), size, "orientation {orientation}");
        assert!(is_red(&picture, red[0], red[1]), "orientation {orientation}");
        let source = PictureSource::open(&[path]).unwrap();
        assert_eq!(source.info().size, size, "the header alone tells the size");
    }
}

fn save(folder: &Path, name: &str) {
    two_halves().save(folder.join(name)).unwrap();
}

#[test]
fn a_folder_is_read_in_the_order_that_its_names_count() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["frame10.png", "frame9.png", "frame1.PNG", "cover.jpg", ".hidden.png"] {
        save(folder.path(), name);
    }
    fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    fs::create_dir(folder.path().join("below.png")).unwrap();
    let spec = source::spec_from_path(folder.path()).unwrap();
    assert_eq!(spec, SourceSpec::Pictures(vec![folder.path().to_owned()]));
    let mut source = source::open(&spec).unwrap();
    assert_eq!(source.info().frames, Some(4));
    assert_eq!(names(&mut *source), ["cover.jpg", "frame1.PNG", "frame9.png", "frame10.png"]);
}

#[test]
fn a_picture_lasts_a_second_for_seeks() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..4 {
        save(folder.path(), &format!("{n}.png"));
    }
    let mut source = PictureSource::open(&[folder.path().to_owned()]).unwrap();
    source.seek(Duration::from_millis(2900)).unwrap();
    let frame = source.next_frame().unwrap().unwrap();
    assert_eq!((frame.name.as_deref(), frame.timestamp), (Some("2.png"), Duration::from_secs(2)));
    source.seek(Duration::from_secs(100)).unwrap();
    assert_eq!(names(&mut source), ["3.png"]);
    source.seek(Duration::ZERO).unwrap();
    assert_eq!(names(&mut source).len(), 4);
}

#[test]
fn one_broken_picture_is_named_and_the_others_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), "a.png");
    fs::write(folder.path().join("b.png"), b"\x89PNG\r\n\x1a\n but no more").unwrap();
    save(folder.path(), "c.png");
    let mut source = PictureSource::open(&[folder.path().to_owned()]).unwrap();
    assert_eq!(source.next_frame().unwrap().unwrap().name.as_deref(), Some("a.png"));
    let error = source.next_frame().unwrap_err();
    assert!(matches!(error, SourceError::Picture { .. }), "{error}");
    assert!(error.to_string().contains("b.png") && !error.to_string().contains('\n'), "{error}");
    assert_eq!(source.next_frame().unwrap().unwrap().name.as_deref(), Some("c.png"));
}

#[test]
fn what_holds_no_pictures_is_refused_at_the_opening() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path| PictureSource::open(&[path.to_owned()]).err().unwrap();
    assert!(matches!(refused(folder.path()), SourceError::EmptyFolder { .. }));
    assert!(matches!(refused(&folder.path().join("missing.png")), SourceError::NotFound { .. }));
    let empty = folder.path().join("empty.jpg");
    fs::write(&empty, "").unwrap();
    assert!(matches!(refused(&empty), SourceError::EmptyFile { .. }));
    let broken = folder.path().join("broken.jpg");
    fs::write(&broken, "not a picture").unwrap();
    assert!(matches!(refused(&broken), SourceError::Picture { .. }));
    assert!(matches!(PictureSource::open(&[]), Err(SourceError::NoPictures)));
}
