//! The dimensions of a TMPose network (docs/METHOD.md, "Network").

use super::backbone::{Backbone, HrNet, StemNet, TinyPose};
use super::{Encoder, HeatmapHead, TmPose, Variant, VariantInfo, positions};
use crate::pose::{CropShape, Size, Skeleton};
use burn::module::Param;
use burn::nn::{BatchNormConfig, Initializer, LinearConfig};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

/// The convolutional part that makes the feature map at a quarter of the input's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackboneKind {
    /// The first three stages of HRNet; `width` is 32 or 48 (docs/METHOD.md, "HRNet").
    HrNet {
        /// Channels of the highest resolution.
        width: usize,
    },
    /// HRNet's stem and layer1 only, 256 channels (docs/METHOD.md, "Stem").
    Stem,
    /// PP-TinyPose's wide naive Lite-HRNet: 40 channels and the 17 heatmaps that it draws from them.
    TinyPose,
}

impl BackboneKind {
    /// What names in published checkpoints begin with: of the backbone's tensors and of the transformer's. `None` for a
    /// backbone that no PyTorch checkpoint has.
    pub(super) fn checkpoint_prefixes(self) -> Option<(&'static str, &'static str)> {
        match self {
            BackboneKind::HrNet { .. } => Some(("pre_feature.", "transformer.")),
            BackboneKind::Stem => Some(("features.", "features.")),
            BackboneKind::TinyPose => None,
        }
    }

    /// A backbone with fresh weights.
    pub fn init(self, device: &Device) -> Backbone {
        match self {
            BackboneKind::HrNet { width } => Backbone::HrNet(HrNet::new(width, device)),
            BackboneKind::Stem => Backbone::Stem(StemNet::new(device)),
            BackboneKind::TinyPose => Backbone::TinyPose(TinyPose::new(device)),
        }
    }
}

/// Everything that decides the shapes of a [`TmPose`]. Files hold sizes as `[height, width]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TmPoseConfig {
    /// The variant that the dimensions began as.
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
    /// The convolutional part.
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
    /// Heads of attention; they divide `dim`.
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

impl TmPoseConfig {
    /// The variant's dimensions for a skeleton: a 256x256 crop where its crops are square (MPII), 192x256 elsewhere
    /// (COCO).
    pub fn new(variant: Variant, skeleton: &Skeleton) -> TmPoseConfig {
        let VariantInfo { backbone, feature_channels, transformers, depth, heads, .. } = *variant.info();
        let (input, heatmap, patch) = match skeleton.crop {
            CropShape::Square => (Size::square(256), Size::square(64), Size::square(4)),
            CropShape::Portrait => (Size::new(192, 256), Size::new(48, 64), Size::new(3, 4)),
        };
        let dim = 192;
        let attention_scale = match variant {
            Variant::S => (dim as f64).powf(-0.5),
            _ => ((dim / heads) as f64).powf(-0.5),
        };
        TmPoseConfig {
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
        TmPose {
            backbone: self.backbone.init(device),
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
