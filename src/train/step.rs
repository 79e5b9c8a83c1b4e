//! The gradient of one step's loss: by hand on the CPU where that is possible, else by autodiff.

use super::config::LossSection;
use super::cpu::{LossFactors, Network, Person, Room};
use super::features::is_bad;
use super::loss::{Goal, LossParts, TargetBatch, loss_and_gradient};
use super::parameters::Layout;
use super::plan::StepPlan;
use crate::data::{ChannelScale, FeatureCache};
use crate::model::{Keep, TmPose};
use burn::prelude::*;
use rayon::prelude::*;

/// Cached features of a training with all that belongs to them.
pub struct CachedSet {
    pub cache: FeatureCache,
    /// Joints of every sample on the heatmap; weight 0 throughout for a picture that cannot be decoded.
    pub joints: Vec<Vec<[f32; 3]>>,
    /// The norm in front of the tokenizer.
    pub scale: ChannelScale,
}

impl CachedSet {
    pub fn new(cache: FeatureCache, mut joints: Vec<Vec<[f32; 3]>>, scale: ChannelScale) -> CachedSet {
        for (index, joints) in joints.iter_mut().enumerate() {
            if is_bad(&cache, index) {
                joints.iter_mut().for_each(|j| j[2] = 0.0);
            }
        }
        CachedSet { cache, joints, scale }
    }

    /// The whole feature, normalised, token by token: [N, patch values].
    pub fn feature(&self, index: usize, out: &mut Vec<f32>) {
        let all: Vec<usize> = (0..self.cache.key().tokens).collect();
        self.patches(index, &all, out);
    }

    /// Patches of the kept tokens, [k, patch values].
    pub fn patches(&self, index: usize, keep: &[usize], out: &mut Vec<f32>) {
        out.resize(keep.len() * self.cache.key().patch_values, 0.0);
        if is_bad(&self.cache, index) {
            out.fill(0.0);
        } else {
            self.cache.gather(index, keep, &self.scale, out);
        }
    }
}

/// One person's input for the hand-written passes.
#[derive(Default)]
pub struct PersonInput {
    pub patches: Vec<f32>,
    pub feature: Vec<f32>,
}

impl PersonInput {
    /// Reads what `network` needs of a sample.
    pub fn read(&mut self, network: &Network, set: &CachedSet, index: usize, keep: &[usize]) {
        if !network.reads_whole_feature() {
            return set.patches(index, keep, &mut self.patches);
        }
        set.feature(index, &mut self.feature);
        let values = set.cache.key().patch_values;
        self.patches.clear();
        keep.iter().for_each(|t| self.patches.extend_from_slice(&self.feature[t * values..(t + 1) * values]));
    }
}

/// Memory of one part of a batch.
#[derive(Default)]
struct Shard {
    room: Room,
    input: PersonInput,
    gradient: Vec<f32>,
}

/// Steps by hand-written passes over cached features.
pub struct HandSteps {
    pub network: Network,
    shards: Vec<Shard>,
    loss: LossSection,
    hw: [usize; 2],
}

impl HandSteps {
    pub fn new(network: Network, shards: usize, loss: LossSection, hw: [usize; 2]) -> HandSteps {
        let shards = (0..shards.max(1)).map(|_| Shard::default()).collect();
        HandSteps { network, shards, loss, hw }
    }

    /// Loss of a step and its gradient with respect to `weights`, written to `out`.
    ///
    /// The batch is cut into a fixed number of parts whose gradients are added in order, so that the
    /// result does not depend on which core was faster.
    pub fn gradient(
        &mut self,
        set: &CachedSet,
        weights: &[f32],
        plan: &StepPlan,
        out: &mut [f32],
    ) -> LossParts {
        let joints = plan.samples.iter().map(|&i| set.joints[i].as_slice());
        let targets = TargetBatch::new(joints, self.hw, self.loss.sigma);
        let (j, [h, w]) = (targets.joints, targets.hw);
        let by = LossFactors {
            mse: (self.loss.mse / (j * targets.persons * h * w) as f64) as f32,
            cross_entropy: (self.loss.cross_entropy / f64::from(targets.total_weight().max(1e-6))) as f32,
            temperature: self.loss.temperature as f32,
        };
        let network = &self.network;
        let part = plan.samples.len().div_ceil(self.shards.len());
        let losses: Vec<LossParts> = self
            .shards
            .par_iter_mut()
            .enumerate()
            .map(|(s, shard)| {
                shard.gradient.clear();
                shard.gradient.resize(weights.len(), 0.0);
                let mut sum = LossParts::default();
                for p in (s * part..(s + 1) * part).take_while(|p| *p < plan.samples.len()) {
                    let joint_weights = &targets.weights[p * j..(p + 1) * j];
                    if joint_weights.iter().all(|w| *w <= 0.0) {
                        continue;
                    }
                    shard.input.read(network, set, plan.samples[p], &plan.keep[p]);
                    let person = Person {
                        patches: &shard.input.patches,
                        feature: &shard.input.feature,
                        keep: &plan.keep[p],
                        across: &targets.across[p * j * w..(p + 1) * j * w],
                        down: &targets.down[p * j * h..(p + 1) * j * h],
                        weights: joint_weights,
                    };
                    let [mse, cross_entropy] =
                        network.pass(weights, &mut shard.gradient, &person, by, &mut shard.room);
                    sum += LossParts { mse, cross_entropy };
                }
                sum
            })
            .collect();
        const CHUNK: usize = 1 << 14;
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(c, out)| {
            out.fill(0.0);
            for shard in &self.shards {
                for (o, g) in out.iter_mut().zip(&shard.gradient[c * CHUNK..]) {
                    *o += g;
                }
            }
        });
        let mut sum = LossParts::default();
        losses.into_iter().for_each(|l| sum += l);
        sum
    }
}

