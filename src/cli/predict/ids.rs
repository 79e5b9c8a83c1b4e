//! The image ids of pictures and video frames in the results.

use std::collections::HashMap;

/// Gives each picture or video frame an image id of its own. The memory grows with the pictures that have a number in
/// their name, not with the length of a video.
#[derive(Debug)]
pub struct ImageIds {
    /// The numbers in names, and whether each has been given away.
    named: HashMap<u64, bool>,
    next: u64,
}

impl ImageIds {
    /// `named` are the numbers in the pictures' names; running ids skip them.
    pub fn new(named: impl IntoIterator<Item = u64>) -> ImageIds {
        ImageIds { named: named.into_iter().map(|id| (id, false)).collect(), next: 1 }
    }

    /// The id of the next picture or frame: the `number` in its name if no other picture has it, else the next running
    /// id.
    pub fn take(&mut self, number: Option<u64>) -> u64 {
        if let Some(id) = number
            && let Some(given @ false) = self.named.get_mut(&id)
        {
            *given = true;
            return id;
        }
        while self.named.contains_key(&self.next) {
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
    use std::collections::HashSet;

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
        let wanted = [Some(2), None, None, Some(1), Some(0), Some(9), Some(9)];
        let mut ids = ImageIds::new(wanted.into_iter().flatten());
        assert_eq!(wanted.map(|number| ids.take(number)), [2, 3, 4, 1, 0, 9, 5]);
    }

    proptest! {
        #[test]
        fn no_id_is_given_twice(
            named in proptest::collection::vec(0u64..20, 0..20),
            wanted in proptest::collection::vec(proptest::option::of(0u64..20), 0..60),
        ) {
            let mut ids = ImageIds::new(named);
            let given: Vec<u64> = wanted.iter().map(|w| ids.take(*w)).collect();
            let different: HashSet<&u64> = given.iter().collect();
            prop_assert_eq!(different.len(), given.len());
        }
    }
}
