//! The steps of a training alone, without validations, files and events, for measuring how long they take.

use super::session::PoseSession;
use crate::gpu::ComputeDevice;
use crate::train::TrainError;
use crate::train::config::TrainConfig;
use crate::train::meter::LossTerms;
use crate::train::optimizer::Optimizer;
use crate::train::task::TrainTask;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// A training that makes one step for each call.
pub struct Stepper {
    session: PoseSession,
    optimizer: Optimizer,
    gradient: Vec<f32>,
}

/// A completed step.
#[derive(Clone, Copy, Debug)]
pub struct TimedStep {
    /// The loss before the weights changed.
    pub loss: f64,
    /// Time of forward pass, loss, backward pass, optimizer and reading cached features, without the time in which it waited
    /// for pictures.
    pub time: Duration,
}

impl Stepper {
    /// Opens model and data as [`super::run`] does, and computes cached features that are missing. The learning rate is always
    /// the highest of the schedule. `None` when `stop` was raised meanwhile.
    ///
    /// # Errors
    /// As [`super::run`] before its first step.
    pub fn open(config: &TrainConfig, stop: &AtomicBool) -> Result<Option<Stepper>, TrainError> {
        let session = PoseSession::open(config, &mut |_| (), stop)?;
        Ok(session.map(|session| {
            let optimizer = Optimizer::new(session.layout.read(&session.model));
            let gradient = vec![0.0; optimizer.weights.len()];
            Stepper { session, optimizer, gradient }
        }))
    }

    /// Makes one step.
    ///
    /// # Errors
    /// The loss or its gradient is not a number any more.
    pub fn step(&mut self) -> Result<TimedStep, TrainError> {
        let Stepper { session, optimizer, gradient } = self;
        let begun = Instant::now();
        let number = optimizer.updates;
        let outcome = session.step(number, &optimizer.weights, gradient);
        let schedule = &session.config.schedule;
        let decays = session.layout.decays();
        let length = optimizer.step(gradient, decays, schedule.learning_rate, schedule);
        let time = begun.elapsed().saturating_sub(outcome.waited);
        let loss = outcome.loss.sum();
        if !(loss.is_finite() && length.is_finite()) {
            let batch = session.picture_names(&outcome.samples);
            return Err(TrainError::NotFinite { step: number, loss, batch });
        }
        Ok(TimedStep { loss, time })
    }

    /// How gradients are computed, in words.
    pub fn engine_name(&self) -> &'static str {
        self.session.engine_name()
    }

    /// Number of trained parameters.
    pub fn parameters(&self) -> usize {
        self.optimizer.weights.len()
    }

    /// Where the network is trained.
    pub fn device(&self) -> &ComputeDevice {
        &self.session.device
    }
}
