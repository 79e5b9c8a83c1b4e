//! Names of files that are made from others.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The longest name that usual file systems take, in bytes.
const LONGEST: usize = 255;

/// `name` with `-number` behind its stem, shortened where it gets too long: `a.jpg` and 2 make `a-2.jpg`. Number 1 adds
/// nothing.
pub fn numbered(name: &OsStr, number: u32) -> OsString {
    let addition = if number == 1 { String::new() } else { format!("-{number}") };
    name_that_fits(name, &addition)
}

/// `name` with `addition` behind its stem; the stem is cut where the whole gets longer than a file's name may be.
pub fn name_that_fits(name: &OsStr, addition: &str) -> OsString {
    let path = Path::new(name);
    let stem = path.file_stem().unwrap_or(name);
    let mut end = OsString::from(addition);
    if let Some(extension) = path.extension() {
        end.push(".");
        end.push(extension);
    }
    let mut whole = cut(stem, LONGEST.saturating_sub(end.len()).max(1));
    whole.push(end);
    whole
}

/// At most the first `bytes` of a name, in whole characters.
fn cut(name: &OsStr, bytes: usize) -> OsString {
    if name.len() <= bytes {
        return name.to_owned();
    }
    match name.to_str() {
        Some(text) => {
            let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            text[..end].into()
        }
        None => cut_bytes(name, bytes),
    }
}

#[cfg(unix)]
fn cut_bytes(name: &OsStr, bytes: usize) -> OsString {
    use std::os::unix::ffi::OsStrExt;
    OsStr::from_bytes(&name.as_bytes()[..bytes]).to_owned()
}

#[cfg(not(unix))]
fn cut_bytes(name: &OsStr, bytes: usize) -> OsString {
    cut(OsStr::new(name.to_string_lossy().as_ref()), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_stand_behind_the_stem() {
        let name = |text: &str, number| numbered(OsStr::new(text), number).into_string().unwrap();
        assert_eq!(name("a.jpg", 1), "a.jpg");
        assert_eq!(name("a.b.jpg", 2), "a.b-2.jpg");
        assert_eq!(name("noext", 3), "noext-3");
    }

    proptest! {
        #[test]
        fn a_name_fits_and_keeps_its_extension(stem in "[a-z\u{e4}\u{1f3c3} -]{1,300}", number in 1u32..1000) {
            let made = numbered(OsStr::new(&format!("{stem}.mp4")), number);
            prop_assert!(made.len() <= LONGEST);
            let made = made.into_string().unwrap();
            prop_assert!(made.ends_with(".mp4"));
            let end = format!("-{number}.mp4");
            prop_assert!(number == 1 || made.ends_with(&end));
        }
    }
}
