//! The training loop.

use super::TrainError;
use super::checkpoint::{self, TrainState, write_whole};
use super::config::RunSection;
use super::events::{LogEvent, RunEvent};
use super::log::RunLog;
use super::meter::{LossTerms, Meter, Pace};
use super::optimizer::Optimizer;
use super::run_folder;
use super::schedule::{learning_rate, persons_a_step, total_steps};
use super::task::{RunInfo, TrainTask};
use super::unreadable::UnreadablePictures;
use crate::weights::TrainingRecord;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The weights that were best in a validation, in the run's folder.
const BEST: &str = "best.safetensors";
/// Those of the last step.
const LAST: &str = "last.safetensors";

/// Makes the run's folder ready, before anything is computed: it holds `settings` and the log.
///
/// # Errors
/// The folder cannot be written to.
pub fn prepare<'a, E: LogEvent>(
    run: &RunSection,
    settings: &str,
    resume: bool,
    on_event: &'a (dyn Fn(&E) + Sync),
) -> Result<RunLog<'a, E>, TrainError> {
    run_folder::prepare(&run.out)?;
    write_whole(&run.out.join("config.toml"), settings.as_bytes())?;
    RunLog::open(&run.out, resume, on_event)
}

/// A training on its way from the first step to the model card.
pub struct Trainer<'a, T: TrainTask> {
    training: T,
    run_info: RunInfo,
    optimizer: Optimizer,
    at: TrainState,
    steps: u64,
    meter: Meter<T::Loss>,
    unreadable: UnreadablePictures,
    command: &'a str,
    log: &'a RunLog<'a, T::Event>,
}

