//! Rates and histories of bounded length.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Events a second over the last two seconds.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    times: VecDeque<Instant>,
}

impl Rate {
    const WINDOW: Duration = Duration::from_secs(2);
    /// Far above any display or camera; bounds the memory.
    const MOST: usize = 2048;

    /// Counts an event.
    pub fn tick(&mut self, now: Instant) {
        if self.times.len() == Self::MOST {
            self.times.pop_front();
        }
        self.times.push_back(now);
        // One event older than the window stays: it starts the first interval that is measured.
        while self.times.len() > 2 && now.saturating_duration_since(self.times[1]) > Self::WINDOW {
            self.times.pop_front();
        }
    }

    /// Events a second; 0 with fewer than two events, or when the last is long past.
    pub fn per_second(&self, now: Instant) -> f64 {
        let (Some(first), Some(last)) = (self.times.front(), self.times.back()) else { return 0.0 };
        let spanned = last.saturating_duration_since(*first);
        let silent = now.saturating_duration_since(*last);
        if self.times.len() < 2 || silent > Self::WINDOW.max(2 * spanned / (self.times.len() as u32 - 1)) {
            return 0.0;
        }
        (self.times.len() - 1) as f64 / spanned.as_secs_f64().max(1e-9)
    }
}

/// The last values of a series, oldest first.
#[derive(Clone, Debug)]
pub struct RecentValues<T> {
    values: VecDeque<T>,
    most: usize,
}

impl<T> RecentValues<T> {
    /// Keeps at most `most` values.
    pub fn new(most: usize) -> RecentValues<T> {
        RecentValues { values: VecDeque::with_capacity(most), most }
    }

    /// Adds a value and forgets the oldest when full.
    pub fn push(&mut self, value: T) {
        if self.values.len() == self.most {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.values.iter()
    }

    /// The newest value.
    pub fn last(&self) -> Option<&T> {
        self.values.back()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.values.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_counts_intervals_and_falls_to_zero_in_silence() {
        let start = Instant::now();
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(start), 0.0);
        for n in 0..100 {
            rate.tick(start + Duration::from_millis(40 * n));
        }
        let end = start + Duration::from_millis(40 * 99);
        assert!((rate.per_second(end) - 25.0).abs() < 1e-6);
        assert_eq!(rate.per_second(end + Duration::from_secs(5)), 0.0);
    }

    #[test]
    fn a_slow_network_still_has_a_rate() {
        let start = Instant::now();
        let mut rate = Rate::default();
        for n in 0..4 {
            rate.tick(start + Duration::from_secs(4 * n));
        }
        assert!((rate.per_second(start + Duration::from_secs(13)) - 0.25).abs() < 1e-6);
    }

    #[test]
    fn memory_is_bounded() {
        let mut rate = Rate::default();
        let now = Instant::now();
        (0..10_000).for_each(|_| rate.tick(now));
        assert!(rate.times.len() <= Rate::MOST);
        let mut history = RecentValues::new(3);
        (0..10).for_each(|n| history.push(n));
        assert_eq!(history.iter().copied().collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!(history.last(), Some(&9));
    }
}
