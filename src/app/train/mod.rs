//! Training in the window: the settings of the next run, the run itself, and closing the window while it runs.

mod form;
mod loss_curve;
mod problems;
mod progress;
mod thread;

pub use form::TrainForm;
pub use loss_curve::CurvePoint;
pub use problems::{FormField, Problem};
pub use progress::{ApMeasurement, TrainPhase, TrainProgress};
pub use thread::TrainThread;

use super::sentence::sentence;
use crate::train::{TrainConfig, TrainSettings};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What a file dialog of the panel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainDialog {
    /// One more training set.
    AddSet,
    /// Another folder for the training set of this index.
    ReplaceSet(usize),
    /// The set to validate on.
    Validation,
    /// The weights that the training starts from.
    InitWeights,
    /// The run's folder.
    RunFolder,
    /// The folder of a run to resume.
    Resume,
    /// A settings file to read.
    LoadSettings,
    /// A settings file to write.
    SaveSettings,
}

/// The two pages of the panel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrainTab {
    /// The form with the settings of the next run.
    #[default]
    Settings,
    /// How the run on display goes.
    Progress,
}

/// Closing the window while a training runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloseState {
    /// The window stays open.
    #[default]
    Open,
    /// The user is asked what to do about the training.
    Asking,
    /// The step that runs is finished and saved, then the window closes.
    Saving,
    /// The window closes.
    Closing,
}

/// What the training panel shows.
#[derive(Default)]
pub struct TrainingState {
    /// Whether the panel is shown.
    pub open: bool,
    /// The page on display.
    pub tab: TrainTab,
    /// The settings of the next run.
    pub form: TrainForm,
    /// The progress of the run on display.
    pub progress: TrainProgress,
    /// How far closing the window is.
    pub closing: CloseState,
    /// The settings of the run on display.
    pub run: Option<TrainConfig>,
    /// True until the run has ended and everything is saved.
    pub running: bool,
    /// The run was asked to end.
    pub stopping: bool,
    /// Why a run could not be started or resumed.
    pub refused: Option<String>,
}

impl TrainingState {
    /// A panel whose form is as it was when the window was closed; `settings` is its text.
    pub fn remembered(settings: &str) -> TrainingState {
        TrainingState { form: TrainForm::remembered(settings), ..TrainingState::default() }
    }

    /// Takes over what the training has reported, and drops a thread that has ended. Once a frame.
    pub fn update(&mut self, thread: &mut Option<TrainThread>) {
        if self.open {
            self.form.update(Instant::now());
        }
        if let Some(training) = thread {
            // Asked before the progress is taken, so that the last report is not missed.
            let ended = training.ended();
            if let Some(progress) = training.new_progress() {
                self.progress = progress;
            }
            if ended {
                *thread = None;
            }
        }
        self.running = thread.is_some();
        self.stopping = thread.as_ref().is_some_and(TrainThread::stopping);
        if !self.running && self.closing == CloseState::Asking {
            // It ended by itself while the user was asked.
            self.closing = CloseState::Open;
        }
    }

    /// True when the run on display ended with an error.
    pub fn failed(&self) -> bool {
        matches!(self.progress.phase, TrainPhase::Failed(_))
    }

    /// True when the run on display can be resumed.
    pub fn can_resume(&self) -> bool {
        let ended = matches!(self.progress.phase, TrainPhase::Stopped { .. } | TrainPhase::Failed(_));
        ended && !self.running && self.run.is_some()
    }

    /// The best weights of the run on display, when there are any.
    pub fn best_weights(&self) -> Option<PathBuf> {
        // A file from before this run's first validation belongs to another run.
        self.progress.saved?;
        let path = self.run.as_ref()?.run.best_weights();
        path.is_file().then_some(path)
    }

    /// The settings of the run in a folder.
    ///
    /// # Errors
    /// A sentence that says why: the folder holds no run, or its settings cannot be read.
    pub fn settings_of(folder: &Path) -> Result<TrainConfig, String> {
        let settings = folder.join("config.toml");
        if !settings.is_file() {
            let text = "holds no training: choose a run folder, which has a config.toml";
            return Err(format!("{} {text}.", folder.display()));
        }
        let mut config =
            TrainConfig::load(&settings, toml::Table::new()).map_err(|error| sentence(&error.to_string()))?;
        // The folder may have been moved.
        config.run.out = folder.into();
        Ok(config)
    }

    /// The window is asked to close. True when it may; otherwise the user is asked, or, when the window runs
    /// unattended, [`CloseState::Saving`] is entered.
    pub fn may_close(&mut self, unattended: bool) -> bool {
        if !self.running || self.closing == CloseState::Closing {
            return true;
        }
        if unattended {
            self.closing = CloseState::Saving;
        } else if self.closing == CloseState::Open {
            self.closing = CloseState::Asking;
        }
        false
    }

    /// True once: everything is saved, and the window is to close.
    pub fn ready_to_close(&mut self) -> bool {
        let ready = self.closing == CloseState::Saving && !self.running;
        if ready {
            self.closing = CloseState::Closing;
        }
        ready
    }

    /// Share of all steps that are done, 0 to 1.
    pub fn fraction_done(&self) -> f32 {
        let steps = self.progress.overview.as_ref().map_or(0, |o| o.steps);
        self.progress.step() as f32 / steps.max(1) as f32
    }

    /// The training's part of the window's report.
    pub fn report(&self) -> Value {
        let error = match &self.progress.phase {
            TrainPhase::Failed(text) => Some(text),
            _ => self.refused.as_ref(),
        };
        json!({
            "open": self.open,
            "phase": self.progress.phase.name(),
            "step": self.progress.step(),
            "steps": self.progress.overview.as_ref().map(|o| o.steps),
            "loss": self.progress.last.as_ref().map(|(e, _)| e.loss),
            "best_ap": self.progress.best.map(|b| b.ap),
            "saved": self.progress.saved,
            "obstacle": self.form.obstacle(),
            "error": error,
        })
    }
}

#[cfg(test)]
mod tests;
