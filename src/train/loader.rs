//! Batches made by threads of their own ahead of the training.

use crossbeam_channel::{Receiver, bounded};
use rayon::ThreadPoolBuilder;
use std::sync::Arc;

/// Makes batches in order. Several are under way at once, so that one slow picture holds up no other
/// batch; their number bounds the memory.
pub struct Loader<B> {
    /// Each batch's own channel, in the order of the batches.
    queue: Receiver<Receiver<B>>,
}

impl<B: Send + 'static> Loader<B> {
    /// Starts with batch number `first`: `plan` says in order what is in a batch, `make` makes it. At most `ahead`
    /// batches wait; `threads` read and crop, apart from the threads that compute, so that neither takes up the
    /// other's work. All end when the loader is dropped.
    pub fn start<P: Send + 'static>(
        first: u64,
        ahead: usize,
        threads: usize,
        mut plan: impl FnMut(u64) -> P + Send + 'static,
        make: impl Fn(P) -> B + Send + Sync + 'static,
    ) -> Loader<B> {
        let (line, queue) = bounded(ahead);
        let name = |i| format!("loader {i}");
        // Without threads of its own the loader shares those that compute.
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build().ok();
        let make = Arc::new(make);
        std::thread::spawn(move || {
            for number in first.. {
                let (plan, make) = (plan(number), make.clone());
                let (done, made) = bounded(1);
                if line.send(made).is_err() {
                    return;
                }
                // Nobody waits for it any more when it cannot be sent.
                let job = move || drop(done.send(make(plan)));
                match &pool {
                    Some(pool) => pool.spawn(job),
                    None => rayon::spawn(job),
                }
            }
        });
        Loader { queue }
    }

    /// The next batch, when it is there. `None` when a thread of the loader has failed.
    pub fn next(&self) -> Option<B> {
        self.queue.recv().ok()?.recv().ok()
    }
}
