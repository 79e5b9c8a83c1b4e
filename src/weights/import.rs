//! Published checkpoints as weights of ours: TokenPose, TMPose, PPT, HRNet's ImageNet files, PP-TinyPose.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use burn::prelude::*;

use super::checkpoint::PublishedCheckpoint;
use super::onnx::convolutions;
use super::{TrainingRecord, WeightsError, WeightsInfo, read_info};
use crate::model::backbone::Backbone;
use crate::model::{
    BackboneKind, Licence, NameStyle, PoseNet, PoseNetConfig, Variant, fill_params, list_params,
    pytorch_name, sine_positions,
};
use crate::pose::Skeleton;

/// Stored positions may differ this much from the formula (half-precision files differ by 5e-4).
const POSITION_TOLERANCE: f32 = 1e-3;

/// What the file does not say for certain; `None`: guess it from the tensors' names and shapes.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The architecture.
    pub variant: Option<Variant>,
    /// The joints.
    pub skeleton: Option<Skeleton>,
    /// Take the averaged weights (EMA) of a file that has both kinds.
    pub averaged: bool,
}

/// What a published file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointKind {
    /// A PyTorch checkpoint whose tensors have these names.
    PyTorch(NameStyle),
    /// PP-TinyPose's ONNX file, of which the backbone is taken.
    TinyPose,
}

impl std::fmt::Display for CheckpointKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CheckpointKind::PyTorch(NameStyle::TokenPose) => "a TokenPose or TMPose checkpoint",
            CheckpointKind::PyTorch(NameStyle::Ppt) => "a PPT checkpoint",
            CheckpointKind::PyTorch(NameStyle::ImageNet) => "an HRNet backbone",
            CheckpointKind::TinyPose => "PP-TinyPose's backbone",
        })
    }
}

/// What became of the tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportReport {
    /// What the file turned out to be.
    pub kind: CheckpointKind,
    /// Tensors of the network that took their values from the file.
    pub mapped: Vec<String>,
    /// Tensors of the network that the file does not have: they are random and need training.
    pub untrained: Vec<String>,
    /// Tensors of the file that the network has no place for.
    pub unused: Vec<String>,
    /// What stood before the tensors' names.
    pub prefix: String,
    /// What stands before those of another copy in the file: the averaged one if these are not, and the other way round.
    pub other_copy: Option<String>,
}

/// A network from a published file.
#[derive(Debug)]
pub struct ImportedNet {
    /// The network, with random values where the file has none.
    pub net: PoseNet,
    /// What its own weights file will say of it.
    pub info: WeightsInfo,
    /// Which tensors took part.
    pub report: ImportReport,
}

/// Reads a published file: `.onnx` (PP-TinyPose's backbone) or a PyTorch checkpoint (docs/METHOD.md, "Names
/// in published checkpoints").
///
/// # Errors
/// The file cannot be read, is damaged, or is of a network that is not known here.
pub fn import(path: &Path, options: &ImportOptions, device: &Device) -> Result<ImportedNet, WeightsError> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx")) {
        import_tinypose(path, options, device)
    } else {
        import_checkpoint(path, options, device)
    }
}

