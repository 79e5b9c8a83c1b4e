//! Training: settings, loss, schedule, the loop, checkpoints.

pub mod config;
mod cpu;
mod loss;
mod optimizer;
mod parameters;
mod plan;
mod schedule;

pub use config::{ConfigError, TrainConfig};
