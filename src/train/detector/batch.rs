//! Batches of a detector's training, made ahead by threads of their own.

use super::config::DetectorTrainConfig;
use crate::data::{BoxMixture, BoxSample};
use crate::train::loader::Loader;
use crate::train::order::{BatchSamples, SampleOrder};
use rayon::prelude::*;
use std::sync::Arc;

/// One batch.
pub struct BoxBatch {
    /// Numbers of the samples.
    pub samples: Vec<usize>,
    pub shown: Vec<BoxSample>,
}

/// What is in a batch.
struct BoxBatchPlan {
    samples: Vec<usize>,
    rounds: Vec<u64>,
    mixing: bool,
}

/// Starts making batches for a network of input `side`, from step `first` of `steps` on.
pub fn batches(
    mixture: &Arc<BoxMixture>,
    config: &DetectorTrainConfig,
    side: usize,
    first: u64,
    steps: u64,
    threads: usize,
) -> Loader<BoxBatch> {
    let (mixture, how, seed) = (mixture.clone(), config.augmentation.clone(), config.run.seed);
    let (size, accumulate) = (config.schedule.batch, config.schedule.accumulate as u64);
    let mut order = SampleOrder::new(seed, mixture.len());
    let mixed = how.mixing_until * (steps * accumulate) as f64;
    let plan = move |number: u64| {
        let BatchSamples { samples, epochs: rounds } = order.batch(number, size);
        BoxBatchPlan { samples, rounds, mixing: (number as f64) < mixed }
    };
    let make = move |plan: BoxBatchPlan| {
        let one = |(&sample, &round): (&usize, &u64)| {
            mixture.show(&mixture.compose(sample, round, side, &how, plan.mixing, seed), &how)
        };
        let shown = plan.samples.par_iter().zip(&plan.rounds).map(one).collect();
        BoxBatch { samples: plan.samples, shown }
    };
    Loader::start(first * accumulate, 2 * config.schedule.accumulate, threads, plan, make)
}
