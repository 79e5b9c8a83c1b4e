//! Everything behind the backbone on the CPU, by its engine: from a feature map to heatmaps.

use crate::cpu::profile::OperationTime;
use crate::cpu::{
    Activation, Epilogue, Filter, Net, NetBuilder, Norm, Packs, Part, Plan, Workspace, Workspaces, simd, team,
};
use crate::model::{EncoderLayer, PositionMode, TmPose, TmPoseConfig, numbers, sine_positions};
use crate::vision::Heatmaps;
use burn::nn::{LayerNorm, Linear};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Epsilon of every layer norm (docs/METHOD.md, "Encoder").
const EPSILON: f32 = 1e-5;
/// Plans that are kept: one for each number of tokens, the latest last.
const KEPT_PLANS: usize = 8;

/// Tokenizer, transformers and head of a model.
pub struct CpuTransformer {
    weights: Weights,
    packs: Packs,
    plans: Mutex<Vec<Arc<TokenPlan>>>,
}

/// A plan for a number of visual tokens.
struct TokenPlan {
    tokens: usize,
    plan: Plan,
    workspaces: Workspaces,
}

/// How long tokenizer, transformers and head took, in this order, added up over the persons.
pub type TransformerTimes = [Duration; 3];

/// What [`CpuTransformer::heatmaps`] makes.
pub struct CpuHeatmaps {
    /// Of each person.
    pub maps: Vec<Heatmaps>,
    /// Of all persons; persons who ran beside each other count each.
    pub times: TransformerTimes,
}

impl CpuTransformer {
    /// Copies the weights of a folded `model`, wherever it lives.
    pub fn new(model: &TmPose) -> CpuTransformer {
        let weights = Weights::new(model);
        CpuTransformer { weights, packs: Packs::default(), plans: Mutex::default() }
    }

    /// From the feature map of each person, pixel by pixel, to their heatmaps. `kept` are the visual tokens that enter,
    /// of any person.
    ///
    /// # Panics
    /// When `kept` is empty or names a token that there is not, or a feature has another size.
    pub fn heatmaps(&self, features: &[Vec<f32>], kept: &[usize], positions: PositionMode) -> CpuHeatmaps {
        assert!(!kept.is_empty(), "at least one visual token is kept");
        let TokenPlan { plan, workspaces, .. } = &*self.plan(kept.len());
        let config = &self.weights.config;
        let tokens: Vec<u32> = kept.iter().map(|&token| token as u32).collect();
        let rows = self.weights.position_rows(kept, positions);
        let [feature, x, position_part] = plan.inputs[..] else { unreachable!("a transformer's inputs") };
        let made: Vec<Mutex<(Vec<f32>, TransformerTimes)>> =
            features.iter().map(|_| Mutex::default()).collect();
        let fill = |person: usize, workspace: &mut Workspace| {
            workspace.tokens.clone_from(&tokens);
            workspace.map(plan, feature).copy_from_slice(&features[person]);
            let keypoints = &self.weights.keypoint_tokens;
            workspace.map(plan, x)[..keypoints.len()].copy_from_slice(keypoints);
            workspace.map(plan, position_part).copy_from_slice(&rows);
        };
        let read = |person: usize, workspace: &mut Workspace| {
            let mut times = TransformerTimes::default();
            times.copy_from_slice(&workspace.stages);
            let values = workspace.map(plan, plan.outputs[0]).to_vec();
            *made[person].lock().unwrap_or_else(PoisonError::into_inner) = (values, times);
        };
        workspaces.run(plan, features.len(), &fill, &read);
        let mut times = TransformerTimes::default();
        let mut maps = Vec::with_capacity(made.len());
        for person in made {
            let (values, own) = person.into_inner().unwrap_or_else(PoisonError::into_inner);
            times.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
            maps.push(Heatmaps { values, joints: config.joints, size: config.heatmap });
        }
        CpuHeatmaps { maps, times }
    }

    /// How long its operations take for so many visual tokens on one thread, the fastest of `runs` runs.
    ///
    /// # Panics
    /// When there are not so many tokens.
    pub fn profile(&self, tokens: usize, runs: usize) -> Vec<OperationTime> {
        let TokenPlan { plan, .. } = &*self.plan(tokens);
        let mut workspace = Workspace::new(plan, 1);
        workspace.tokens = (0..tokens as u32).collect();
        plan.profile(&mut workspace, runs)
    }

