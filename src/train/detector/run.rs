//! The training of a detector.

use super::card::model_card;
use super::config::DetectorTrainConfig;
use super::events::{DetectorEvent, DetectorStep};
use super::gradient::DetectorLoss;
use super::session::DetectorSession;
use super::sheet::write_samples;
use crate::data::BoxSet;
use crate::detect::{self, DetectorInfo, DetectorNet};
use crate::eval::detector::DetectorScore;
use crate::train::TrainError;
use crate::train::TrainSettings;
use crate::train::curves::{CurveSpec, write_curves};
use crate::train::log::RunLog;
use crate::train::meter::{StepPace, StepPosition};
use crate::train::parameters::ParamLayout;
use crate::train::schedule::samples_per_step;
use crate::train::task::{RunInfo, StepOutcome, TrainTask, repeated};
use crate::train::trainer::RunControl;
use crate::weights::{Precision, TrainingRecord};
use burn::module::Module;
use std::path::Path;

/// What `curves.png` shows.
const CURVES: CurveSpec = CurveSpec {
    losses: &[["loss", "loss"], ["score_loss", "scores"], ["box_loss", "boxes"]],
    accuracy: &[["ap", "AP"], ["ap50", "AP50"]],
};

/// Trains a detector and writes weights, log, model card and pictures to the run's folder.
///
/// # Errors
/// The settings, the data, the starting weights or the run's folder cannot be used, the loss is not a number any
/// more, or too many pictures cannot be decoded.
pub fn run(config: &DetectorTrainConfig, control: &RunControl<DetectorEvent>) -> Result<(), TrainError> {
    config.check()?;
    control.train(&config.run, &config.to_toml(), |log| DetectorSession::open(config, log).map(Some))
}

impl TrainTask for DetectorSession {
    type Event = DetectorEvent;
    type Loss = DetectorLoss;
    type Network = DetectorNet;
    type Validation = DetectorScore;

    fn run_info(&self) -> RunInfo {
        let config = &self.config;
        let sets = &self.mixture.sets;
        RunInfo {
            schedule: config.schedule.clone(),
            run: config.run.clone(),
            samples: self.mixture.len(),
            bad_limit: config.data.bad_limit,
            sets: repeated(&config.data.train, sets.iter().map(|set| set.title.clone())),
            origin: self.start.origin.clone(),
        }
    }

    fn network(&self) -> (&DetectorNet, &ParamLayout) {
        (&self.start.net, &self.layout)
    }

    fn set_network(&mut self, network: DetectorNet) {
        self.start.net = network;
    }

    fn begin(&self, step: u64, steps: u64, log: &RunLog<DetectorEvent>) {
        log.emit(DetectorEvent::Started {
            step,
            steps,
            samples: self.mixture.len(),
            trained: self.layout.count(),
            parameters: self.start.net.num_params(),
            device: format!("{}, {}", self.device.title(), self.engine.name()),
        });
        log.log_error(write_samples(self));
    }

    fn step(&mut self, step: u64, weights: &[f32], gradient: &mut [f32]) -> StepOutcome<DetectorLoss> {
        DetectorSession::step(self, step, weights, gradient)
    }

    fn step_event(&self, position: StepPosition, loss: DetectorLoss, pace: StepPace) -> DetectorEvent {
        DetectorEvent::Step(DetectorStep::new(position, loss, pace, samples_per_step(&self.config.schedule)))
    }

    fn picture(&self, sample: usize) -> &Path {
        &self.mixture.image(sample).image.path
    }

    fn validate(
        &self,
        weights: &[f32],
        log: &RunLog<DetectorEvent>,
    ) -> Result<Option<DetectorScore>, TrainError> {
        let Some(set) = &self.quick else { return Ok(None) };
        self.measure(&self.trained(weights), set, log).map(Some)
    }

    fn ap(validation: &DetectorScore) -> f64 {
        validation.boxes.ap
    }

    fn validation_event(&self, step: u64, epoch: f64, found: &DetectorScore, best: bool) -> DetectorEvent {
        DetectorEvent::Validated { step, epoch, score: found.clone(), best }
    }

    fn write_pictures(&self, _: Option<&DetectorScore>) -> Result<(), TrainError> {
        write_curves(&self.config.run.out, &CURVES, None)
    }

    fn notes(&self) -> Vec<(&'static str, String)> {
        let config = &self.config;
        vec![
            ("frozen", config.model.freeze.to_string()),
            ("learning rate", config.schedule.learning_rate.to_string()),
            ("batch", samples_per_step(&config.schedule).to_string()),
            ("seed", config.run.seed.to_string()),
        ]
    }

    fn write_weights(&self, path: &Path, weights: &[f32], record: TrainingRecord) -> Result<(), TrainError> {
        let info = DetectorInfo::new(self.start.config.clone(), record);
        Ok(detect::save(path, &self.trained(weights), &info, Precision::F16)?)
    }

    fn finish(
        &self,
        best: &Path,
        mut record: TrainingRecord,
        log: &RunLog<DetectorEvent>,
    ) -> Result<String, TrainError> {
        let (net, mut info) = detect::load(best, &self.device.device)?;
        let mut measured: Option<(String, DetectorScore)> = None;
        if let Some(set) = &self.config.data.val {
            let set = BoxSet::open(set.path()?, "val")?;
            let score = self.measure(&net, &set, log)?;
            record.notes.insert(format!("AP {}", set.title), format!("{:.4}", score.boxes.ap));
            log.emit(DetectorEvent::Kept { step: record.steps, score: score.clone() });
            measured = Some((set.title, score));
        }
        let card = model_card(&info.config, net.num_params(), &record, measured.as_ref());
        info.record = record;
        detect::save(best, &net, &info, Precision::F16)?;
        Ok(card)
    }
}
