//! A camera that was lost: what the window says of it, and when it is tried again.

use std::time::{Duration, Instant};

/// A camera that was lost and is tried again by itself. The last picture stays on show.
#[derive(Clone, Debug)]
pub struct Outage {
    /// What happened at the last try, in one sentence.
    pub reason: String,
    /// When it was lost.
    pub since: Instant,
    /// Times that it was opened in vain since then.
    pub tries: u32,
}

/// The backoff between the tries: short at first, since most outages are a loose cable, then longer, since
/// opening a camera is work for the system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { next: Self::FIRST }
    }
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(4);

    /// How long to wait now; the next pause is twice as long.
    pub fn next(&mut self) -> Duration {
        let now = self.next;
        self.next = (2 * now).min(Self::LONGEST);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let first: Vec<u128> = (0..7).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(first, [250, 500, 1000, 2000, 4000, 4000, 4000]);
    }
}
