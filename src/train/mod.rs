//! Training: settings, loss, schedule, the loop, checkpoints.

mod cached;
mod card;
mod checkpoint;
mod checks;
pub mod config;
mod cpu;
mod curves;
mod distill;
mod error;
mod events;
mod features;
mod folder;
mod loss;
mod optimizer;
mod parameters;
mod passes;
mod pictures;
mod plan;
mod recipe;
mod recorded;
mod run;
mod schedule;
mod session;
mod settings;
mod snapshot;
mod start;
mod step;
mod stepper;
mod validate;

pub use config::{ConfigError, TrainConfig};
pub use error::TrainError;
pub use events::{StepEvent, TrainEvent};
pub use recipe::{Recipe, UnknownRecipe};
pub use run::run;
pub use settings::{Setting, setting_doc, settings};
pub use stepper::{Step, Stepper};
