//! How flags and settings files name a set of pictures.

use super::error::DataError;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The word that stands for the mannequin in place of a folder.
const MANNEQUIN: &str = "mannequin";
/// The largest number after a colon: passes through a set, or pictures of the mannequin.
const LARGEST: usize = 1000;

/// Where the pictures of a set come from.
///
/// As text: the path of the set, or `mannequin`, or `mannequin:N`. A folder named `mannequin` is written
/// `./mannequin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SetSource {
    /// A folder, one split of it (`FOLDER/val`), or an annotation file.
    Path(PathBuf),
    /// So many pictures of the mannequin, which [`MannequinSets`](super::MannequinSets) draws; `None` leaves their
    /// number to it.
    Mannequin(Option<usize>),
}

/// One set of a mixture: `FOLDER`, or `FOLDER:N` to pass it N times an epoch, or `mannequin:N` for N pictures of the
/// mannequin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SetSpec {
    /// Where the pictures come from.
    pub source: SetSource,
    /// How often an epoch passes through the set.
    pub repeat: usize,
}

/// A text that names no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a set; write FOLDER, FOLDER:N for N passes an epoch, or mannequin:N for N pictures of the \
     mannequin (N from 1 to 1000)"
)]
pub struct InvalidSet(String);

/// The number after the last colon of `text`, and what stands before it. Only digits are a number: `C:\people` is a
/// path.
fn split_number(text: &str) -> Result<(&str, Option<usize>), InvalidSet> {
    match text.rsplit_once(':') {
        Some((before, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            let number = digits.parse().ok().filter(|n| (1..=LARGEST).contains(n));
            Ok((before, Some(number.ok_or_else(|| InvalidSet(text.to_owned()))?)))
        }
        _ => Ok((text, None)),
    }
}

impl SetSource {
    /// The path of a set that lies on the disk.
    ///
    /// # Errors
    /// The pictures of the mannequin have to be drawn first.
    pub fn path(&self) -> Result<&Path, DataError> {
        match self {
            SetSource::Path(path) => Ok(path),
            SetSource::Mannequin(_) => Err(DataError::NotRendered),
        }
    }
}

impl FromStr for SetSource {
    type Err = InvalidSet;

    fn from_str(text: &str) -> Result<SetSource, InvalidSet> {
        if text.strip_prefix(MANNEQUIN).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')) {
            let (word, pictures) = split_number(text)?;
            if word == MANNEQUIN {
                return Ok(SetSource::Mannequin(pictures));
            }
        }
        if text.is_empty() { Err(InvalidSet(text.to_owned())) } else { Ok(SetSource::Path(text.into())) }
    }
}

impl FromStr for SetSpec {
    type Err = InvalidSet;

    fn from_str(text: &str) -> Result<SetSpec, InvalidSet> {
        let (name, number) = split_number(text)?;
        if name == MANNEQUIN {
            return Ok(SetSpec::from(SetSource::Mannequin(number)));
        }
        let source = name.parse().map_err(|_| InvalidSet(text.to_owned()))?;
        Ok(SetSpec { source, repeat: number.unwrap_or(1) })
    }
}

impl std::fmt::Display for SetSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SetSource::Path(path) => write!(f, "{}", path.display()),
            SetSource::Mannequin(None) => f.write_str(MANNEQUIN),
            SetSource::Mannequin(Some(pictures)) => write!(f, "{MANNEQUIN}:{pictures}"),
        }
    }
}

impl std::fmt::Display for SetSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.repeat {
            1 => self.source.fmt(f),
            n => write!(f, "{}:{n}", self.source),
        }
    }
}

impl From<PathBuf> for SetSource {
    fn from(path: PathBuf) -> SetSource {
        SetSource::Path(path)
    }
}

impl From<SetSource> for SetSpec {
    fn from(source: SetSource) -> SetSpec {
        SetSpec { source, repeat: 1 }
    }
}

impl From<PathBuf> for SetSpec {
    fn from(path: PathBuf) -> SetSpec {
        SetSource::Path(path).into()
    }
}

macro_rules! text_in_files {
    ($($type:ty),*) => {$(
        impl TryFrom<String> for $type {
            type Error = InvalidSet;

            fn try_from(text: String) -> Result<$type, InvalidSet> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(set: $type) -> String {
                set.to_string()
            }
        }
    )*};
}

text_in_files!(SetSource, SetSpec);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_a_path_and_perhaps_a_count() {
        let parsed = |t: &str| t.parse::<SetSpec>().unwrap();
        assert_eq!(parsed("data/people"), SetSpec::from(PathBuf::from("data/people")));
        assert_eq!(parsed("data/people:2").repeat, 2);
        assert_eq!(parsed(r"C:\people").source, SetSource::Path(PathBuf::from(r"C:\people")));
        assert_eq!(parsed("data/people:2").to_string(), "data/people:2");
        assert!("data:0".parse::<SetSpec>().is_err());
        assert!(":3".parse::<SetSpec>().is_err());
    }

    #[test]
    fn the_mannequin_is_no_path_and_its_count_is_a_number_of_pictures() {
        for (text, pictures) in [("mannequin", None), ("mannequin:40", Some(40))] {
            let source = SetSource::Mannequin(pictures);
            assert_eq!(text.parse(), Ok(source.clone()));
            assert_eq!(text.parse(), Ok(SetSpec::from(source.clone())));
            assert_eq!(source.to_string(), text);
            assert_eq!(SetSpec::from(source).to_string(), text);
        }
        let repeated = SetSpec { source: SetSource::Mannequin(Some(40)), repeat: 3 };
        assert_eq!(repeated.to_string().parse(), Ok(repeated));
        for wrong in ["mannequin:0", "mannequin:1001"] {
            assert!(wrong.parse::<SetSource>().unwrap_err().to_string().contains("mannequin:N"));
            assert!(wrong.parse::<SetSpec>().is_err());
        }
        for path in ["./mannequin", "mannequin/val", "mannequins", "mannequin:a"] {
            assert_eq!(path.parse(), Ok(SetSource::Path(path.into())), "{path}");
        }
        // A set that is not repeated has no count: the colon belongs to its path.
        assert_eq!("people:2".parse(), Ok(SetSource::Path("people:2".into())));
    }
}
