//! Why a training cannot start or go on.

use super::settings::ConfigError;
use crate::data::DataError;
use crate::eval::EvalError;
use crate::gpu::DeviceError;
use crate::pose::SkeletonError;
use crate::settings::InvalidSetting;
use crate::weights::WeightsError;

/// Why a training cannot start or go on. Each message ends with what helps.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The settings file cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A setting has a value that cannot work.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// A data set or a cache cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A validation failed.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A file of weights cannot be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The device that was asked for cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// There is no such skeleton.
    #[error(transparent)]
    Skeleton(#[from] SkeletonError),
    /// A file of the run's folder cannot be written.
    #[error("cannot write {path}: {source}; choose a folder that can be written to with --out")]
    Write {
        /// The file or folder.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The disk is full; what was written earlier is intact.
    #[error(
        "there is no space for a new {path} ({megabytes:.1} MB: {kind}); the earlier one is kept: free some space and go on with --resume"
    )]
    DiskFull {
        /// The file.
        path: String,
        /// Its size, in units of 10^6 bytes.
        megabytes: f64,
        /// What the system says.
        kind: std::io::ErrorKind,
    },
    /// The disk has too little free space for what the training will write.
    #[error(
        "{folder} has {free} of free space, the training needs about {needed} ({what}); free some space, or choose another place with {flags}"
    )]
    NoSpace {
        /// The folder that the files would be written to.
        folder: String,
        /// Free space, with its unit.
        free: String,
        /// Space that is needed, with its unit.
        needed: String,
        /// What needs it.
        what: String,
        /// The flags that choose another folder.
        flags: &'static str,
    },
    /// A resumed run has no usable checkpoint.
    #[error("{path} holds no checkpoint to go on from ({reason}); start anew without --resume")]
    Checkpoint {
        /// The checkpoint's file.
        path: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// The starting weights are of another network than the settings describe.
    #[error(
        "{init} is a {found}, the settings ask for a {wanted}; change --variant, the depth or the skeleton"
    )]
    InitMismatch {
        /// The file with the starting weights.
        init: String,
        /// The network that it holds.
        found: String,
        /// The network that the settings describe.
        wanted: String,
    },
    /// The teacher does not suit the student.
    #[error("{teacher} cannot teach this network: {reason}")]
    Teacher {
        /// The teacher's file.
        teacher: String,
        /// Why it does not suit, and what helps.
        reason: String,
    },
    /// The loss or the norm of its gradient is infinite or not a number.
    #[error(
        "the loss or its gradient became {loss} at step {step}; its batch was: {batch}. Start again with a lower learning rate, or take these pictures out"
    )]
    NotFinite {
        /// Steps that were completed before.
        step: u64,
        /// The value that is not finite.
        loss: f64,
        /// Pictures of the batch.
        batch: String,
    },
    /// More pictures than `data.bad_limit` allows cannot be decoded.
    #[error(
        "{unreadable} of {all} pictures cannot be decoded ({names}); repair them or raise data.bad_limit"
    )]
    UnreadablePictures {
        /// Number of pictures that cannot be decoded.
        unreadable: usize,
        /// Number of all pictures.
        all: usize,
        /// The first of the unreadable ones.
        names: String,
    },
}
