//! The model that a training starts with.

use crate::data::{ChannelScale, FeatureCache};
use crate::model::backbone::TinyPose;
use crate::model::{BackboneKind, PoseNet, PoseNetConfig, fill_params, scale_and_shift};
use crate::pose::Skeleton;
use crate::train::TrainError;
use crate::train::config::ModelSection;
use crate::train::init::{PP_TINYPOSE, init_with_seed, origin_of};
use crate::weights::{self, ImportOptions};
use burn::prelude::*;
use std::path::Path;

/// The model that a training starts with.
pub struct InitialModel {
    /// The model, on the device.
    pub model: PoseNet,
    /// The joints that it draws heatmaps of.
    pub skeleton: Skeleton,
    /// Whether the part behind the backbone is random, since it is in no file.
    pub fresh: bool,
    /// For the model card: starting point with its source and licence; empty for random weights.
    pub origin: String,
}

/// The skeleton of a name or file.
///
/// # Errors
/// There is no such skeleton.
pub fn skeleton(name: &str) -> Result<Skeleton, TrainError> {
    Ok(Skeleton::named(name)?)
}

/// Makes the model; random parts depend on `seed` alone. `device` has autodiff.
///
/// # Errors
/// There is no such skeleton, or the file with the starting weights cannot be used.
pub fn initial_model(section: &ModelSection, seed: u64, device: &Device) -> Result<InitialModel, TrainError> {
    let skeleton = skeleton(&section.skeleton)?;
    let mut config = PoseNetConfig::new(section.variant, &skeleton);
    if section.depth > 0 {
        config = config.with_depth(section.depth);
    }
    let random = init_with_seed(seed, device, || config.init(device));
    let mut initial = match &section.init {
        None => InitialModel { model: random, skeleton, fresh: true, origin: String::new() },
        Some(path) => from_file(path, section, &config, skeleton, random, device)?,
    };
    if section.freeze_backbone {
        initial.model = initial.model.freeze_backbone();
    }
    Ok(initial)
}

/// Starting weights from a file, put into the model `random` where the file has the backbone alone.
fn from_file(
    path: &Path,
    section: &ModelSection,
    config: &PoseNetConfig,
    skeleton: Skeleton,
    random: PoseNet,
    device: &Device,
) -> Result<InitialModel, TrainError> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if extension == "onnx" {
        let origin = format!("backbone: {file} ({PP_TINYPOSE}); the rest random");
        let model = weights::load_tinypose_backbone(path, random)?;
        return Ok(InitialModel { model, skeleton, fresh: true, origin });
    }
    let fits = |found: &PoseNetConfig| -> Result<(), TrainError> {
        if found == config {
            return Ok(());
        }
        let text =
            |c: &PoseNetConfig| format!("{} with {} layers for {}", c.variant(), c.layers(), c.skeleton());
        Err(TrainError::InitMismatch { init: file.clone(), found: text(found), wanted: text(config) })
    };
    if extension == "safetensors" {
        let (model, info) = weights::load(path, device)?;
        fits(&info.config)?;
        let origin = origin_of(&file, &info.record);
        return Ok(InitialModel { model, skeleton, fresh: false, origin });
    }
    let options =
        ImportOptions { variant: Some(section.variant), skeleton: Some(skeleton.clone()), averaged: false };
    let weights::ImportedNet { net, info, report } = weights::import_checkpoint(path, &options, device)?;
    fits(&info.config)?;
    let (mapped, untrained) = (report.mapped.len(), report.untrained.len());
    Ok(InitialModel {
        model: net,
        skeleton,
        fresh: report.untrained.iter().any(|name| !name.starts_with("backbone.")),
        origin: format!("{file}: {mapped} of {} tensors", mapped + untrained),
    })
}

/// Number of samples from which the feature's statistics are computed.
const STATISTICS_SAMPLES: usize = 1000;

/// Fits a new model to the features of its backbone: the norm in front of the tokenizer gets the statistics of the
/// `cache`, and the feature head of a PP-TinyPose backbone starts with the heatmaps of the published network, for the
/// joints with the same names.
pub fn calibrate(model: PoseNet, cache: &FeatureCache, skeleton: &Skeleton) -> PoseNet {
    let Some(norm) = model.feature_norm() else { return model };
    let epsilon = norm.epsilon as f32;
    let statistics = cache.statistics(STATISTICS_SAMPLES);
    let has_heatmaps = model.config().backbone() == BackboneKind::TinyPose;
    let first = TinyPose::CHANNELS - TinyPose::HEATMAPS;
    // The channel of each heatmap that the backbone draws, and the model's joint of that name.
    let pairs: Vec<(usize, usize)> = Skeleton::coco17()
        .joints
        .iter()
        .enumerate()
        .filter_map(|(c, name)| Some((first + c, skeleton.joints.iter().position(|n| n == name)?)))
        .collect();
    fill_params(model, |info| match info.path.as_str() {
        "feature_norm.running_mean" => Some(statistics.mean.clone()),
        "feature_norm.running_var" => Some(statistics.var.clone()),
        "feature_head.weight" if has_heatmaps => {
            let mut weight = vec![0.0; info.shape.iter().product()];
            for &(channel, joint) in &pairs {
                weight[channel * info.shape[1] + joint] = (statistics.var[channel] + epsilon).sqrt();
            }
            Some(weight)
        }
        "feature_head.bias" if has_heatmaps => {
            let mut bias = vec![0.0; info.shape[0]];
            pairs.iter().for_each(|&(channel, joint)| bias[joint] = statistics.mean[channel]);
            Some(bias)
        }
        _ => None,
    })
}

/// The norm in front of the tokenizer, in the form in which it is applied while cached features are read.
pub fn channel_scale(model: &PoseNet) -> ChannelScale {
    let Some(norm) = model.feature_norm() else {
        return ChannelScale::identity(model.config().feature_channels());
    };
    let (scale, shift) = scale_and_shift(norm);
    let numbers = |t: Tensor<1>| -> Vec<f32> { t.inner().into_data().iter::<f32>().collect() };
    let factor = numbers(scale);
    // (value - mean) * factor = value * scale + shift
    let mean = numbers(shift).iter().zip(&factor).map(|(s, f)| -s / f).collect();
    ChannelScale { mean, factor }
}
