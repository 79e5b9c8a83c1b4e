//! Our parameter paths as the names of PyTorch's state dicts (docs/METHOD.md, "Names in published
//! checkpoints").

use super::PoseNetConfig;

/// Whose names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameStyle {
    /// TokenPose and TMPose.
    TokenPose,
    /// PPT: one `fn` fewer in the attention's names.
    Ppt,
    /// The backbone alone, as in HRNet's ImageNet files.
    ImageNet,
}

/// The state-dict key of one of our parameters ([`super::ParamInfo::path`]), without `module.`.
///
/// None where the style has no such tensor, e.g. for tmpose-t's backbone. An importer asks for the name
/// of each parameter of the model and so needs no inverse; what is left in the file was not mapped.
pub fn pytorch_name(path: &str, config: &PoseNetConfig, style: NameStyle) -> Option<String> {
    let config = config.as_tmpose()?;
    let (backbone, rest) = config.backbone.checkpoint_prefixes()?;
    if let Some(path) = path.strip_prefix("backbone.") {
        let name = backbone_name(path.strip_prefix("stem.").unwrap_or(path))?;
        return Some(if style == NameStyle::ImageNet { name } else { format!("{backbone}{name}") });
    }
    if style == NameStyle::ImageNet {
        return None;
    }
    Some(format!("{rest}{}", transformer_name(path, config.transformers, style)?))
}

fn backbone_name(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('.').collect();
    let (&leaf, parts) = parts.split_last()?;
    let (&layer, parts) = parts.split_last()?;
    let leaf = match (layer, leaf) {
        ("conv", "weight") => "weight",
        ("bn", "gamma") => "weight",
        ("bn", "beta") => "bias",
        ("bn", "running_mean" | "running_var") => leaf,
        _ => return None,
    };
    // In a PyTorch `Sequential` the convolution is child 0 and its norm child 1.
    let child = usize::from(layer == "bn");
    Some(match parts {
        ["stem1"] => format!("{layer}1.{leaf}"),
        ["stem2"] => format!("{layer}2.{leaf}"),
        ["layer1", block, "down"] => format!("layer1.{block}.downsample.{child}.{leaf}"),
        ["layer1", block, conv] => format!("layer1.{block}.{layer}{}.{leaf}", conv.strip_prefix('c')?),
        ["transition1", "0"] => format!("transition1.0.{child}.{leaf}"),
        ["transition1", branch] => format!("transition1.{branch}.0.{child}.{leaf}"),
        // Branches 0 and 1 pass unchanged, so that our only element is the reference's third.
        ["transition2", "0"] => format!("transition2.2.0.{child}.{leaf}"),
        [stage, m, "branches", b, "blocks", k, conv] => {
            format!("{stage}.{m}.branches.{b}.{k}.{layer}{}.{leaf}", conv.strip_prefix('c')?)
        }
        [stage, m, "fuse_layers", i, j, "convs", k] => {
            let up = j.parse::<usize>().ok()? > i.parse::<usize>().ok()?;
            if up {
                format!("{stage}.{m}.fuse_layers.{i}.{j}.{child}.{leaf}")
            } else {
                format!("{stage}.{m}.fuse_layers.{i}.{j}.{k}.{child}.{leaf}")
            }
        }
        _ => return None,
    })
}

fn transformer_name(path: &str, transformers: usize, style: NameStyle) -> Option<String> {
    let parts: Vec<&str> = path.split('.').collect();
    let renamed = |leaf: &str| match leaf {
        "gamma" | "weight" => Some("weight"),
        "beta" | "bias" => Some("bias"),
        _ => None,
    };
    Some(match parts.as_slice() {
        ["keypoint_token"] => "keypoint_token".to_owned(),
        ["patch", leaf] => format!("patch_to_embedding.{}", renamed(leaf)?),
        ["head", part, leaf] => {
            let child = match *part {
                "norm1" => 0,
                "fc1" => 1,
                "norm2" => 2,
                "fc2" => 3,
                _ => return None,
            };
            format!("mlp_head.{child}.{}", renamed(leaf)?)
        }
        ["encoders", t, "layers", i, part, leaf] => {
            let attention = if style == NameStyle::Ppt { "0" } else { "0.fn" };
            let child = match *part {
                "norm1" => format!("{attention}.norm"),
                "qkv" => format!("{attention}.fn.to_qkv"),
                "proj" => format!("{attention}.fn.to_out.0"),
                "norm2" => "1.fn.norm".to_owned(),
                "fc1" => "1.fn.fn.net.0".to_owned(),
                "fc2" => "1.fn.fn.net.3".to_owned(),
                _ => return None,
            };
            let number =
                if transformers == 1 { String::new() } else { (t.parse::<usize>().ok()? + 1).to_string() };
            format!("transformer{number}.layers.{i}.{child}.{}", renamed(leaf)?)
        }
        _ => return None,
    })
}
