//! The person detector of this program as the pipeline uses it.

use super::person_detector::{DetectorError, DetectorLoader, DetectorSummary, PersonDetector};
use crate::detect::{self, DetectSettings, Detector};
use crate::gpu::{self, DeviceChoice, DeviceImage};
use crate::vision::Detection;
use std::path::{Path, PathBuf};

impl PersonDetector for Detector {
    fn find(&mut self, image: &DeviceImage) -> Result<Vec<Detection>, DetectorError> {
        Ok(self.detect_image(image, &DetectSettings::default())?.0)
    }
}

/// Loads the detector of a weights file (or RTMDet-nano's published `.onnx`), on the inference thread.
pub fn detector_loader(path: PathBuf, device: DeviceChoice) -> DetectorLoader {
    Box::new(move || {
        let device = gpu::choose(device)?;
        let detector = Detector::load(&path, device.clone())?;
        Ok((Box::new(detector) as _, DetectorSummary { path, device }))
    })
}

/// Is this the weights file of a person detector, and not of a pose network?
pub fn is_detector(path: &Path) -> bool {
    detect::read_info(path).is_ok()
}
