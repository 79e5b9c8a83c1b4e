//! The order in which a training goes through its samples: a pure function of the seed and the position, so that a
//! training that was killed goes on exactly as if it had not been.

use crate::data::generator;
use rand::seq::SliceRandom;

/// Purpose of the generator; crops use 1, masks 3.
const ORDER: u64 = 2;

/// Which sample comes when: an epoch shows every sample once, each in an order of its own.
pub struct SampleOrder {
    seed: u64,
    samples: usize,
    /// The order of the epoch that was asked for last.
    epoch: (u64, Vec<usize>),
}

impl SampleOrder {
    pub fn new(seed: u64, samples: usize) -> SampleOrder {
        SampleOrder { seed, samples, epoch: (u64::MAX, Vec::new()) }
    }

    /// The sample at a position counted from the training's start, and how many passes over the data came before.
    pub fn at(&mut self, position: u64) -> (usize, u64) {
        let epoch = position / self.samples as u64;
        if self.epoch.0 != epoch {
            let mut order: Vec<usize> = (0..self.samples).collect();
            order.shuffle(&mut generator(self.seed, ORDER, epoch, 0));
            self.epoch = (epoch, order);
        }
        (self.epoch.1[(position % self.samples as u64) as usize], epoch)
    }

    /// Samples and rounds of batch number `step` of `batch` samples.
    pub fn batch(&mut self, step: u64, batch: usize) -> (Vec<usize>, Vec<u64>) {
        let first = step * batch as u64;
        (first..first + batch as u64).map(|position| self.at(position)).unzip()
    }
}
