//! The share of the visual tokens that is kept.

use serde::{Deserialize, Serialize};

/// The share of the visual tokens that enters the transformer: a number above 0 and at most 1. A ratio that would keep
/// less than one token keeps one.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct KeepRatio(f64);

/// A number that is no [`KeepRatio`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keep ratio {0} is not possible: give a number above 0 and at most 1")]
pub struct InvalidKeepRatio(String);

impl KeepRatio {
    /// Every token.
    pub const ALL: KeepRatio = KeepRatio(1.0);

    /// The ratio that keeps `share` of the tokens.
    ///
    /// # Errors
    /// `share` is not above 0 and at most 1.
    pub fn new(share: f64) -> Result<KeepRatio, InvalidKeepRatio> {
        if share > 0.0 && share <= 1.0 {
            Ok(KeepRatio(share))
        } else {
            Err(InvalidKeepRatio(share.to_string()))
        }
    }

    /// [`KeepRatio::new`] for a share that stands in the source.
    ///
    /// # Panics
    /// `share` is not above 0 and at most 1; for a constant the compiler says so.
    pub const fn constant(share: f64) -> KeepRatio {
        assert!(share > 0.0 && share <= 1.0, "a keep ratio is above 0 and at most 1");
        KeepRatio(share)
    }

    /// The share, above 0 and at most 1.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The ratio at `part` (0 to 1) of the way from `low` to `high`.
    pub fn between(low: KeepRatio, high: KeepRatio, part: f64) -> KeepRatio {
        KeepRatio((low.0 + (high.0 - low.0) * part).min(1.0))
    }
}

impl Default for KeepRatio {
    fn default() -> KeepRatio {
        KeepRatio::ALL
    }
}

impl TryFrom<f64> for KeepRatio {
    type Error = InvalidKeepRatio;

    fn try_from(share: f64) -> Result<KeepRatio, InvalidKeepRatio> {
        KeepRatio::new(share)
    }
}

impl From<KeepRatio> for f64 {
    fn from(ratio: KeepRatio) -> f64 {
        ratio.0
    }
}

impl std::fmt::Display for KeepRatio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for KeepRatio {
    type Err = InvalidKeepRatio;

    fn from_str(text: &str) -> Result<KeepRatio, InvalidKeepRatio> {
        text.parse()
            .ok()
            .and_then(|share| KeepRatio::new(share).ok())
            .ok_or_else(|| InvalidKeepRatio(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keep_ratio_lies_above_zero_and_at_most_at_one() {
        assert_eq!("0.25".parse(), KeepRatio::new(0.25));
        assert_eq!("1".parse(), Ok(KeepRatio::ALL));
        for wrong in ["0", "-0.1", "1.01", "nan", "all"] {
            let error = wrong.parse::<KeepRatio>().unwrap_err().to_string();
            assert!(error.contains(wrong) && error.contains("above 0 and at most 1"), "{error}");
        }
        for wrong in [0.0, 1.5, f64::NAN] {
            assert!(KeepRatio::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn in_files_it_is_a_number() {
        assert_eq!(serde_json::to_string(&KeepRatio::new(0.6).unwrap()).unwrap(), "0.6");
        assert_eq!(serde_json::from_str::<KeepRatio>("1").unwrap(), KeepRatio::ALL);
        assert!(serde_json::from_str::<KeepRatio>("7.0").is_err());
    }
}