/// Reads a `.pth` file of TokenPose, TMPose, PPT or HRNet (ImageNet; then only the backbone is filled).
///
/// # Errors
/// As [`import`].
pub fn import_checkpoint(
    path: &Path,
    options: &ImportOptions,
    device: &Device,
) -> Result<ImportedNet, WeightsError> {
    if read_info(path).is_ok() {
        let reason = "it is a weight file of this program already; use it as it is".into();
        return Err(WeightsError::Mismatch { path: path.to_owned(), network: "an import".into(), reason });
    }
    let checkpoint = PublishedCheckpoint::open(path, options.averaged)?;
    let refuse = |network: &str, reason: String| WeightsError::Mismatch {
        path: path.to_owned(),
        network: network.into(),
        reason,
    };
    let style =
        name_style(&checkpoint).ok_or_else(|| refuse("any network known here", other_names(&checkpoint)))?;
    let variant = match options.variant {
        Some(variant) => variant,
        None => guess_variant(&checkpoint, style).map_err(|reason| refuse("any variant", reason))?,
    };
    let config = PoseNetConfig::new(variant, skeleton(&checkpoint, options, &refuse)?);
    let refuse = |reason| refuse(variant.name(), reason);
    if config.backbone() == BackboneKind::TinyPose {
        return Err(refuse("its backbone comes from PP-TinyPose's .onnx file".into()));
    }

    let model = config.init(device);
    let mut report = ImportReport {
        kind: CheckpointKind::PyTorch(style),
        mapped: Vec::new(),
        untrained: Vec::new(),
        unused: Vec::new(),
        prefix: checkpoint.prefix.clone(),
        other_copy: checkpoint.other_copy.clone(),
    };
    let mut values = HashMap::new();
    let mut used = BTreeSet::new();
    for param in list_params(&model) {
        let Some(name) = pytorch_name(&param.path, &config, style) else {
            report.untrained.push(param.path);
            continue;
        };
        let found = checkpoint.shape(&name).ok_or_else(|| refuse(format!("it lacks `{name}`")))?;
        let linear = param.shape.len() == 2;
        let mut wanted = param.shape.clone();
        if linear {
            wanted.reverse();
        }
        if found != wanted {
            return Err(refuse(format!("`{name}` is {found:?}, {wanted:?} is needed")));
        }
        let stored = checkpoint.values(&name).map_err(refuse)?;
        let stored = if linear { transposed(&stored, wanted[0], wanted[1]) } else { stored };
        values.insert(param.path.clone(), stored);
        report.mapped.push(param.path);
        used.insert(name);
    }
    if let Some(name) = check_positions(&checkpoint, &config).map_err(refuse)? {
        used.insert(name);
    }
    report.unused = checkpoint.names().filter(|&name| !used.contains(name)).map(str::to_owned).collect();
    let model = fill_params(model, |param| values.remove(&param.path));
    Ok(ImportedNet { net: model, info: info(path, config, options, &report), report })
}

/// A tmpose-t whose backbone is PP-TinyPose's and whose transformer is random.
///
/// # Errors
/// As [`import`].
pub fn import_tinypose(
    path: &Path,
    options: &ImportOptions,
    device: &Device,
) -> Result<ImportedNet, WeightsError> {
    let variant = options.variant.unwrap_or(Variant::T);
    let skeleton = options.skeleton.as_ref().unwrap_or(Skeleton::coco17());
    let config = PoseNetConfig::new(variant, skeleton);
    let model = load_tinypose_backbone(path, config.init(device))?;
    let (mapped, untrained) = list_params(&model)
        .into_iter()
        .map(|param| param.path)
        .partition(|path| path.starts_with("backbone."));
    let report = ImportReport {
        kind: CheckpointKind::TinyPose,
        mapped,
        untrained,
        unused: Vec::new(),
        prefix: String::new(),
        other_copy: None,
    };
    Ok(ImportedNet { net: model, info: info(path, config, options, &report), report })
}

/// Fills the backbone of a tmpose-t from PP-TinyPose's ONNX file (PaddleDetection, Apache-2.0): where its
/// training starts.
///
/// # Errors
/// The file cannot be read, is of another network, or `model` has another backbone.
pub fn load_tinypose_backbone(onnx: &Path, model: PoseNet) -> Result<PoseNet, WeightsError> {
    let network = model.config().variant().to_string();
    let refuse = |reason| WeightsError::Mismatch { path: onnx.to_owned(), network, reason };
    let Backbone::TinyPose(backbone) = model.backbone().clone() else {
        return Err(refuse("only tmpose-t has PP-TinyPose's backbone".into()));
    };
    let backbone = backbone.with_weights(convolutions(onnx)?).map_err(|error| refuse(error.to_string()))?;
    Ok(model.with_backbone(Backbone::TinyPose(backbone)))
}

/// Says what a file's tensors are called.
fn other_names(checkpoint: &PublishedCheckpoint) -> String {
    let few: Vec<&str> = checkpoint.names().take(3).collect();
    if few.is_empty() {
        "it has no tensors".into()
    } else {
        format!("its tensors have other names: {}, ...", few.join(", "))
    }
}

