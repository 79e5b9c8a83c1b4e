//! The person detector behind a small trait, so that the pipeline can be tested without a detector.

use super::guard::DevicePanic;
use crate::detect::{DetectError, DetectSettings, Detector};
use crate::gpu::{ComputeDevice, DeviceError, DeviceImage};
use crate::vision::Detection;
use std::path::PathBuf;
use std::sync::Arc;

/// Finds the people in a picture.
pub trait PersonDetector {
    /// Boxes around the people, best first, in pixels of the picture.
    ///
    /// # Errors
    /// The device fails.
    fn find(
        &mut self,
        image: &DeviceImage,
        settings: &DetectSettings,
    ) -> Result<Vec<Detection>, DetectorError>;
}

impl PersonDetector for Detector {
    fn find(
        &mut self,
        image: &DeviceImage,
        settings: &DetectSettings,
    ) -> Result<Vec<Detection>, DetectorError> {
        Ok(self.detect_image(image, settings)?.0)
    }
}

impl<T: PersonDetector + ?Sized> PersonDetector for Box<T> {
    fn find(
        &mut self,
        image: &DeviceImage,
        settings: &DetectSettings,
    ) -> Result<Vec<Detection>, DetectorError> {
        (**self).find(image, settings)
    }
}

/// The person detector could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum DetectorError {
    /// There is no device for it.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// It says why.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// It panicked.
    #[error(transparent)]
    Panic(#[from] DevicePanic),
}

/// The person detector that runs, as the window shows it.
#[derive(Clone, Debug)]
pub struct DetectorSummary {
    /// The weights file.
    pub path: PathBuf,
    /// Where it runs.
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
    /// The file is being read, or the device started.
    Loading,
    /// It takes frames.
    Ready(Arc<DetectorSummary>),
    /// One sentence that says why not.
    Failed(String),
}
