//! The training of a pose network.

use super::card::{CardRow, model_card};
use super::events::{PoseEvent, PoseStep};
use super::loss::PoseLoss;
use super::session::{PoseSession, PoseValidation, eval_settings};
use super::snapshot::write_samples;
use crate::data::{DataError, MannequinSets, PoseSet};
use crate::eval::set::{estimate, plain_samples, score};
use crate::model::{KeepRatio, PoseNet};
use crate::train::TrainError;
use crate::train::TrainSettings;
use crate::train::config::TrainConfig;
use crate::train::curves::{CurveSpec, write_curves};
use crate::train::events::RunEvent;
use crate::train::log::RunLog;
use crate::train::meter::{StepPace, StepPosition};
use crate::train::parameters::ParamLayout;
use crate::train::task::{RunInfo, StepOutcome, TrainTask, repeated};
use crate::train::trainer::RunControl;
use crate::weights::{self, Precision, TrainingRecord, WeightsInfo};
use burn::module::Module;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The numbers that `curves.png` shows.
const CURVES: CurveSpec = CurveSpec {
    losses: &[
        ["loss", "loss"],
        ["mse", "squared error"],
        ["cross_entropy", "cross-entropy"],
        ["sandwich", "sandwich"],
        ["teacher", "teacher"],
    ],
    accuracy: &[["ap", "AP"], ["pck01", "PCK@0.1"]],
};

/// Keep ratios of the accuracy table in the model card.
const TABLE_RATIOS: [KeepRatio; 4] =
    [KeepRatio::ALL, KeepRatio::constant(0.6), KeepRatio::constant(0.4), KeepRatio::constant(0.25)];

/// Trains a pose network and writes weights, log, model card and pictures to the run's folder. Pictures of the mannequin
/// that the settings name are rendered there first.
///
/// # Errors
/// The settings, the data, the starting weights or the run's folder cannot be used, the loss is not a number any
/// more, or too many pictures cannot be decoded.
pub fn run(config: &TrainConfig, control: &RunControl<PoseEvent>) -> Result<(), TrainError> {
    config.check()?;
    let Some(config) = with_mannequin(config, control)? else {
        (control.on_event)(&RunEvent::Stopped { step: 0 }.into());
        return Ok(());
    };
    control.train(&config.run, &config.to_toml(), |log| {
        PoseSession::open(&config, &mut |event| log.emit(event), control.stop)
    })
}

