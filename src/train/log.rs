//! The log of a run: one event a line.

use super::TrainError;
use super::events::{LogEvent, RunEvent};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

/// Sends events to the listener and, except for those that only report progress, to RUN/log.jsonl.
pub struct RunLog<'a, E> {
    file: Mutex<File>,
    on_event: &'a (dyn Fn(&E) + Sync),
}

impl<'a, E: LogEvent> RunLog<'a, E> {
    /// Begins the log of the run in `out`, or goes on with it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open(
        out: &Path,
        resume: bool,
        on_event: &'a (dyn Fn(&E) + Sync),
    ) -> Result<RunLog<'a, E>, TrainError> {
        let path = out.join("log.jsonl");
        let failed = |source| TrainError::Write { path: path.display().to_string(), source };
        if resume {
            drop_broken_line(&path).map_err(failed)?;
        }
        let mut how = File::options();
        how.create(true);
        let how = if resume { how.append(true) } else { how.write(true).truncate(true) };
        let file = how.open(&path).map_err(failed)?;
        Ok(RunLog { file: Mutex::new(file), on_event })
    }

    /// Sends an event to the listener and to the log.
    pub fn emit(&self, event: impl Into<E>) {
        let event = event.into();
        (self.on_event)(&event);
        if event.is_progress() {
            return;
        }
        // A log that cannot be written must not end a training; its weights still can be saved.
        if let (Ok(text), Ok(mut file)) = (serde_json::to_string(&event), self.file.lock()) {
            let _ = writeln!(file, "{text}");
        }
    }

    /// Sends a note: a sentence without a full stop.
    pub fn note(&self, text: String) {
        self.emit(RunEvent::Note { text });
    }

    /// Notes an error of something that a training can do without, such as a picture of its curves.
    pub fn log_error(&self, outcome: Result<(), TrainError>) {
        if let Err(error) = outcome {
            self.note(error.to_string());
        }
    }
}

/// Removes a last line that a killed run could not finish.
fn drop_broken_line(path: &Path) -> std::io::Result<()> {
    let text = match std::fs::read(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        text => text?,
    };
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole < text.len() {
        File::options().write(true).open(path)?.set_len(whole as u64)?;
    }
    Ok(())
}
