//! Latest-value slots: how frames, settings and results cross threads without a queue.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Locks, also after a thread died while it held the lock: every value behind these locks is
/// replaced as a whole, so it is never half written.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Wakes one thread that waits for any of several slots.
#[derive(Debug, Default)]
pub struct Notifier {
    rings: Mutex<u64>,
    rung: Condvar,
}

impl Notifier {
    /// Wakes the thread that waits, or lets its next wait return at once.
    pub fn notify(&self) {
        *lock(&self.rings) += 1;
        self.rung.notify_all();
    }

    /// Waits until the notifier was rung since `heard` was last returned, at most until `deadline`.
    /// Returns the number of rings so far, to be given to the next call.
    pub fn wait(&self, heard: u64, deadline: Option<Instant>) -> u64 {
        let mut rings = lock(&self.rings);
        while *rings == heard {
            rings = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => self.rung.wait(rings).unwrap_or_else(|poisoned| poisoned.into_inner()),
                Some(Duration::ZERO) => break,
                Some(left) => {
                    self.rung.wait_timeout(rings, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0
                }
            };
        }
        *rings
    }
}

/// Holds at most one value. A newer value replaces one that nobody took, and that is counted: a slow
/// reader sees the newest state late by one turn, never by a queue's length.
#[derive(Debug)]
pub struct Slot<T> {
    value: Mutex<Option<T>>,
    notifier: Arc<Notifier>,
    dropped: AtomicU64,
}

impl<T> Slot<T> {
    /// An empty slot whose reader waits at `notifier`.
    pub fn new(notifier: Arc<Notifier>) -> Slot<T> {
        Slot { value: Mutex::new(None), notifier, dropped: AtomicU64::new(0) }
    }

    /// Leaves a value for the reader. Never waits for it.
    pub fn put(&self, value: T) {
        let replaced = lock(&self.value).replace(value);
        if replaced.is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        // The replaced value may be a large picture: it is freed here, after the lock.
        drop(replaced);
        self.notifier.notify();
    }

    /// The newest value that was not taken yet. Never waits for one.
    pub fn take(&self) -> Option<T> {
        lock(&self.value).take()
    }

    /// How many values were replaced before anyone took them.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_value_replaces_one_that_nobody_took() {
        let slot = Slot::new(Arc::default());
        for n in 1..=4 {
            slot.put(n);
        }
        assert_eq!((slot.take(), slot.take(), slot.dropped()), (Some(4), None, 3));
        slot.put(5);
        assert_eq!((slot.take(), slot.dropped()), (Some(5), 3));
    }

    #[test]
    fn one_bell_wakes_for_either_slot() {
        let notifier = Arc::new(Notifier::default());
        let frames = Arc::new(Slot::new(notifier.clone()));
        let settings = Arc::new(Slot::new(notifier.clone()));
        let writer = std::thread::spawn({
            let settings = settings.clone();
            move || settings.put("changed")
        });
        let heard = notifier.wait(0, None);
        writer.join().unwrap();
        assert_eq!((frames.take(), settings.take()), (None::<u8>, Some("changed")));
        // Nothing new: the wait ends at its deadline.
        assert_eq!(notifier.wait(heard, Some(Instant::now() + Duration::from_millis(5))), heard);
    }

    #[test]
    fn a_ring_before_the_wait_is_not_lost() {
        let notifier = Notifier::default();
        notifier.notify();
        assert_eq!(notifier.wait(0, None), 1);
    }
}