/// The settings with the folders of the mannequin's pictures in place of the mannequin; `None` when the training was stopped
/// while they were rendered.
///
/// # Errors
/// The pictures cannot be written.
fn with_mannequin(
    config: &TrainConfig,
    control: &RunControl<PoseEvent>,
) -> Result<Option<TrainConfig>, TrainError> {
    let progress = |done, total| (control.on_event)(&PoseEvent::Rendering { done, total });
    let sets = MannequinSets { folder: config.run.out.clone(), progress: &progress, stop: control.stop };
    let mut config = config.clone();
    let data = &mut config.data;
    match sets.replace_in(&mut data.train, &mut data.val, &mut data.report) {
        Ok(()) => Ok(Some(config)),
        Err(DataError::RenderingStopped) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl TrainTask for PoseSession {
    type Event = PoseEvent;
    type Loss = PoseLoss;
    type Network = PoseNet;
    type Validation = PoseValidation;

    fn run_info(&self) -> RunInfo {
        let config = &self.config;
        let sets = &self.samples.mixture.sets;
        RunInfo {
            schedule: config.schedule.clone(),
            run: config.run.clone(),
            samples: self.samples.len(),
            bad_limit: config.data.bad_limit,
            sets: repeated(&config.data.train, sets.iter().map(|set| set.title.clone())),
            origin: self.origin.clone(),
        }
    }

    fn network(&self) -> (&PoseNet, &ParamLayout) {
        (&self.model, &self.layout)
    }

    fn set_network(&mut self, network: PoseNet) {
        self.model = network;
    }

    fn begin(&self, step: u64, steps: u64, log: &RunLog<PoseEvent>) {
        log.emit(PoseEvent::Started {
            step,
            steps,
            samples: self.samples.len(),
            parameters: self.layout.count(),
            device: format!("{}, {}", self.device.title(), self.engine_name()),
        });
    }

    fn step(&mut self, step: u64, weights: &[f32], gradient: &mut [f32]) -> StepOutcome<PoseLoss> {
        PoseSession::step(self, step, weights, gradient)
    }

    fn step_event(&self, position: StepPosition, loss: PoseLoss, pace: StepPace) -> PoseEvent {
        PoseEvent::Step(PoseStep::new(position, loss, pace))
    }

    fn picture(&self, sample: usize) -> &Path {
        &self.samples.image(sample).path
    }

    fn validate(
        &self,
        weights: &[f32],
        log: &RunLog<PoseEvent>,
    ) -> Result<Option<PoseValidation>, TrainError> {
        PoseSession::validate(self, weights, |done, total| log.emit(RunEvent::Validating { done, total }))
    }

    fn ap(validation: &PoseValidation) -> f64 {
        validation.score.ap
    }

    fn validation_event(&self, step: u64, epoch: f64, validation: &PoseValidation, best: bool) -> PoseEvent {
        let keep_ratio = self.config.masks.validation;
        PoseEvent::Validated { step, epoch, keep_ratio, score: validation.score.clone(), best }
    }

    fn write_pictures(&self, validation: Option<&PoseValidation>) -> Result<(), TrainError> {
        let out = &self.config.run.out;
        let curves = write_curves(out, &CURVES, Some(self.config.masks.validation));
        match (&self.val, validation) {
            (Some(samples), Some(validation)) => curves.and(write_samples(out, samples, &validation.poses)),
            _ => curves,
        }
    }

    fn notes(&self) -> Vec<(&'static str, String)> {
        let config = &self.config;
        let backbone = if config.model.freeze_backbone { "frozen, features cached" } else { "trained" };
        let mut notes = vec![("backbone", backbone.to_owned())];
        if !self.teacher_origin.is_empty() {
            let d = &config.distillation;
            let weights = format!("heatmaps {}, tokens {}, attention {}", d.heatmaps, d.tokens, d.attention);
            notes.push(("teacher", format!("{} ({weights})", self.teacher_origin)));
        }
        if config.masks.sandwich {
            let weight = config.masks.sandwich_weight;
            let text = format!("full, drawn and fewest tokens in every step, weight {weight}");
            notes.push(("sandwich", text));
        }
        notes.push(("learning rate", config.schedule.learning_rate.to_string()));
        notes.push(("batch", config.schedule.batch.to_string()));
        notes
    }

    fn write_weights(&self, path: &Path, weights: &[f32], record: TrainingRecord) -> Result<(), TrainError> {
        let model = self.trained(weights);
        let info = WeightsInfo::new(model.config().clone(), self.samples.skeleton.clone(), record);
        Ok(weights::save(path, &model, &info, Precision::F16)?)
    }

    fn finish(
        &self,
        best: &Path,
        mut record: TrainingRecord,
        log: &RunLog<PoseEvent>,
    ) -> Result<String, TrainError> {
        let (model, mut info) = weights::load(best, &self.device.device)?;
        let rows = self.table(&model, &record, log)?;
        for CardRow { set, keep_ratio, score } in &rows {
            record.notes.insert(format!("AP {set} at {keep_ratio}"), format!("{:.4}", score.ap));
        }
        let c = model.config();
        let network = format!("{}, {} layers, {}", c.variant(), c.layers(), c.skeleton());
        let card = model_card(&network, model.num_params(), &record, &rows);
        info.record = record;
        weights::save(best, &model, &info, Precision::F16)?;
        Ok(card)
    }
}

impl PoseSession {
    /// Accuracy of `model` on the whole validation and report sets at each of [`TABLE_RATIOS`].
    ///
    /// # Errors
    /// A set cannot be read.
    fn table(
        &self,
        model: &PoseNet,
        record: &TrainingRecord,
        log: &RunLog<PoseEvent>,
    ) -> Result<Vec<CardRow>, TrainError> {
        let data = &self.config.data;
        let skeleton = &self.samples.skeleton;
        let mut rows = Vec::new();
        for set in data.val.iter().chain(&data.report) {
            let set = PoseSet::open(set.path()?, "val", skeleton)?;
            let title = set.title.clone();
            let samples = plain_samples(set, &model.config(), skeleton);
            let folded = model.clone().fold();
            let count = AtomicUsize::new(0);
            let done = |n: usize| {
                let done = count.fetch_add(n, Ordering::Relaxed) + n;
                log.emit(RunEvent::Validating { done, total: samples.len() });
            };
            let poses = estimate(&folded, &self.device, &samples, &TABLE_RATIOS.map(eval_settings), done)?;
            for (keep_ratio, poses) in TABLE_RATIOS.into_iter().zip(&poses) {
                let row = CardRow { set: title.clone(), keep_ratio, score: score(&samples, poses) };
                log.emit(PoseEvent::Validated {
                    step: record.steps,
                    epoch: record.epochs,
                    keep_ratio,
                    score: row.score.clone(),
                    best: false,
                });
                rows.push(row);
            }
        }
        Ok(rows)
    }
}
