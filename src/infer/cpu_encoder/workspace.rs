//! Memory that passes use again and again.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the passes that run at the same time have lent, and the rest for the next ones. A pass owns what
/// it was lent: while it waits for its strips, its thread may begin with another person.
#[derive(Default)]
pub(super) struct WorkspacePool<T>(Mutex<Vec<T>>);

impl<T: Default> WorkspacePool<T> {
    /// Runs `work` with what was given back last, which is likely to be in a cache still.
    pub fn lend<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut lent = self.free().pop().unwrap_or_default();
        let made = work(&mut lent);
        self.free().push(lent);
        made
    }

    /// Whoever panicked did so outside of the lock.
    fn free(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A person's tokens between two blocks.
#[derive(Default)]
pub(super) struct PersonWorkspace {
    /// `[n, dim]`.
    pub x: Vec<f32>,
    /// `[n, 3 dim]`: queries, keys and values of the block that is computed, and of the next one.
    pub qkv: [Vec<f32>; 2],
}

/// What a strip of rows needs on its way through a block.
#[derive(Default)]
pub(super) struct StripWorkspace {
    /// `[rows, dim]`.
    pub normed: Vec<f32>,
    /// One head's attention `[rows, n]`.
    pub attention: Vec<f32>,
    /// `[rows, dim]`.
    pub mixed: Vec<f32>,
    /// The MLP's inner values.
    pub hidden: Vec<f32>,
}

/// The first `len` numbers of `v`, which grows where it must; they hold whatever was there.
pub(super) fn first(v: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if v.len() < len {
        v.resize(len, 0.0);
    }
    &mut v[..len]
}
