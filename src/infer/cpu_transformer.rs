//! Tokenizer, transformers and head of a model, written down for the CPU's engine.

use crate::cpu::{Activation, Epilogue, Filter, Net, NetBuilder, Norm, Origin, Part, WeightOrder};
use crate::model::{EncoderLayer, PositionMode, TmPose, TmPoseConfig, numbers, sine_positions};
use crate::vision::Heatmaps;
use burn::nn::{LayerNorm, Linear};
use std::sync::Arc;

/// Epsilon of every layer norm (docs/METHOD.md, "Encoder").
const EPSILON: f32 = 1e-5;

/// The visual tokens that enter, of any person, and the positions that they are given.
#[derive(Clone, Copy, Debug)]
pub struct EnteringTokens<'a> {
    /// Their places in the grid.
    pub kept: &'a [usize],
    /// Which row of the position table each gets.
    pub positions: PositionMode,
}

/// The weights, in the form of the engine.
pub struct TransformerWeights {
    config: TmPoseConfig,
    patch: Arc<Filter>,
    /// `[J, dim]`.
    keypoint_tokens: Vec<f32>,
    /// `[N, dim]`.
    positions: Vec<f32>,
    /// Of each transformer, layer by layer.
    transformers: Vec<Vec<LayerWeights>>,
    head: Vec<(Norm, Arc<Filter>)>,
    /// Draws heatmaps from the feature's channels at each cell.
    feature_head: Option<Arc<Filter>>,
}

struct LayerWeights {
    norm1: Norm,
    /// Queries, keys and values; of the last layer of all, queries alone.
    qkv: Arc<Filter>,
    /// Keys and values, in the last layer of all.
    kv: Option<Arc<Filter>>,
    proj: Arc<Filter>,
    norm2: Norm,
    fc1: Arc<Filter>,
    fc2: Arc<Filter>,
}

impl TransformerWeights {
    /// Copies the weights of a folded `model`, wherever it lives.
    pub fn new(model: &TmPose) -> TransformerWeights {
        let config = model.config();
        let last = model.encoders.len().saturating_sub(1);
        let transformers = model.encoders.iter().enumerate().map(|(t, encoder)| {
            let final_layer = encoder.layers.len().saturating_sub(1);
            let layers = encoder.layers.iter().enumerate();
            layers.map(|(i, layer)| LayerWeights::new(layer, (t, i) == (last, final_layer))).collect()
        });
        let head = &model.head;
        let mut layers = vec![(norm(&head.norm1), Arc::new(linear(&head.fc1)))];
        if let (Some(second), Some(fc)) = (&head.norm2, &head.fc2) {
            layers.push((norm(second), Arc::new(linear(fc))));
        }
        TransformerWeights {
            config: config.clone(),
            patch: Arc::new(linear(&model.patch)),
            keypoint_tokens: numbers(model.keypoint_token.val()),
            positions: sine_positions(config.grid, config.dim),
            transformers: transformers.collect(),
            head: layers,
            feature_head: model.feature_head.as_ref().map(|head| Arc::new(linear(head))),
        }
    }

    /// What is added to each token: nothing to those of the joints, its position to each visual one.
    pub fn position_rows(&self, EnteringTokens { kept, positions }: EnteringTokens) -> Vec<f32> {
        let dim = self.config.dim;
        let mut rows = vec![0.0; (self.config.joints + kept.len()) * dim];
        let visual = rows[self.config.joints * dim..].chunks_exact_mut(dim);
        for (place, (row, &token)) in visual.zip(kept).enumerate() {
            let position = match positions {
                PositionMode::Gathered => token,
                PositionMode::Prefix => place,
            };
            row.copy_from_slice(&self.positions[position * dim..][..dim]);
        }
        rows
    }

    /// `[J, dim]`: what the tokens of the joints are at first.
    pub fn keypoint_tokens(&self) -> &[f32] {
        &self.keypoint_tokens
    }

    /// What the network makes of a person, as heatmaps.
    pub fn heatmaps(&self, values: Vec<f32>) -> Heatmaps {
        Heatmaps { values, joints: self.config.joints, size: self.config.heatmap }
    }

    /// A feature map that is written before a run.
    pub fn feature_input(&self, net: &mut NetBuilder) -> Part {
        let [height, width] = self.config.feature_size().hw();
        net.input(height, width, self.config.feature_channels)
    }

