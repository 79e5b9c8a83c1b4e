//! Carries out actions: the only place that changes pipeline, dialogs, threads and state on behalf of a panel, a
//! command or a file dialog.

use super::actions::{AppAction, DialogPurpose};
use super::report;
use super::services::Services;
use super::state::{FollowChoice, HeatmapJoint, Notification, State};
use super::train::{CloseState, TrainDialog, TrainProgress, TrainTab, TrainThread, TrainingState};
use crate::gpu;
use crate::infer::{Estimator, InferError};
use crate::live::{self, ModelLoader, ModelStatus, ModelSummary, Transport};
use crate::model::KeepRatio;
use crate::source::{self, MANNEQUIN_SIZE, SourceSpec};
use crate::track::FollowMode;
use crate::train::{TrainConfig, holds_training};
use egui::{Context, ViewportCommand};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The smallest share of the tokens that the keys can set.
const MIN_KEEP_RATIO: f64 = 0.05;

/// Carries out actions on a window's state and services.
pub struct Executor<'a> {
    /// For repaints, the clipboard and the window itself.
    pub ctx: &'a Context,
    /// What the window knows.
    pub state: &'a mut State,
    /// What works beside the window.
    pub services: &'a mut Services,
}

impl Executor<'_> {
    /// Carries an action out.
    pub fn execute(&mut self, action: AppAction) {
        match action {
            AppAction::OpenSource(spec) => self.open_source(spec),
            AppAction::OpenPaths(paths) => self.open_paths(paths),
            AppAction::OpenMannequin => self.open_mannequin(),
            AppAction::OpenNextMannequin => {
                let seed = &mut self.state.preferences.mannequin_seed;
                *seed = seed.wrapping_add(1);
                self.open_mannequin();
            }
            AppAction::ReopenSource => self.reopen_source(),
            AppAction::CloseSource => self.close_source(),
            AppAction::RetryCamera => self.services.pipeline.retry(),
            AppAction::DismissSourceError(error) => self.state.source.dismissed_error = Some(error),
            AppAction::ScanCameras => self.services.cameras.start(self.ctx, &mut self.state.cameras),
            AppAction::TogglePlaying | AppAction::ToggleLooping => self.toggle_transport(&action),
            AppAction::StepFrames(frames) => self.services.pipeline.step(frames),
            AppAction::Seek(to) => self.services.pipeline.seek(to),
            AppAction::ShowWeights(path) => self.load_model(Some(path)),
            AppAction::SetDevice(device) => {
                self.state.preferences.device = device;
                self.load_model(self.state.weights.clone());
                self.load_detector(self.state.detector.clone());
            }
            AppAction::Follow(choice) => self.follow(choice),
            AppAction::FollowPoint(at) => self.state.selection.select(FollowMode::Point(at)),
            AppAction::FollowBox(drawn) => self.state.selection.select(FollowMode::Drawn(drawn)),
            AppAction::CancelBox => self.state.selection.pointer = Default::default(),
            AppAction::EditPreferences(edit) => edit(&mut self.state.preferences),
            AppAction::ChangeKeepRatio(by) => self.change_keep_ratio(by),
            AppAction::StepHeatmapJoint(by) => self.step_heatmap_joint(by),
            AppAction::FitPicture => self.state.view.fit(),
            AppAction::OpenDialog(purpose) => self.services.dialogs.open(self.ctx, purpose),
            AppAction::DismissNotification => self.state.notification = None,
            AppAction::TogglePalette => self.state.palette.toggle(),
            AppAction::ToggleFullscreen => self.toggle_fullscreen(),
            AppAction::CopyReport => self.ctx.copy_text(format!("{:#}", report::report(self.state))),
            AppAction::Quit => self.ctx.send_viewport_cmd(ViewportCommand::Close),
            AppAction::ShowTraining(open) => self.state.training.open = open,
            AppAction::StartTraining => self.start_training(),
            AppAction::StopTraining => self.stop_training(),
            AppAction::ResumeTraining => self.resume_training(),
            AppAction::ResumeFolder(folder) => self.resume_folder(&folder),
            AppAction::NewTraining => {
                self.state.training.form.take_free_folder();
                self.state.training.tab = TrainTab::Settings;
            }
            AppAction::SaveAndClose => {
                self.state.training.closing = CloseState::Saving;
                self.stop_training();
            }
            AppAction::CloseAtOnce => self.close_at_once(),
            AppAction::CancelClose => self.state.training.closing = CloseState::Open,
        }
    }

    /// Takes what was chosen in a file dialog: at least one path.
    pub fn take_chosen(&mut self, purpose: DialogPurpose, mut paths: Vec<PathBuf>) {
        match purpose {
            DialogPurpose::Weights | DialogPurpose::Folder => self.open_path(&paths[0]),
            DialogPurpose::Media => self.open_paths(paths),
            DialogPurpose::Detector => self.choose_detector(paths.swap_remove(0)),
            DialogPurpose::Training(dialog) => self.take_training_path(dialog, paths.swap_remove(0)),
        }
    }

    /// Gives the pipeline the settings as they are now.
    pub fn apply_settings(&mut self) {
        let settings = self.state.live_settings();
        if settings == self.services.live_settings {
            return;
        }
        // Accuracy under other settings is another accuracy.
        if settings.infer != self.services.live_settings.infer {
            self.state.accuracy.clear();
        }
        self.services.live_settings = settings.clone();
        self.services.pipeline.set_settings(settings);
    }

    fn open_source(&mut self, spec: SourceSpec) {
        let transport = Transport { playing: true, looping: self.state.preferences.looping };
        if let SourceSpec::Mannequin { seed, .. } = &spec {
            self.state.preferences.mannequin_seed = *seed;
        }
        self.state.source.number = self.services.pipeline.open(spec.clone(), transport);
        self.state.source.spec = Some(spec);
        self.state.source_changed();
    }

    fn reopen_source(&mut self) {
        if let Some(spec) = self.state.source.spec.clone() {
            self.open_source(spec);
        }
    }

    fn open_mannequin(&mut self) {
        let seed = self.state.preferences.mannequin_seed;
        self.open_source(SourceSpec::Mannequin { seed, size: MANNEQUIN_SIZE });
    }

    fn close_source(&mut self) {
        self.services.pipeline.close();
        self.state.source.spec = None;
        // No source has this number: frames that are still on their way are not shown.
        self.state.source.number = 0;
        self.state.source_changed();
    }

    /// Opens a file or folder by what it is.
    fn open_path(&mut self, path: &Path) {
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors")) {
            if live::is_detector(path) {
                self.choose_detector(path.to_owned());
            } else {
                self.state.preferences.weights = Some(path.to_owned());
                self.load_model(Some(path.to_owned()));
            }
            return;
        }
        match source::spec_from_path(path) {
            Ok(spec) => {
                self.state.preferences.remember(path.to_owned());
                self.open_source(spec);
            }
            Err(error) => self.state.notification = Some(Notification::error(error.to_string())),
        }
    }

    fn open_paths(&mut self, paths: Vec<PathBuf>) {
        let pictures = paths.len() > 1
            && paths.iter().all(|p| matches!(source::spec_from_path(p), Ok(SourceSpec::Pictures(_))));
        if pictures {
            self.open_source(SourceSpec::Pictures(paths));
        } else if let Some(first) = paths.first() {
            self.open_path(first);
        }
    }

    fn toggle_transport(&mut self, action: &AppAction) {
        let mut transport = self.services.pipeline.transport();
        if matches!(action, AppAction::TogglePlaying) {
            transport.playing = !transport.playing;
        } else {
            let looping = &mut self.state.preferences.looping;
            *looping = !*looping;
            transport.looping = *looping;
        }
        self.services.pipeline.set_transport(transport);
    }

    /// Loads the weights on the chosen device, on the inference thread.
    pub fn load_model(&mut self, weights: Option<PathBuf>) {
        self.state.weights = weights.clone();
        self.state.device_note_shown = false;
        self.state.accuracy.clear();
        let device = self.state.preferences.device;
        let on_device = self.services.textures.heatmaps.draws_on_device();
        self.services.pipeline.load(weights.map(|path| -> ModelLoader {
            Box::new(move || {
                let device = gpu::choose(device).map_err(InferError::from)?;
                let mut estimator = Estimator::load(&path, device.clone())?;
                estimator.leave_heatmaps_on_device(on_device);
                let info = Arc::new(estimator.info().clone());
                Ok((Box::new(estimator) as _, ModelSummary { path, info, device }))
            })
        }));
    }

    /// Loads another person detector and remembers it for the next start.
    fn choose_detector(&mut self, path: PathBuf) {
        self.state.preferences.people.detect = true;
        self.state.preferences.people.detector = Some(path.clone());
        self.load_detector(Some(path));
    }

    /// Loads a person detector on the chosen device, on the inference thread.
    pub fn load_detector(&mut self, weights: Option<PathBuf>) {
        self.state.detector = weights.clone();
        let device = self.state.preferences.device;
        self.services.pipeline.load_detector(weights.map(|path| live::detector_loader(path, device)));
    }

    fn change_keep_ratio(&mut self, by: f64) {
        let ratio = &mut self.state.preferences.keep_ratio;
        let percent = ((ratio.get() + by) * 100.0).round();
        *ratio = KeepRatio::new((percent / 100.0).clamp(MIN_KEEP_RATIO, 1.0)).unwrap_or_default();
    }

    fn toggle_fullscreen(&self) {
        let full = self.ctx.input(|i| i.viewport().fullscreen.unwrap_or(false));
        self.ctx.send_viewport_cmd(ViewportCommand::Fullscreen(!full));
    }

    fn follow(&mut self, choice: FollowChoice) {
        self.state.selection.choose(choice, &mut self.state.preferences.people.mode);
    }

    /// Cycles through "all", joint 0, joint 1 and so on.
    fn step_heatmap_joint(&mut self, by: isize) {
        let ModelStatus::Ready(summary) = self.services.pipeline.model() else { return };
        let choices = summary.info.skeleton.len() as isize + 1;
        let layers = &mut self.state.preferences.layers;
        let now = match layers.heatmap_joint {
            HeatmapJoint::All => 0,
            HeatmapJoint::One(j) => j as isize + 1,
        };
        layers.heatmaps = true;
        layers.heatmap_joint = match (now + by).rem_euclid(choices) {
            0 => HeatmapJoint::All,
            n => HeatmapJoint::One(n as usize - 1),
        };
    }

    /// Starts a training with the form's settings, if they can work.
    fn start_training(&mut self) {
        let training = &mut self.state.training;
        training.form.update(Instant::now());
        if !training.running && training.form.obstacle().is_none() {
            let config = training.form.config.clone();
            self.begin_training(config, TrainProgress::default());
        }
    }

    fn resume_training(&mut self) {
        let training = &self.state.training;
        if let (false, Some(config)) = (training.running, training.run.clone()) {
            let progress = training.progress.clone();
            self.begin_training(config, progress);
        }
    }

    fn resume_folder(&mut self, folder: &Path) {
        if self.state.training.running {
            return;
        }
        match TrainingState::settings_of(folder) {
            Ok(config) => self.begin_training(config, TrainProgress::default()),
            Err(reason) => self.state.training.refused = Some(reason),
        }
    }

    fn begin_training(&mut self, config: TrainConfig, before: TrainProgress) {
        // A run that was stopped before its first step has no checkpoint, only its cached features.
        let resume = holds_training(&config.run.out);
        let training = &mut self.state.training;
        training.refused = None;
        match TrainThread::start(self.ctx, config.clone(), resume, before) {
            Ok(thread) => {
                self.services.training = Some(thread);
                training.run = Some(config);
                training.tab = TrainTab::Progress;
                training.update(&mut self.services.training);
            }
            Err(error) => {
                training.refused = Some(format!("No thread could be started for the training: {error}."));
            }
        }
    }

    /// Asks the training to finish its step and save.
    pub fn stop_training(&mut self) {
        if let Some(training) = &self.services.training {
            training.stop();
        }
    }

    fn close_at_once(&mut self) {
        if let Some(training) = &mut self.services.training {
            training.abandon();
        }
        self.state.training.closing = CloseState::Closing;
        self.ctx.send_viewport_cmd(ViewportCommand::Close);
    }

    fn take_training_path(&mut self, dialog: TrainDialog, path: PathBuf) {
        let form = &mut self.state.training.form;
        let config = &mut form.config;
        match dialog {
            TrainDialog::AddSet => config.data.train.push(path.into()),
            TrainDialog::ReplaceSet(n) => {
                if let Some(spec) = config.data.train.get_mut(n) {
                    spec.source = path.into();
                }
            }
            TrainDialog::Validation => config.data.val = Some(path.into()),
            TrainDialog::InitWeights => config.model.init = Some(path),
            TrainDialog::RunFolder => config.run.out = path,
            TrainDialog::Resume => self.resume_folder(&path),
            TrainDialog::LoadSettings => form.load(&path),
            TrainDialog::SaveSettings => form.save(&path),
        }
    }
}
