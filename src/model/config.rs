//! The variants and their dimensions (docs/METHOD.md, "Network").

use super::backbone::{Backbone, HrNet, StemNet, TinyPose};
use super::{Encoder, HeatmapHead, TmPose, positions};
use crate::pose::{BuiltinSkeleton, Size, Skeleton, UnknownName, find_by_name};
use burn::module::Param;
use burn::nn::{BatchNormConfig, Initializer, LinearConfig};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

/// A named architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Variant {
    /// Ours, for real time on small machines: PP-TinyPose's network under 6 transformer layers, whose
    /// heatmaps are added to those of a linear map of its feature.
    #[serde(rename = "tmpose-t")]
    T,
    /// TokenPose-S-v1's network: stem net, 12 layers.
    #[serde(rename = "tmpose-s")]
    S,
    /// HRNet-W32-s, 12 layers.
    #[serde(rename = "tmpose-b")]
    B,
    /// HRNet-W48-s, three chained transformers of 2 layers.
    #[serde(rename = "tmpose-l-d6")]
    LD6,
    /// HRNet-W48-s, 3 x 6 layers: what the reference's COCO yaml of "L/D6" builds.
    #[serde(rename = "tmpose-l-d18")]
    LD18,
    /// HRNet-W48-s, 3 x 8 layers of 12 heads.
    #[serde(rename = "tmpose-l-d24")]
    LD24,
}

impl Variant {
    /// Every variant, smallest first.
    pub const ALL: [Variant; 6] =
        [Variant::T, Variant::S, Variant::B, Variant::LD6, Variant::LD18, Variant::LD24];

    /// The name used in flags, file headers and file names.
    pub fn name(self) -> &'static str {
        match self {
            Variant::T => "tmpose-t",
            Variant::S => "tmpose-s",
            Variant::B => "tmpose-b",
            Variant::LD6 => "tmpose-l-d6",
            Variant::LD18 => "tmpose-l-d18",
            Variant::LD24 => "tmpose-l-d24",
        }
    }

    /// What it is made of, for people.
    pub fn description(self) -> &'static str {
        match self {
            Variant::T => "for real time on small machines: PP-TinyPose's network, 6 layers",
            Variant::S => "the network of TokenPose-S: HRNet's stem, 12 layers",
            Variant::B => "HRNet-W32-s, 12 layers",
            Variant::LD6 => "HRNet-W48-s, three transformers of 2 layers",
            Variant::LD18 => "HRNet-W48-s, three transformers of 6 layers",
            Variant::LD24 => "HRNet-W48-s, three transformers of 8 layers",
        }
    }
}

impl std::fmt::Display for Variant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Variant {
    type Err = UnknownName;

    /// Accepts the full name and the name without `tmpose-`, in any case.
    fn from_str(text: &str) -> Result<Variant, UnknownName> {
        let lower = text.to_lowercase();
        let short = |variant: &Variant| variant.name().strip_prefix("tmpose-") == Some(&lower);
        match Variant::ALL.iter().find(|variant| short(variant)) {
            Some(variant) => Ok(*variant),
            None => find_by_name("model variant", &Variant::ALL, Variant::name, text),
        }
    }
}

/// The convolutional part that makes the feature map at a quarter of the input's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackboneKind {
    /// The first three stages of HRNet; `width` is 32 or 48 (docs/METHOD.md, "HRNet").
    HrNet { width: usize },
    /// HRNet's stem and layer1 only, 256 channels (docs/METHOD.md, "Stem").
    Stem,
    /// PP-TinyPose's wide naive Lite-HRNet: 40 channels and the 17 heatmaps that it draws from them.
    TinyPose,
}

/// Everything that decides the shapes of a [`TmPose`]. Files hold sizes as `[height, width]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    pub variant: Variant,
    /// Name of the skeleton, e.g. `coco17`.
    pub skeleton: String,
    /// Number of joints J, and of keypoint tokens.
    pub joints: usize,
    /// Input picture in pixels.
    #[serde(with = "crate::pose::size::hw")]
    pub input: Size,
    /// Heatmap in cells.
    #[serde(with = "crate::pose::size::hw")]
    pub heatmap: Size,
    /// Grid of the visual tokens, which are numbered row by row.
    #[serde(with = "crate::pose::size::hw")]
    pub grid: Size,
    /// Cells of the feature map in one token.
    #[serde(with = "crate::pose::size::hw")]
    pub patch: Size,
    pub backbone: BackboneKind,
    /// Channels of the backbone's feature map.
    pub feature_channels: usize,
    /// A batch norm between the backbone and the tokenizer (tmpose-t: its backbone's last values are
    /// sums of many branches and are not normalised).
    pub feature_norm: bool,
    /// Heatmaps straight from the feature, one linear map at each of its cells, added to those of the
    /// keypoint tokens (tmpose-t). The tokens then correct what the feature alone would say, and the
    /// feature says it at its full resolution whatever is masked.
    #[serde(default)]
    pub feature_head: bool,
    /// Width d of a token.
    pub dim: usize,
    pub heads: usize,
    /// Layers of one transformer.
    pub depth: usize,
    /// Transformers, chained; the head sees the keypoint tokens after each of them.
    pub transformers: usize,
    /// Hidden width of a layer's MLP, in units of `dim`.
    pub mlp_ratio: usize,
    /// Factor of the attention logits (docs/METHOD.md, "Encoder").
    pub attention_scale: f64,
    /// Hidden width of the two-layer head, or none for the single layer (docs/METHOD.md, "Heatmap head").
    pub head_hidden: Option<usize>,
}

