//! Which number a picture gets in the results.

use std::collections::HashSet;

/// Gives each picture or video frame an image id that no other has. Its memory grows with the pictures
/// that have a number in their name, not with the length of a video.
#[derive(Debug)]
pub struct Ids {
    named: HashSet<u64>,
    /// Every id below this is taken.
    next: u64,
}

impl Ids {
    pub fn new() -> Ids {
        Ids { named: HashSet::new(), next: 1 }
    }

    /// The wanted id if it is free, else the next running one.
    pub fn take(&mut self, wanted: Option<u64>) -> u64 {
        if let Some(id) = wanted.filter(|&id| id >= self.next && !self.named.contains(&id)) {
            self.named.insert(id);
            return id;
        }
        while self.named.remove(&self.next) {
            self.next += 1;
        }
        self.next += 1;
        self.next - 1
    }
}

/// The last number in a file's name: 139 for `000000000139.jpg`, 42 for `COCO_val2014_000042.png`.
pub fn number_in_name(name: &str) -> Option<u64> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let tail = stem.trim_end_matches(|c: char| !c.is_ascii_digit());
    let digits = tail.rfind(|c: char| !c.is_ascii_digit()).map_or(tail, |i| {
        // `i` begins a character that is no digit; what follows it begins after its last byte.
        tail[i..].trim_start_matches(|c: char| !c.is_ascii_digit())
    });
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_number_of_the_name_counts() {
        assert_eq!(number_in_name("000000000139.jpg"), Some(139));
        assert_eq!(number_in_name("COCO_val2014_000042.png"), Some(42));
        assert_eq!(number_in_name("été7 copy.jpg"), Some(7));
        assert_eq!(number_in_name("people.jpg"), None);
        assert_eq!(number_in_name("people.2"), None);
        assert_eq!(number_in_name("99999999999999999999999.jpg"), None);
    }

    #[test]
    fn names_win_and_the_others_are_counted_around_them() {
        let mut ids = Ids::new();
        let given: Vec<u64> =
            [Some(2), None, None, Some(1), Some(9), Some(9)].map(|wanted| ids.take(wanted)).into();
        assert_eq!(given, [2, 1, 3, 4, 9, 5]);
    }

    proptest! {
        #[test]
        fn no_id_is_given_twice(wanted in proptest::collection::vec(proptest::option::of(0u64..20), 0..60)) {
            let mut ids = Ids::new();
            let given: Vec<u64> = wanted.iter().map(|w| ids.take(*w)).collect();
            let different: HashSet<&u64> = given.iter().collect();
            prop_assert_eq!(different.len(), given.len());
        }
    }
}
