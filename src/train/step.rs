//! The gradient of one step's loss: by hand on the CPU where that is possible, else by autodiff.

use super::config::LossSection;
use super::cpu::{LossFactors, Network, Person, Room};
use super::features::is_bad;
use super::loss::{LossParts, Normaliser, TargetBatch, loss_and_gradient};
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

/// Memory of one part of a batch.
#[derive(Default)]
struct Shard {
    room: Room,
    patches: Vec<f32>,
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
                    set.patches(plan.samples[p], &plan.keep[p], &mut shard.patches);
                    let person = Person {
                        patches: &shard.patches,
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
pub enum Input<'a> {
    /// Patches of the kept tokens, [B, k, patch values], and the rows of the position table.
    Patches { values: Vec<f32>, positions: &'a [f32] },
    /// Normalised pictures, [B, 3, H, W].
    Pictures(Vec<f32>),
}

/// Loss of a batch through Burn's autodiff; the gradient is added to `out`.
pub fn recorded_gradient(
    model: &TmPose,
    layout: &Layout,
    input: Input,
    keep: &[Vec<usize>],
    targets: &TargetBatch,
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
        Input::Patches { values, positions } => {
            let (k, d) = (keep[0].len(), config.dim);
            let shape = [batch, k, config.patch_values()];
            let patches = Tensor::<3>::from_data(TensorData::new(values, shape), &device);
            let rows = keep.iter().flatten().flat_map(|t| &positions[t * d..(t + 1) * d]).copied().collect();
            let rows = Tensor::<3>::from_data(TensorData::new::<f32, _>(rows, [batch, k, d]), &device);
            let tokens = model.patch.forward(patches.autodiff()) + rows;
            model.head(model.encode(tokens, &kept))
        }
    };
    let by = Normaliser { persons: batch, weight: targets.total_weight() };
    let (parts, gradient) = loss_and_gradient(maps.clone().inner(), targets, by, loss);
    // The sum of maps x gradient has exactly that gradient with respect to the maps.
    let gradients = (maps * gradient.autodiff()).sum().backward();
    layout.gather(model, gradients, out);
    parts
}
