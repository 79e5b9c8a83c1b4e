//! Pictures that cannot be decoded while a training runs.

use super::TrainError;
use std::collections::BTreeSet;

/// Names in a message.
const NAMED: usize = 5;

/// Why pictures could not be decoded: each once, however often it was shown.
#[derive(Default)]
pub struct UnreadablePictures(BTreeSet<String>);

impl UnreadablePictures {
    /// Takes in the `reasons` of one step and passes the new ones to `note`.
    ///
    /// # Errors
    /// They are more than the part `limit` of `all`.
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

/// The first few of some names.
pub fn first_names(names: impl Iterator<Item = String>) -> String {
    names.take(NAMED).collect::<Vec<_>>().join("; ")
}

/// Refuses to go on when `bad` pictures, some of them in `names`, are more than the part `limit` of `all`.
///
/// # Errors
/// They are more.
pub fn check_limit(bad: usize, all: usize, limit: f64, names: &str) -> Result<(), TrainError> {
    if bad as f64 > limit * all as f64 {
        return Err(TrainError::BadPictures { bad, all, names: names.into() });
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
