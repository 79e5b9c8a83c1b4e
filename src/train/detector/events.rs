//! What a training of the detector tells its listener and its log.

use crate::eval::{BoxStats, TallRecall};
use crate::train::log::Event;
use serde::{Deserialize, Serialize};

/// One thing that happened. Serialised one a line into RUN/log.jsonl.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum DetectorEvent {
    /// Something to know once, e.g. what was left out of a set.
    Note {
        text: String,
    },
    /// The first (or first resumed) step is about to begin.
    Started {
        step: u64,
        steps: u64,
        samples: usize,
        /// Numbers that are trained, and all of the network.
        trained: usize,
        parameters: usize,
        device: String,
    },
    Step(DetectorStep),
    /// A validation runs.
    Validating {
        done: usize,
        total: usize,
    },
    Validated {
        step: u64,
        epoch: f64,
        score: DetectorScore,
        best: bool,
    },
    /// The weights that are kept, as they lie in `best.safetensors`, on the whole validation set.
    Kept {
        step: u64,
        score: DetectorScore,
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

impl Event for DetectorEvent {
    fn passing(&self) -> bool {
        matches!(self, DetectorEvent::Validating { .. })
    }
}

/// Means over the steps since the last such event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DetectorStep {
    /// Steps made.
    pub step: u64,
    pub steps: u64,
    pub epoch: f64,
    pub loss: f64,
    pub score_loss: f64,
    pub box_loss: f64,
    /// Anchors a picture that learnt a person.
    pub positives: f64,
    pub learning_rate: f64,
    /// Length of the last gradient before clipping.
    pub gradient: f64,
    pub milliseconds_a_step: f64,
    pub samples_a_second: f64,
    /// Share of the time spent waiting for data.
    pub waiting: f64,
    pub seconds_left: f64,
}

/// How good a detector is on a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectorScore {
    pub pictures: usize,
    #[serde(flatten)]
    pub boxes: BoxStats,
    pub tall: TallRecall,
}