/// A batch's input for autodiff.
pub enum Input {
    /// Normalised features token by token, [B, N, patch values].
    Features(Vec<f32>),
    /// Normalised pictures, [B, 3, H, W].
    Pictures(Vec<f32>),
}

/// Loss of a batch through Burn's autodiff; the gradient is added to `out`.
pub fn recorded_gradient(
    model: &TmPose,
    layout: &Layout,
    input: Input,
    keep: &[Vec<usize>],
    goal: Goal,
    loss: &LossSection,
    out: &mut [f32],
) -> LossParts {
    let config = model.config();
    let batch = keep.len();
    let device = model.patch.weight.val().device().without_autodiff();
    let kept = Keep::per_person(keep, &device);
    let maps = match input {
        Input::Pictures(values) => {
            let shape = [batch, 3, config.input[0], config.input[1]];
            model.forward(Tensor::from_data(TensorData::new(values, shape), &device).autodiff(), &kept)
        }
        Input::Features(values) => {
            let shape = [batch, config.tokens(), config.patch_values()];
            let tokens = Tensor::<3>::from_data(TensorData::new(values, shape), &device).autodiff();
            model.forward_patches(tokens, &kept)
        }
    };
    let (parts, gradient) = loss_and_gradient(maps.clone().inner(), goal.targets, goal.by, loss);
    // The sum of maps x gradient has exactly that gradient with respect to the maps.
    let gradients = (maps * gradient.autodiff()).sum().backward();
    layout.gather(model, gradients, out);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{CacheKey, DataError};
    use crate::model::{ModelConfig, Variant};
    use crate::pose::Skeleton;
    use crate::train::loss::Normaliser;
    use half::f16;

    /// Numbers between -1 and 1 without a pattern.
    fn noise(count: usize, seed: u64) -> Vec<f32> {
        use rand::RngExt;
        let mut rng = crate::data::generator(seed, 0, 0, 0);
        (0..count).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect()
    }

    #[test]
    fn hand_written_passes_agree_with_autodiff() {
        let device = Device::flex().autodiff();
        let mut config = ModelConfig::new(Variant::T, Skeleton::coco17());
        config.depth = 2;
        let model = config.init(&device);
        let layout = Layout::of(&model);
        // Weights large enough that every part of the network matters.
        let weights: Vec<f32> = layout
            .read(&model)
            .iter()
            .zip(noise(layout.count(), 1))
            .map(|(w, n)| w * 2.0 + 0.02 * n)
            .collect();
        let model = layout.write(model, &weights);
        let record = config.tokens() * config.patch_values();
        let key = CacheKey {
            format: CacheKey::FORMAT,
            backbone: String::new(),
            samples: String::new(),
            count: 3,
            tokens: config.tokens(),
            patch_values: config.patch_values(),
            channels: config.feature_channels,
        };
        let dir = tempfile::tempdir().unwrap();
        let numbers = |range: std::ops::Range<usize>| -> Result<Vec<f16>, DataError> {
            Ok(range.flat_map(|i| noise(record, i as u64)).map(f16::from_f32).collect())
        };
        let cache = FeatureCache::open_or_build(dir.path(), key, numbers, |_| (), || false).unwrap().unwrap();
        let joints: Vec<Vec<[f32; 3]>> = (0..3)
            .map(|p| {
                (0..17).map(|j| [p as f32 * 9.0 + j as f32, 3.5 * j as f32, (j % 3) as f32 * 0.5]).collect()
            })
            .collect();
        let channels = config.feature_channels;
        let scale = ChannelScale { mean: vec![0.1; channels], factor: vec![1.5; channels] };
        let set = CachedSet::new(cache, joints, scale);
        let keep = vec![vec![0, 7, 33, 100, 255], vec![1, 2, 3, 4, 5], vec![9, 80, 90, 99, 200]];
        let plan = StepPlan { step: 0, samples: vec![2, 0, 1], rounds: vec![0; 3], keep };
        let loss = LossSection::default();

        let network = Network::new(layout.slots(), &config).unwrap();
        let mut by_hand = vec![0.0; layout.count()];
        let mut steps = HandSteps::new(network, 2, loss.clone(), config.heatmap);
        let hand = steps.gradient(&set, &weights, &plan, &mut by_hand);

        let (mut values, mut one) = (Vec::new(), Vec::new());
        for &index in &plan.samples {
            set.feature(index, &mut one);
            values.extend_from_slice(&one);
        }
        let targets = TargetBatch::new(
            plan.samples.iter().map(|&i| set.joints[i].as_slice()),
            config.heatmap,
            loss.sigma,
        );
        let mut recorded = vec![0.0; layout.count()];
        let input = Input::Features(values);
        let goal = Goal { targets: &targets, by: Normaliser::of(std::slice::from_ref(&targets)) };
        let autodiff = recorded_gradient(&model, &layout, input, &plan.keep, goal, &loss, &mut recorded);

        assert!((hand.mse - autodiff.mse).abs() < 1e-4 * autodiff.mse, "{hand:?} {autodiff:?}");
        let difference = (hand.cross_entropy - autodiff.cross_entropy).abs();
        assert!(difference < 1e-4 * autodiff.cross_entropy, "{hand:?} {autodiff:?}");
        for slot in layout.slots().iter().filter(|s| !s.path.starts_with("backbone.")) {
            let range = slot.start..slot.start + slot.shape.iter().product::<usize>();
            let (a, b) = (&by_hand[range.clone()], &recorded[range]);
            let size = b.iter().fold(0f32, |m, v| m.max(v.abs()));
            let off = a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(off <= 2e-3 * size + 1e-6, "{}: off by {off} where the largest is {size}", slot.path);
        }
    }
}
