//! The person detector of this program as the pipeline uses it.

use super::finder::{FinderError, FinderLoader, FinderSummary, PersonFinder};
use crate::detect::{self, DetectSettings, Detector};
use crate::gpu::{self, DeviceChoice, Shown};
use crate::vision::Detection;
use std::path::{Path, PathBuf};

impl PersonFinder for Detector {
    fn find(&mut self, shown: &Shown) -> Result<Vec<Detection>, FinderError> {
        Ok(self.detect_shown(shown, &DetectSettings::default())?.0)
    }
}

/// Loads the detector of a weights file (or RTMDet-nano's published `.onnx`), on the inference thread.
pub fn detector(path: PathBuf, device: DeviceChoice) -> FinderLoader {
    Box::new(move || {
        let device = gpu::choose(device)?;
        let detector = Detector::load(&path, device.clone())?;
        Ok((Box::new(detector) as _, FinderSummary { path, device }))
    })
}

/// Is this the weights file of a person detector, and not of a pose network?
pub fn is_detector(path: &Path) -> bool {
    detect::read_info(path).is_ok()
}