    /// The plan for so many visual tokens; made when it is first asked for.
    fn plan(&self, tokens: usize) -> Arc<TokenPlan> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let known = plans.iter().position(|plan| plan.tokens == tokens);
        let plan = match known {
            Some(at) => plans.remove(at),
            None => {
                let net = self.weights.build(tokens);
                let plan = Plan::with_packs(&net, simd::kernels(), team::threads(), &self.packs);
                Arc::new(TokenPlan { tokens, plan, workspaces: Workspaces::default() })
            }
        };
        if plans.len() == KEPT_PLANS {
            plans.remove(0);
        }
        plans.push(plan.clone());
        plan
    }
}

/// The weights, in the form of the engine.
struct Weights {
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

impl Weights {
    fn new(model: &TmPose) -> Weights {
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
        Weights {
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
    fn position_rows(&self, kept: &[usize], positions: PositionMode) -> Vec<f32> {
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

    /// The network for `tokens` visual tokens. Its inputs are the feature, the tokens (of which those of the joints are
    /// written) and the positions; its output is a row of cells for each joint.
    fn build(&self, tokens: usize) -> Net {
        let TmPoseConfig { dim, joints, heads, ref heatmap, feature_channels, .. } = self.config;
        let mut net = NetBuilder::new();
        let [height, width] = self.config.feature_size().hw();
        let feature = net.input(height, width, feature_channels);
        let n = joints + tokens;
        let (mut x, positions) = (net.input(n, 1, dim), net.input(n, 1, dim));
        net.embed_into(x, feature, self.config.patch.hw(), self.patch.clone(), positions, joints);
        net.mark_stage();
        let seen = net.map(joints, 1, self.transformers.len() * dim);
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
        net.finish(&[maps])
    }
}

impl LayerWeights {
    fn new(layer: &EncoderLayer, last: bool) -> LayerWeights {
        let all = linear(&layer.qkv);
        let outputs = all.outputs();
        let rows = |first: usize, end: usize| Filter {
            weights: all.weights[first * all.inputs()..end * all.inputs()].to_vec(),
            bias: all.bias[first..end].to_vec(),
            kernel: 1,
        };
        // Nobody asks for visual tokens behind the last layer, so only the joints' rows have queries there.
        let kv = last.then(|| Arc::new(rows(outputs / 3, outputs)));
        let qkv = if last { rows(0, outputs / 3) } else { all.clone() };
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

    /// The layer over the tokens `x`, `n` of which the first `joints` are those of the joints. Changes them in place, but
    /// for the last layer. `positions` are added for the next layer.
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
        let next = if rows == n { x } else { net.map(rows, 1, dim) };
        net.convolution_into(next, &[mixed], self.proj.clone(), 1, plain().plus(x.once()));
        let hidden = net.map(rows, 1, self.fc1.outputs());
        let gelu = Epilogue::new(Activation::Gelu);
        net.norm_linear_into(hidden, next, self.norm2.clone(), self.fc1.clone(), gelu);
        let terms = std::iter::once(next).chain(positions).map(|part| part.once());
        net.convolution_into(next, &[hidden], self.fc2.clone(), 1, plain().plus_all(terms));
        next
    }
}

/// Weight `[inputs, outputs]` of Burn's linear layer as `[outputs][inputs]`.
fn linear(layer: &Linear) -> Filter {
    let [inputs, outputs] = layer.weight.dims();
    let bias = layer.bias.as_ref().map_or_else(|| vec![0.0; outputs], |bias| numbers(bias.val()));
    debug_assert!(inputs > 0);
    Filter { weights: numbers(layer.weight.val().transpose()), bias, kernel: 1 }
}

fn norm(layer: &LayerNorm) -> Norm {
    let gamma = numbers(layer.gamma.val());
    let beta = layer.beta.as_ref().map_or_else(|| vec![0.0; gamma.len()], |beta| numbers(beta.val()));
    Norm { gamma, beta, epsilon: EPSILON }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::audit::audit;
    use crate::model::{KeepRatio, MaskKind, TokenSelection, Variant, fill_params, kept_tokens};
    use crate::pose::Skeleton;
    use burn::prelude::*;

    /// A model whose weights are large enough for every part of it to matter.
    fn model(variant: Variant, depth: usize) -> TmPose {
        let device = Device::flex();
        device.seed(5);
        let config = TmPoseConfig { depth, ..TmPoseConfig::new(variant, Skeleton::coco17()) };
        let model = fill_params(config.init(&device), |param| {
            let count = param.shape.iter().product::<usize>();
            let middle = if param.path.ends_with("gamma") { 1.0 } else { 0.0 };
            let seed = param.path.bytes().map(f32::from).sum::<f32>();
            let value = |i: usize| middle + ((i as f32 * 12.9898 + seed).sin() * 437.585).fract() * 0.12;
            (!param.path.starts_with("backbone") && !param.path.contains("running"))
                .then(|| (0..count).map(value).collect())
        });
        model.fold()
    }

    fn features(model: &TmPose, persons: usize) -> Vec<Vec<f32>> {
        let count = model.config().feature_size().area() * model.config().feature_channels;
        let value = |i: usize| ((i as f32 * 0.7391).sin() * 91.7).fract() * 2.0;
        (0..persons).map(|p| (0..count).map(|i| value(p * count + i)).collect()).collect()
    }

    fn by_burn(model: &TmPose, features: &[Vec<f32>], kept: &[usize], positions: PositionMode) -> Vec<f32> {
        let ([height, width], channels) =
            (model.config().feature_size().hw(), model.config().feature_channels);
        let device = Device::flex();
        let keep = TokenSelection::same(kept, features.len(), &device).with_positions(positions);
        let data = TensorData::new(features.concat(), [features.len(), height, width, channels]);
        let feature = Tensor::<4>::from_data(data, &device).permute([0, 3, 1, 2]);
        numbers(model.forward_features(feature, &keep))
    }

    fn close(what: &str, found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len(), "{what}");
        let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 1e-4 * largest, "{what}: differs by {worst} where the largest value is {largest}");
    }

    fn values(found: CpuHeatmaps) -> Vec<f32> {
        found.maps.into_iter().flat_map(|maps| maps.values).collect()
    }

    fn kept(model: &TmPose, ratio: f64) -> Vec<usize> {
        kept_tokens(MaskKind::Random, KeepRatio::new(ratio).unwrap(), model.config().grid, 3)
    }

    #[test]
    fn every_variant_is_what_burn_computes() {
        for (variant, depth) in
            [(Variant::T, 6), (Variant::S, 2), (Variant::B, 1), (Variant::LD6, 2), (Variant::LD24, 2)]
        {
            let model = model(variant, depth);
            let engine = CpuTransformer::new(&model);
            for ratio in [1.0, 0.6, 0.25] {
                let (kept, features) = (kept(&model, ratio), features(&model, 1));
                let found = values(engine.heatmaps(&features, &kept, PositionMode::Gathered));
                let expected = by_burn(&model, &features, &kept, PositionMode::Gathered);
                close(&format!("{variant} at {ratio}"), &found, &expected);
            }
        }
    }

    #[test]
    fn a_single_token_and_the_positions_of_the_reference_are_right_too() {
        let model = model(Variant::T, 2);
        let engine = CpuTransformer::new(&model);
        let features = features(&model, 1);
        for kept in [vec![200], kept(&model, 0.4)] {
            let found = values(engine.heatmaps(&features, &kept, PositionMode::Prefix));
            close("prefix", &found, &by_burn(&model, &features, &kept, PositionMode::Prefix));
        }
    }

    #[test]
    fn a_person_s_bits_do_not_depend_on_who_else_is_there() {
        let model = model(Variant::T, 2);
        let engine = CpuTransformer::new(&model);
        let (kept, features) = (kept(&model, 0.5), features(&model, 5));
        let together = values(engine.heatmaps(&features, &kept, PositionMode::Gathered));
        let alone: Vec<f32> = features
            .chunks(1)
            .flat_map(|feature| values(engine.heatmaps(feature, &kept, PositionMode::Gathered)))
            .collect();
        assert!(together == alone);
    }

    #[test]
    fn plans_are_kept_and_weights_packed_once() {
        let model = model(Variant::T, 1);
        let engine = CpuTransformer::new(&model);
        let features = features(&model, 1);
        for count in (1..=20).chain(15..=20) {
            let kept: Vec<usize> = (0..count).collect();
            let CpuHeatmaps { times, .. } = engine.heatmaps(&features, &kept, PositionMode::Gathered);
            assert!(times.iter().all(|time| *time > Duration::ZERO), "{times:?}");
        }
        let plans = engine.plans.lock().unwrap();
        assert_eq!(plans.iter().map(|plan| plan.tokens).collect::<Vec<_>>()[2..], [15, 16, 17, 18, 19, 20]);
        assert_eq!(plans.len(), KEPT_PLANS);
    }

    #[test]
    fn plans_are_sound() {
        for variant in [Variant::T, Variant::LD24] {
            let weights = Weights::new(&model(variant, 2));
            for (tokens, members) in [(256, 1), (64, 2), (1, 3), (150, 8)] {
                let net = weights.build(tokens);
                audit(&net, &Plan::new(&net, simd::kernels(), members));
            }
        }
    }
}
