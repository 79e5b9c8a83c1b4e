//! Why poses could not be estimated, each as one sentence.

use crate::gpu::DeviceError;
use crate::vision::BBox;
use crate::weights::WeightsError;

/// Loading a model or running it failed.
// The fields are the words of the messages.
#[allow(missing_docs)]
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The weights file cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// There is no such device, or it cannot be opened.
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(
        "the person box at x {}, y {} with width {} and height {} cannot be cropped: its sides must be at \
         least one pixel", .0.x, .0.y, .0.w, .0.h
    )]
    /// It has no area, or is not a number.
    Box(BBox),
    /// The device failed in the middle of its work.
    #[error("the device {name} failed while it ran the network ({reason}): try again, or use --device cpu")]
    Compute { name: String, reason: String },
}
