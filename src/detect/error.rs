//! Why people could not be looked for, each as one sentence.

use crate::weights::WeightsError;
use std::path::PathBuf;

/// Loading a detector or running it failed.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The file is damaged or of another network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// There is no file at this path.
    #[error("the detector file {} does not exist: check the path, or use --detector none", .0.display())]
    NoFile(PathBuf),
    /// The device failed in the middle of its work.
    #[error("the device {name} failed while it looked for people ({reason}): try again, or use --device cpu")]
    Compute {
        /// The device, in words.
        name: String,
        /// Its own message.
        reason: String,
    },
}
