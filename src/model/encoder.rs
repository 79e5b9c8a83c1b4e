//! The transformer encoder: pre-norm blocks over keypoint and visual tokens (docs/METHOD.md, "Encoder").

use super::TmPoseConfig;
use super::config::linear;
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::prelude::*;
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::module::{attention, linear as linear_map};
use burn::tensor::ops::AttentionModuleOptions;

/// One block: attention, then MLP, each on a normalised input and added to it.
#[derive(Module, Debug)]
pub struct EncoderLayer {
    /// Norm in front of the attention.
    pub norm1: LayerNorm,
    /// `[dim, 3 dim]`: columns q, k, v, each head-major.
    pub qkv: Linear,
    /// Joins the heads' outputs, `dim` to `dim`.
    pub proj: Linear,
    /// Norm in front of the MLP.
    pub norm2: LayerNorm,
    /// First layer of the MLP, `dim` to `dim * mlp_ratio`; GELU follows.
    pub fc1: Linear,
    /// Second layer of the MLP, back to `dim`.
    pub fc2: Linear,
    heads: usize,
    scale: f64,
}

impl EncoderLayer {
    fn new(config: &TmPoseConfig, device: &Device) -> EncoderLayer {
        let (dim, hidden) = (config.dim, config.dim * config.mlp_ratio);
        EncoderLayer {
            norm1: LayerNormConfig::new(dim).init(device),
            qkv: linear(dim, 3 * dim, false, device),
            proj: linear(dim, dim, true, device),
            norm2: LayerNormConfig::new(dim).init(device),
            fc1: linear(dim, hidden, true, device),
            fc2: linear(hidden, dim, true, device),
            heads: config.heads,
            scale: config.attention_scale,
        }
    }

    /// `[B,n,dim]` to `[B,n,dim]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, n, dim] = x.dims();
        let qkv = self.qkv.forward(self.norm1.forward(x.clone()));
        let [q, k, v] = split_heads(qkv.reshape([batch, n, 3, self.heads, dim / self.heads]));
        let y = self.attend(q, k, v);
        self.finish(x, y)
    }

    /// The first `queries` tokens of [`EncoderLayer::forward`]'s result. Keys and values still come from all
    /// tokens, but no other token is asked or passed through the MLP: nothing reads those of a last layer.
    pub fn forward_first(&self, x: Tensor<3>, queries: usize) -> Tensor<3> {
        let [batch, n, dim] = x.dims();
        let head_dim = dim / self.heads;
        let weight = self.qkv.weight.val();
        let normed = self.norm1.forward(x.clone());
        let first = normed.clone().slice([0..batch, 0..queries]);
        let q = linear_map(first, weight.clone().slice([0..dim, 0..dim]), None);
        let q = q.reshape([batch, queries, self.heads, head_dim]).swap_dims(1, 2);
        let kv = linear_map(normed, weight.slice([0..dim, dim..3 * dim]), None);
        let [k, v] = split_heads(kv.reshape([batch, n, 2, self.heads, head_dim]));
        let y = self.attend(q, k, v);
        self.finish(x.slice([0..batch, 0..queries]), y)
    }

    /// How much each of the first `joints` tokens of `x` looks at each token behind them, the mean of all
    /// heads: `[B,joints,n - joints]`. A row is a part of a softmax over all n, so it sums to less than 1.
    pub fn keypoint_attention(&self, x: Tensor<3>, joints: usize) -> Tensor<3> {
        let [batch, n, dim] = x.dims();
        let head_dim = dim / self.heads;
        let weight = self.qkv.weight.val();
        let normed = self.norm1.forward(x);
        let first = normed.clone().slice([0..batch, 0..joints]);
        let q = linear_map(first, weight.clone().slice([0..dim, 0..dim]), None);
        let q = q.reshape([batch, joints, self.heads, head_dim]).swap_dims(1, 2);
        let k = linear_map(normed, weight.slice([0..dim, dim..2 * dim]), None);
        let k = k.reshape([batch, n, self.heads, head_dim]).swap_dims(1, 2);
        let weights = softmax(q.mul_scalar(self.scale).matmul(k.swap_dims(2, 3)), 3);
        weights.mean_dim(1).reshape([batch, joints, n]).narrow(2, joints, n - joints)
    }

    /// `[B,heads,q,head_dim]` queries to `[B,q,dim]` mixed values.
    fn attend(&self, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<3> {
        let [batch, heads, queries, head_dim] = q.dims();
        let y = if q.device().is_autodiff() {
            // Autodiff takes the fused operation apart into more steps over the large logits than these,
            // and keeps each of them for the backward pass.
            let logits = q.mul_scalar(self.scale).matmul(k.swap_dims(2, 3));
            softmax(logits, 3).matmul(v)
        } else {
            let options = AttentionModuleOptions { scale: Some(self.scale), ..Default::default() };
            attention(q, k, v, None, None, options)
        };
        y.swap_dims(1, 2).reshape([batch, queries, heads * head_dim])
    }

    fn finish(&self, x: Tensor<3>, attended: Tensor<3>) -> Tensor<3> {
        let x = x + self.proj.forward(attended);
        let hidden = gelu(self.fc1.forward(self.norm2.forward(x.clone())));
        x + self.fc2.forward(hidden)
    }
}

