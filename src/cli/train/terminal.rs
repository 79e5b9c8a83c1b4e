//! What every training shows on the terminal.

use super::bars::ProgressBars;
use crate::train::RunEvent;
use anyhow::bail;
use std::path::Path;
use std::sync::OnceLock;

/// Shows a training on the terminal.
#[derive(Default)]
pub struct TerminalReporter {
    bars: ProgressBars,
    /// The step after which the user stopped the training.
    stopped: OnceLock<u64>,
}

impl TerminalReporter {
    /// Shows an event that every training has.
    pub fn show(&self, event: &RunEvent) {
        match event {
            RunEvent::Note { text } => self.line(text),
            RunEvent::Validating { done, total } => {
                self.advance("validating", *done as u64, *total as u64, "");
            }
            RunEvent::Saved { .. } => {}
            RunEvent::Stopped { step } => {
                // A training stops only once.
                let _ = self.stopped.set(*step);
                self.bars.clear();
            }
            RunEvent::Finished { step, seconds, .. } => {
                self.line(&format!("finished: {step} steps in {:.1} minutes", seconds / 60.0));
            }
        }
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        self.bars.line(text);
    }

    /// As [`ProgressBars::advance`].
    pub fn advance(&self, title: &str, done: u64, total: u64, text: &str) {
        self.bars.advance(title, done, total, text);
    }

    /// Whether the training in the folder `run` was completed; `command` names the subcommand that resumes it.
    ///
    /// # Errors
    /// The user stopped it; the sentence says how to resume.
    pub fn outcome(&self, command: &str, run: &Path) -> anyhow::Result<()> {
        let out = run.display();
        match self.stopped.get() {
            None => Ok(()),
            Some(0) => {
                bail!(
                    "stopped before the first step; the same command continues with what is computed so far"
                )
            }
            Some(step) => {
                bail!("stopped after step {step}; `tmpose {command} --resume {out}` continues from there")
            }
        }
    }
}

/// The end of a step's line: the remaining time, and the share of the time spent waiting for data if it is above 5 %.
/// `waiting` is that share, 0 to 1.
pub fn remaining_text(seconds_left: f64, waiting: f64) -> String {
    let mut text = format!("{} left", remaining(seconds_left));
    if waiting > 0.05 {
        text += &format!(", {:.0}% waiting for data", waiting * 100.0);
    }
    text
}

/// A time in seconds, or in minutes and hours.
fn remaining(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        0 | 1 => format!("{seconds:.0} s"),
        2..120 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}
