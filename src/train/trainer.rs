//! The training loop.

use super::TrainError;
use super::checkpoint::{self, Checkpoint, TrainState, write_whole};
use super::config::RunSection;
use super::events::{LogEvent, RunEvent};
use super::log::RunLog;
use super::meter::{LossTerms, StepMeter, StepPace, StepPosition};
use super::optimizer::Optimizer;
use super::run_folder::{self, BEST, LAST};
use super::schedule::{learning_rate, samples_per_step, total_steps};
use super::task::{RunInfo, TrainTask};
use super::unreadable::UnreadablePictures;
use crate::weights::TrainingRecord;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What a training is given besides its settings. `E` are its events.
pub struct RunControl<'a, E> {
    /// Go on from the checkpoint in the run's folder.
    pub resume: bool,
    /// The command that started the training, for its record in the weights; may be empty.
    pub command: &'a str,
    /// Gets every event.
    pub on_event: &'a (dyn Fn(&E) + Sync),
    /// Once raised, the training ends after the step that runs, with everything saved.
    pub stop: &'a AtomicBool,
}

/// The flag of a training that nobody stops.
static NEVER: AtomicBool = AtomicBool::new(false);

impl<'a, E> RunControl<'a, E> {
    /// A new training without a command, which runs to its end.
    pub fn new(on_event: &'a (dyn Fn(&E) + Sync)) -> RunControl<'a, E> {
        RunControl { resume: false, command: "", on_event, stop: &NEVER }
    }
}

impl<E: LogEvent> RunControl<'_, E> {
    /// Trains the task that `open` prepares: nothing when `stop` was raised meanwhile. The run's folder gets `settings`,
    /// the text of a settings file, and the log before anything is computed.
    ///
    /// # Errors
    /// The run's folder cannot be written to, `open` fails, there is no checkpoint to go on from, the loss is not a
    /// number any more, or too many pictures cannot be decoded.
    pub(super) fn train<T: TrainTask<Event = E>>(
        &self,
        run: &RunSection,
        settings: &str,
        open: impl FnOnce(&RunLog<E>) -> Result<Option<T>, TrainError>,
    ) -> Result<(), TrainError> {
        run_folder::prepare(&run.out)?;
        write_whole(&run.out.join("config.toml"), settings.as_bytes())?;
        let log = RunLog::open(&run.out, self.resume, self.on_event)?;
        let Some(task) = open(&log)? else {
            log.emit(RunEvent::Stopped { step: 0 });
            return Ok(());
        };
        Trainer::new(task, self.resume, self.command, &log)?.run(self.stop)
    }
}

/// A training from its first step to its model card.
struct Trainer<'a, T: TrainTask> {
    task: T,
    info: RunInfo,
    optimizer: Optimizer,
    state: TrainState,
    /// Steps of the whole training.
    steps: u64,
    meter: StepMeter<T::Loss>,
    unreadable: UnreadablePictures,
    command: &'a str,
    log: &'a RunLog<'a, T::Event>,
}

