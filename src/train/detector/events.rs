//! What a training of the detector tells its listener and its log.

use super::gradient::DetectorLoss;
use crate::eval::{BoxStats, TallRecall};
use crate::train::events::{LogEvent, RunEvent};
use crate::train::meter::{LossTerms, StepPace, StepPosition};
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

/// Means over the steps since the last such event. A line of the log holds all fields side by side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DetectorStep {
    /// How far the training has come.
    #[serde(flatten)]
    pub position: StepPosition,
    /// What is minimised: the sum of the two terms below.
    pub loss: f64,
    /// Quality focal loss of the scores.
    pub score_loss: f64,
    /// Generalized IoU loss of the boxes.
    pub box_loss: f64,
    /// Anchors a picture that learnt a person.
    pub positives: f64,
    /// How the steps go.
    #[serde(flatten)]
    pub pace: StepPace,
}

impl DetectorStep {
    /// Steps with the mean `loss`, which counts the positives of all `pictures` of a step.
    pub fn new(position: StepPosition, loss: DetectorLoss, pace: StepPace, pictures: u64) -> DetectorStep {
        DetectorStep {
            position,
            loss: loss.sum(),
            score_loss: loss.scores,
            box_loss: loss.boxes,
            positives: loss.positives / pictures as f64,
            pace,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_flat_line_in_the_order_of_earlier_logs() {
        let line = r#"{"event":"step","step":10,"steps":30,"epoch":0.5,"loss":3.0,"score_loss":1.0,"box_loss":2.0,"positives":4.0,"learning_rate":0.001,"gradient":0.5,"milliseconds_a_step":100.0,"samples_a_second":320.0,"waiting":0.0,"seconds_left":2.0}"#;
        let event: DetectorEvent = serde_json::from_str(line).unwrap();
        assert!(
            matches!(&event, DetectorEvent::Step(step) if step.position.step == 10 && step.pace.waiting == 0.0)
        );
        assert_eq!(serde_json::to_string(&event).unwrap(), line);
    }
}