/// `[B,n,parts,heads,head_dim]` to parts of `[B,heads,n,head_dim]`.
fn split_heads<const PARTS: usize>(x: Tensor<5>) -> [Tensor<4>; PARTS] {
    let [batch, n, _, heads, head_dim] = x.dims();
    let x = x.permute([2, 0, 3, 1, 4]);
    std::array::from_fn(|i| x.clone().narrow(0, i, 1).reshape([batch, heads, n, head_dim]))
}

/// One transformer: layers that see the positions again before every layer but the first
/// ("sine-full").
#[derive(Module, Debug)]
pub struct Encoder {
    /// In the order in which they run.
    pub layers: Vec<EncoderLayer>,
}

impl Encoder {
    pub(super) fn new(config: &TmPoseConfig, device: &Device) -> Encoder {
        Encoder { layers: (0..config.depth).map(|_| EncoderLayer::new(config, device)).collect() }
    }

    /// `[B,J+k,dim]` to the same. `positions` is `[B or 1, J+k, dim]`: 0 for the keypoint tokens, the
    /// position for the visual ones. `watch` sees the tokens before and after each layer.
    pub(super) fn forward(&self, x: Tensor<3>, positions: &Tensor<3>, watch: &mut impl Watch) -> Tensor<3> {
        self.layers.iter().enumerate().fold(x, |x, (i, layer)| {
            let x = add_positions(x, i, positions);
            watch.before(layer, &x);
            let x = layer.forward(x);
            watch.after(&x);
            x
        })
    }

    /// The `joints` keypoint tokens of [`Encoder::forward`], without computing what only the others need.
    pub(super) fn forward_keypoints(
        &self,
        x: Tensor<3>,
        positions: &Tensor<3>,
        joints: usize,
        watch: &mut impl Watch,
    ) -> Tensor<3> {
        let last = self.layers.len().saturating_sub(1);
        self.layers.iter().enumerate().fold(x, |x, (i, layer)| {
            let x = add_positions(x, i, positions);
            watch.before(layer, &x);
            let x = if i == last { layer.forward_first(x, joints) } else { layer.forward(x) };
            watch.after(&x);
            x
        })
    }
}

/// Sees the tokens on their way through the layers.
pub(super) trait Watch {
    /// `x` `[B,J+k,dim]` is about to enter `layer`.
    fn before(&mut self, layer: &EncoderLayer, x: &Tensor<3>);
    /// What came out: `[B,J+k,dim]`, or `[B,J,dim]` after the very last layer.
    fn after(&mut self, x: &Tensor<3>);
}

/// Nobody watches.
impl Watch for () {
    fn before(&mut self, _: &EncoderLayer, _: &Tensor<3>) {}
    fn after(&mut self, _: &Tensor<3>) {}
}

/// What the keypoint tokens become in each layer and what they look at there; what one network can learn
/// from another besides its heatmaps.
#[derive(Debug)]
pub struct EncoderTrace {
    joints: usize,
    wants_attention: bool,
    /// After each layer, `[B,J,dim]`.
    pub keypoints: Vec<Tensor<3>>,
    /// In each layer, `[B,J,k]`, see [`EncoderLayer::keypoint_attention`]; empty when it was not asked for.
    pub attention: Vec<Tensor<3>>,
}

impl EncoderTrace {
    /// For a network of `joints` joints.
    pub fn new(joints: usize, wants_attention: bool) -> EncoderTrace {
        EncoderTrace { joints, wants_attention, keypoints: Vec::new(), attention: Vec::new() }
    }
}

impl Watch for EncoderTrace {
    fn before(&mut self, layer: &EncoderLayer, x: &Tensor<3>) {
        if self.wants_attention {
            self.attention.push(layer.keypoint_attention(x.clone(), self.joints));
        }
    }

    fn after(&mut self, x: &Tensor<3>) {
        self.keypoints.push(x.clone().narrow(1, 0, self.joints));
    }
}

fn add_positions(x: Tensor<3>, layer: usize, positions: &Tensor<3>) -> Tensor<3> {
    if layer == 0 { x } else { x + positions.clone() }
}
