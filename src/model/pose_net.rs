//! What every family of pose networks is behind.

use super::backbone::Backbone;
use super::{
    Counting, EncoderTrace, Family, KeptTokens, Macs, TmPose, TmPoseConfig, TokenBudget, TokenSelection,
    Variant,
};
use crate::pose::{Size, Skeleton};
use burn::nn::BatchNorm;
use burn::prelude::*;
use serde::Serialize;

/// A pose network of any family.
///
/// B is the batch (persons), J the joints, N the visual tokens of the grid, C the channels of the feature map. Parameters
/// have the paths of the member's own, so that files do not depend on this enum. Autodiff is a property of the device that
/// it was made on, so a family trains as soon as it is a member; the CPU's engine is an optional speed-up.
#[derive(Module, Debug)]
pub enum PoseNet {
    /// The token-masked pose transformer.
    TmPose(TmPose),
}

/// The configuration of a pose network: everything that decides its shapes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum PoseNetConfig {
    /// Of a [`TmPose`].
    TmPose(TmPoseConfig),
}

/// What a pose network makes of a batch.
#[derive(Clone, Debug)]
pub struct PoseNetOutput {
    /// `[B,J,h,w]`.
    pub heatmaps: Tensor<4>,
    /// The visual tokens that they were made from.
    pub kept: KeptTokens,
}

impl PoseNet {
    /// What it was built from.
    pub fn config(&self) -> PoseNetConfig {
        match self {
            PoseNet::TmPose(net) => PoseNetConfig::TmPose(net.config().clone()),
        }
    }

    /// `[B,3,H,W]` normalised pictures to the feature map `[B,C,H/4,W/4]`.
    pub fn features(&self, images: Tensor<4>) -> Tensor<4> {
        match self {
            PoseNet::TmPose(net) => net.backbone(images),
        }
    }

    /// Heatmaps from the feature map `[B,C,H/4,W/4]`, with no more visual tokens than `budget` allows.
    pub fn heatmaps(&self, features: Tensor<4>, budget: &TokenBudget) -> PoseNetOutput {
        match self {
            PoseNet::TmPose(net) => {
                let kept = self.config().entering_tokens(budget);
                let (tokens, batch) = (net.config().tokens(), features.dims()[0]);
                let selection =
                    TokenSelection::of_kept(&kept, tokens, budget.positions, batch, &features.device());
                let heatmaps = net.forward_features(features, &selection);
                PoseNetOutput { heatmaps, kept: KeptTokens::shared(kept) }
            }
        }
    }

    /// Heatmaps of `[B,3,H,W]` normalised pictures: [`PoseNet::features`], then [`PoseNet::heatmaps`].
    pub fn forward(&self, images: Tensor<4>, budget: &TokenBudget) -> PoseNetOutput {
        self.heatmaps(self.features(images), budget)
    }

    /// The feature map `[B,C,H/4,W/4]` after the norm and cut into the patches of all tokens, `[B,N,values]`: what a
    /// training keeps of a frozen backbone.
    pub fn patches(&self, features: Tensor<4>) -> Tensor<3> {
        match self {
            PoseNet::TmPose(net) => net.patches(features),
        }
    }

    /// Heatmaps `[B,J,h,w]` from patches `[B,N,values]`, as a training computes them: each person with tokens of their
    /// own, `selection`. What happens to the keypoint tokens on the way is added to `trace`.
    pub fn heatmaps_of_patches(
        &self,
        patches: Tensor<3>,
        selection: &TokenSelection,
        trace: Option<&mut EncoderTrace>,
    ) -> Tensor<4> {
        match (self, trace) {
            (PoseNet::TmPose(net), None) => net.forward_patches(patches, selection),
            (PoseNet::TmPose(net), Some(trace)) => net.forward_patches_traced(patches, selection, trace),
        }
    }

    /// Multiply-adds of [`PoseNet::features`] and [`PoseNet::heatmaps`] for one person.
    pub fn macs(&self, budget: &TokenBudget) -> Macs {
        let config = self.config();
        config.macs(budget.keep_count(config.tokens()), Counting::Executed)
    }

    /// The same function with every batch norm folded into its neighbour, for inference: see [`TmPose::fold`].
    pub fn fold(self) -> PoseNet {
        match self {
            PoseNet::TmPose(net) => PoseNet::TmPose(net.fold()),
        }
    }

    /// The network if it is a [`TmPose`], for what only that family has: stages that are timed, the CPU's engine,
    /// published checkpoints.
    pub fn as_tmpose(&self) -> Option<&TmPose> {
        match self {
            PoseNet::TmPose(net) => Some(net),
        }
    }

    /// Where its parameters live.
    pub fn device(&self) -> Device {
        match self {
            PoseNet::TmPose(net) => net.patch.weight.val().device(),
        }
    }

    /// Its convolutional part.
    pub fn backbone(&self) -> &Backbone {
        match self {
            PoseNet::TmPose(net) => &net.backbone,
        }
    }

    /// The network with another backbone of the same kind.
    pub fn with_backbone(self, backbone: Backbone) -> PoseNet {
        match self {
            PoseNet::TmPose(net) => PoseNet::TmPose(TmPose { backbone, ..net }),
        }
    }

    /// The norm between backbone and tokenizer, where there is one that was not folded.
    pub fn feature_norm(&self) -> Option<&BatchNorm> {
        match self {
            PoseNet::TmPose(net) => net.feature_norm.as_ref(),
        }
    }

