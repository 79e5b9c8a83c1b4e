//! The whole network.

use super::backbone::Backbone;
use super::conv::scale_and_shift;
use super::encoder::Watch;
use super::{Encoder, EncoderTrace, HeatmapHead, TmPoseConfig, TokenSelection, positions};
use burn::module::Param;
use burn::nn::{BatchNorm, Linear};
use burn::prelude::*;

/// Token-masked pose transformer; made by [`TmPoseConfig::init`].
///
/// B is the batch (persons), J the joints, N the visual tokens of the grid, k the kept ones, C the
/// backbone's channels. Autodiff is a property of the device that it was made on: `model.valid()` is the
/// copy without it.
#[derive(Module, Debug)]
pub struct TmPose {
    /// From the picture to the feature map.
    pub backbone: Backbone,
    /// Norm of the backbone's channels in front of the tokenizer (tmpose-t).
    pub feature_norm: Option<BatchNorm>,
    /// `patch_to_embedding` of the reference.
    pub patch: Linear,
    /// `[1,J,dim]`.
    pub keypoint_token: Param<Tensor<3>>,
    /// `[N,dim]`, by formula; neither trained nor saved.
    pub(super) positions: Tensor<2>,
    /// Linear map from the normalised feature to heatmaps, at each cell alone (tmpose-t).
    pub feature_head: Option<Linear>,
    /// Chained.
    pub encoders: Vec<Encoder>,
    /// From the keypoint tokens to heatmaps.
    pub head: HeatmapHead,
    #[module(skip)]
    pub(super) config: TmPoseConfig,
}

impl TmPose {
    /// What it was built from.
    pub fn config(&self) -> &TmPoseConfig {
        &self.config
    }

    /// `[B,3,H,W]` normalised pictures to the feature map `[B,C,H/4,W/4]`.
    pub fn backbone(&self, images: Tensor<4>) -> Tensor<4> {
        self.backbone.forward(images)
    }

    /// Cuts the feature map into tokens, keeps those of `keep`, embeds them and adds their positions:
    /// `[B,k,dim]`. Dropped tokens cost nothing after the cut.
    pub fn tokens(&self, feature: Tensor<4>, keep: &TokenSelection) -> Tensor<3> {
        let embedded = self.embed(feature, keep);
        let [_, kept, _] = embedded.dims();
        embedded + self.position_rows(keep, kept)
    }

    /// [`TmPose::tokens`] before the positions are added.
    pub fn embed(&self, feature: Tensor<4>, keep: &TokenSelection) -> Tensor<3> {
        self.embed_patches(self.patches(feature), keep)
    }

    /// The feature `[B,C,h,w]` after the norm and cut into tokens: `[B,N,values]`, what
    /// [`TmPose::forward_patches`] goes on from.
    pub fn patches(&self, feature: Tensor<4>) -> Tensor<3> {
        let feature = self.norm(feature);
        let batch = feature.dims()[0];
        let ([rows, columns], [height, width]) = (self.config.grid.hw(), self.config.patch.hw());
        // Values of a token: row in the patch, column in the patch, channel fastest.
        feature
            .reshape([batch, self.config.feature_channels, rows, height, columns, width])
            .permute([0, 2, 4, 3, 5, 1])
            .reshape([batch, self.config.tokens(), self.config.patch_values()])
    }

    /// Selects the kept ones of all `patches` `[B,N,values]` and embeds them.
    fn embed_patches(&self, patches: Tensor<3>, keep: &TokenSelection) -> Tensor<3> {
        let [batch, tokens, values] = patches.dims();
        let kept = match &keep.indices {
            None => patches,
            Some(indices) => {
                let [persons, kept] = indices.dims();
                let first = Tensor::<1, Int>::arange(0..batch as i64, &indices.device())
                    .mul_scalar(tokens as i64)
                    .reshape([batch, 1]);
                let flat = (indices.clone() + first).reshape([persons * kept]);
                patches.reshape([batch * tokens, values]).select(0, flat).reshape([batch, kept, values])
            }
        };
        self.patch.forward(kept)
    }

    /// Runs the transformers over the keypoint tokens and the visual `tokens` `[B,k,dim]`:
    /// `[B,J,dim * transformers]`, the keypoint tokens after each transformer side by side.
    pub fn encode(&self, tokens: Tensor<3>, keep: &TokenSelection) -> Tensor<3> {
        self.encode_watched(tokens, keep, &mut ())
    }

    fn encode_watched(&self, tokens: Tensor<3>, keep: &TokenSelection, watch: &mut impl Watch) -> Tensor<3> {
        let [batch, kept, dim] = tokens.dims();
        let joints = self.config.joints;
        let rows = self.position_rows(keep, kept);
        let none = Tensor::zeros([rows.dims()[0], joints, dim], &rows.device());
        let positions = Tensor::cat(vec![none, rows], 1);
        let keypoints = self.keypoint_token.val().expand([batch, joints, dim]);
        let mut x = Tensor::cat(vec![keypoints, tokens], 1);
        let mut outputs = Vec::with_capacity(self.encoders.len());
        let last = self.encoders.len().saturating_sub(1);
        for (i, encoder) in self.encoders.iter().enumerate() {
            if i == last {
                outputs.push(encoder.forward_keypoints(x, &positions, joints, watch));
                break;
            }
            x = encoder.forward(x, &positions, watch);
            outputs.push(x.clone().slice([0..batch, 0..joints]));
        }
        if outputs.len() == 1 { outputs.remove(0) } else { Tensor::cat(outputs, 2) }
    }

