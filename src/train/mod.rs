//! Training of the pose network ([`pose`]) and of the person detector ([`detector`]).
//!
//! The loop is the same for both ([`trainer`]): it asks a [`task`] for losses and gradients and does the rest
//! (learning rate, optimizer, checkpoints, log, validation, model card).

mod card;
mod checkpoint;
mod checks;
pub mod config;
mod curves;
pub mod detector;
mod distill;
mod error;
mod events;
mod init;
mod loader;
mod log;
mod meter;
mod optimizer;
mod order;
mod parameters;
pub mod pose;
mod recipe;
mod run_folder;
mod schedule;
mod settings;
mod stepper;
mod task;
mod trainer;
mod unreadable;

pub use config::{Recipe, TrainConfig, UnknownRecipe};
pub use error::TrainError;
pub use events::RunEvent;
pub use pose::{PoseEvent, PoseStep, run};
pub use run_folder::holds_training;
pub use settings::{ConfigError, Defaults, TrainSettings};
pub use stepper::{DetectorStepper, PoseStepper, Stepper, TimedStep};
pub use trainer::RunControl;
