//! The steps of a training alone, without validations, files and events, for measuring how long they take.

use super::TrainError;
use super::config::{ScheduleSection, TrainConfig};
use super::detector::config::DetectorTrainConfig;
use super::detector::session::DetectorSession;
use super::log::RunLog;
use super::meter::LossTerms;
use super::optimizer::Optimizer;
use super::pose::session::PoseSession;
use super::task::TrainTask;
use crate::gpu::ComputeDevice;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// A training that makes one step for each call.
pub struct Stepper<T> {
    task: T,
    schedule: ScheduleSection,
    optimizer: Optimizer,
    gradient: Vec<f32>,
}

/// A training of a pose network.
pub type PoseStepper = Stepper<PoseSession>;
/// A training of a person detector.
pub type DetectorStepper = Stepper<DetectorSession>;

/// A completed step.
#[derive(Clone, Copy, Debug)]
pub struct TimedStep {
    /// The loss before the weights changed.
    pub loss: f64,
    /// Time of forward pass, loss, backward pass, optimizer and reading cached features, without the time in which it waited
    /// for pictures.
    pub time: Duration,
}

impl<T: TrainTask> Stepper<T> {
    /// The learning rate is always the highest of the schedule.
    fn new(task: T) -> Stepper<T> {
        let schedule = task.run_info().schedule;
        let (network, layout) = task.network();
        let optimizer = Optimizer::new(layout.read(network));
        let gradient = vec![0.0; optimizer.weights.len()];
        Stepper { task, schedule, optimizer, gradient }
    }

    /// Makes one step.
    ///
    /// # Errors
    /// The loss or its gradient is not a number any more.
    pub fn step(&mut self) -> Result<TimedStep, TrainError> {
        let Stepper { task, schedule, optimizer, gradient } = self;
        let begun = Instant::now();
        let number = optimizer.updates;
        let outcome = task.step(number, &optimizer.weights, gradient);
        let decays = task.network().1.decays();
        let length = optimizer.step(gradient, decays, schedule.learning_rate, schedule);
        let time = begun.elapsed().saturating_sub(outcome.waited);
        let loss = outcome.loss.sum();
        if !(loss.is_finite() && length.is_finite()) {
            let batch = task.picture_names(&outcome.samples);
            return Err(TrainError::NotFinite { step: number, loss, batch });
        }
        Ok(TimedStep { loss, time })
    }

    /// Number of trained parameters.
    pub fn parameters(&self) -> usize {
        self.optimizer.weights.len()
    }
}

impl PoseStepper {
    /// Opens model and data as [`super::run`] does, and computes cached features that are missing. `None` when `stop` was
    /// raised meanwhile.
    ///
    /// # Errors
    /// As [`super::run`] before its first step.
    pub fn open(config: &TrainConfig, stop: &AtomicBool) -> Result<Option<PoseStepper>, TrainError> {
        Ok(PoseSession::open(config, &mut |_| (), stop)?.map(Stepper::new))
    }

    /// How gradients are computed, in words.
    pub fn engine_name(&self) -> &'static str {
        self.task.engine_name()
    }

    /// Where the network is trained.
    pub fn device(&self) -> &ComputeDevice {
        &self.task.device
    }
}

impl DetectorStepper {
    /// Opens network and data as [`super::detector::run`] does.
    ///
    /// # Errors
    /// As [`super::detector::run`] before its first step.
    pub fn open(config: &DetectorTrainConfig) -> Result<DetectorStepper, TrainError> {
        let log = RunLog::open(&config.run.out, false, &|_| ())?;
        Ok(Stepper::new(DetectorSession::open(config, &log)?))
    }

    /// How gradients are computed, in words.
    pub fn engine_name(&self) -> &'static str {
        self.task.engine.name()
    }

    /// Where the network is trained.
    pub fn device(&self) -> &ComputeDevice {
        &self.task.device
    }

    /// The network's shape.
    pub fn config(&self) -> &crate::detect::DetectorConfig {
        &self.task.start.config
    }
}
