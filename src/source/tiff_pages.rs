//! The pages of a TIFF file: each is read like a file of its own.

use std::collections::HashSet;
use std::io::{Read, Result, Seek, SeekFrom};

/// More pages than this are not looked for.
const MOST_PAGES: usize = 10_000;
/// Tag of a page's kind, and its bits for a smaller copy of another page and for a mask.
const KIND: u16 = 254;
const NO_PAGE: u32 = 0b101;

/// Where a TIFF file says where its first page's directory begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    big_endian: bool,
    /// BigTIFF: offsets have 8 bytes.
    big: bool,
}

impl Layout {
    fn of(head: &[u8]) -> Option<Layout> {
        match head.get(..4)? {
            b"II*\0" => Some(Layout { big_endian: false, big: false }),
            b"MM\0*" => Some(Layout { big_endian: true, big: false }),
            b"II+\0" => Some(Layout { big_endian: false, big: true }),
            b"MM\0+" => Some(Layout { big_endian: true, big: true }),
            _ => None,
        }
    }

    /// Where the first directory's offset stands, and its bytes.
    fn first_offset(self) -> (u64, usize) {
        if self.big { (8, 8) } else { (4, 4) }
    }

    fn number(self, bytes: &[u8]) -> u64 {
        let shift = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if self.big_endian { bytes.iter().fold(0, shift) } else { bytes.iter().rev().fold(0, shift) }
    }

    fn bytes(self, number: u64) -> Vec<u8> {
        let count = self.first_offset().1;
        if self.big_endian {
            number.to_be_bytes()[8 - count..].to_vec()
        } else {
            number.to_le_bytes()[..count].to_vec()
        }
    }
}

/// The offsets of the directories of all pages; none where it is no TIFF file. Thumbnails and masks are no pages.
///
/// # Errors
/// The file cannot be read.
pub(super) fn offsets(file: &mut (impl Read + Seek)) -> Result<Vec<u64>> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(16).read_to_end(&mut head)?;
    let Some(layout) = Layout::of(&head) else { return Ok(Vec::new()) };
    let (at, count) = layout.first_offset();
    let mut next = head.get(at as usize..at as usize + count).map_or(0, |bytes| layout.number(bytes));
    let (mut pages, mut seen) = (Vec::new(), HashSet::new());
    // A damaged chain ends where it leaves the file, or leads back.
    while next != 0 && seen.insert(next) && seen.len() <= MOST_PAGES {
        let Ok(directory) = read_directory(file, layout, next) else { break };
        if directory.kind & NO_PAGE == 0 {
            pages.push(next);
        }
        next = directory.next;
    }
    Ok(pages)
}

struct Directory {
    kind: u32,
    next: u64,
}

fn read_directory(file: &mut (impl Read + Seek), layout: Layout, at: u64) -> Result<Directory> {
    let (count_bytes, entry_bytes, value_at) = if layout.big { (8, 20, 12) } else { (2, 12, 8) };
    let (_, offset_bytes) = layout.first_offset();
    file.seek(SeekFrom::Start(at))?;
    let mut read = |count: usize| -> Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        file.read_exact(&mut bytes).map(|()| bytes)
    };
    let count = layout.number(&read(count_bytes)?).min(u64::from(u16::MAX)) as usize;
    let entries = read(count * entry_bytes + offset_bytes)?;
    let (entries, next) = entries.split_at(entries.len() - offset_bytes);
    let kind = entries.chunks_exact(entry_bytes).find(|entry| layout.number(&entry[..2]) == u64::from(KIND));
    let kind = kind.map_or(0, |entry| layout.number(&entry[value_at..value_at + 4]) as u32);
    Ok(Directory { kind, next: layout.number(next) })
}

/// A file; if it is a TIFF file, as if the page whose directory is at the offset were its first.
pub(super) struct AtPage<R> {
    file: R,
    position: u64,
    /// What stands at these bytes instead.
    first: u64,
    instead: Vec<u8>,
}

impl<R: Read + Seek> AtPage<R> {
    /// The `file` from its beginning, as it is where no offset is given.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn new(mut file: R, offset: Option<u64>) -> Result<AtPage<R>> {
        let mut head = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.by_ref().take(4).read_to_end(&mut head)?;
        file.seek(SeekFrom::Start(0))?;
        let (first, instead) = match (Layout::of(&head), offset) {
            (Some(layout), Some(offset)) => (layout.first_offset().0, layout.bytes(offset)),
            _ => (0, Vec::new()),
        };
        Ok(AtPage { file, position: 0, first, instead })
    }
}

impl<R: Read> Read for AtPage<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.file.read(buffer)?;
        for (place, byte) in buffer[..count].iter_mut().enumerate() {
            let at = (self.position + place as u64).checked_sub(self.first);
            if let Some(new) = at.and_then(|at| self.instead.get(usize::try_from(at).ok()?)) {
                *byte = *new;
            }
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl<R: Seek> Seek for AtPage<R> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.position = self.file.seek(to)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// Two pages of 1x1 pixel and, between them, a thumbnail.
    fn two_pages() -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        for (page, kind) in [(0u32, 0u32), (1, 1), (2, 0)] {
            let pixel = bytes.len() as u32 + 2 + 12 * 7 + 4;
            let entries: [(u16, u16, u32); 7] = [
                (KIND, 4, kind),
                (256, 4, 1),
                (257, 4, 1),
                (258, 3, 8),
                (262, 3, 1),
                (273, 4, pixel),
                (279, 4, 1),
            ];
            bytes.extend(7u16.to_le_bytes());
            for (tag, format, value) in entries {
                bytes.extend(tag.to_le_bytes());
                bytes.extend(format.to_le_bytes());
                bytes.extend(1u32.to_le_bytes());
                bytes.extend(value.to_le_bytes());
            }
            let next = if page == 2 { 0 } else { pixel + 2 };
            bytes.extend(next.to_le_bytes());
            bytes.extend([page as u8 * 100, 0]);
        }
        bytes
    }

    #[test]
    fn each_page_is_read_as_the_first_of_a_file() {
        let bytes = two_pages();
        let pages = offsets(&mut Cursor::new(&bytes)).unwrap();
        let shade = |offset: &u64| {
            let page = std::io::BufReader::new(AtPage::new(Cursor::new(&bytes), Some(*offset)).unwrap());
            let picture = image::ImageReader::with_format(page, image::ImageFormat::Tiff).decode().unwrap();
            picture.into_luma8().get_pixel(0, 0).0[0]
        };
        assert_eq!(pages.iter().map(shade).collect::<Vec<_>>(), [0, 200]);
    }

    #[test]
    fn a_chain_that_leads_back_ends() {
        let mut bytes = two_pages();
        let end = bytes.len() - 6;
        bytes[end..end + 4].copy_from_slice(&8u32.to_le_bytes());
        assert_eq!(offsets(&mut Cursor::new(&bytes)).unwrap().len(), 2);
        assert!(offsets(&mut Cursor::new(b"no tiff at all")).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(rest in proptest::collection::vec(any::<u8>(), 0..200), big in any::<bool>()) {
            let head: &[u8] = if big { b"MM\0+" } else { b"II*\0" };
            offsets(&mut Cursor::new([head, &rest].concat())).unwrap();
        }
    }
}
