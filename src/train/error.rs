//! Why a training cannot start or go on.

use super::config::ConfigError;
use crate::data::DataError;
use crate::eval::EvalError;
use crate::gpu::DeviceError;
use crate::pose::SkeletonError;
use crate::settings::InvalidSetting;
use crate::weights::WeightsError;

#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Skeleton(#[from] SkeletonError),
    #[error("cannot write {path}: {source}; choose a folder that can be written to with --out")]
    Write { path: String, source: std::io::Error },
    #[error(
        "there is no room for a new {path} ({megabytes:.1} MB: {kind}); the earlier one is kept: free some space and go on with --resume"
    )]
    DiskFull { path: String, megabytes: f64, kind: std::io::ErrorKind },
    #[error(
        "{folder} has {free} of free space, the training needs about {needed} ({what}); free some space, or choose another place with {flags}"
    )]
    NoSpace { folder: String, free: String, needed: String, what: String, flags: &'static str },
    #[error("{path} holds no checkpoint to go on from ({reason}); start anew without --resume")]
    Checkpoint { path: String, reason: String },
    #[error(
        "{init} is a {found}, the settings ask for a {wanted}; change --variant, the depth or the skeleton"
    )]
    InitMismatch { init: String, found: String, wanted: String },
    #[error("{teacher} cannot teach this network: {reason}")]
    Teacher { teacher: String, reason: String },
    #[error(
        "the loss or its gradient became {loss} at step {step}; its batch was: {batch}. Start again with a lower learning rate, or take these pictures out"
    )]
    NotFinite { step: u64, loss: f64, batch: String },
    #[error("{bad} of {all} pictures cannot be decoded ({names}); repair them or raise data.bad_limit")]
    BadPictures { bad: usize, all: usize, names: String },
}
