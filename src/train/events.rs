//! What a training tells its listener: the terminal, the log file, the window.

use super::loss::LossParts;
use super::meter::{Pace, Terms};
use crate::eval::set::SetScore;
use serde::{Deserialize, Serialize};

/// Something that a training tells.
pub trait Event: Serialize + From<RunEvent> {
    /// True for the many of a progress bar, which no log keeps.
    fn passing(&self) -> bool;
}

/// What every training tells, whatever it trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEvent {
    /// Something to know once, e.g. what was left out of a set.
    Note {
        text: String,
    },
    /// A validation runs.
    Validating {
        done: usize,
        total: usize,
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

impl RunEvent {
    /// As [`Event::passing`].
    pub fn passing(&self) -> bool {
        matches!(self, RunEvent::Validating { .. })
    }
}

/// One thing that happened in a training of poses. Serialised one a line into RUN/log.jsonl.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum TrainEvent {
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

impl From<RunEvent> for TrainEvent {
    fn from(event: RunEvent) -> TrainEvent {
        TrainEvent::Run(event)
    }
}

impl Event for TrainEvent {
    fn passing(&self) -> bool {
        match self {
            TrainEvent::Features { .. } => true,
            TrainEvent::Run(event) => event.passing(),
            _ => false,
        }
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
    /// Steps that went at this pace, with this loss.
    pub fn new(pace: Pace, loss: LossParts) -> StepEvent {
        StepEvent {
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
            assert_eq!(serde_json::to_string(&TrainEvent::from(event.clone())).unwrap(), line);
            let read = serde_json::from_str(line).unwrap();
            assert!(matches!(read, TrainEvent::Run(read) if read == event), "{line}");
        }
        let line = r#"{"event":"started","step":1,"steps":2,"samples":3,"parameters":4,"device":"CPU"}"#;
        let read: TrainEvent = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }
}
