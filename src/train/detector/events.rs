//! Events of a training of the person detector, for the terminal, the log file and the window.

use super::gradient::DetectorLoss;
use crate::eval::detector::DetectorScore;
use crate::train::events::{LogEvent, RunEvent};
use crate::train::meter::{LossTerms, StepPace, StepPosition};
use serde::{Deserialize, Serialize};

/// An event of a training of the detector. RUN/log.jsonl holds one a line, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum DetectorEvent {
    /// The first (or first resumed) step is about to begin.
    Started {
        /// Steps completed by earlier runs.
        step: u64,
        /// Steps of the whole training.
        steps: u64,
        /// Pictures in the training sets, with repetitions.
        samples: usize,
        /// Parameters that are trained.
        trained: usize,
        /// All parameters of the network.
        parameters: usize,
        /// The device and how gradients are computed on it, in words.
        device: String,
    },
    /// Some steps were completed.
    Step(DetectorStep),
    /// Weights were validated.
    Validated {
        /// Steps completed.
        step: u64,
        /// Passes over the training data.
        epoch: f64,
        /// Accuracy on the part of the validation set that is used during the training.
        score: DetectorScore,
        /// Whether no earlier validation had a higher AP.
        best: bool,
    },
    /// The weights in `best.safetensors` were validated on the whole validation set.
    Kept {
        /// Steps after which they were saved.
        step: u64,
        /// Accuracy on the set.
        score: DetectorScore,
    },
    /// An event that every training has. The log holds it without this variant around it.
    #[serde(untagged)]
    Run(RunEvent),
}

impl From<RunEvent> for DetectorEvent {
    fn from(event: RunEvent) -> DetectorEvent {
        DetectorEvent::Run(event)
    }
}

impl LogEvent for DetectorEvent {
    fn is_progress(&self) -> bool {
        matches!(self, DetectorEvent::Run(event) if event.is_progress())
    }
}

/// Means over the steps since the last such event. In the log all fields are on one level.
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
    /// Anchors that learn a person, per picture.
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