    /// Finishes the network behind `feature` for `tokens` visual tokens. Beside what `net` has, its inputs are the tokens
    /// (of which those of the joints are written) and the positions; its output is a row of cells for each joint, and, if it
    /// is `traced`, the tokens behind each layer, those of the joints first.
    pub fn build(&self, mut net: NetBuilder, feature: Part, tokens: usize, traced: bool) -> Net {
        let TmPoseConfig { dim, joints, heads, ref heatmap, .. } = self.config;
        let n = joints + tokens;
        let (mut x, positions) = (net.input(n, 1, dim), net.input(n, 1, dim));
        net.embed_into(x, feature, self.config.patch.hw(), self.patch.clone(), positions, joints);
        net.mark_stage();
        let seen = net.map(joints, 1, self.transformers.len() * dim);
        let mut behind_layers = Vec::new();
        for (t, layers) in self.transformers.iter().enumerate() {
            for (i, layer) in layers.iter().enumerate() {
                let positions = (i + 1 < layers.len()).then_some(positions);
                x = layer.build(
                    &mut net,
                    x,
                    [n, joints],
                    heads,
                    self.config.attention_scale as f32,
                    positions,
                );
                behind_layers.push(x);
            }
            net.sum_into(seen.channels(t * dim, dim), vec![x.once()]);
        }
        net.mark_stage();
        let mut maps = seen;
        for (norm, filter) in &self.head {
            let output = net.map(joints, 1, filter.outputs());
            let linear = Epilogue::new(Activation::None);
            net.norm_linear_into(output, maps, norm.clone(), filter.clone(), linear);
            maps = output;
        }
        debug_assert_eq!(maps.channels, heatmap.area(), "cells of a heatmap");
        if let Some(head) = &self.feature_head {
            let own = net.convolution(&[feature], head.clone(), 1, Epilogue::new(Activation::None));
            net.transpose_into(maps, own, true);
        }
        let trace = if traced { &behind_layers[..] } else { &[] };
        net.finish(&[&[maps], trace].concat())
    }
}

impl LayerWeights {
    fn new(layer: &EncoderLayer, last: bool) -> LayerWeights {
        let all = linear(&layer.qkv);
        let outputs = all.outputs();
        // Nobody asks for visual tokens behind the last layer, so only the joints' rows have queries there.
        let kv = last.then(|| Arc::new(all.some_outputs(outputs / 3..outputs)));
        let qkv = if last { all.some_outputs(0..outputs / 3) } else { all };
        LayerWeights {
            norm1: norm(&layer.norm1),
            qkv: Arc::new(qkv),
            kv,
            proj: Arc::new(linear(&layer.proj)),
            norm2: norm(&layer.norm2),
            fc1: Arc::new(linear(&layer.fc1)),
            fc2: Arc::new(linear(&layer.fc2)),
        }
    }

    /// The layer over the tokens `x`, `n` of which the first `joints` are those of the joints; the last layer makes those
    /// alone. `positions` are added for the next layer.
    fn build(
        &self,
        net: &mut NetBuilder,
        x: Part,
        [n, joints]: [usize; 2],
        heads: usize,
        scale: f32,
        positions: Option<Part>,
    ) -> Part {
        let dim = x.channels;
        let plain = || Epilogue::new(Activation::None);
        let (rows, [queries, keys, values]) = match &self.kv {
            None => {
                let qkv = net.map(n, 1, 3 * dim + NetBuilder::VALUE_MARGIN).channels(0, 3 * dim);
                net.norm_linear_into(qkv, x, self.norm1.clone(), self.qkv.clone(), plain());
                (n, [0, 1, 2].map(|i| qkv.channels(i * dim, dim)))
            }
            Some(filter) => {
                let queries = net.map(joints, 1, dim);
                net.norm_linear_into(queries, x, self.norm1.clone(), self.qkv.clone(), plain());
                let kv = net.map(n, 1, 2 * dim + NetBuilder::VALUE_MARGIN).channels(0, 2 * dim);
                net.norm_linear_into(kv, x, self.norm1.clone(), filter.clone(), plain());
                (joints, [queries, kv.channels(0, dim), kv.channels(dim, dim)])
            }
        };
        let keys = net.transposed_keys(keys);
        let mixed = net.attention(queries, keys, values, heads, scale);
        let [seen, next] = [0; 2].map(|_| net.map(rows, 1, dim));
        net.convolution_into(seen, &[mixed], self.proj.clone(), 1, plain().plus(x.once()));
        let hidden = net.map(rows, 1, self.fc1.outputs());
        let gelu = Epilogue::new(Activation::Gelu);
        net.norm_linear_into(hidden, seen, self.norm2.clone(), self.fc1.clone(), gelu);
        let terms = std::iter::once(seen).chain(positions).map(|part| part.once());
        net.convolution_into(next, &[hidden], self.fc2.clone(), 1, plain().plus_all(terms));
        next
    }
}

/// Weight `[inputs, outputs]` of Burn's linear layer as `[outputs][inputs]`.
fn linear(layer: &Linear) -> Filter {
    let [inputs, outputs] = layer.weight.dims();
    let bias = layer.bias.as_ref().map_or_else(|| vec![0.0; outputs], |bias| numbers(bias.val()));
    debug_assert!(inputs > 0);
    let bias_id = layer.bias.as_ref().map(|bias| bias.id.val());
    let origin = Origin::whole(layer.weight.id.val(), bias_id, outputs, WeightOrder::InputsFirst);
    Filter { weights: numbers(layer.weight.val().transpose()), bias, kernel: 1, origin: Some(origin) }
}

fn norm(layer: &LayerNorm) -> Norm {
    let gamma = numbers(layer.gamma.val());
    let beta = layer.beta.as_ref().map_or_else(|| vec![0.0; gamma.len()], |beta| numbers(beta.val()));
    let origin = layer.beta.as_ref().map(|beta| [layer.gamma.id.val(), beta.id.val()]);
    Norm { gamma, beta, epsilon: EPSILON, origin }
}