impl<'a, T: TrainTask> Trainer<'a, T> {
    /// Prepares the first step, or with `resume` the one after the checkpoint in the run's folder.
    fn new(
        mut task: T,
        resume: bool,
        command: &'a str,
        log: &'a RunLog<'a, T::Event>,
    ) -> Result<Trainer<'a, T>, TrainError> {
        let info = task.run_info();
        let (network, layout) = task.network();
        let (state, optimizer) = if resume {
            let Checkpoint { state, optimizer, model } =
                checkpoint::load(&info.run.out, network.clone(), layout)?;
            task.set_network(model);
            (state, optimizer)
        } else {
            (TrainState::default(), Optimizer::new(layout.read(network)))
        };
        let steps = total_steps(&info.schedule, info.samples);
        let (meter, unreadable) = (StepMeter::default(), UnreadablePictures::default());
        Ok(Trainer { task, info, optimizer, state, steps, meter, unreadable, command, log })
    }

    /// Trains to the end, or until `stop` is raised: then it ends after the step that runs, with everything saved.
    fn run(mut self, stop: &AtomicBool) -> Result<(), TrainError> {
        self.task.begin(self.state.step, self.steps, self.log);
        let mut gradient = vec![0.0; self.optimizer.weights.len()];
        while self.state.step < self.steps && !self.out_of_patience() {
            self.step(&mut gradient)?;
            let step = self.state.step;
            let validate = self.validation_is_due();
            if validate {
                self.validate()?;
            }
            let every = self.info.run.checkpoint_steps;
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
        let started = Instant::now();
        let RunInfo { schedule, run, samples, bad_limit, .. } = &self.info;
        let rate = learning_rate(schedule, self.state.step, self.steps);
        let outcome = self.task.step(self.state.step, &self.optimizer.weights, gradient);
        self.unreadable.take(outcome.unreadable, *samples, *bad_limit, |text| self.log.note(text))?;
        let finite = |value: f64| match value.is_finite() {
            true => Ok(()),
            false => {
                let batch = self.task.picture_names(&outcome.samples);
                Err(TrainError::NotFinite { step: self.state.step, loss: value, batch })
            }
        };
        finite(outcome.loss.sum())?;
        let decays = self.task.network().1.decays();
        let norm = self.optimizer.step(gradient, decays, rate, schedule);
        finite(norm)?;
        let time = started.elapsed();
        self.state.step += 1;
        self.state.seconds += time.as_secs_f64();
        self.meter.add(outcome.loss, time, outcome.waited);
        if self.state.step.is_multiple_of(run.log_steps.max(1)) || self.state.step == self.steps {
            self.emit_step(rate, norm);
        }
        Ok(())
    }

    fn emit_step(&mut self, learning_rate: f64, gradient_norm: f64) {
        let meter = std::mem::take(&mut self.meter);
        let position = StepPosition { step: self.state.step, steps: self.steps, epoch: self.epoch() };
        let pace = StepPace {
            learning_rate,
            gradient_norm,
            milliseconds_a_step: 1e3 * meter.seconds_a_step(),
            samples_a_second: meter.rate() * samples_per_step(&self.info.schedule) as f64,
            waiting: meter.waiting(),
            seconds_left: meter.seconds_a_step() * (self.steps - self.state.step) as f64,
        };
        self.log.emit(self.task.step_event(position, meter.loss(), pace));
    }

    /// Whether the weights are to be validated after the step that was just made.
    fn validation_is_due(&self) -> bool {
        let (step, samples) = (self.state.step, self.info.samples as u64);
        let seen = samples_per_step(&self.info.schedule);
        let due = match self.info.run.val_steps {
            // An epoch has ended.
            0 => (step * seen) / samples != ((step - 1) * seen) / samples,
            every => step.is_multiple_of(every),
        };
        due || step == self.steps
    }

    /// Whether the AP has not improved for as many validations as `schedule.patience`.
    fn out_of_patience(&self) -> bool {
        let patience = self.info.schedule.patience;
        patience > 0 && self.state.without_improvement >= patience
    }

    fn epoch(&self) -> f64 {
        self.epochs_after(self.state.step)
    }

    /// Passes over the training set that `step` optimiser steps make.
    fn epochs_after(&self, step: u64) -> f64 {
        (samples_per_step(&self.info.schedule) * step) as f64 / self.info.samples as f64
    }

    fn validate(&mut self) -> Result<(), TrainError> {
        let started = Instant::now();
        let validation = self.task.validate(&self.optimizer.average, self.log)?;
        let ap = validation.as_ref().map(T::ap);
        // Without a validation set the newest weights are the best known.
        let best = ap.is_none_or(|ap| self.state.best_ap.is_none_or(|before| ap > before));
        if best {
            self.state.without_improvement = 0;
            self.state.best_ap = ap;
            self.state.best_step = self.state.step;
            self.write_weights(BEST)?;
        } else {
            self.state.without_improvement += 1;
        }
        self.state.seconds += started.elapsed().as_secs_f64();
        if let Some(validation) = &validation {
            self.log.emit(self.task.validation_event(self.state.step, self.epoch(), validation, best));
        }
        self.log.log_error(self.task.write_pictures(validation.as_ref()));
        if self.out_of_patience() && self.state.step < self.steps {
            let (n, best) = (self.state.without_improvement, self.state.best_step);
            self.log
                .note(format!("no better AP in {n} validations since step {best}: the training ends here"));
        }
        Ok(())
    }

    fn save(&self) -> Result<(), TrainError> {
        let (network, layout) = self.task.network();
        checkpoint::save(&self.info.run.out, &self.state, &self.optimizer, network, layout)?;
        self.log.emit(RunEvent::Saved { step: self.state.step });
        Ok(())
    }

    fn record(&self) -> TrainingRecord {
        let notes = self.task.notes().into_iter();
        TrainingRecord {
            command: self.command.into(),
            sets: self.info.sets.clone(),
            start: self.info.origin.clone(),
            steps: self.state.step,
            epochs: self.epoch(),
            seconds: self.state.seconds,
            notes: notes.map(|(name, text)| (name.to_owned(), text)).collect(),
        }
    }

    fn write_weights(&self, name: &str) -> Result<(), TrainError> {
        let path = self.info.run.out.join(name);
        self.task.write_weights(&path, &self.optimizer.average, self.record())
    }

    /// Writes the last weights, measures the best ones on whole sets and writes their card.
    fn finish(self) -> Result<(), TrainError> {
        let out = &self.info.run.out;
        self.write_weights(LAST)?;
        let step = self.state.best_step;
        let record = TrainingRecord { steps: step, epochs: self.epochs_after(step), ..self.record() };
        let card = self.task.finish(&out.join(BEST), record, self.log)?;
        write_whole(&out.join("model-card.md"), card.as_bytes())?;
        let (step, seconds, best_ap) = (self.state.step, self.state.seconds, self.state.best_ap);
        self.log.emit(RunEvent::Finished { step, seconds, best_ap });
        Ok(())
    }
}
