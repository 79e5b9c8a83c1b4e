//! Which person detector a program works with.

use super::DetectError;
use crate::weights;
use std::ffi::OsString;
use std::path::PathBuf;

/// The value of `--detector`: a file, or `none`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DetectorChoice {
    /// Nothing was asked for: the window takes the detector that it used last; otherwise the one that comes with the
    /// program, if it is there.
    #[default]
    Default,
    /// No detector: one person is looked for in the whole picture.
    None,
    /// This file.
    File(PathBuf),
}

impl From<OsString> for DetectorChoice {
    fn from(text: OsString) -> DetectorChoice {
        if text == "none" { DetectorChoice::None } else { DetectorChoice::File(text.into()) }
    }
}

impl DetectorChoice {
    /// The detector's file; `None` without a detector.
    ///
    /// # Errors
    /// There is no file of the name that was asked for.
    pub fn file(&self) -> Result<Option<PathBuf>, DetectError> {
        match self {
            DetectorChoice::Default => Ok(weights::default_detector()),
            DetectorChoice::None => Ok(None),
            DetectorChoice::File(path) if path.is_file() => Ok(Some(path.clone())),
            DetectorChoice::File(path) => Err(DetectError::NoFile(path.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_no_file_and_a_missing_file_is_named() {
        let choice = |text: &str| DetectorChoice::from(OsString::from(text));
        assert_eq!(choice("none").file().unwrap(), None);
        assert_eq!(choice("./none"), DetectorChoice::File("./none".into()));
        let error = choice("nobody.safetensors").file().unwrap_err().to_string();
        assert!(error.contains("nobody.safetensors") && error.contains("--detector none"), "{error}");
    }
}
