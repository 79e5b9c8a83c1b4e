//! Names in the order that a person expects: `frame2` before `frame10`.

use std::cmp::Ordering;

/// Compares two file names; runs of digits count as numbers, letters without regard to case.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let order = match (split_run(left), split_run(right)) {
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some((x, rest_x)), Some((y, rest_y))) => {
                (left, right) = (rest_x, rest_y);
                compare_runs(x, y)
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The first run of digits, or of other characters, and the rest.
fn split_run(text: &str) -> Option<(&str, &str)> {
    let digits = text.chars().next()?.is_ascii_digit();
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    Some(text.split_at(end))
}

fn compare_runs(a: &str, b: &str) -> Ordering {
    let number = |run: &str| run.starts_with(|c: char| c.is_ascii_digit());
    if number(a) && number(b) {
        // By length without leading zeros and then by digit, so that no number is too large.
        let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
        a.len().cmp(&b.len()).then_with(|| a.cmp(b))
    } else {
        a.to_lowercase().cmp(&b.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_by_value() {
        let mut names =
            ["b10.png", "a.png", "b9.png", "B1.png", "b09.png", "b2x10.png", "b2x9.png", "10.png", "9.png"];
        names.sort_by(|a, b| compare(a, b));
        let expected =
            ["9.png", "10.png", "a.png", "B1.png", "b2x9.png", "b2x10.png", "b09.png", "b9.png", "b10.png"];
        assert_eq!(names, expected);
    }

    #[test]
    fn numbers_of_any_length_do_not_overflow() {
        let huge = "9".repeat(40);
        assert_eq!(compare(&huge, "1"), Ordering::Greater);
        assert_eq!(compare(&huge, &format!("{huge}0")), Ordering::Less);
    }
}
