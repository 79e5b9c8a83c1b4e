//! What the terminal shows of every training.

use super::bars::Bars;
use crate::train::RunEvent;
use anyhow::bail;
use std::path::Path;
use std::sync::OnceLock;

/// A training's terminal.
#[derive(Default)]
pub struct Screen {
    bars: Bars,
    /// The step after which the training ended early on request.
    stopped: OnceLock<u64>,
}

impl Screen {
    /// Shows what every training tells.
    pub fn show(&self, event: &RunEvent) {
        match event {
            RunEvent::Note { text } => self.line(text),
            RunEvent::Validating { done, total } => {
                self.advance("validating", *done as u64, *total as u64, "");
            }
            RunEvent::Saved { .. } => {}
            RunEvent::Stopped { step } => {
                // It can only be stopped once.
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

    /// As [`Bars::advance`].
    pub fn advance(&self, title: &str, done: u64, total: u64, text: &str) {
        self.bars.advance(title, done, total, text);
    }

    /// The outcome of the training in `run` that was perhaps stopped after a step; `command` goes on with it.
    pub fn outcome(&self, command: &str, run: &Path) -> anyhow::Result<()> {
        let out = run.display();
        match self.stopped.get() {
            None => Ok(()),
            Some(0) => {
                bail!("stopped before the first step; the same command goes on with what is computed so far")
            }
            Some(step) => {
                bail!("stopped after step {step}; `tmpose {command} --resume {out}` goes on from there")
            }
        }
    }
}

/// The end of a step's line: what is still to come, and the share of the time spent waiting for data when it is
/// worth a word.
pub fn still(seconds_left: f64, waiting: f64) -> String {
    let mut text = format!("{} left", remaining(seconds_left));
    if waiting > 0.05 {
        text += &format!(", {:.0}% waiting for data", waiting * 100.0);
    }
    text
}

/// Seconds in words.
fn remaining(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        0 | 1 => format!("{seconds:.0} s"),
        2..120 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}