impl ModelConfig {
    /// The variant's dimensions for a skeleton: MPII's 16 joints take a square 256x256 crop, every
    /// other skeleton the 256x192 crop of COCO.
    pub fn new(variant: Variant, skeleton: &Skeleton) -> ModelConfig {
        let square = skeleton.builtin() == Some(BuiltinSkeleton::Mpii16);
        let (input, heatmap, patch) = if square {
            (Size::square(256), Size::square(64), Size::square(4))
        } else {
            (Size::new(192, 256), Size::new(48, 64), Size::new(3, 4))
        };
        let (backbone, feature_channels) = match variant {
            Variant::T => (BackboneKind::TinyPose, TinyPose::CHANNELS),
            Variant::S => (BackboneKind::Stem, 256),
            Variant::B => (BackboneKind::HrNet { width: 32 }, 32),
            Variant::LD6 | Variant::LD18 | Variant::LD24 => (BackboneKind::HrNet { width: 48 }, 48),
        };
        let (transformers, depth, heads) = match variant {
            Variant::T => (1, 6, 8),
            Variant::S | Variant::B => (1, 12, 8),
            Variant::LD6 => (3, 2, 8),
            Variant::LD18 => (3, 6, 8),
            Variant::LD24 => (3, 8, 12),
        };
        let dim = 192;
        let attention_scale = match variant {
            Variant::S => (dim as f64).powf(-0.5),
            _ => ((dim / heads) as f64).powf(-0.5),
        };
        ModelConfig {
            variant,
            skeleton: skeleton.name.clone(),
            joints: skeleton.len(),
            input,
            heatmap,
            grid: Size::square(16),
            patch,
            backbone,
            feature_channels,
            feature_norm: variant == Variant::T,
            feature_head: variant == Variant::T,
            dim,
            heads,
            depth,
            transformers,
            mlp_ratio: 3,
            attention_scale,
            head_hidden: (transformers == 1).then_some(heatmap.area() / 8),
        }
    }

    /// Size of the backbone's feature map: a quarter of the input's.
    pub fn feature_size(&self) -> Size {
        Size::new(self.input.width / 4, self.input.height / 4)
    }

    /// Number of visual tokens N before masking.
    pub fn tokens(&self) -> usize {
        self.grid.area()
    }

    /// Values in one visual token before the embedding.
    pub fn patch_values(&self) -> usize {
        self.patch.area() * self.feature_channels
    }

    /// A model with fresh weights (docs/METHOD.md, "Initial values"). Make it on `device.autodiff()` to train
    /// it.
    pub fn init(&self, device: &Device) -> TmPose {
        let backbone = match self.backbone {
            BackboneKind::HrNet { width } => Backbone::HrNet(HrNet::new(width, device)),
            BackboneKind::Stem => Backbone::Stem(StemNet::new(device)),
            BackboneKind::TinyPose => Backbone::TinyPose(TinyPose::new(device)),
        };
        TmPose {
            backbone,
            feature_norm: self.feature_norm.then(|| BatchNormConfig::new(self.feature_channels).init(device)),
            patch: linear(self.patch_values(), self.dim, true, device),
            keypoint_token: Initializer::Normal { mean: 0.0, std: 0.02 }
                .init([1, self.joints, self.dim], device),
            positions: positions::table(self, device),
            feature_head: self.feature_head.then(|| linear(self.feature_channels, self.joints, true, device)),
            encoders: (0..self.transformers).map(|_| Encoder::new(self, device)).collect(),
            head: HeatmapHead::new(self, device),
            config: self.clone(),
        }
    }
}

/// A linear layer with the reference's initial values (docs/METHOD.md, "Initial values").
pub(super) fn linear(inputs: usize, outputs: usize, bias: bool, device: &Device) -> burn::nn::Linear {
    let mut layer = LinearConfig::new(inputs, outputs)
        .with_bias(bias)
        .with_initializer(Initializer::Normal { mean: 0.0, std: 0.02 })
        .init(device);
    layer.bias = bias.then(|| -> Param<Tensor<1>> { Initializer::Zeros.init([outputs], device) });
    layer
}
