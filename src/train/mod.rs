//! Training: settings, loss, schedule, the loop, checkpoints.

pub mod config;

pub use config::{ConfigError, TrainConfig};
