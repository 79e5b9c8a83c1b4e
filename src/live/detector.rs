//! Loads the person detector on the inference thread.

use super::person_detector::{DetectorLoader, DetectorSummary};
use crate::detect::{self, Detector};
use crate::gpu::{self, DeviceChoice};
use std::path::{Path, PathBuf};

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
