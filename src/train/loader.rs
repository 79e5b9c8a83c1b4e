//! Batches, made ahead of the training by threads of their own.

use crossbeam_channel::{Receiver, bounded};
use rayon::ThreadPoolBuilder;
use std::sync::Arc;

/// Makes batches in order. Several are made at once, so that one slow picture does not delay the others; their number
/// bounds the memory.
pub struct Loader<B> {
    /// A channel for each batch, in the order of the batches.
    queue: Receiver<Receiver<B>>,
}

impl<B: Send + 'static> Loader<B> {
    /// Starts with batch number `first`. `plan` is called in order and returns what is in a batch, `make` makes it. At most
    /// `ahead` batches wait. The `threads` that make them are not those that compute, so that neither takes the other's
    /// work. All end when the loader is dropped.
    pub fn start<P: Send + 'static>(
        first: u64,
        ahead: usize,
        threads: usize,
        mut plan: impl FnMut(u64) -> P + Send + 'static,
        make: impl Fn(P) -> B + Send + Sync + 'static,
    ) -> Loader<B> {
        let (sender, queue) = bounded(ahead);
        let name = |i| format!("loader {i}");
        // Without threads of its own the loader shares those that compute.
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build().ok();
        let make = Arc::new(make);
        std::thread::spawn(move || {
            for number in first.. {
                let (plan, make) = (plan(number), make.clone());
                let (done, made) = bounded(1);
                if sender.send(made).is_err() {
                    return;
                }
                // It cannot be sent when the loader was dropped meanwhile.
                let job = move || drop(done.send(make(plan)));
                match &pool {
                    Some(pool) => pool.spawn(job),
                    None => rayon::spawn(job),
                }
            }
        });
        Loader { queue }
    }

    /// Waits for the next batch. `None` when a thread of the loader has panicked.
    pub fn next(&self) -> Option<B> {
        self.queue.recv().ok()?.recv().ok()
    }
}
