//! The weight file of a pose network: its header carries the configuration, the skeleton and the history.
//!
//! Besides what all weight files have ([`super::container`]), `__metadata__` holds as JSON `config`, `skeleton`,
//! `training`, and the name of the network's `family`; files without it are of TMPose's. Tensors always have unfolded batch norms.

use std::path::Path;

use burn::prelude::*;

use super::container::{self, NetworkKind, Precision, WeightsHeader};
use super::record::WeightsInfo;
use super::{TrainingRecord, WeightsError};
use crate::model::{Family, PoseNet, PoseNetConfig};
use crate::pose::{CropShape, Skeleton};

/// Writes `model` under `info`'s header, complete or not at all.
///
/// # Errors
/// The network does not have the tensors that `info` says (it was folded, for instance), a number exceeds half precision, or the file cannot be written.
pub fn save(
    path: &Path,
    model: &PoseNet,
    info: &WeightsInfo,
    precision: Precision,
) -> Result<(), WeightsError> {
    let tensors = container::collect(model, path)?;
    if !container::are_of(&tensors, &info.config.init(&Device::flex())) {
        if model.config() == info.config {
            return Err(WeightsError::Folded { path: path.to_owned() });
        }
        let reason = "the network has other tensors than its header says".into();
        let network = info.config.variant().to_string();
        return Err(WeightsError::Mismatch { path: path.to_owned(), network, reason });
    }
    let fields = [
        ("family", info.config.family().name().to_owned()),
        ("config", container::json(path, &info.config)?),
        ("skeleton", container::json(path, &info.skeleton)?),
        ("training", container::json(path, &info.record)?),
    ];
    container::write(path, NetworkKind::Pose, info.config.variant().name(), tensors, fields, precision)
}

/// Reads the network and its header.
///
/// # Errors
/// The file cannot be read, is damaged, not of this program, of a newer format or an unknown family, or not of a pose network.
pub fn load(path: &Path, device: &Device) -> Result<(PoseNet, WeightsInfo), WeightsError> {
    let bytes = container::read(path)?;
    let info = parse(&WeightsHeader::parse(path, &bytes, NetworkKind::Pose)?)?;
    let model = container::fill(path, &bytes, info.config.init(device), info.config.variant().name())?;
    Ok((model, info))
}

/// Reads the header only; the tensors are neither read nor checked.
///
/// # Errors
/// As [`load`], as far as the header tells.
pub fn read_info(path: &Path) -> Result<WeightsInfo, WeightsError> {
    parse(&WeightsHeader::read(path, NetworkKind::Pose)?)
}

/// The family that the header names; files of before families had names are of TMPose's.
fn family(fields: &WeightsHeader) -> Result<Family, WeightsError> {
    let Some(name) = fields.get("family") else { return Ok(Family::TmPose) };
    name.parse().map_err(|_| fields.unknown_family(name))
}

fn parse(fields: &WeightsHeader) -> Result<WeightsInfo, WeightsError> {
    let config = PoseNetConfig::from_json(family(fields)?, fields.text("config")?);
    let config = config.map_err(|error| fields.wrong("config", error))?;
    let mut skeleton: Skeleton = fields.json("skeleton")?;
    if config.input().width == config.input().height {
        // Files of before do not say it of the skeleton.
        skeleton.crop = CropShape::Square;
    }
    let record: TrainingRecord = fields.json("training")?;
    if skeleton.len() != config.joints() {
        let joints = format!("{} joints where the network has {}", skeleton.len(), config.joints());
        return Err(fields.wrong("skeleton", joints));
    }
    Ok(WeightsInfo { config, skeleton, record, format: fields.format })
}
