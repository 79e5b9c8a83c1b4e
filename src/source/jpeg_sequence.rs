//! JPEGs one behind the other in one file, as IP cameras store videos.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Frames of such a video are smaller than this, in bytes.
const LONGEST_FRAME: u64 = 1 << 25;

/// Whether the file at `path` is such a video. A photo with a preview, a depth map or a video behind it is none.
pub(super) fn is_sequence(path: &Path) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4).read_to_end(&mut bytes));
    if read.is_err() || !bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        return false;
    }
    bytes.clear();
    // Two frames are enough to tell.
    let read = File::open(path).and_then(|file| file.take(2 * LONGEST_FRAME).read_to_end(&mut bytes));
    read.is_ok() && holds_two(&bytes)
}

/// Whether `bytes` begin with two JPEGs of which the first does not announce the second.
fn holds_two(bytes: &[u8]) -> bool {
    let Some(Jpeg { end, has_index: false }) = first_jpeg(bytes) else { return false };
    let between = bytes[end..].iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0).count();
    first_jpeg(&bytes[end + between..]).is_some()
}

/// A JPEG at the beginning of some bytes.
struct Jpeg {
    /// Where it ends.
    end: usize,
    /// It lists other pictures of the file (the Multi-Picture Format of CIPA DC-007).
    has_index: bool,
}

fn first_jpeg(bytes: &[u8]) -> Option<Jpeg> {
    bytes.starts_with(&[0xff, 0xd8]).then_some(())?;
    let (mut at, mut has_index) = (2, false);
    loop {
        // Anything before a marker is coded pixels, where 0xff is followed by 0 or by a restart marker.
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        match *bytes.get(at + 1)? {
            0xff => at += 1,
            0xd9 => return Some(Jpeg { end: at + 2, has_index }),
            0x00 | 0x01 | 0xd0..=0xd7 => at += 2,
            0xd8 => return None,
            marker => {
                let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
                has_index |= marker == 0xe2 && bytes.get(at + 4..)?.starts_with(b"MPF\0");
                at += 2 + length.max(2);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn jpeg(shade: u8) -> Vec<u8> {
        let picture = image::RgbImage::from_pixel(9, 7, image::Rgb([shade, 9, 200]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn two_jpegs_are_a_video_and_a_photo_with_something_behind_it_is_none() {
        let (one, two) = (jpeg(3), jpeg(250));
        assert!(!holds_two(&one));
        assert!(holds_two(&[one.clone(), two.clone()].concat()));
        assert!(holds_two(&[one.clone(), b"\r\n".to_vec(), two.clone()].concat()));
        assert!(!holds_two(&[one.clone(), b"\0\0\0\x20ftypmp42".to_vec()].concat()));
        assert!(!holds_two(&[one.clone(), two[..two.len() - 3].to_vec()].concat()));
        let index = [&one[..2], &[0xff, 0xe2, 0, 6], b"MPF\0", &one[2..], &two].concat();
        assert!(!holds_two(&index), "the second picture is a preview");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(rest in proptest::collection::vec(any::<u8>(), 0..200)) {
            holds_two(&[&[0xff, 0xd8][..], &rest].concat());
            holds_two(&rest);
        }
    }
}
