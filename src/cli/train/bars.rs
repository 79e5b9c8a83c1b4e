//! Progress bars on a terminal, or lines in a log file.

use crate::cli::terminal::errln;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Mutex;

/// One bar at a time, lines above it.
#[derive(Default)]
pub struct ProgressBars {
    bar: Mutex<Option<(String, ProgressBar)>>,
}

impl ProgressBars {
    /// Removes the bar.
    pub fn clear(&self) {
        if let Some((_, bar)) = self.lock().take() {
            bar.finish_and_clear();
        }
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        // Above the bar when one is drawn; a terminal that is a file has none.
        match self.lock().as_ref().filter(|(_, bar)| !bar.is_hidden()) {
            Some((_, bar)) => bar.println(text),
            None => errln!("{text}"),
        }
    }

    /// Shows that `done` of `total` are done, under a `title`. A `text` takes the place of the remaining time.
    pub fn advance(&self, title: &str, done: u64, total: u64, text: &str) {
        let mut held = self.lock();
        if held.as_ref().is_none_or(|(shown, _)| shown != title) {
            if let Some((_, old)) = held.take() {
                old.finish_and_clear();
            }
            // A training's text has its own remaining time, which knows how long its steps take.
            let left = if text.is_empty() { "{eta} left" } else { "{msg}" };
            let template = format!("{{prefix}} {{wide_bar}} {{pos}}/{{len}} {left}");
            let style = ProgressStyle::with_template(&template);
            let bar = ProgressBar::new(total).with_prefix(title.to_string());
            // Both templates parse; otherwise a plain bar is good enough.
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            *held = Some((title.to_string(), bar));
        }
        if let Some((_, bar)) = held.as_ref() {
            bar.set_message(text.to_string());
            bar.set_position(done);
            // A log file gets a line every 50 steps instead of a bar.
            if bar.is_hidden() && !text.is_empty() && (done.is_multiple_of(50) || done == total) {
                errln!("step {done}/{total} {text}");
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(String, ProgressBar)>> {
        self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
