//! The detector's weight file: the container of all weight files with the detector's own header.

use super::{DetectorConfig, DetectorNet};
use crate::weights::container::{self, NetworkKind, WeightsHeader};
use crate::weights::{FORMAT, Precision, TrainingRecord, WeightsError};
use burn::prelude::*;
use std::path::Path;

/// What the file is of, in messages.
const NETWORK: &str = "the person detector";

/// Everything in a detector's file besides its tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectorInfo {
    /// What decides the shapes of the tensors.
    pub config: DetectorConfig,
    /// What the weights were made from.
    pub record: TrainingRecord,
    /// Format version of the file; [`FORMAT`] for one about to be written.
    pub format: u32,
}

impl DetectorInfo {
    /// The header of new weights.
    pub fn new(config: DetectorConfig, record: TrainingRecord) -> DetectorInfo {
        DetectorInfo { config, record, format: FORMAT }
    }
}

/// Writes `net` under `info`'s header, complete or not at all.
///
/// # Errors
/// The disk, or a header that does not fit the network.
pub fn save(
    path: &Path,
    net: &DetectorNet,
    info: &DetectorInfo,
    precision: Precision,
) -> Result<(), WeightsError> {
    let tensors = container::collect(net, path)?;
    info.config.check().map_err(|error| mismatch(path, error.to_string()))?;
    if !container::are_of(&tensors, &info.config.init(&Device::flex())) {
        return Err(mismatch(path, "the network has other tensors than its header says".into()));
    }
    let fields = [
        ("config", container::json(path, &info.config)?),
        ("training", container::json(path, &info.record)?),
    ];
    container::write(path, NetworkKind::Detector, NETWORK, tensors, fields, precision)
}

/// Reads the network and its header.
///
/// # Errors
/// The file is missing, damaged, of a pose network or of another format version.
pub fn load(path: &Path, device: &Device) -> Result<(DetectorNet, DetectorInfo), WeightsError> {
    let bytes = container::read(path)?;
    let info = parse(path, &WeightsHeader::parse(path, &bytes, NetworkKind::Detector)?)?;
    let net = container::fill(path, &bytes, info.config.init(device), NETWORK)?;
    Ok((net, info))
}

/// Reads the header only; the tensors are neither read nor checked.
///
/// # Errors
/// As [`load`], for the header.
pub fn read_info(path: &Path) -> Result<DetectorInfo, WeightsError> {
    parse(path, &WeightsHeader::read(path, NetworkKind::Detector)?)
}

fn parse(path: &Path, fields: &WeightsHeader) -> Result<DetectorInfo, WeightsError> {
    let config: DetectorConfig = fields.json("config")?;
    config.check().map_err(|error| mismatch(path, error.to_string()))?;
    Ok(DetectorInfo { config, record: fields.json("training")?, format: fields.format })
}

fn mismatch(path: &Path, reason: String) -> WeightsError {
    WeightsError::Mismatch { path: path.to_owned(), network: NETWORK.into(), reason }
}
