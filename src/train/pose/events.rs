//! What a training of poses tells its listener: the terminal, the log file, the window.

use super::loss::PoseLoss;
use crate::eval::set::SetScore;
use crate::train::events::{LogEvent, RunEvent};
use crate::train::meter::{LossTerms, Pace};
use serde::{Deserialize, Serialize};

/// One thing that happened in a training of poses. Serialised one a line into RUN/log.jsonl.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum PoseEvent {
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
    Step(PoseStep),
    Validated {
        step: u64,
        epoch: f64,
        keep_ratio: f64,
        score: SetScore,
        best: bool,
    },
    /// Stands in the log as itself: a reader need not know what is told by every training.
    #[serde(untagged)]
    Run(RunEvent),
}

impl From<RunEvent> for PoseEvent {
    fn from(event: RunEvent) -> PoseEvent {
        PoseEvent::Run(event)
    }
}

impl LogEvent for PoseEvent {
    fn passing(&self) -> bool {
        match self {
            PoseEvent::Features { .. } => true,
            PoseEvent::Run(event) => event.passing(),
            _ => false,
        }
    }
}

/// Means over the steps since the last such event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoseStep {
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

impl PoseStep {
    /// Steps that went at this pace, with this loss.
    pub fn new(pace: Pace, loss: PoseLoss) -> PoseStep {
        PoseStep {
            step: pace.step,
            steps: pace.steps,
            epoch: pace.epoch,
            loss: loss.sum(),
            mse: loss.mse,
            cross_entropy: loss.cross_entropy,
            sandwich: loss.sandwich,
            teacher: loss.teacher,
            learning_rate: pace.learning_rate,
            gradient: pace.gradient,
            milliseconds_a_step: pace.milliseconds_a_step,
            samples_a_second: pace.samples_a_second,
            waiting: pace.waiting,
            seconds_left: pace.seconds_left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_training_tells_has_the_same_line_and_is_read_back() {
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
}
