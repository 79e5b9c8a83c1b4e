//! Why people could not be looked for, each as one sentence.

use crate::weights::WeightsError;

/// Loading a detector or running it failed.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("the device {name} failed while it looked for people ({reason}): try again, or use --device cpu")]
    Compute { name: String, reason: String },
}
