//! The training loop.

use super::TrainError;
use super::card::{CardRow, model_card};
use super::checkpoint::{self, Position, write_whole};
use super::config::TrainConfig;
use super::curves::{POSES, write_curves};
use super::events::{StepEvent, TrainEvent};
use super::folder;
use super::log::Log;
use super::loss::LossParts;
use super::optimizer::Optimizer;
use super::schedule::{learning_rate, persons_a_step, total_steps};
use super::session::{Session, Validation, setting};
use super::snapshot::write_samples;
use crate::data::PoseSet;
use crate::eval::set::{SetScore, estimate, plain_samples, score};
use crate::weights::{self, Precision, TrainingRecord, WeightsInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Keep ratios of the final table.
const TABLE_RATIOS: [f64; 4] = [1.0, 0.6, 0.4, 0.25];

/// Trains. With `resume`, goes on from the checkpoint in the run's folder.
///
/// `command` goes into the training record; `listen` hears every event, as the log file does; raising
/// `stop` ends the training after the step that runs, with everything saved.
pub fn run(
    config: &TrainConfig,
    resume: bool,
    command: &str,
    listen: &(dyn Fn(&TrainEvent) + Sync),
    stop: &AtomicBool,
) -> Result<(), TrainError> {
    config.check()?;
    let out = &config.run.out;
    folder::prepare(out)?;
    write_whole(&out.join("config.toml"), config.to_toml().as_bytes())?;
    let log = Log::open(out, resume, listen)?;
    let session = Session::open(config, &mut |e| log.tell(e), stop)?;
    let Some(session) = session else {
        log.tell(TrainEvent::Stopped { step: 0 });
        return Ok(());
    };
    Training::new(session, resume, command, &log)?.run(stop)
}

struct Training<'a> {
    session: Session,
    optimizer: Optimizer,
    at: Position,
    steps: u64,
    command: &'a str,
    log: &'a Log<'a, TrainEvent>,
}

/// Sums between two step events.
#[derive(Default)]
struct Meter {
    loss: LossParts,
    steps: u64,
    time: Duration,
    waited: Duration,
}

