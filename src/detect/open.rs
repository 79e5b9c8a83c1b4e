//! A detector from whatever file holds one.

use super::{DetectorInfo, DetectorNet, file, import};
use crate::weights::WeightsError;
use burn::prelude::*;
use std::path::Path;

/// Reads a weights file of ours, or RTMDet-nano's published `.onnx`.
///
/// # Errors
/// As [`file::load`] or [`import::import`].
pub fn open(path: &Path, device: &Device) -> Result<(DetectorNet, DetectorInfo), WeightsError> {
    let onnx = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"));
    if onnx { import::import(path, device) } else { file::load(path, device) }
}
