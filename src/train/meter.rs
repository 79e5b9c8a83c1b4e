//! What a training's steps come to between two step events.

use std::ops::AddAssign;
use std::time::Duration;

/// The terms of a loss, each with its factor applied.
pub trait LossTerms: Copy + Default + AddAssign {
    /// What is minimised.
    fn sum(&self) -> f64;

    /// Each term times `factor`.
    fn scaled(self, factor: f64) -> Self;
}

/// Sums over the steps since the last event.
#[derive(Default)]
pub struct Meter<L> {
    loss: L,
    steps: u64,
    time: Duration,
    waited: Duration,
}

/// Where a training is and how fast it goes: means over the steps since the last event.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Steps made.
    pub step: u64,
    pub steps: u64,
    pub epoch: f64,
    pub learning_rate: f64,
    /// Length of the last gradient before clipping.
    pub gradient: f64,
    pub milliseconds_a_step: f64,
    pub samples_a_second: f64,
    /// Share of the time spent waiting for data.
    pub waiting: f64,
    pub seconds_left: f64,
}

impl<L: LossTerms> Meter<L> {
    /// Counts a step that took `time`, `waited` of it for data.
    pub fn add(&mut self, loss: L, time: Duration, waited: Duration) {
        self.loss += loss;
        self.steps += 1;
        self.time += time;
        self.waited += waited;
    }

    /// The mean loss.
    pub fn loss(&self) -> L {
        self.loss.scaled(1.0 / self.count())
    }

    /// Seconds of a step.
    pub fn seconds_a_step(&self) -> f64 {
        self.time.as_secs_f64() / self.count()
    }

    /// Steps a second.
    pub fn rate(&self) -> f64 {
        self.count() / self.seconds()
    }

    /// Share of the time spent waiting for data.
    pub fn waiting(&self) -> f64 {
        self.waited.as_secs_f64() / self.seconds()
    }

    fn count(&self) -> f64 {
        self.steps.max(1) as f64
    }

    /// All the time; a clock may be too coarse for a step.
    fn seconds(&self) -> f64 {
        self.time.as_secs_f64().max(1e-9)
    }
}
