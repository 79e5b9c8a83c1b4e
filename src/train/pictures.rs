//! Batches of pictures, made by threads of their own ahead of the training.

use super::plan::{Planner, StepPlan};
use crate::data::{DataError, Samples};
use crossbeam_channel::{Receiver, bounded};
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use std::sync::Arc;

/// One batch's pictures and targets.
pub struct PictureBatch {
    pub plan: StepPlan,
    /// [B, 3, H, W]; zeros for a picture that cannot be decoded, whose joints then have weight 0.
    pub pixels: Vec<f32>,
    pub joints: Vec<Vec<[f32; 3]>>,
    /// Why pictures could not be decoded.
    pub bad: Vec<String>,
}

/// Makes batches in order. Several are under way at once, so that one slow picture holds up no other
/// batch; their number bounds the memory.
pub struct Loader<B> {
    /// Each batch's own channel, in the order of the batches.
    queue: Receiver<Receiver<B>>,
}

impl Loader<PictureBatch> {
    /// Batches of crops, from batch number `first` on.
    pub fn of_crops(
        samples: Arc<Samples>,
        mut planner: Planner,
        first: u64,
        ahead: usize,
        threads: usize,
    ) -> Loader<PictureBatch> {
        let plan = move |number| planner.plan(number);
        Loader::start(first, ahead, threads, plan, move |plan| batch(&samples, plan))
    }
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

fn batch(samples: &Samples, plan: StepPlan) -> PictureBatch {
    type One = (Result<Vec<f32>, DataError>, Vec<[f32; 3]>);
    let made: Vec<One> = plan
        .samples
        .par_iter()
        .zip(&plan.rounds)
        .map(|(&index, &round)| {
            let sample = samples.draw(index, round);
            (samples.pixels(index, &sample), samples.joints(index, &sample))
        })
        .collect();
    let size = 3 * samples.input_wh[0] * samples.input_wh[1];
    let mut batch = PictureBatch { pixels: Vec::new(), joints: Vec::new(), bad: Vec::new(), plan };
    for (pixels, mut joints) in made {
        match pixels {
            Ok(pixels) => batch.pixels.extend(pixels),
            Err(error) => {
                batch.pixels.resize(batch.pixels.len() + size, 0.0);
                joints.iter_mut().for_each(|j| j[2] = 0.0);
                batch.bad.push(error.to_string());
            }
        }
        batch.joints.push(joints);
    }
    batch
}
