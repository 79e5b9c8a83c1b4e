//! Where the numbers of each layer lie in the flat vector of weights.

use crate::model::{ModelConfig, sine_positions};
use crate::train::parameters::FlatParam;
use std::ops::Range;

/// Why a model cannot be trained by hand-written passes; autodiff can.
#[derive(Debug, thiserror::Error)]
pub enum CpuNetworkError {
    #[error("the model has no parameter {0}")]
    Missing(String),
    #[error("{0}")]
    Unsupported(&'static str),
}

/// Gain and beta of a layer norm.
#[derive(Clone, Debug)]
pub(super) struct NormParams {
    pub gamma: Range<usize>,
    pub beta: Range<usize>,
}

/// Weight [inputs, outputs] row-major, and bias.
#[derive(Clone, Debug)]
pub(super) struct LinearParams {
    pub weight: Range<usize>,
    /// Empty for a layer without bias.
    pub bias: Range<usize>,
    pub inputs: usize,
    pub outputs: usize,
}

/// One block of the encoder.
#[derive(Clone, Debug)]
pub(super) struct BlockParams {
    pub norm1: NormParams,
    pub qkv: LinearParams,
    pub proj: LinearParams,
    pub norm2: NormParams,
    pub fc1: LinearParams,
    pub fc2: LinearParams,
}

/// Sizes and places of everything behind the backbone.
#[derive(Clone, Debug)]
pub struct CpuNetwork {
    pub(super) patch: LinearParams,
    /// Heatmaps straight from the feature.
    pub(super) feature_head: Option<LinearParams>,
    /// The place in a map of each cell of the feature, which lies token by token.
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
    /// Positions [N, dim].
    pub(super) positions: Vec<f32>,
}

impl CpuNetwork {
    /// Finds every layer of a network of form `config` among `params`.
    ///
    /// # Errors
    /// For a network of another form: several chained transformers, or a single-layer head.
    pub fn new(params: &[FlatParam], config: &ModelConfig) -> Result<CpuNetwork, CpuNetworkError> {
        let find =
            |path: String| params.iter().find(|s| s.path == path).ok_or(CpuNetworkError::Missing(path));
        let norm = |path: &str| -> Result<NormParams, CpuNetworkError> {
            Ok(NormParams {
                gamma: find(format!("{path}.gamma"))?.range(),
                beta: find(format!("{path}.beta"))?.range(),
            })
        };
        let line = |path: &str| -> Result<LinearParams, CpuNetworkError> {
            let weight = find(format!("{path}.weight"))?;
            let &[inputs, outputs] = weight.shape.as_slice() else {
                return Err(CpuNetworkError::Unsupported("a linear layer's weight has split_two dimensions"));
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
                qkv: line(&at("qkv"))?,
                proj: line(&at("proj"))?,
                norm2: norm(&at("norm2"))?,
                fc1: line(&at("fc1"))?,
                fc2: line(&at("fc2"))?,
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
            patch: line("patch")?,
            feature_head: if config.feature_head { Some(line("feature_head")?) } else { None },
            cells: cells(config),
            keypoint_token: token.range(),
            blocks,
            head_norm1: norm("head.norm1")?,
            head_fc1: line("head.fc1")?,
            head_norm2: norm("head.norm2")?,
            head_fc2: line("head.fc2")?,
            dim,
            heads: config.heads,
            scale: config.attention_scale as f32,
            joints,
            positions: sine_positions(config.grid, config.dim),
        })
    }

    /// True when a pass needs the whole feature, whatever tokens are kept.
    pub fn reads_whole_feature(&self) -> bool {
        self.feature_head.is_some()
    }
}

/// Row-major place of each cell in the order of the tokens: token rows, token columns, rows and columns
/// in the token.
fn cells(config: &ModelConfig) -> Vec<usize> {
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
