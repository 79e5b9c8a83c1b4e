//! Sorting by score.

use std::cmp::Ordering;

/// Larger scores first, not-a-number last. Equal scores (also 0 and -0) compare as equal, so that a
/// stable sort keeps their order, as numpy's does.
pub(super) fn descending(a: f64, b: f64) -> Ordering {
    b.partial_cmp(&a).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
