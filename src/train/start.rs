//! The model that a training begins with.

use super::TrainError;
use super::config::ModelSection;
use crate::model::{ModelConfig, TmPose};
use crate::pose::Skeleton;
use crate::weights::{self, ImportOptions};
use burn::module::Module;
use burn::prelude::*;
use std::path::Path;

/// A model on the device and what it started from.
pub struct Start {
    pub model: TmPose,
    pub skeleton: Skeleton,
    /// For the model card: starting point with its source and licence; empty for random weights.
    pub origin: String,
}

/// The skeleton that a name or file stands for.
pub fn skeleton(name: &str) -> Result<Skeleton, TrainError> {
    Ok(Skeleton::named(name)?)
}

/// Builds the model; random parts depend on `seed` alone. `device` has autodiff.
pub fn start(section: &ModelSection, seed: u64, device: &Device) -> Result<Start, TrainError> {
    let skeleton = skeleton(&section.skeleton)?;
    let mut config = ModelConfig::new(section.variant, &skeleton);
    if section.depth > 0 {
        config.depth = section.depth;
    }
    device.seed(seed);
    let fresh = config.init(device);
    let (mut model, origin) = match &section.init {
        None => (fresh, String::new()),
        Some(path) => from_file(path, section, &config, &skeleton, fresh, device)?,
    };
    if section.freeze_backbone {
        model.backbone = model.backbone.freeze();
        // What follows the norm is a linear layer, which can learn any gain and shift by itself.
        model.feature_norm = model.feature_norm.map(Module::freeze);
    }
    Ok(Start { model, skeleton, origin })
}

fn from_file(
    path: &Path,
    section: &ModelSection,
    config: &ModelConfig,
    skeleton: &Skeleton,
    fresh: TmPose,
    device: &Device,
) -> Result<(TmPose, String), TrainError> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let shown = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if extension == "onnx" {
        let origin = format!(
            "backbone: {shown} (PP-TinyPose, PaddleDetection, Apache-2.0, trained on COCO train2017 and AI Challenger); the rest random"
        );
        return Ok((weights::load_tinypose_backbone(path, fresh)?, origin));
    }
    let fits = |found: &ModelConfig| -> Result<(), TrainError> {
        if found == config {
            return Ok(());
        }
        let text = |c: &ModelConfig| format!("{} with {} layers for {}", c.variant, c.depth, c.skeleton);
        Err(TrainError::Start { init: shown.clone(), found: text(found), wanted: text(config) })
    };
    if extension == "safetensors" {
        let (model, info) = weights::load(path, device)?;
        fits(&info.config)?;
        let before = if info.record.start.is_empty() { "" } else { &info.record.start };
        return Ok((
            model,
            format!("{shown}: {} steps on {}; {before}", info.record.steps, info.record.sets.join(", ")),
        ));
    }
    let options = ImportOptions { variant: Some(section.variant), skeleton: Some(skeleton.clone()) };
    let (model, info, report) = weights::import_checkpoint(path, &options, device)?;
    fits(&info.config)?;
    Ok((
        model,
        format!(
            "{shown}: {} of {} tensors",
            report.mapped.len(),
            report.mapped.len() + report.untrained.len()
        ),
    ))
}