    /// The network with a backbone that is not trained. Nor is the norm behind it: what follows is a linear layer, which
    /// can learn any factor and shift by itself.
    pub fn freeze_backbone(self) -> PoseNet {
        match self {
            PoseNet::TmPose(mut net) => {
                net.backbone = net.backbone.freeze();
                net.feature_norm = net.feature_norm.map(Module::freeze);
                PoseNet::TmPose(net)
            }
        }
    }
}

impl From<TmPose> for PoseNet {
    fn from(net: TmPose) -> PoseNet {
        PoseNet::TmPose(net)
    }
}

impl From<TmPoseConfig> for PoseNetConfig {
    fn from(config: TmPoseConfig) -> PoseNetConfig {
        PoseNetConfig::TmPose(config)
    }
}

impl PoseNetConfig {
    /// A variant's dimensions for a skeleton.
    pub fn new(variant: Variant, skeleton: &Skeleton) -> PoseNetConfig {
        match variant.info().family {
            Family::TmPose => PoseNetConfig::TmPose(TmPoseConfig::new(variant, skeleton)),
        }
    }

    /// A network with fresh weights (docs/METHOD.md, "Initial values"). Make it on `device.autodiff()` to train it.
    pub fn init(&self, device: &Device) -> PoseNet {
        match self {
            PoseNetConfig::TmPose(config) => PoseNet::TmPose(config.init(device)),
        }
    }

    /// The same with `depth` layers in each transformer.
    pub fn with_depth(self, depth: usize) -> PoseNetConfig {
        match self {
            PoseNetConfig::TmPose(config) => PoseNetConfig::TmPose(TmPoseConfig { depth, ..config }),
        }
    }

    /// The configuration if it is of a [`TmPose`].
    pub fn as_tmpose(&self) -> Option<&TmPoseConfig> {
        match self {
            PoseNetConfig::TmPose(config) => Some(config),
        }
    }

    /// From the JSON that it is serialised as, which does not name the family.
    ///
    /// # Errors
    /// A field is missing or of another type.
    pub fn from_json(family: Family, text: &str) -> Result<PoseNetConfig, serde_json::Error> {
        match family {
            Family::TmPose => serde_json::from_str(text).map(PoseNetConfig::TmPose),
        }
    }

    /// Whose code runs it.
    pub fn family(&self) -> Family {
        match self {
            PoseNetConfig::TmPose(_) => Family::TmPose,
        }
    }

    /// The variant that its dimensions began as.
    pub fn variant(&self) -> Variant {
        match self {
            PoseNetConfig::TmPose(config) => config.variant,
        }
    }

    /// Name of the skeleton, e.g. `coco17`.
    pub fn skeleton(&self) -> &str {
        match self {
            PoseNetConfig::TmPose(config) => &config.skeleton,
        }
    }

    /// Number of joints J.
    pub fn joints(&self) -> usize {
        match self {
            PoseNetConfig::TmPose(config) => config.joints,
        }
    }

    /// Size of the crop that the network sees, in pixels.
    pub fn input(&self) -> Size {
        match self {
            PoseNetConfig::TmPose(config) => config.input,
        }
    }

    /// Size of a heatmap in cells.
    pub fn heatmap(&self) -> Size {
        match self {
            PoseNetConfig::TmPose(config) => config.heatmap,
        }
    }

    /// Grid of the visual tokens, which are numbered row by row.
    pub fn grid(&self) -> Size {
        match self {
            PoseNetConfig::TmPose(config) => config.grid,
        }
    }

    /// Number of visual tokens N before any is dropped.
    pub fn tokens(&self) -> usize {
        self.grid().area()
    }

    /// The visual tokens that `budget` lets into the first layer, ascending. A family that prunes goes on from there.
    pub fn entering_tokens(&self, budget: &TokenBudget) -> Vec<usize> {
        match self {
            PoseNetConfig::TmPose(config) => budget.kept_tokens(config.grid),
        }
    }

    /// Cells of the feature map in one token.
    pub fn patch(&self) -> Size {
        match self {
            PoseNetConfig::TmPose(config) => config.patch,
        }
    }

    /// The convolutional part.
    pub fn backbone(&self) -> super::BackboneKind {
        match self {
            PoseNetConfig::TmPose(config) => config.backbone,
        }
    }

    /// Channels C of the feature map.
    pub fn feature_channels(&self) -> usize {
        match self {
            PoseNetConfig::TmPose(config) => config.feature_channels,
        }
    }

    /// Size of the feature map: a quarter of the input's.
    pub fn feature_size(&self) -> Size {
        let input = self.input();
        Size::new(input.width / 4, input.height / 4)
    }

    /// Values in one visual token before the embedding.
    pub fn patch_values(&self) -> usize {
        self.patch().area() * self.feature_channels()
    }

    /// Width of a token.
    pub fn dim(&self) -> usize {
        match self {
            PoseNetConfig::TmPose(config) => config.dim,
        }
    }

    /// Layers of all transformers together.
    pub fn layers(&self) -> usize {
        match self {
            PoseNetConfig::TmPose(config) => config.depth * config.transformers,
        }
    }

    /// Multiply-adds for one person whose first layer sees `kept` visual tokens.
    pub fn macs(&self, kept: usize, counting: Counting) -> Macs {
        match self {
            PoseNetConfig::TmPose(config) => config.macs(kept, counting),
        }
    }
}
