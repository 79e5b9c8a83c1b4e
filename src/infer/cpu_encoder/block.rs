//! One block of a transformer, over a strip of rows.

use super::rooms::{StripRoom, first};
use crate::cpu::transformer::{add_bias, bias_gelu, layer_norm, softmax};
use crate::cpu::{Into, Mat, multiply};
use crate::model::{Layer, ModelConfig};
use burn::nn::{LayerNorm, Linear};
use burn::prelude::*;

/// The weights of a block, and what happens around it.
pub(super) struct Block {
    norm1: Norm,
    qkv: Line,
    proj: Line,
    norm2: Norm,
    fc1: Line,
    fc2: Line,
    dim: usize,
    heads: usize,
    scale: f32,
    /// The visual tokens are given their positions before they enter.
    pub adds_positions: bool,
    /// The number of the transformer whose last block it is.
    pub ends: Option<usize>,
}

struct Norm {
    gain: Vec<f32>,
    shift: Vec<f32>,
}

/// Weight `[inputs, outputs]` row-major, and bias; empty for a layer without.
struct Line {
    weight: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

impl Block {
    pub fn new(layer: &Layer, config: &ModelConfig, adds_positions: bool, ends: Option<usize>) -> Block {
        Block {
            norm1: Norm::new(&layer.norm1),
            qkv: Line::new(&layer.qkv),
            proj: Line::new(&layer.proj),
            norm2: Norm::new(&layer.norm2),
            fc1: Line::new(&layer.fc1),
            fc2: Line::new(&layer.fc2),
            dim: config.dim,
            heads: config.heads,
            scale: config.attention_scale as f32,
            adds_positions,
            ends,
        }
    }

    /// Queries (of the first `queries` rows only), keys and values of the rows `x`, side by side in `qkv`.
    pub fn enter(&self, x: &[f32], qkv: &mut [f32], queries: usize, room: &mut StripRoom) {
        let (d, wide) = (self.dim, 3 * self.dim);
        let rows = x.len() / d;
        let normed = first(&mut room.normed, x.len());
        self.norm1.forward(x, normed);
        let all = Mat::new(normed, rows, d, d);
        if queries >= rows {
            multiply(all, self.qkv.columns(0), qkv, wide, Into::Replace);
            return;
        }
        multiply(all, self.qkv.columns(d), &mut qkv[d..], wide, Into::Replace);
        let asked = Mat::new(normed, queries, d, d);
        let query = Mat::new(&self.qkv.weight, d, d, wide);
        multiply(asked, query, qkv, wide, Into::Replace);
    }

    /// Attention of the rows `x`, the first of which is row `start`, to all rows of `qkv`, then the MLP; each
    /// is added to `x`.
    pub fn leave(&self, x: &mut [f32], qkv: &[f32], start: usize, room: &mut StripRoom) {
        let (d, wide) = (self.dim, 3 * self.dim);
        let (rows, n) = (x.len() / d, qkv.len() / wide);
        let size = d / self.heads;
        let mixed = first(&mut room.mixed, rows * d);
        let shares = first(&mut room.shares, rows * n);
        for at in (0..d).step_by(size) {
            let q = Mat::new(&qkv[start * wide + at..], rows, size, wide);
            let k = Mat::new(&qkv[d + at..], n, size, wide);
            let v = Mat::new(&qkv[2 * d + at..], n, size, wide);
            multiply(q, k.t(), shares, n, Into::Replace);
            softmax(shares, n, self.scale);
            multiply(Mat::new(shares, rows, n, n), v, &mut mixed[at..], d, Into::Replace);
        }
        self.proj.add_to(x, mixed);
        let normed = first(&mut room.normed, rows * d);
        self.norm2.forward(x, normed);
        let hidden = first(&mut room.hidden, rows * self.fc1.outputs);
        multiply(Mat::new(normed, rows, d, d), self.fc1.columns(0), hidden, self.fc1.outputs, Into::Replace);
        bias_gelu(hidden, &self.fc1.bias);
        self.fc2.add_to(x, hidden);
    }
}

impl Norm {
    fn new(norm: &LayerNorm) -> Norm {
        let gain = values(norm.gamma.val());
        let shift = norm.beta.as_ref().map_or_else(|| vec![0.0; gain.len()], |beta| values(beta.val()));
        Norm { gain, shift }
    }

    fn forward(&self, x: &[f32], out: &mut [f32]) {
        layer_norm(x, &self.gain, &self.shift, out);
    }
}

impl Line {
    fn new(layer: &Linear) -> Line {
        let [inputs, outputs] = layer.weight.dims();
        let bias = layer.bias.as_ref().map_or_else(Vec::new, |bias| values(bias.val()));
        Line { weight: values(layer.weight.val()), bias, inputs, outputs }
    }

    /// The weight's columns from `start` on.
    fn columns(&self, start: usize) -> Mat<'_> {
        Mat::new(&self.weight[start..], self.inputs, self.outputs - start, self.outputs)
    }

    /// `x += from W + bias`.
    fn add_to(&self, x: &mut [f32], from: &[f32]) {
        let rows = from.len() / self.inputs;
        multiply(Mat::new(from, rows, self.inputs, self.inputs), self.columns(0), x, self.outputs, Into::Add);
        add_bias(x, &self.bias);
    }
}

/// A tensor's numbers, row-major.
pub(super) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_into_vec().expect("the data were converted to f32 just now")
}
