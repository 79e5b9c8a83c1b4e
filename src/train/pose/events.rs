//! Events of a training of the pose network, for the terminal, the log file and the window.

use super::loss::PoseLoss;
use crate::eval::set::SetScore;
use crate::model::KeepRatio;
use crate::train::events::{LogEvent, RunEvent};
use crate::train::meter::{LossTerms, StepPace, StepPosition};
use serde::{Deserialize, Serialize};

/// An event of a training of the pose network. RUN/log.jsonl holds one a line, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum PoseEvent {
    /// The mannequin's pictures are being rendered.
    Rendering {
        /// Pictures of the set done.
        done: usize,
        /// All pictures of the set.
        total: usize,
    },
    /// Backbone features are being computed.
    Features {
        /// The set: `train`, `val`, a draw of the training crops, or the teacher.
        set: String,
        /// Crops done.
        done: usize,
        /// All crops of the set.
        total: usize,
    },
    /// The first (or first resumed) step is about to begin.
    Started {
        /// Steps completed by earlier runs.
        step: u64,
        /// Steps of the whole training.
        steps: u64,
        /// Persons in the training sets, with repetitions.
        samples: usize,
        /// Parameters of the network.
        parameters: usize,
        /// The device and how gradients are computed on it, in words.
        device: String,
    },
    /// Some steps were completed.
    Step(PoseStep),
    /// Weights were validated.
    Validated {
        /// Steps completed.
        step: u64,
        /// Passes over the training data.
        epoch: f64,
        /// Share of the visual tokens that are kept.
        keep_ratio: KeepRatio,
        /// Accuracy on the set.
        score: SetScore,
        /// Whether no earlier validation had a higher AP.
        best: bool,
    },
    /// An event that every training has. The log holds it without this variant around it.
    #[serde(untagged)]
    Run(RunEvent),
}

impl From<RunEvent> for PoseEvent {
    fn from(event: RunEvent) -> PoseEvent {
        PoseEvent::Run(event)
    }
}

impl LogEvent for PoseEvent {
    fn is_progress(&self) -> bool {
        match self {
            PoseEvent::Rendering { .. } | PoseEvent::Features { .. } => true,
            PoseEvent::Run(event) => event.is_progress(),
            _ => false,
        }
    }
}

/// Means over the steps since the last such event. In the log all fields are on one level.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoseStep {
    /// How far the training has come.
    #[serde(flatten)]
    pub position: StepPosition,
    /// What is minimised: the sum of the terms below.
    pub loss: f64,
    /// Squared error of the heatmaps.
    pub mse: f64,
    /// Softmax cross-entropy of the heatmaps.
    pub cross_entropy: f64,
    /// Squared error of the heatmaps of masked passes to those of the pass with all tokens.
    #[serde(default)]
    pub sandwich: f64,
    /// Distance to a teacher: heatmaps, tokens and attention.
    #[serde(default)]
    pub teacher: f64,
    /// How the steps go.
    #[serde(flatten)]
    pub pace: StepPace,
}

impl PoseStep {
    /// Steps with the mean `loss`.
    pub fn new(position: StepPosition, loss: PoseLoss, pace: StepPace) -> PoseStep {
        let PoseLoss { mse, cross_entropy, sandwich, teacher } = loss;
        PoseStep { position, loss: loss.sum(), mse, cross_entropy, sandwich, teacher, pace }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_every_training_have_the_same_line_and_are_read_back() {
        let lines = [
            (RunEvent::Note { text: "one \"word\"".into() }, r#"{"event":"note","text":"one \"word\""}"#),
            (RunEvent::Saved { step: 7 }, r#"{"event":"saved","step":7}"#),
            (RunEvent::Stopped { step: 8 }, r#"{"event":"stopped","step":8}"#),
            (
                RunEvent::Finished { step: 9, seconds: 0.1 + 0.2, best_ap: None },
                r#"{"event":"finished","step":9,"seconds":0.30000000000000004,"best_ap":null}"#,
            ),
        ];
        for (event, line) in lines {
            assert_eq!(serde_json::to_string(&PoseEvent::from(event.clone())).unwrap(), line);
            let read = serde_json::from_str(line).unwrap();
            assert!(matches!(read, PoseEvent::Run(read) if read == event), "{line}");
        }
        let line = r#"{"event":"started","step":1,"steps":2,"samples":3,"parameters":4,"device":"CPU"}"#;
        let read: PoseEvent = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }

    #[test]
    fn a_step_is_a_flat_line_in_the_order_of_earlier_logs() {
        let position = StepPosition { step: 10, steps: 30, epoch: 0.5 };
        let loss = PoseLoss { mse: 1.0, cross_entropy: 2.5, sandwich: 0.0, teacher: 0.25 };
        let pace = StepPace {
            learning_rate: 0.001,
            gradient_norm: 0.5,
            milliseconds_a_step: 100.0,
            samples_a_second: 320.0,
            waiting: 0.0,
            seconds_left: 2.0,
        };
        let line = r#"{"event":"step","step":10,"steps":30,"epoch":0.5,"loss":3.75,"mse":1.0,"cross_entropy":2.5,"sandwich":0.0,"teacher":0.25,"learning_rate":0.001,"gradient":0.5,"milliseconds_a_step":100.0,"samples_a_second":320.0,"waiting":0.0,"seconds_left":2.0}"#;
        let event = PoseEvent::Step(PoseStep::new(position, loss, pace));
        assert_eq!(serde_json::to_string(&event).unwrap(), line);
        let PoseEvent::Step(read) = serde_json::from_str(line).unwrap() else { panic!("another event") };
        assert_eq!((read.position, read.pace), (position, pace));
        assert_eq!((read.loss, read.teacher), (3.75, 0.25));
    }
}
