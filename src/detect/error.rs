//! Why people could not be looked for, each as one sentence.

use crate::weights::WeightsError;
use std::path::PathBuf;

/// Loading a detector or running it failed.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("the detector file {} does not exist: check the path, or use --detector none", .0.display())]
    NoFile(PathBuf),
    #[error("the device {name} failed while it looked for people ({reason}): try again, or use --device cpu")]
    Compute { name: String, reason: String },
}
