//! The loop of a detector's training.

use super::card::model_card;
use super::config::DetectorTraining;
use super::events::{DetectorEvent, DetectorScore, DetectorStep};
use super::gradient::DetectorLoss;
use super::session::Session;
use super::sheet::write_samples;
use crate::data::BoxSet;
use crate::detect::{self, DetectorInfo};
use crate::train::TrainError;
use crate::train::checkpoint::{self, Position, write_whole};
use crate::train::curves::{Drawn, write_curves};
use crate::train::folder;
use crate::train::log::Log;
use crate::train::optimizer::Optimizer;
use crate::train::schedule::{learning_rate, persons_a_step};
use crate::weights::{Precision, TrainingRecord};
use burn::module::Module;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What `curves.png` shows.
const CURVES: Drawn = Drawn {
    losses: &[["loss", "loss"], ["score_loss", "scores"], ["box_loss", "boxes"]],
    accuracy: &[["ap", "AP"], ["ap50", "AP50"]],
};

/// Trains. With `resume`, goes on from the checkpoint in the run's folder.
///
/// `command` goes into the training record; `listen` hears every event, as the log file does; raising
/// `stop` ends the training after the step that runs, with everything saved.
///
/// # Errors
/// The settings, the data, the starting weights or the run's folder cannot be used, the loss is not a number any
/// more, or too many pictures cannot be decoded.
pub fn run(
    config: &DetectorTraining,
    resume: bool,
    command: &str,
    listen: &(dyn Fn(&DetectorEvent) + Sync),
    stop: &AtomicBool,
) -> Result<(), TrainError> {
    config.check()?;
    let out = &config.run.out;
    folder::prepare(out)?;
    write_whole(&out.join("config.toml"), config.to_toml().as_bytes())?;
    let log = Log::open(out, resume, listen)?;
    let mut session = Session::open(config, &|event| log.tell(event))?;
    let (at, optimizer);
    if resume {
        (at, optimizer, session.start.net) =
            checkpoint::load(out, session.start.net.clone(), &session.layout)?;
    } else {
        (at, optimizer) = (Position::default(), Optimizer::new(session.layout.read(&session.start.net)));
    }
    Training { session, optimizer, at, command, log: &log, bad: BTreeSet::new() }.run(stop)
}

struct Training<'a> {
    session: Session,
    optimizer: Optimizer,
    at: Position,
    command: &'a str,
    log: &'a Log<'a, DetectorEvent>,
    /// Why pictures could not be decoded.
    bad: BTreeSet<String>,
}

/// Sums between two step events.
#[derive(Default)]
struct Meter {
    loss: DetectorLoss,
    steps: u64,
    time: Duration,
    waited: Duration,
}

