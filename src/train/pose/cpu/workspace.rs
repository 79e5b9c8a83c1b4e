//! What a pass keeps in memory: what its backward half needs of the forward half, and gradients on the way back.

use super::layers::NormTrace;

/// How many rows of tokens a block works on: `all` of them, of which only the first `queries` are read afterwards.
#[derive(Clone, Copy)]
pub(super) struct BlockRows {
    /// Rows of tokens: keypoints and kept visual tokens.
    pub all: usize,
    /// Rows that are read after the block.
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

/// Gradients on the way back, named after what they are gradients of.
#[derive(Default)]
pub(super) struct GradientBuffers {
    /// Of the tokens.
    pub dx: Vec<f32>,
    /// Of what a layer made that is wider than a token.
    pub dwide: Vec<f32>,
    /// Of what a layer made that is as wide as a token.
    pub dnarrow: Vec<f32>,
    /// Of queries, keys and values, [n, 3 dim].
    pub dqkv: Vec<f32>,
    /// Of one head's attention, [queries, n].
    pub dattention: Vec<f32>,
}

/// Memory of one thread's passes, reused from person to person.
#[derive(Default)]
pub struct Workspace {
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
    /// Room for what one layer makes and the next one reads.
    pub(super) scratch: Vec<f32>,
    /// Gradient of the distillation with respect to one heatmap.
    pub(super) map_gradient: Vec<f32>,
    pub(super) gradients: GradientBuffers,
}
