//! What a training tells its listener: the terminal, the log file, the window.

use serde::{Deserialize, Serialize};

/// Something that a training tells.
pub trait LogEvent: Serialize + From<RunEvent> {
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
    /// As [`LogEvent::passing`].
    pub fn passing(&self) -> bool {
        matches!(self, RunEvent::Validating { .. })
    }
}
