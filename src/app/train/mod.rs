//! Training in the window: the settings of the next run, the run itself, and leaving while it runs.

mod curve;
mod form;
mod job;
mod problems;
mod progress;
mod words;

pub use curve::CurvePoint;
pub use form::TrainForm;
pub use problems::{FormField, Problem};
pub use progress::{ApMeasurement, TrainPhase, TrainProgress};
pub use words::sentence;

use crate::train::{TrainConfig, TrainSettings};
use egui::Context;
use job::TrainThread;
use problems::holds_training;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What a file dialog of the panel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainDialog {
    AddSet,
    Set(usize),
    Validation,
    Start,
    Folder,
    Resume,
    Load,
    Save,
}

/// The two sides of the panel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrainTab {
    #[default]
    Settings,
    Progress,
}

/// Closing the window while a training runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloseState {
    #[default]
    No,
    /// The user is asked.
    Asked,
    /// The step that runs is finished and saved, then the window closes.
    Saving,
    /// The window closes.
    Now,
}

/// The training panel's state.
#[derive(Default)]
pub struct TrainingState {
    pub open: bool,
    pub tab: TrainTab,
    pub form: TrainForm,
    /// Of the run on show.
    pub progress: TrainProgress,
    pub leaving: CloseState,
    /// The settings of the run on show.
    run: Option<TrainConfig>,
    job: Option<TrainThread>,
    /// Why a run could not be begun or resumed.
    pub refused: Option<String>,
}

impl TrainingState {
    /// A panel with the form as it was when the window was closed.
    pub fn remembered(settings: &str) -> TrainingState {
        TrainingState { form: TrainForm::remembered(settings), ..TrainingState::default() }
    }

    /// Once a repaint.
    pub fn update(&mut self) {
        if self.open {
            self.form.update(Instant::now());
        }
        let Some(job) = &mut self.job else { return };
        // Asked before the news are taken, so that the last ones are not missed.
        let ended = job.ended();
        if let Some(news) = job.news() {
            self.progress = news;
        }
        if ended {
            self.job = None;
        }
    }

    /// True until the run has ended and everything is saved.
    pub fn running(&self) -> bool {
        self.job.is_some()
    }

    pub fn stopping(&self) -> bool {
        self.job.as_ref().is_some_and(TrainThread::stopping)
    }

    /// The settings of the run on show.
    pub fn run(&self) -> Option<&TrainConfig> {
        self.run.as_ref()
    }

    /// Starts a new training with the form's settings, if they can work.
    pub fn start(&mut self, ctx: &Context) {
        self.form.update(Instant::now());
        if self.running() || self.form.obstacle().is_some() {
            return;
        }
        self.begin(ctx, self.form.config.clone(), TrainProgress::default());
    }

    /// Asks the run to finish its step and save.
    pub fn stop(&mut self) {
        if let Some(job) = &self.job {
            job.stop();
        }
    }

    /// Goes on with the run on show.
    pub fn resume(&mut self, ctx: &Context) {
        if let (false, Some(config)) = (self.running(), self.run.clone()) {
            self.begin(ctx, config, self.progress.clone());
        }
    }

    /// Goes on with the training in a folder.
    pub fn resume_folder(&mut self, ctx: &Context, folder: &Path) {
        if self.running() {
            return;
        }
        self.refused = None;
        let settings = folder.join("config.toml");
        if !settings.is_file() {
            let text = "holds no training: choose a run's folder, which has a config.toml";
            self.refused = Some(format!("{} {text}.", folder.display()));
            return;
        }
        match TrainConfig::load(&settings, toml::Table::new()) {
            Ok(mut config) => {
                // The folder may have been moved.
                config.run.out = folder.into();
                self.begin(ctx, config, TrainProgress::default());
            }
            Err(error) => self.refused = Some(sentence(&error.to_string())),
        }
    }

    fn begin(&mut self, ctx: &Context, config: TrainConfig, before: TrainProgress) {
        // One that was stopped before its first step has no checkpoint, only features that are kept.
        let resume = holds_training(&config.run.out);
        self.refused = None;
        match TrainThread::start(ctx, config.clone(), resume, before) {
            Ok(job) => {
                self.job = Some(job);
                self.run = Some(config);
                self.tab = TrainTab::Progress;
                self.update();
            }
            Err(error) => {
                self.refused = Some(format!("No thread could be started for the training: {error}."));
            }
        }
    }

    /// True when the run on show ended with an error.
    pub fn failed(&self) -> bool {
        matches!(self.progress.phase, TrainPhase::Failed(_))
    }

    /// True where the run on show can be gone on with.
    pub fn can_resume(&self) -> bool {
        let ended = matches!(self.progress.phase, TrainPhase::Stopped { .. } | TrainPhase::Failed(_));
        ended && !self.running() && self.run.is_some()
    }

    /// The best weights of the run on show, when there are any.
    pub fn best_weights(&self) -> Option<PathBuf> {
        // What lay there before this run's first validation belongs to another one.
        self.progress.saved?;
        let path = self.run.as_ref()?.run.out.join("best.safetensors");
        path.is_file().then_some(path)
    }

    /// The form of a further training.
    pub fn again(&mut self) {
        self.form.take_free_folder();
        self.tab = TrainTab::Settings;
    }

    /// A path that was chosen in a dialog.
    pub fn picked(&mut self, ctx: &Context, pick: TrainDialog, path: PathBuf) {
        let config = &mut self.form.config;
        match pick {
            TrainDialog::AddSet => config.data.train.push(path.into()),
            TrainDialog::Set(n) => {
                if let Some(spec) = config.data.train.get_mut(n) {
                    spec.source = path.into();
                }
            }
            TrainDialog::Validation => config.data.val = Some(path.into()),
            TrainDialog::Start => config.model.init = Some(path),
            TrainDialog::Folder => config.run.out = path,
            TrainDialog::Resume => self.resume_folder(ctx, &path),
            TrainDialog::Load => self.form.load(&path),
            TrainDialog::Save => self.form.save(&path),
        }
    }

    /// The window is asked to close. True when it may.
    pub fn may_close(&mut self, unattended: bool) -> bool {
        if !self.running() || self.leaving == CloseState::Now {
            return true;
        }
        if unattended {
            self.leave();
        } else if self.leaving == CloseState::No {
            self.leaving = CloseState::Asked;
        }
        false
    }

    /// Stops, saves and then closes.
    pub fn leave(&mut self) {
        self.stop();
        self.leaving = CloseState::Saving;
    }

    /// Closes without waiting for the step that runs.
    pub fn leave_at_once(&mut self) {
        if let Some(job) = &mut self.job {
            job.abandon();
        }
        self.leaving = CloseState::Now;
    }

    /// True once, when everything is saved and the window was to close.
    pub fn left(&mut self) -> bool {
        let done = self.leaving == CloseState::Saving && !self.running();
        if done {
            self.leaving = CloseState::Now;
        }
        done
    }

    /// Part of all steps made, 0 to 1.
    pub fn part(&self) -> f32 {
        let steps = self.progress.extent.as_ref().map_or(0, |e| e.steps);
        self.progress.step() as f32 / steps.max(1) as f32
    }

    /// For the window's report.
    pub fn report(&self) -> Value {
        let error = match &self.progress.phase {
            TrainPhase::Failed(text) => Some(text),
            _ => self.refused.as_ref(),
        };
        json!({
            "open": self.open,
            "phase": self.progress.phase.word(),
            "step": self.progress.step(),
            "steps": self.progress.extent.as_ref().map(|e| e.steps),
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
