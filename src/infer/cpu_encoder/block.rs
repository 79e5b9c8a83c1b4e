//! One block of a transformer, over a strip of rows.

use super::workspace::{StripWorkspace, first};
use crate::cpu::transformer::{add_bias, bias_gelu, layer_norm, softmax};
use crate::cpu::{Mat, OutputMode, multiply};
use crate::model::{EncoderLayer, TmPoseConfig, numbers};
use burn::nn::{LayerNorm, Linear};

/// The weights of a block, and what happens around it.
pub(super) struct EncoderBlock {
    norm1: LayerNormWeights,
    qkv: LinearWeights,
    proj: LinearWeights,
    norm2: LayerNormWeights,
    fc1: LinearWeights,
    fc2: LinearWeights,
    dim: usize,
    heads: usize,
    scale: f32,
    /// The visual tokens are given their positions before they enter.
    pub adds_positions: bool,
    /// The number of the transformer whose last block it is.
    pub ends: Option<usize>,
}

struct LayerNormWeights {
    gamma: Vec<f32>,
    beta: Vec<f32>,
}

/// Weight `[inputs, outputs]` row-major, and bias; empty for a layer without.
struct LinearWeights {
    weight: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

impl EncoderBlock {
    pub fn new(
        layer: &EncoderLayer,
        config: &TmPoseConfig,
        adds_positions: bool,
        ends: Option<usize>,
    ) -> EncoderBlock {
        EncoderBlock {
            norm1: LayerNormWeights::new(&layer.norm1),
            qkv: LinearWeights::new(&layer.qkv),
            proj: LinearWeights::new(&layer.proj),
            norm2: LayerNormWeights::new(&layer.norm2),
            fc1: LinearWeights::new(&layer.fc1),
            fc2: LinearWeights::new(&layer.fc2),
            dim: config.dim,
            heads: config.heads,
            scale: config.attention_scale as f32,
            adds_positions,
            ends,
        }
    }

    /// Queries (of the first `queries` rows only), keys and values of the rows `x`, side by side in `qkv`.
    pub fn enter(&self, x: &[f32], qkv: &mut [f32], queries: usize, workspace: &mut StripWorkspace) {
        let (d, wide) = (self.dim, 3 * self.dim);
        let rows = x.len() / d;
        let normed = first(&mut workspace.normed, x.len());
        self.norm1.forward(x, normed);
        let all = Mat::new(normed, rows, d, d);
        if queries >= rows {
            multiply(all, self.qkv.columns(0), qkv, wide, OutputMode::Replace);
            return;
        }
        multiply(all, self.qkv.columns(d), &mut qkv[d..], wide, OutputMode::Replace);
        let asked = Mat::new(normed, queries, d, d);
        let query = Mat::new(&self.qkv.weight, d, d, wide);
        multiply(asked, query, qkv, wide, OutputMode::Replace);
    }

    /// Attention of the rows `x`, the first of which is row `start`, to all rows of `qkv`, then the MLP; each
    /// is added to `x`.
    pub fn leave(&self, x: &mut [f32], qkv: &[f32], start: usize, workspace: &mut StripWorkspace) {
        let (d, wide) = (self.dim, 3 * self.dim);
        let (rows, n) = (x.len() / d, qkv.len() / wide);
        let size = d / self.heads;
        let mixed = first(&mut workspace.mixed, rows * d);
        let attention = first(&mut workspace.attention, rows * n);
        for at in (0..d).step_by(size) {
            let q = Mat::new(&qkv[start * wide + at..], rows, size, wide);
            let k = Mat::new(&qkv[d + at..], n, size, wide);
            let v = Mat::new(&qkv[2 * d + at..], n, size, wide);
            multiply(q, k.t(), attention, n, OutputMode::Replace);
            softmax(attention, n, self.scale);
            multiply(Mat::new(attention, rows, n, n), v, &mut mixed[at..], d, OutputMode::Replace);
        }
        self.proj.add_to(x, mixed);
        let normed = first(&mut workspace.normed, rows * d);
        self.norm2.forward(x, normed);
        let hidden = first(&mut workspace.hidden, rows * self.fc1.outputs);
        multiply(
            Mat::new(normed, rows, d, d),
            self.fc1.columns(0),
            hidden,
            self.fc1.outputs,
            OutputMode::Replace,
        );
        bias_gelu(hidden, &self.fc1.bias);
        self.fc2.add_to(x, hidden);
    }
}

impl LayerNormWeights {
    fn new(norm: &LayerNorm) -> LayerNormWeights {
        let gamma = numbers(norm.gamma.val());
        let beta = norm.beta.as_ref().map_or_else(|| vec![0.0; gamma.len()], |beta| numbers(beta.val()));
        LayerNormWeights { gamma, beta }
    }

    fn forward(&self, x: &[f32], out: &mut [f32]) {
        layer_norm(x, &self.gamma, &self.beta, out);
    }
}

impl LinearWeights {
    fn new(layer: &Linear) -> LinearWeights {
        let [inputs, outputs] = layer.weight.dims();
        let bias = layer.bias.as_ref().map_or_else(Vec::new, |bias| numbers(bias.val()));
        LinearWeights { weight: numbers(layer.weight.val()), bias, inputs, outputs }
    }

    /// The weight's columns from `start` on.
    fn columns(&self, start: usize) -> Mat<'_> {
        Mat::new(&self.weight[start..], self.inputs, self.outputs - start, self.outputs)
    }

    /// `x += from W + bias`.
    fn add_to(&self, x: &mut [f32], from: &[f32]) {
        let rows = from.len() / self.inputs;
        multiply(
            Mat::new(from, rows, self.inputs, self.inputs),
            self.columns(0),
            x,
            self.outputs,
            OutputMode::Add,
        );
        add_bias(x, &self.bias);
    }
}