fn name_style(checkpoint: &PublishedCheckpoint) -> Option<NameStyle> {
    let any = |part: &str| checkpoint.names().any(|name| name.contains(part));
    if any("layers.0.0.fn.norm.") {
        Some(NameStyle::TokenPose)
    } else if any("layers.0.0.norm.") {
        Some(NameStyle::Ppt)
    } else if checkpoint.shape("stage3.0.branches.0.0.conv1.weight").is_some() {
        Some(NameStyle::ImageNet)
    } else {
        None
    }
}

/// The variant by the backbone's width and the number of layers; the error says what is unknown.
fn guess_variant(checkpoint: &PublishedCheckpoint, style: NameStyle) -> Result<Variant, String> {
    if checkpoint.shape("features.conv1.weight").is_some() {
        return Ok(Variant::S);
    }
    let prefix = if style == NameStyle::ImageNet { "" } else { "pre_feature." };
    let width = checkpoint.shape(&format!("{prefix}transition1.0.0.weight")).and_then(|shape| shape.first());
    let depth = (0..)
        .take_while(|i| {
            let name = format!("transformer.transformer3.layers.{i}.1.fn.norm.weight");
            checkpoint.shape(&name).is_some()
        })
        .count();
    match (width, style, depth) {
        (Some(32), _, 0) => Ok(Variant::B),
        (Some(48), NameStyle::ImageNet, _) | (Some(48), _, 2) => Ok(Variant::LD6),
        (Some(48), _, 6) => Ok(Variant::LD18),
        (Some(48), _, 8) => Ok(Variant::LD24),
        (Some(width), ..) => {
            Err(format!("it has a backbone of width {width} with {depth} layers in a third transformer"))
        }
        (None, ..) => Err("its backbone has no `transition1.0.0.weight`".into()),
    }
}

/// The skeleton asked for, or the one with as many joints as the file has keypoint tokens.
fn skeleton<'a>(
    checkpoint: &PublishedCheckpoint,
    options: &'a ImportOptions,
    refuse: &dyn Fn(&str, String) -> WeightsError,
) -> Result<&'a Skeleton, WeightsError> {
    let joints = ["transformer.keypoint_token", "features.keypoint_token"]
        .iter()
        .find_map(|name| checkpoint.shape(name).and_then(|shape| shape.get(1)));
    match (&options.skeleton, joints) {
        (Some(skeleton), _) => Ok(skeleton),
        (None, None | Some(17)) => Ok(Skeleton::coco17()),
        (None, Some(16)) => Ok(Skeleton::mpii16()),
        (None, Some(joints)) => Err(refuse(
            "a built-in skeleton",
            format!("it has {joints} joints; name a skeleton file with --skeleton"),
        )),
    }
}

/// Positions are computed here, never loaded: a file with others (learned ones) cannot be used. Returns the
/// name that the file keeps them under, if it does.
fn check_positions(
    checkpoint: &PublishedCheckpoint,
    config: &PoseNetConfig,
) -> Result<Option<String>, String> {
    let mut names = checkpoint.names().filter(|name| name.ends_with("pos_embedding"));
    let Some(name) = names.next().map(str::to_owned) else { return Ok(None) };
    let stored = checkpoint.values(&name)?;
    let formula = sine_positions(config.grid(), config.dim());
    if stored.len() != formula.len() {
        return Err(format!("`{name}` has {} numbers, {} are needed", stored.len(), formula.len()));
    }
    let worst = stored.iter().zip(&formula).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    if worst > POSITION_TOLERANCE {
        return Err(format!(
            "`{name}` differs by {worst} from the 2-D sine formula, the only positions known here"
        ));
    }
    Ok(Some(name))
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}

fn info(path: &Path, config: PoseNetConfig, options: &ImportOptions, report: &ImportReport) -> WeightsInfo {
    let skeleton = match (&options.skeleton, config.joints()) {
        (Some(skeleton), _) => skeleton.clone(),
        (None, 16) => Skeleton::mpii16().clone(),
        (None, _) => Skeleton::coco17().clone(),
    };
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let licence = match report.kind {
        CheckpointKind::TinyPose => format!(" (PaddleDetection, {})", Licence::Apache2),
        CheckpointKind::PyTorch(_) => String::new(),
    };
    let record = TrainingRecord {
        command: "tmpose import".into(),
        start: format!("{} from {file}{licence}", report.kind),
        ..TrainingRecord::default()
    };
    WeightsInfo::new(config, skeleton, record)
}
