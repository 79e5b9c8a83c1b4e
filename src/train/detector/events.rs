//! What a training of the detector tells its listener and its log.

use super::gradient::DetectorLoss;
use crate::eval::{BoxStats, TallRecall};
use crate::train::events::{LogEvent, RunEvent};
use crate::train::meter::{LossTerms, Pace};
use serde::{Deserialize, Serialize};

/// One thing that happened. Serialised one a line into RUN/log.jsonl.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum DetectorEvent {
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
    /// Stands in the log as itself, as in a training of poses.
    #[serde(untagged)]
    Run(RunEvent),
}

impl From<RunEvent> for DetectorEvent {
    fn from(event: RunEvent) -> DetectorEvent {
        DetectorEvent::Run(event)
    }
}

impl LogEvent for DetectorEvent {
    fn passing(&self) -> bool {
        matches!(self, DetectorEvent::Run(event) if event.passing())
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

impl DetectorStep {
    /// Steps that went at this pace, with this loss; the loss counts the positives of all the step's pictures.
    pub fn new(pace: Pace, loss: DetectorLoss, pictures: u64) -> DetectorStep {
        DetectorStep {
            step: pace.step,
            steps: pace.steps,
            epoch: pace.epoch,
            loss: loss.sum(),
            score_loss: loss.scores,
            box_loss: loss.boxes,
            positives: loss.positives / pictures as f64,
            learning_rate: pace.learning_rate,
            gradient: pace.gradient,
            milliseconds_a_step: pace.milliseconds_a_step,
            samples_a_second: pace.samples_a_second,
            waiting: pace.waiting,
            seconds_left: pace.seconds_left,
        }
    }
}

/// How good a detector is on a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectorScore {
    pub pictures: usize,
    #[serde(flatten)]
    pub boxes: BoxStats,
    pub tall: TallRecall,
}
