//! The memory of a pass: what its backward half reads of the forward half, and gradients.

use super::layers::NormTrace;

/// Numbers of rows of tokens that a block works on.
#[derive(Clone, Copy)]
pub(super) struct BlockRows {
    /// All rows: J keypoints and k kept visual tokens.
    pub all: usize,
    /// The first rows, which alone are read after the block: all of them, or the keypoints after the last block.
    pub queries: usize,
}

/// What the backward pass needs from a block.
#[derive(Default)]
pub(super) struct BlockTrace {
    /// The first layer norm, [n, dim].
    pub norm1: NormTrace,
    /// Queries, keys and values, [n, 3 dim]; of the last block, the queries are those of the keypoint rows.
    pub qkv: Vec<f32>,
    /// Attention [heads, queries, n].
    pub attention: Vec<f32>,
    /// Values mixed by attention, [queries, dim].
    pub mixed: Vec<f32>,
    /// The second layer norm, [queries, dim].
    pub norm2: NormTrace,
    /// The MLP's hidden numbers after the GELU, [queries, hidden].
    pub hidden: Vec<f32>,
    /// Derivative of the GELU at each hidden number.
    pub slope: Vec<f32>,
    /// The keypoint tokens after the block, [J, dim].
    pub keypoints: Vec<f32>,
    /// Gradient of the distillation with respect to the keypoint tokens, [J, dim]; empty without one.
    pub keypoint_gradient: Vec<f32>,
    /// Gradient of the distillation with respect to each head's attention, [J, k]; empty without one.
    pub attention_gradient: Vec<f32>,
}

/// Gradients with respect to what their names say.
#[derive(Default)]
pub(super) struct GradientBuffers {
    /// Of the tokens.
    pub dx: Vec<f32>,
    /// Of a layer's output that is wider than a token.
    pub dwide: Vec<f32>,
    /// Of a layer's output that is as wide as a token.
    pub dnarrow: Vec<f32>,
    /// Of queries, keys and values, [n, 3 dim].
    pub dqkv: Vec<f32>,
    /// Of one head's attention, [queries, n].
    pub dattention: Vec<f32>,
}

/// Scratch memory of one thread's passes, reused from person to person.
#[derive(Default)]
pub struct PassWorkspace {
    /// The tokens, keypoints first, [J + k, dim].
    pub(super) x: Vec<f32>,
    /// What each block left for the backward pass.
    pub(super) blocks: Vec<BlockTrace>,
    /// The head's first layer norm, [J, dim].
    pub(super) head1: NormTrace,
    /// What the head's first linear layer makes, [J, hidden].
    pub(super) head_hidden: Vec<f32>,
    /// The head's second layer norm, [J, hidden].
    pub(super) head2: NormTrace,
    /// Heatmaps [J, cells], later their gradient.
    pub(super) maps: Vec<f32>,
    /// What one layer makes and the next one reads.
    pub(super) scratch: Vec<f32>,
    /// Gradient of the distillation with respect to one heatmap.
    pub(super) map_gradient: Vec<f32>,
    pub(super) gradients: GradientBuffers,
}
