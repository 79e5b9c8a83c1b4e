//! Events of every training, for the terminal, the log file and the window.

use serde::{Deserialize, Serialize};

/// An event of one kind of training.
pub trait LogEvent: Serialize + From<RunEvent> {
    /// Whether it only moves a progress bar and is left out of the log.
    fn is_progress(&self) -> bool;
}

/// The events that every training has, whatever it trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEvent {
    /// Something to know once, e.g. what was left out of a set.
    Note {
        /// A sentence without a full stop.
        text: String,
    },
    /// A validation runs.
    Validating {
        /// Persons or pictures done.
        done: usize,
        /// All of them.
        total: usize,
    },
    /// Everything needed to go on was written.
    Saved {
        /// Steps completed.
        step: u64,
    },
    /// Ended early on request; `--resume` goes on.
    Stopped {
        /// Steps completed.
        step: u64,
    },
    /// The training is over; its model card is written.
    Finished {
        /// Steps completed.
        step: u64,
        /// Time spent in steps and validations, in seconds, of all runs together.
        seconds: f64,
        /// Best average precision of a validation, 0 to 1; none without a validation set.
        best_ap: Option<f64>,
    },
}

impl RunEvent {
    /// As [`LogEvent::is_progress`].
    pub fn is_progress(&self) -> bool {
        matches!(self, RunEvent::Validating { .. })
    }
}