impl Training<'_> {
    fn run(mut self, stop: &AtomicBool) -> Result<(), TrainError> {
        let config = self.session.config.clone();
        let steps = self.session.steps;
        let (pictures, samples) = (persons_a_step(&config.schedule), self.session.mixture.len() as u64);
        let device = &self.session.device;
        self.log.tell(DetectorEvent::Started {
            step: self.at.step,
            steps,
            samples: samples as usize,
            trained: self.optimizer.weights.len(),
            parameters: self.session.start.net.num_params(),
            device: format!("{} ({}), {}", device.name, device.backend, self.session.engine.name()),
        });
        // Pictures are for looking at: without them the training goes on.
        if let Err(error) = write_samples(&self.session) {
            self.log.tell(DetectorEvent::Note { text: error.to_string() });
        }
        let mut gradient = vec![0.0; self.optimizer.weights.len()];
        let mut meter = Meter::default();
        while self.at.step < steps && !self.out_of_patience() {
            let begun = Instant::now();
            let rate = learning_rate(&config.schedule, self.at.step, steps);
            let outcome = self.session.step(self.at.step, &self.optimizer.weights, &mut gradient);
            self.check_bad(&outcome.bad)?;
            let finite = |loss: f64| match loss.is_finite() {
                true => Ok(()),
                false => {
                    let batch = self.session.names(&outcome.samples);
                    Err(TrainError::NotFinite { step: self.at.step, loss, batch })
                }
            };
            finite(outcome.loss.sum())?;
            let length = self.optimizer.step(&gradient, self.session.layout.decays(), rate, &config.schedule);
            finite(length)?;
            self.at.step += 1;
            meter.steps += 1;
            meter.loss += outcome.loss;
            meter.waited += outcome.waited;
            meter.time += begun.elapsed();
            self.at.seconds += begun.elapsed().as_secs_f64();
            let step = self.at.step;
            if step.is_multiple_of(config.run.log_steps.max(1)) || step == steps {
                self.tell_step(&meter, rate, length);
                meter = Meter::default();
            }
            let epoch_ends = (step * pictures) / samples != ((step - 1) * pictures) / samples;
            let due = match config.run.val_steps {
                0 => epoch_ends,
                every => step.is_multiple_of(every),
            };
            let validate = due || step == steps;
            if validate {
                self.validate()?;
            }
            let every = config.run.checkpoint_steps;
            let stopped = stop.load(Ordering::SeqCst);
            if stopped || validate || (every > 0 && step.is_multiple_of(every)) {
                self.save()?;
            }
            if stopped && step < steps {
                self.log.tell(DetectorEvent::Stopped { step });
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

    /// Counts pictures that cannot be decoded, each once however often it is shown.
    fn check_bad(&mut self, shown: &[String]) -> Result<(), TrainError> {
        for text in shown {
            if self.bad.insert(text.clone()) {
                self.log.tell(DetectorEvent::Note { text: text.clone() });
            }
        }
        let (bad, all) = (self.bad.len(), self.session.mixture.len());
        if bad as f64 > self.session.config.data.bad_limit * all as f64 {
            let names = self.bad.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
            return Err(TrainError::BadPictures { bad, all, names });
        }
        Ok(())
    }

    fn epoch(&self) -> f64 {
        let pictures = persons_a_step(&self.session.config.schedule) * self.at.step;
        pictures as f64 / self.session.mixture.len() as f64
    }

    fn tell_step(&self, meter: &Meter, learning_rate: f64, gradient: f64) {
        let n = meter.steps.max(1) as f64;
        let seconds = meter.time.as_secs_f64();
        let pictures = persons_a_step(&self.session.config.schedule) as f64;
        let loss = meter.loss.scaled(1.0 / n);
        self.log.tell(DetectorEvent::Step(DetectorStep {
            step: self.at.step,
            steps: self.session.steps,
            epoch: self.epoch(),
            loss: loss.sum(),
            score_loss: loss.scores,
            box_loss: loss.boxes,
            positives: loss.positives / pictures,
            learning_rate,
            gradient,
            milliseconds_a_step: 1e3 * seconds / n,
            samples_a_second: n * pictures / seconds.max(1e-9),
            waiting: meter.waited.as_secs_f64() / seconds.max(1e-9),
            seconds_left: seconds / n * (self.session.steps - self.at.step) as f64,
        }));
    }

    fn validate(&mut self) -> Result<(), TrainError> {
        let begun = Instant::now();
        let mut score = None;
        if let Some(set) = &self.session.quick {
            let net = self.session.trained(&self.optimizer.average);
            score = Some(self.session.measure(&net, set, &|event| self.log.tell(event))?);
        }
        let best = match &score {
            // Without a validation set the newest weights are the best known.
            None => true,
            Some(score) => self.at.best_ap.is_none_or(|before| score.boxes.ap > before),
        };
        self.at.without_better = if best { 0 } else { self.at.without_better + 1 };
        if best {
            self.at.best_ap = score.as_ref().map(|s| s.boxes.ap);
            self.at.best_step = self.at.step;
            self.write_weights("best.safetensors")?;
        }
        self.at.seconds += begun.elapsed().as_secs_f64();
        if let Some(score) = score {
            let (step, epoch) = (self.at.step, self.epoch());
            self.log.tell(DetectorEvent::Validated { step, epoch, score, best });
        }
        // Curves are for looking at: without them the training goes on.
        if let Err(error) = write_curves(&self.session.config.run.out, &CURVES, None) {
            self.log.tell(DetectorEvent::Note { text: error.to_string() });
        }
        if self.out_of_patience() && self.at.step < self.session.steps {
            let (n, best) = (self.at.without_better, self.at.best_step);
            let text = format!("no better AP in {n} validations since step {best}: the training ends here");
            self.log.tell(DetectorEvent::Note { text });
        }
        Ok(())
    }

    fn save(&self) -> Result<(), TrainError> {
        let Session { config, start, layout, .. } = &self.session;
        checkpoint::save(&config.run.out, &self.at, &self.optimizer, &start.net, layout)?;
        self.log.tell(DetectorEvent::Saved { step: self.at.step });
        Ok(())
    }

    fn record(&self) -> TrainingRecord {
        let config = &self.session.config;
        let sets = config.data.train.iter().zip(&self.session.mixture.sets);
        let mut record = TrainingRecord {
            command: self.command.into(),
            sets: sets.map(|(spec, set)| format!("{} x{}", set.title(), spec.repeat)).collect(),
            start: self.session.start.origin.clone(),
            steps: self.at.step,
            epochs: self.epoch(),
            seconds: self.at.seconds,
            ..TrainingRecord::default()
        };
        for (name, value) in [
            ("frozen", config.model.freeze.to_string()),
            ("learning rate", config.schedule.learning_rate.to_string()),
            ("batch", persons_a_step(&config.schedule).to_string()),
            ("seed", config.run.seed.to_string()),
        ] {
            record.notes.insert(name.into(), value);
        }
        record
    }

    fn write_weights(&self, name: &str) -> Result<(), TrainError> {
        let net = self.session.trained(&self.optimizer.average);
        let info = DetectorInfo::new(self.session.start.config.clone(), self.record());
        Ok(detect::save(&self.session.config.run.out.join(name), &net, &info, Precision::F16)?)
    }

    /// Writes the last weights, measures the best ones on the whole set and writes their card.
    fn finish(self) -> Result<(), TrainError> {
        let config = &self.session.config;
        let out = &config.run.out;
        self.write_weights("last.safetensors")?;
        let path = out.join("best.safetensors");
        let (net, mut info) = detect::load(&path, &self.session.device.device)?;
        let mut record = TrainingRecord { steps: self.at.best_step, ..self.record() };
        let mut measured: Option<(String, DetectorScore)> = None;
        if let Some(path) = &config.data.val {
            let set = BoxSet::open(path, "val")?;
            let score = self.session.measure(&net, &set, &|event| self.log.tell(event))?;
            record.notes.insert(format!("AP {}", set.title()), format!("{:.4}", score.boxes.ap));
            self.log.tell(DetectorEvent::Kept { step: self.at.best_step, score: score.clone() });
            measured = Some((set.title(), score));
        }
        let card = model_card(&info.config, net.num_params(), &record, measured.as_ref());
        write_whole(&out.join("model-card.md"), card.as_bytes())?;
        info.record = record;
        detect::save(&path, &net, &info, Precision::F16)?;
        let (step, seconds, best_ap) = (self.at.step, self.at.seconds, self.at.best_ap);
        self.log.tell(DetectorEvent::Finished { step, seconds, best_ap });
        Ok(())
    }
}
