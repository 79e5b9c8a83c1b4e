//! Pictures that cannot be decoded while a training runs.

use super::TrainError;
use std::collections::BTreeSet;

/// Largest number of names in a message.
const NAMED: usize = 5;

/// The reasons why pictures could not be decoded: each once, however often the picture was used.
#[derive(Default)]
pub struct UnreadablePictures(BTreeSet<String>);

impl UnreadablePictures {
    /// Adds the `reasons` of one step and passes the new ones to `note`. `all` is the number of all pictures.
    ///
    /// # Errors
    /// The share of unreadable pictures is above `limit`, 0 to 1.
    pub fn take(
        &mut self,
        reasons: Vec<String>,
        all: usize,
        limit: f64,
        mut note: impl FnMut(String),
    ) -> Result<(), TrainError> {
        for text in reasons {
            if self.0.insert(text.clone()) {
                note(text);
            }
        }
        check_limit(self.0.len(), all, limit, &first_names(self.0.iter().cloned()))
    }
}

/// The first few of some names, separated by semicolons.
pub fn first_names(names: impl Iterator<Item = String>) -> String {
    names.take(NAMED).collect::<Vec<_>>().join("; ")
}

/// Checks how many of `all` pictures are unreadable; `names` are some of them.
///
/// # Errors
/// Their share is above `limit`, 0 to 1.
pub fn check_limit(unreadable: usize, all: usize, limit: f64, names: &str) -> Result<(), TrainError> {
    if unreadable as f64 > limit * all as f64 {
        return Err(TrainError::UnreadablePictures { unreadable, all, names: names.into() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_counts_and_is_told_once_and_five_are_named() {
        let (mut unreadable, mut told) = (UnreadablePictures::default(), Vec::new());
        let mut take = |names: &[&str]| {
            let shown = names.iter().map(|name| (*name).to_owned()).collect();
            unreadable.take(shown, 20, 0.25, |text| told.push(text))
        };
        for _ in 0..30 {
            take(&["a", "b", "a"]).unwrap();
        }
        take(&["e", "d", "c"]).unwrap();
        let error = take(&["f", "b"]).unwrap_err().to_string();
        assert!(error.starts_with("6 of 20 pictures") && error.contains("(a; b; c; d; e)"), "{error}");
        assert_eq!(told, ["a", "b", "e", "d", "c", "f"]);
    }
}
