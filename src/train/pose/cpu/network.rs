//! The network behind the backbone, as ranges of the flat vector of weights.

use crate::model::{PoseNetConfig, TmPoseConfig, sine_positions};
use crate::train::parameters::FlatParam;
use std::ops::Range;

/// Why a model cannot be trained by hand-written passes; autodiff can.
#[derive(Debug, thiserror::Error)]
pub enum CpuNetworkError {
    /// A parameter is not trained, or the architecture has none of this path.
    #[error("the model has no parameter {0}")]
    Missing(String),
    /// The architecture has a part that there is no hand-written pass for.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// Gamma and beta of a layer norm.
#[derive(Clone, Debug)]
pub(super) struct NormParams {
    pub gamma: Range<usize>,
    pub beta: Range<usize>,
}

/// Weight and bias of a linear layer.
#[derive(Clone, Debug)]
pub(super) struct LinearParams {
    /// [inputs, outputs] row-major.
    pub weight: Range<usize>,
    /// Empty for a layer without bias.
    pub bias: Range<usize>,
    /// Numbers in a row of its input.
    pub inputs: usize,
    /// Numbers in a row of its output.
    pub outputs: usize,
}

/// One block of the encoder: attention and MLP, each behind a layer norm.
#[derive(Clone, Debug)]
pub(super) struct BlockParams {
    pub norm1: NormParams,
    pub qkv: LinearParams,
    pub proj: LinearParams,
    pub norm2: NormParams,
    pub fc1: LinearParams,
    pub fc2: LinearParams,
}

/// Sizes and parameters of everything behind the backbone.
#[derive(Clone, Debug)]
pub struct CpuNetwork {
    pub(super) patch: LinearParams,
    /// Draws heatmaps of the feature itself.
    pub(super) feature_head: Option<LinearParams>,
    /// For each cell of the feature, which lies token by token, its index in a heatmap.
    pub(super) cells: Vec<usize>,
    pub(super) keypoint_token: Range<usize>,
    pub(super) blocks: Vec<BlockParams>,
    pub(super) head_norm1: NormParams,
    pub(super) head_fc1: LinearParams,
    pub(super) head_norm2: NormParams,
    pub(super) head_fc2: LinearParams,
    pub(super) dim: usize,
    pub(super) heads: usize,
    pub(super) scale: f32,
    pub(super) joints: usize,
    /// The visual tokens' positions, [N, dim].
    pub(super) positions: Vec<f32>,
}

impl CpuNetwork {
    /// Finds every layer of a network with the architecture `config` among its trained parameters.
    ///
    /// # Errors
    /// There is no hand-written pass for the architecture: several chained transformers, or a head of a single layer.
    pub fn new(params: &[FlatParam], config: &PoseNetConfig) -> Result<CpuNetwork, CpuNetworkError> {
        let config = config
            .as_tmpose()
            .ok_or(CpuNetworkError::Unsupported("only TMPose's family has passes written by hand"))?;
        let find =
            |path: String| params.iter().find(|s| s.path == path).ok_or(CpuNetworkError::Missing(path));
        let norm = |path: &str| -> Result<NormParams, CpuNetworkError> {
            Ok(NormParams {
                gamma: find(format!("{path}.gamma"))?.range(),
                beta: find(format!("{path}.beta"))?.range(),
            })
        };
        let linear = |path: &str| -> Result<LinearParams, CpuNetworkError> {
            let weight = find(format!("{path}.weight"))?;
            let &[inputs, outputs] = weight.shape.as_slice() else {
                return Err(CpuNetworkError::Unsupported("a linear layer's weight has two dimensions"));
            };
            let bias = find(format!("{path}.bias")).map(FlatParam::range).unwrap_or(0..0);
            Ok(LinearParams { weight: weight.range(), bias, inputs, outputs })
        };
        if params.iter().any(|s| s.path.starts_with("encoders.1.")) {
            return Err(CpuNetworkError::Unsupported("chained transformers are trained through autodiff"));
        }
        let mut blocks = Vec::new();
        while params.iter().any(|s| s.path == format!("encoders.0.layers.{}.qkv.weight", blocks.len())) {
            let at = |part: &str| format!("encoders.0.layers.{}.{part}", blocks.len());
            let block = BlockParams {
                norm1: norm(&at("norm1"))?,
                qkv: linear(&at("qkv"))?,
                proj: linear(&at("proj"))?,
                norm2: norm(&at("norm2"))?,
                fc1: linear(&at("fc1"))?,
                fc2: linear(&at("fc2"))?,
            };
            blocks.push(block);
        }
        let token = find("keypoint_token".into())?;
        let &[_, joints, dim] = token.shape.as_slice() else {
            return Err(CpuNetworkError::Unsupported("keypoint tokens have three dimensions"));
        };
        if blocks.is_empty() {
            return Err(CpuNetworkError::Unsupported("a transformer has at least one layer"));
        }
        Ok(CpuNetwork {
            patch: linear("patch")?,
            feature_head: if config.feature_head { Some(linear("feature_head")?) } else { None },
            cells: cells(config),
            keypoint_token: token.range(),
            blocks,
            head_norm1: norm("head.norm1")?,
            head_fc1: linear("head.fc1")?,
            head_norm2: norm("head.norm2")?,
            head_fc2: linear("head.fc2")?,
            dim,
            heads: config.heads,
            scale: config.attention_scale as f32,
            joints,
            positions: sine_positions(config.grid, config.dim),
        })
    }

    /// Whether a pass reads the whole feature, however many tokens are kept.
    pub fn reads_whole_feature(&self) -> bool {
        self.feature_head.is_some()
    }
}

/// For each cell of the feature, its row-major index in a heatmap. The feature lies token by token: token rows, token
/// columns, rows in the token, columns in the token.
fn cells(config: &TmPoseConfig) -> Vec<usize> {
    let ([rows, columns], [height, width]) = (config.grid.hw(), config.patch.hw());
    let mut cells = Vec::with_capacity(rows * columns * height * width);
    for token in 0..rows * columns {
        for y in 0..height {
            for x in 0..width {
                let (row, column) = (token / columns * height + y, token % columns * width + x);
                cells.push(row * columns * width + column);
            }
        }
    }
    cells
}
