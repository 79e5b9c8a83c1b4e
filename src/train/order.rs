//! The order in which a training goes through its samples: a pure function of the seed and the position, so that a
//! resumed training makes the same steps as one that was never stopped.

use crate::data::generator;
use rand::seq::SliceRandom;

/// The purpose that seeds the random generator; crops use 1, masks 3.
const ORDER: u64 = 2;

/// In which order samples are learnt from: each epoch shows every sample once, in an order of its own.
pub struct SampleOrder {
    seed: u64,
    samples: usize,
    /// Number and order of the epoch that was asked for last.
    epoch: (u64, Vec<usize>),
}

/// The samples of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchSamples {
    /// Numbers of the samples.
    pub samples: Vec<usize>,
    /// The epoch, from 0, in which each is shown.
    pub epochs: Vec<u64>,
}

impl SampleOrder {
    /// The order that `seed` gives to this many samples.
    pub fn new(seed: u64, samples: usize) -> SampleOrder {
        SampleOrder { seed, samples, epoch: (u64::MAX, Vec::new()) }
    }

    /// The sample at a position counted from the training's start, and its epoch, from 0.
    fn at(&mut self, position: u64) -> (usize, u64) {
        let epoch = position / self.samples as u64;
        if self.epoch.0 != epoch {
            let mut order: Vec<usize> = (0..self.samples).collect();
            order.shuffle(&mut generator(self.seed, ORDER, epoch, 0));
            self.epoch = (epoch, order);
        }
        (self.epoch.1[(position % self.samples as u64) as usize], epoch)
    }

    /// The samples of batch number `number`; each batch has `size`.
    pub fn batch(&mut self, number: u64, size: usize) -> BatchSamples {
        let first = number * size as u64;
        let (samples, epochs) = (first..first + size as u64).map(|position| self.at(position)).unzip();
        BatchSamples { samples, epochs }
    }
}
