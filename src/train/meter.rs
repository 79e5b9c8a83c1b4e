//! Loss and pace of a training's steps, summed from one step event to the next.

use serde::{Deserialize, Serialize};
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
pub struct StepMeter<L> {
    loss: L,
    steps: u64,
    time: Duration,
    waited: Duration,
}

/// Steps and epochs that a training has made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepPosition {
    /// Steps made.
    pub step: u64,
    /// Steps of the whole training.
    pub steps: u64,
    /// Passes over the data so far.
    pub epoch: f64,
}

/// Speed and learning rate of a training: means over the steps since the last step event, unless a field is about the
/// last step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepPace {
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Norm of the last step's gradient before clipping.
    #[serde(rename = "gradient")]
    pub gradient_norm: f64,
    /// Milliseconds that a step takes.
    pub milliseconds_a_step: f64,
    /// Samples that are learnt from in a second.
    pub samples_a_second: f64,
    /// Share of the time spent waiting for data, 0 to 1.
    pub waiting: f64,
    /// Seconds until the last step at this pace.
    pub seconds_left: f64,
}

impl<L: LossTerms> StepMeter<L> {
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

    /// Seconds that a step takes.
    pub fn seconds_a_step(&self) -> f64 {
        self.time.as_secs_f64() / self.count()
    }

    /// Steps a second.
    pub fn rate(&self) -> f64 {
        self.count() / self.seconds()
    }

    /// Share of the time spent waiting for data, 0 to 1.
    pub fn waiting(&self) -> f64 {
        self.waited.as_secs_f64() / self.seconds()
    }

    fn count(&self) -> f64 {
        self.steps.max(1) as f64
    }

    /// Seconds of all steps; above 0 even if the clock is too coarse to notice a step.
    fn seconds(&self) -> f64 {
        self.time.as_secs_f64().max(1e-9)
    }
}