    /// Keypoint tokens `[B,J,dim * transformers]` to heatmaps `[B,J,h,w]`; with a feature head the maps of
    /// `feature` `[B,C,h,w]` are added.
    pub fn head(&self, keypoints: Tensor<3>, feature: Tensor<4>) -> Tensor<4> {
        let maps = self.head.forward(keypoints);
        if self.feature_head.is_none() {
            return maps;
        }
        self.add_feature_maps(maps, self.norm(feature))
    }

    /// Adds the feature head's heatmaps of a `feature` that went through the norm already; without such a
    /// head returns `maps` as they are.
    fn add_feature_maps(&self, maps: Tensor<4>, feature: Tensor<4>) -> Tensor<4> {
        let Some(head) = &self.feature_head else { return maps };
        let [batch, channels, height, width] = feature.dims();
        let joints = self.config.joints;
        let cells = feature.reshape([batch, channels, height * width]);
        let weight = head.weight.val().transpose().unsqueeze::<3>().expand([batch, joints, channels]);
        let mut drawn = weight.matmul(cells).reshape([batch, joints, height, width]);
        if let Some(bias) = &head.bias {
            drawn = drawn + bias.val().reshape([1, joints, 1, 1]);
        }
        maps + drawn
    }

    fn norm(&self, feature: Tensor<4>) -> Tensor<4> {
        match &self.feature_norm {
            Some(norm) => norm.forward(feature),
            None => feature,
        }
    }

    /// `[B,3,H,W]` normalised pictures to heatmaps `[B,J,h,w]`.
    pub fn forward(&self, images: Tensor<4>, keep: &TokenSelection) -> Tensor<4> {
        self.forward_features(self.backbone(images), keep)
    }

    /// [`TmPose::forward`] from the backbone's feature map `[B,C,H/4,W/4]` on: for several masks of one
    /// picture.
    pub fn forward_features(&self, feature: Tensor<4>, keep: &TokenSelection) -> Tensor<4> {
        // One pass through the norm for tokens and feature head: in training it counts what it sees.
        self.forward_patches(self.patches(feature), keep)
    }

    /// Heatmaps from a feature that went through the norm and was cut into tokens already, `[B,N,values]`:
    /// for training with cached features.
    pub fn forward_patches(&self, patches: Tensor<3>, keep: &TokenSelection) -> Tensor<4> {
        self.forward_patches_watched(patches, keep, &mut ())
    }

    /// [`TmPose::forward_patches`], and in `trace` what happens to the keypoint tokens on the way.
    pub fn forward_patches_traced(
        &self,
        patches: Tensor<3>,
        keep: &TokenSelection,
        trace: &mut EncoderTrace,
    ) -> Tensor<4> {
        self.forward_patches_watched(patches, keep, trace)
    }

    fn forward_patches_watched(
        &self,
        patches: Tensor<3>,
        keep: &TokenSelection,
        watch: &mut impl Watch,
    ) -> Tensor<4> {
        let batch = patches.dims()[0];
        let embedded = self.embed_patches(patches.clone(), keep);
        let [_, kept, _] = embedded.dims();
        let tokens = embedded + self.position_rows(keep, kept);
        let maps = self.head.forward(self.encode_watched(tokens, keep, watch));
        let ([rows, columns], [height, width]) = (self.config.grid.hw(), self.config.patch.hw());
        let channels = self.config.feature_channels;
        let feature = patches
            .reshape([batch, rows, columns, height, width, channels])
            .permute([0, 5, 1, 3, 2, 4])
            .reshape([batch, channels, rows * height, columns * width]);
        self.add_feature_maps(maps, feature)
    }

    /// The same function with every batch norm folded into its neighbour. For inference: a folded model
    /// has no batch statistics left to train, and its parameters no longer match the names of files.
    pub fn fold(self) -> TmPose {
        let mut model = TmPose { backbone: self.backbone.fold(), ..self };
        let Some(norm) = model.feature_norm.take() else { return model };
        let (scale, shift) = scale_and_shift(&norm);
        if let Some(head) = model.feature_head.take() {
            model.feature_head = Some(fold_into(head, scale.clone(), shift.clone()));
        }
        let repeat = [model.config.patch_values() / model.config.feature_channels];
        // The channel is the fastest index of a token's values.
        model.patch = fold_into(model.patch, scale.repeat(&repeat), shift.repeat(&repeat));
        model
    }

    fn position_rows(&self, keep: &TokenSelection, kept: usize) -> Tensor<3> {
        positions::kept_rows(self.positions.clone(), keep, kept)
    }
}

/// `layer(x * scale + shift)` as one layer.
fn fold_into(mut layer: Linear, scale: Tensor<1>, shift: Tensor<1>) -> Linear {
    let weight = layer.weight.val();
    let extra: Tensor<1> = shift.unsqueeze::<2>().matmul(weight.clone()).squeeze_dim(0);
    let bias = match &layer.bias {
        Some(bias) => bias.val() + extra,
        None => extra,
    };
    let [values] = scale.dims();
    layer.weight = Param::from_tensor(weight * scale.reshape([values, 1]));
    layer.bias = Some(Param::from_tensor(bias));
    layer
}