impl<'a> Training<'a> {
    fn new(
        mut session: Session,
        resume: bool,
        command: &'a str,
        log: &'a Log<TrainEvent>,
    ) -> Result<Training<'a>, TrainError> {
        let steps = total_steps(&session.config.schedule, session.samples.len());
        let (at, optimizer);
        if resume {
            let loaded = checkpoint::load(&session.config.run.out, session.model.clone(), &session.layout)?;
            (at, optimizer, session.model) = loaded;
        } else {
            (at, optimizer) = (Position::default(), Optimizer::new(session.layout.read(&session.model)));
        }
        Ok(Training { session, optimizer, at, steps, command, log })
    }

    fn run(mut self, stop: &AtomicBool) -> Result<(), TrainError> {
        let config = self.session.config.clone();
        let (persons, samples) = (persons_a_step(&config.schedule), self.session.samples.len() as u64);
        let device = &self.session.device;
        self.log.tell(TrainEvent::Started {
            step: self.at.step,
            steps: self.steps,
            samples: samples as usize,
            parameters: self.optimizer.weights.len(),
            device: format!("{}, {}", device.title(), self.session.engine_name()),
        });
        let mut gradient = vec![0.0; self.optimizer.weights.len()];
        let (mut meter, mut bad) = (Meter::default(), 0usize);
        while self.at.step < self.steps && !self.out_of_patience() {
            let begun = Instant::now();
            let rate = learning_rate(&config.schedule, self.at.step, self.steps);
            let outcome = self.session.step(self.at.step, &self.optimizer.weights, &mut gradient);
            let loss = outcome.loss.sum();
            if !loss.is_finite() {
                let batch = self.session.names(&outcome.samples);
                return Err(TrainError::NotFinite { step: self.at.step, loss, batch });
            }
            bad += outcome.bad.len();
            self.check_bad(bad, &outcome.bad)?;
            let length = self.optimizer.step(&gradient, self.session.layout.decays(), rate, &config.schedule);
            if !length.is_finite() {
                let batch = self.session.names(&outcome.samples);
                return Err(TrainError::NotFinite { step: self.at.step, loss: length, batch });
            }
            self.at.step += 1;
            meter.steps += 1;
            meter.loss += outcome.loss;
            meter.waited += outcome.waited;
            meter.time += begun.elapsed();
            self.at.seconds += begun.elapsed().as_secs_f64();
            let step = self.at.step;
            if step.is_multiple_of(config.run.log_steps.max(1)) || step == self.steps {
                self.tell_step(&meter, rate, length);
                meter = Meter::default();
            }
            let epoch_ends = (step * persons) / samples != ((step - 1) * persons) / samples;
            let validate = match config.run.val_steps {
                0 => epoch_ends,
                every => step.is_multiple_of(every),
            };
            if validate || step == self.steps {
                self.validate()?;
            }
            let every = config.run.checkpoint_steps;
            let stopped = stop.load(Ordering::SeqCst);
            if stopped || validate || step == self.steps || (every > 0 && step.is_multiple_of(every)) {
                self.save()?;
            }
            if stopped && step < self.steps {
                self.log.tell(TrainEvent::Stopped { step });
                return Ok(());
            }
        }
        self.finish()
    }

    /// True when the accuracy has not become better for as long as the settings wait.
    fn out_of_patience(&self) -> bool {
        let patience = self.session.config.schedule.patience;
        patience > 0 && self.at.without_better >= patience
    }

    fn check_bad(&self, bad: usize, new: &[String]) -> Result<(), TrainError> {
        for text in new {
            self.log.tell(TrainEvent::Note { text: text.clone() });
        }
        let all = self.session.samples.len();
        if bad as f64 > self.session.config.data.bad_limit * all as f64 {
            return Err(TrainError::BadPictures { bad, all, names: new.join("; ") });
        }
        Ok(())
    }

    fn epoch(&self) -> f64 {
        let persons = persons_a_step(&self.session.config.schedule) * self.at.step;
        persons as f64 / self.session.samples.len() as f64
    }

    fn tell_step(&self, meter: &Meter, learning_rate: f64, gradient: f64) {
        let n = meter.steps.max(1) as f64;
        let seconds = meter.time.as_secs_f64();
        let event = StepEvent {
            step: self.at.step,
            steps: self.steps,
            epoch: self.epoch(),
            loss: 0.0,
            mse: 0.0,
            cross_entropy: 0.0,
            sandwich: 0.0,
            teacher: 0.0,
            learning_rate,
            gradient,
            milliseconds_a_step: 1e3 * seconds / n,
            samples_a_second: n * persons_a_step(&self.session.config.schedule) as f64 / seconds.max(1e-9),
            waiting: meter.waited.as_secs_f64() / seconds.max(1e-9),
            seconds_left: seconds / n * (self.steps - self.at.step) as f64,
        };
        self.log.tell(TrainEvent::Step(event.with_loss(meter.loss.scaled(1.0 / n))));
    }

    fn validate(&mut self) -> Result<(), TrainError> {
        let begun = Instant::now();
        let progress = |done, total| self.log.tell(TrainEvent::Validating { done, total });
        let validation = self.session.validate(&self.optimizer.average, progress)?;
        let best = match &validation {
            // Without a validation set the newest weights are the best known.
            None => true,
            Some(v) => self.at.best_ap.is_none_or(|before| v.score.ap > before),
        };
        self.at.without_better = if best { 0 } else { self.at.without_better + 1 };
        if best {
            self.at.best_ap = validation.as_ref().map(|v| v.score.ap);
            self.at.best_step = self.at.step;
            self.write_weights("best.safetensors", Precision::F16, &[])?;
        }
        self.at.seconds += begun.elapsed().as_secs_f64();
        let keep_ratio = self.session.config.masks.validation;
        if let Some(Validation { score, .. }) = &validation {
            let (step, epoch, score) = (self.at.step, self.epoch(), score.clone());
            self.log.tell(TrainEvent::Validated { step, epoch, keep_ratio, score, best });
        }
        self.draw(validation.as_ref(), keep_ratio);
        if self.out_of_patience() && self.at.step < self.steps {
            let (n, best) = (self.at.without_better, self.at.best_step);
            let text = format!("no better AP in {n} validations since step {best}: the training ends here");
            self.log.tell(TrainEvent::Note { text });
        }
        Ok(())
    }

    /// Draws the run's pictures anew. They are for looking at: without them the training goes on.
    fn draw(&self, validation: Option<&Validation>, keep_ratio: f64) {
        let out = &self.session.config.run.out;
        let mut drawn = write_curves(out, &POSES, Some(keep_ratio));
        if let (Some(samples), Some(v)) = (&self.session.quick, validation) {
            drawn = drawn.and(write_samples(out, samples, &v.poses));
        }
        if let Err(error) = drawn {
            self.log.tell(TrainEvent::Note { text: error.to_string() });
        }
    }

    fn save(&self) -> Result<(), TrainError> {
        let out = &self.session.config.run.out;
        checkpoint::save(out, &self.at, &self.optimizer, &self.session.model, &self.session.layout)?;
        self.log.tell(TrainEvent::Saved { step: self.at.step });
        Ok(())
    }

    fn record(&self, rows: &[CardRow]) -> TrainingRecord {
        let config = &self.session.config;
        let sets = config.data.train.iter().zip(&self.session.samples.mixture.sets);
        let mut record = TrainingRecord {
            command: self.command.into(),
            sets: sets.map(|(spec, set)| format!("{} x{}", set.title(), spec.repeat)).collect(),
            start: self.session.origin.clone(),
            steps: self.at.step,
            epochs: self.epoch(),
            seconds: self.at.seconds,
            ..TrainingRecord::default()
        };
        let backbone = if config.model.freeze_backbone { "frozen, features cached" } else { "trained" };
        record.notes.insert("backbone".into(), backbone.into());
        if !self.session.teacher.is_empty() {
            let d = &config.distillation;
            let weights = format!("heatmaps {}, tokens {}, attention {}", d.heatmaps, d.tokens, d.attention);
            record.notes.insert("teacher".into(), format!("{} ({weights})", self.session.teacher));
        }
        if config.masks.sandwich {
            let weight = config.masks.sandwich_weight;
            let text = format!("full, drawn and fewest tokens in every step, weight {weight}");
            record.notes.insert("sandwich".into(), text);
        }
        record.notes.insert("learning rate".into(), config.schedule.learning_rate.to_string());
        record.notes.insert("batch".into(), config.schedule.batch.to_string());
        for row in rows {
            record
                .notes
                .insert(format!("AP {} at {}", row.set, row.keep_ratio), format!("{:.4}", row.score.ap));
        }
        record
    }

    fn write_weights(&self, name: &str, precision: Precision, rows: &[CardRow]) -> Result<(), TrainError> {
        let model = self.session.trained(&self.optimizer.average);
        let skeleton = self.session.samples.skeleton.clone();
        let info = WeightsInfo::new(model.config().clone(), skeleton, self.record(rows));
        Ok(weights::save(&self.session.config.run.out.join(name), &model, &info, precision)?)
    }

    /// Writes the last weights, measures the best ones on whole sets and writes their card.
    fn finish(self) -> Result<(), TrainError> {
        let config = &self.session.config;
        let out = &config.run.out;
        self.write_weights("last.safetensors", Precision::F16, &[])?;
        let path = out.join("best.safetensors");
        let device = &self.session.device;
        let (model, mut info) = weights::load(&path, &device.device)?;
        let skeleton = &self.session.samples.skeleton;
        let mut rows = Vec::new();
        for set in config.data.val.iter().chain(&config.data.report) {
            let set = PoseSet::open(set, "val", skeleton)?;
            let title = set.title();
            let samples = plain_samples(set, model.config(), skeleton);
            let settings = TABLE_RATIOS.map(setting);
            let folded = model.clone().fold();
            let count = std::sync::atomic::AtomicUsize::new(0);
            let done = |n: usize| {
                let done = count.fetch_add(n, Ordering::Relaxed) + n;
                self.log.tell(TrainEvent::Validating { done, total: samples.len() });
            };
            let poses = estimate(&folded, device, &samples, &settings, done)?;
            for (keep_ratio, poses) in TABLE_RATIOS.into_iter().zip(&poses) {
                let score: SetScore = score(&samples, poses);
                let (step, epoch) = (self.at.best_step, self.epoch());
                self.log.tell(TrainEvent::Validated {
                    step,
                    epoch,
                    keep_ratio,
                    score: score.clone(),
                    best: false,
                });
                rows.push(CardRow { set: title.clone(), keep_ratio, score });
            }
        }
        let record = TrainingRecord { steps: self.at.best_step, ..self.record(&rows) };
        let c = model.config();
        let network = format!("{}, {} layers, {}", c.variant, c.depth * c.transformers, c.skeleton);
        let parameters = burn::module::Module::num_params(&model);
        let card = model_card(&network, parameters, &record, &rows);
        write_whole(&out.join("model-card.md"), card.as_bytes())?;
        info.record = record;
        weights::save(&path, &model, &info, Precision::F16)?;
        let (step, seconds, best_ap) = (self.at.step, self.at.seconds, self.at.best_ap);
        self.log.tell(TrainEvent::Finished { step, seconds, best_ap });
        Ok(())
    }
}
