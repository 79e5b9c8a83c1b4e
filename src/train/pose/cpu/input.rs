//! What a pass is given: one person's tokens, targets and the factors of the loss.

use crate::train::distill::TeacherTargetsShape;

/// The input of one pass of one person.
pub struct PassInput<'a> {
    /// The feature, normalised, [H, W, channels]; without a feature head only the kept patches are read.
    pub feature: &'a [f32],
    /// Indices of the kept tokens in the grid, ascending.
    pub kept: &'a [usize],
    /// Factors of the target heatmaps along x, [J, W].
    pub target_x: &'a [f32],
    /// Factors of the target heatmaps along y, [J, H].
    pub target_y: &'a [f32],
    /// Weights of the joints, [J].
    pub weights: &'a [f32],
    /// Targets besides the annotations.
    pub distill: DistillTargets<'a>,
}

/// Targets of a pass besides the annotations; a part that is not learnt from is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct DistillTargets<'a> {
    /// The heatmaps that the same network makes of all tokens, [J, cells].
    pub full: &'a [f32],
    /// A teacher's heatmaps, [J, cells].
    pub maps: &'a [f32],
    /// A teacher's keypoint tokens after the layer that each layer of the student is compared with, [layers, J, dim].
    pub keypoints: &'a [f32],
    /// Attention of these tokens to each visual token, up to a factor for each row, [layers, J, N].
    pub attention: &'a [f32],
}

impl<'a> DistillTargets<'a> {
    /// A teacher's targets: the parts of a row.
    pub fn of_row(row: &'a [f32], shape: &TeacherTargetsShape) -> DistillTargets<'a> {
        DistillTargets {
            full: &[],
            maps: &row[shape.maps()],
            keypoints: &row[shape.keypoints()],
            attention: &row[shape.attention()],
        }
    }
}

/// Factors of the terms of the loss, divided by the size of the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossFactors {
    /// Of the halved squared error of the heatmaps.
    pub mse: f32,
    /// Of the softmax cross-entropy of the heatmaps.
    pub cross_entropy: f32,
    /// The heatmaps are multiplied by this before the softmax.
    pub temperature: f32,
    /// Of the halved squared error to [`DistillTargets::full`].
    pub full: f32,
    /// Of the halved squared error to [`DistillTargets::maps`].
    pub maps: f32,
    /// Of the squared error of the keypoint tokens.
    pub keypoints: f32,
    /// Of the Kullback-Leibler divergence of each keypoint token's attention.
    pub attention: f32,
}
