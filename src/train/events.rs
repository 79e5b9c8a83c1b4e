//! What a training tells its listener: the terminal, the log file, later the window.

use super::log::Event;
use super::loss::LossParts;
use crate::eval::set::SetScore;
use serde::{Deserialize, Serialize};

/// One thing that happened. Serialised one a line into RUN/log.jsonl.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum TrainEvent {
    /// Something to know once, e.g. what was left out of a set.
    Note {
        text: String,
    },
    /// Backbone features are being computed.
    Features {
        set: String,
        done: usize,
        total: usize,
    },
    /// The first (or first resumed) step is about to begin.
    Started {
        step: u64,
        steps: u64,
        samples: usize,
        parameters: usize,
        device: String,
    },
    Step(StepEvent),
    /// A validation runs.
    Validating {
        done: usize,
        total: usize,
    },
    Validated {
        step: u64,
        epoch: f64,
        keep_ratio: f64,
        score: SetScore,
        best: bool,
    },
    /// Everything needed to go on was written.
    Saved {
        step: u64,
    },
    /// Ended early on request; `--resume` goes on.
    Stopped {
        step: u64,
    },
    Finished {
        step: u64,
        seconds: f64,
        best_ap: Option<f64>,
    },
}

impl Event for TrainEvent {
    fn passing(&self) -> bool {
        matches!(self, TrainEvent::Features { .. } | TrainEvent::Validating { .. })
    }
}

/// Means over the steps since the last such event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepEvent {
    /// Steps made.
    pub step: u64,
    pub steps: u64,
    pub epoch: f64,
    pub loss: f64,
    pub mse: f64,
    pub cross_entropy: f64,
    /// What the masked passes learn from the one with all tokens.
    #[serde(default)]
    pub sandwich: f64,
    /// What is learnt from a teacher.
    #[serde(default)]
    pub teacher: f64,
    pub learning_rate: f64,
    /// Length of the last gradient before clipping.
    pub gradient: f64,
    pub milliseconds_a_step: f64,
    pub samples_a_second: f64,
    /// Share of the time spent waiting for data.
    pub waiting: f64,
    pub seconds_left: f64,
}

impl StepEvent {
    /// The loss's terms.
    pub fn with_loss(mut self, parts: LossParts) -> StepEvent {
        self.mse = parts.mse;
        self.cross_entropy = parts.cross_entropy;
        self.sandwich = parts.sandwich;
        self.teacher = parts.teacher;
        self.loss = parts.sum();
        self
    }
}