impl<'a, T: TrainTask> Trainer<'a, T> {
    /// Begins, or goes on from the checkpoint in the run's folder. `command` goes into the training record.
    ///
    /// # Errors
    /// There is no checkpoint to go on from, or it is another network's.
    pub fn new(
        mut training: T,
        resume: bool,
        command: &'a str,
        log: &'a RunLog<'a, T::Event>,
    ) -> Result<Trainer<'a, T>, TrainError> {
        let run_info = training.run_info();
        let (network, layout) = training.network();
        let (at, optimizer) = if resume {
            let (at, optimizer, network) = checkpoint::load(&run_info.run.out, network.clone(), layout)?;
            training.set_network(network);
            (at, optimizer)
        } else {
            (TrainState::default(), Optimizer::new(layout.read(network)))
        };
        let steps = total_steps(&run_info.schedule, run_info.samples);
        let (meter, unreadable) = (Meter::default(), UnreadablePictures::default());
        Ok(Trainer { training, run_info, optimizer, at, steps, meter, unreadable, command, log })
    }

    /// Trains to the end, or until `stop` is raised: then it ends after the step that runs, with everything saved.
    ///
    /// # Errors
    /// The loss is not a number any more, too many pictures cannot be decoded, or a file cannot be written.
    pub fn run(mut self, stop: &AtomicBool) -> Result<(), TrainError> {
        self.training.begin(self.at.step, self.steps, self.log);
        let mut gradient = vec![0.0; self.optimizer.weights.len()];
        while self.at.step < self.steps && !self.out_of_patience() {
            self.step(&mut gradient)?;
            let step = self.at.step;
            let validate = self.validation_is_due();
            if validate {
                self.validate()?;
            }
            let every = self.run_info.run.checkpoint_steps;
            let stopped = stop.load(Ordering::SeqCst);
            if stopped || validate || (every > 0 && step.is_multiple_of(every)) {
                self.save()?;
            }
            if stopped && step < self.steps {
                self.log.emit(RunEvent::Stopped { step });
                return Ok(());
            }
        }
        self.finish()
    }

    fn step(&mut self, gradient: &mut [f32]) -> Result<(), TrainError> {
        let begun = Instant::now();
        let RunInfo { schedule, run, samples, bad_limit, .. } = &self.run_info;
        let rate = learning_rate(schedule, self.at.step, self.steps);
        let outcome = self.training.step(self.at.step, &self.optimizer.weights, gradient);
        self.unreadable.take(outcome.bad, *samples, *bad_limit, |text| self.log.note(text))?;
        let finite = |value: f64| match value.is_finite() {
            true => Ok(()),
            false => {
                let batch = self.training.names(&outcome.samples);
                Err(TrainError::NotFinite { step: self.at.step, loss: value, batch })
            }
        };
        finite(outcome.loss.sum())?;
        let decays = self.training.network().1.decays();
        let length = self.optimizer.step(gradient, decays, rate, schedule);
        finite(length)?;
        let time = begun.elapsed();
        self.at.step += 1;
        self.at.seconds += time.as_secs_f64();
        self.meter.add(outcome.loss, time, outcome.waited);
        if self.at.step.is_multiple_of(run.log_steps.max(1)) || self.at.step == self.steps {
            self.tell_step(rate, length);
        }
        Ok(())
    }

    fn tell_step(&mut self, learning_rate: f64, gradient: f64) {
        let meter = std::mem::take(&mut self.meter);
        let pace = Pace {
            step: self.at.step,
            steps: self.steps,
            epoch: self.epoch(),
            learning_rate,
            gradient,
            milliseconds_a_step: 1e3 * meter.seconds_a_step(),
            samples_a_second: meter.rate() * persons_a_step(&self.run_info.schedule) as f64,
            waiting: meter.waiting(),
            seconds_left: meter.seconds_a_step() * (self.steps - self.at.step) as f64,
        };
        self.log.emit(self.training.step_event(pace, meter.loss()));
    }

    /// Whether the weights are to be measured after the step that was made.
    fn validation_is_due(&self) -> bool {
        let (step, samples) = (self.at.step, self.run_info.samples as u64);
        let shown = persons_a_step(&self.run_info.schedule);
        let due = match self.run_info.run.val_steps {
            // An epoch has ended.
            0 => (step * shown) / samples != ((step - 1) * shown) / samples,
            every => step.is_multiple_of(every),
        };
        due || step == self.steps
    }

    /// True when the accuracy has not become better for as long as the settings wait.
    fn out_of_patience(&self) -> bool {
        let patience = self.run_info.schedule.patience;
        patience > 0 && self.at.without_better >= patience
    }

    fn epoch(&self) -> f64 {
        (persons_a_step(&self.run_info.schedule) * self.at.step) as f64 / self.run_info.samples as f64
    }

    fn validate(&mut self) -> Result<(), TrainError> {
        let begun = Instant::now();
        let found = self.training.validate(&self.optimizer.average, self.log)?;
        let ap = found.as_ref().map(T::ap);
        // Without a validation set the newest weights are the best known.
        let best = ap.is_none_or(|ap| self.at.best_ap.is_none_or(|before| ap > before));
        if best {
            self.at.without_better = 0;
            self.at.best_ap = ap;
            self.at.best_step = self.at.step;
            self.write_weights(BEST)?;
        } else {
            self.at.without_better += 1;
        }
        self.at.seconds += begun.elapsed().as_secs_f64();
        if let Some(found) = &found {
            self.log.emit(self.training.validated(self.at.step, self.epoch(), found, best));
        }
        self.log.log_error(self.training.draw(found.as_ref()));
        if self.out_of_patience() && self.at.step < self.steps {
            let (n, best) = (self.at.without_better, self.at.best_step);
            self.log
                .note(format!("no better AP in {n} validations since step {best}: the training ends here"));
        }
        Ok(())
    }

    fn save(&self) -> Result<(), TrainError> {
        let (network, layout) = self.training.network();
        checkpoint::save(&self.run_info.run.out, &self.at, &self.optimizer, network, layout)?;
        self.log.emit(RunEvent::Saved { step: self.at.step });
        Ok(())
    }

    fn record(&self) -> TrainingRecord {
        let notes = self.training.notes().into_iter();
        TrainingRecord {
            command: self.command.into(),
            sets: self.run_info.sets.clone(),
            start: self.run_info.origin.clone(),
            steps: self.at.step,
            epochs: self.epoch(),
            seconds: self.at.seconds,
            notes: notes.map(|(name, text)| (name.to_owned(), text)).collect(),
        }
    }

    fn write_weights(&self, name: &str) -> Result<(), TrainError> {
        let path = self.run_info.run.out.join(name);
        self.training.write(&path, &self.optimizer.average, self.record())
    }

    /// Writes the last weights, measures the best ones on whole sets and writes their card.
    fn finish(self) -> Result<(), TrainError> {
        let out = &self.run_info.run.out;
        self.write_weights(LAST)?;
        let record = TrainingRecord { steps: self.at.best_step, ..self.record() };
        let card = self.training.conclude(&out.join(BEST), record, self.log)?;
        write_whole(&out.join("model-card.md"), card.as_bytes())?;
        let (step, seconds, best_ap) = (self.at.step, self.at.seconds, self.at.best_ap);
        self.log.emit(RunEvent::Finished { step, seconds, best_ap });
        Ok(())
    }
}
