//! Who looks for people in a frame, behind a small trait so that the pipeline can be tested without a
//! detector.

use crate::detect::DetectError;
use crate::gpu::{ComputeDevice, DeviceError, DeviceImage};
use crate::vision::Detection;
use std::path::PathBuf;
use std::sync::Arc;

/// Finds the people in a picture.
pub trait PersonDetector {
    /// Boxes around the people, best first, in pixels of the picture.
    ///
    /// # Errors
    /// One sentence for the user.
    fn find(&mut self, image: &DeviceImage) -> Result<Vec<Detection>, DetectorError>;
}

/// The person detector could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum DetectorError {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Detect(#[from] DetectError),
}

/// The person detector that runs, as the window shows it.
#[derive(Clone, Debug)]
pub struct DetectorSummary {
    /// The weights file.
    pub path: PathBuf,
    pub device: ComputeDevice,
}

/// A detector and its description, made on the inference thread: Burn orders work by thread.
pub type LoadedDetector = (Box<dyn PersonDetector>, DetectorSummary);
/// Loads a detector on the inference thread.
pub type DetectorLoader = Box<dyn FnOnce() -> Result<LoadedDetector, DetectorError> + Send>;

/// Where the detector stands.
#[derive(Clone, Debug, Default)]
pub enum DetectorStatus {
    /// None was asked for: one person is looked for in the whole picture.
    #[default]
    None,
    Loading,
    Ready(Arc<DetectorSummary>),
    /// One sentence that says why not.
    Failed(String),
}
