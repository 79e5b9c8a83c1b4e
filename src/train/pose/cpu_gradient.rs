//! The gradient of a step on the CPU's engine, shared among the cores.

use super::cached::{CachedSet, PersonFeatures};
use super::cpu::{
    BackbonePlan, CpuNetwork, DistillTargets, LossFactors, PassGradients, PassInput, PassSums, PassWorkspace,
    TeacherGradients,
};
use super::loss::{LossNormalizer, PoseLoss, TargetBatch};
use super::loss_spec::LossSpec;
use super::plan::BatchPlan;
use crate::cpu::train::{NormStatistics, StepWeights, TrainWorkspace};
use crate::model::{PoseNet, PoseNetConfig};
use crate::train::distill::TeacherTargetsShape;
use crate::train::parameters::ParamLayout;
use crate::vision::planes_to_pixels;
use burn::module::Module;
use rayon::prelude::*;

/// Memory of one shard of a batch.
#[derive(Default)]
struct Shard {
    memory: PersonMemory,
    /// The teacher's targets for a person.
    teacher_targets: Vec<f32>,
    /// The gradient of a person's feature.
    feature_gradient: Vec<f32>,
}

/// What the passes of a person need and add to.
#[derive(Default)]
struct PersonMemory {
    workspace: PassWorkspace,
    features: PersonFeatures,
    /// The heatmaps of the pass with all tokens, [J, cells].
    full: Vec<f32>,
    /// Sum of the gradients of all persons: of the engine's numbers,
    gradient: Vec<f32>,
    /// and of the keypoint tokens, [J, dim].
    keypoint_tokens: Vec<f32>,
}

/// A batch of pictures.
pub struct PictureInput<'a> {
    /// Normalised crops, [B, 3, H, W].
    pub pixels: &'a [f32],
    /// Kept tokens of each person.
    pub kept: &'a [Vec<usize>],
    /// A teacher's targets: a row for each crop, and what a row is.
    pub teacher: Option<(Vec<f32>, TeacherTargetsShape)>,
}

/// A backbone that learns, and the memory for it.
struct Backbone {
    plan: BackbonePlan,
    /// Of a batch's persons.
    workspaces: Vec<TrainWorkspace>,
    /// Of the engine's numbers, shard by shard.
    gradients: Vec<Vec<f32>>,
}

/// Computes the gradients of steps on the CPU's engine.
pub struct CpuGradient {
    /// The network behind the backbone.
    pub network: CpuNetwork,
    /// The backbone, if it learns too.
    backbone: Option<Backbone>,
    shards: Vec<Shard>,
    config: PoseNetConfig,
}

impl CpuGradient {
    /// For batches that are cut into `shards` shards; `teacher` says what a teacher compares. `None` for a family of networks
    /// that the engine does not know.
    pub fn new(
        model: &PoseNet,
        layout: &ParamLayout,
        shards: usize,
        frozen_backbone: bool,
        teacher: TeacherGradients,
    ) -> Option<CpuGradient> {
        let gradients = PassGradients { feature: !frozen_backbone, teacher };
        let model = &model.valid();
        let network = CpuNetwork::new(model, layout, gradients)?;
        let backbone = (!frozen_backbone).then(|| Backbone {
            plan: BackbonePlan::new(model, layout),
            workspaces: Vec::new(),
            gradients: Vec::new(),
        });
        let shards = (0..shards.max(1)).map(|_| Shard::default()).collect();
        Some(CpuGradient { network, backbone, shards, config: model.config() })
    }

    /// Loss of a step and its gradient with respect to `numbers`, written to `out`. `sets` has the features
    /// of each draw of the crops.
    ///
    /// The batch is cut into a fixed number of shards whose gradients are added in order, so that the result does not depend
    /// on which core was faster.
    pub fn of_features(
        &mut self,
        sets: &[CachedSet],
        numbers: &[f32],
        plan: &BatchPlan,
        loss_spec: &LossSpec,
        out: &mut [f32],
    ) -> PoseLoss {
        let targets = plan.targets(sets, self.config.heatmap(), loss_spec.loss.sigma);
        let normalizer = LossNormalizer::of(std::slice::from_ref(&targets));
        let CpuGradient { network, shards, config, .. } = self;
        let weights = network.pack(numbers);
        let context = PassContext {
            network,
            loss_spec,
            config,
            numbers,
            weights: &weights,
            targets: &targets,
            normalizer,
        };
        let part = plan.samples.len().div_ceil(shards.len());
        let sum_of = |(s, shard): (usize, &mut Shard)| {
            context.clear(shard);
            let mut sum = PoseLoss::default();
            for p in (s * part..(s + 1) * part).take_while(|p| *p < plan.samples.len()) {
                if targets.has_targets(p) {
                    sum += context.cached_person(p, plan.set(sets, p), plan, shard);
                }
            }
            sum
        };
        let losses: Vec<PoseLoss> = shards.par_iter_mut().enumerate().map(sum_of).collect();
        out.fill(0.0);
        add_shards(network, shards, out);
        added(losses)
    }

    /// Loss of a batch of pictures and its gradient with respect to `numbers`, which is added to `out`; `normalizer` is that
    /// of all batches whose gradients are added. Returns what the batch norms saw, too.
    ///
    /// # Panics
    /// When the backbone is frozen.
    pub fn of_pictures(
        &mut self,
        input: &PictureInput,
        numbers: &[f32],
        targets: &TargetBatch,
        normalizer: LossNormalizer,
        loss_spec: &LossSpec,
        out: &mut [f32],
    ) -> (PoseLoss, Vec<NormStatistics>) {
        let CpuGradient { network, backbone, shards, config } = self;
        let Some(Backbone { plan: BackbonePlan { plan }, workspaces, gradients }) = backbone else {
            unreachable!("pictures are learnt from where the backbone learns")
        };
        let persons = input.kept.len();
        workspaces.resize_with(workspaces.len().max(persons), TrainWorkspace::default);
        let batch = &mut workspaces[..persons];
        let crops = input.pixels.par_chunks_exact(input.pixels.len() / persons.max(1));
        batch.par_iter_mut().zip(crops).for_each(|(workspace, crop)| {
            workspace.fit(plan);
            planes_to_pixels(crop, 3, workspace.input(plan, 0));
        });
        let (weights, backbone_weights) = rayon::join(|| network.pack(numbers), || plan.pack(numbers));
        let seen = plan.forward_batch(&backbone_weights, batch);
        let context =
            PassContext { network, loss_spec, config, numbers, weights: &weights, targets, normalizer };
        let part = persons.div_ceil(shards.len()).max(1);
        let sum_of = |(s, (shard, batch)): (usize, (&mut Shard, &mut [TrainWorkspace]))| {
            context.clear(shard);
            let Shard { memory, feature_gradient, .. } = shard;
            let mut sum = PoseLoss::default();
            for (i, workspace) in batch.iter_mut().enumerate() {
                let p = s * part + i;
                let feature = &*workspace.output(plan, 0);
                feature_gradient.clear();
                feature_gradient.resize(feature.len(), 0.0);
                if targets.has_targets(p) {
                    let distill = input.teacher.as_ref().map(|(rows, shape)| {
                        DistillTargets::of_row(&rows[p * shape.len()..(p + 1) * shape.len()], shape)
                    });
                    let distill = distill.unwrap_or_default();
                    let feature = FeatureSource::Given(feature);
                    let person = Person { p, kept: &input.kept[p], distill, feature };
                    sum += context.person(person, memory, Some(feature_gradient));
                }
                workspace.given(plan, 0).copy_from_slice(feature_gradient);
            }
            sum
        };
        let parts = shards.par_iter_mut().zip(batch.par_chunks_mut(part)).enumerate();
        let losses: Vec<PoseLoss> = parts.map(sum_of).collect();
        let used = persons.div_ceil(part);
        add_shards(network, &mut shards[..used], out);
        gradients.resize_with(gradients.len().max(used), || plan.no_gradient());
        let gradients = &mut gradients[..used];
        gradients.par_iter_mut().for_each(|gradient| gradient.fill(0.0));
        plan.backward_batch(&backbone_weights, batch, &seen, gradients);
        let sum = sum_in_order(gradients.iter_mut().map(|gradient| &mut gradient[..]).collect());
        plan.add_gradient(sum, 1.0, out);
        (added(losses), seen)
    }
}

fn added(losses: Vec<PoseLoss>) -> PoseLoss {
    losses.into_iter().fold(PoseLoss::default(), |mut sum, loss| {
        sum += loss;
        sum
    })
}

/// Adds the gradients of all shards, in order, to that of the flat vector.
fn add_shards(network: &CpuNetwork, shards: &mut [Shard], out: &mut [f32]) {
    if let Some(range) = network.keypoint_token_range() {
        for shard in shards.iter() {
            out[range.clone()].iter_mut().zip(&shard.memory.keypoint_tokens).for_each(|(o, g)| *o += g);
        }
    }
    let sum = sum_in_order(shards.iter_mut().map(|shard| &mut shard.memory.gradient[..]).collect());
    network.any_plan().add_gradient(sum, 1.0, out);
}

/// The sum of vectors of one length, in order, which takes the place of the first.
fn sum_in_order(parts: Vec<&mut [f32]>) -> &mut [f32] {
    const CHUNK: usize = 1 << 14;
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else { return &mut [] };
    let others: Vec<&mut [f32]> = parts.collect();
    first.par_chunks_mut(CHUNK).enumerate().for_each(|(c, sum)| {
        for other in &others {
            sum.iter_mut().zip(&other[c * CHUNK..]).for_each(|(sum, g)| *sum += g);
        }
    });
    first
}

/// A person of a batch.
struct Person<'a> {
    /// Its number in the batch.
    p: usize,
    /// The tokens that its planned pass keeps.
    kept: &'a [usize],
    distill: DistillTargets<'a>,
    feature: FeatureSource<'a>,
}

/// Where a person's feature comes from.
#[derive(Clone, Copy)]
enum FeatureSource<'a> {
    /// A sample of a cached set.
    Cached(&'a CachedSet, usize),
    /// `[H, W, channels]`.
    Given(&'a [f32]),
}

/// What all shards of a step have in common.
struct PassContext<'a> {
    network: &'a CpuNetwork,
    loss_spec: &'a LossSpec,
    config: &'a PoseNetConfig,
    numbers: &'a [f32],
    weights: &'a [StepWeights],
    targets: &'a TargetBatch,
    normalizer: LossNormalizer,
}

impl PassContext<'_> {
    /// Forgets the gradients of the last step.
    fn clear(&self, shard: &mut Shard) {
        let PersonMemory { gradient, keypoint_tokens, .. } = &mut shard.memory;
        let tokens = self.config.joints() * self.config.dim();
        for (sum, len) in [(gradient, self.network.any_plan().gradient_len()), (keypoint_tokens, tokens)] {
            sum.resize(len, 0.0);
            sum.fill(0.0);
        }
    }

    /// Loss of all passes of person number `p` of the plan, from its cached feature.
    fn cached_person(&self, p: usize, set: &CachedSet, plan: &BatchPlan, shard: &mut Shard) -> PoseLoss {
        let Shard { memory, teacher_targets, .. } = shard;
        let index = plan.samples[p];
        let mut distill = DistillTargets::default();
        if let Some(cache) = &set.teacher_targets {
            cache.read(index, teacher_targets);
            distill = DistillTargets::of_row(teacher_targets, &cache.shape);
        }
        memory.features.open(self.network, set, index);
        let feature = FeatureSource::Cached(set, index);
        self.person(Person { p, kept: &plan.kept[p], distill, feature }, memory, None)
    }

    /// Loss of all passes of a person; gradients are added to those of `memory` and to `feature_gradient`.
    fn person(
        &self,
        person: Person,
        memory: &mut PersonMemory,
        mut feature_gradient: Option<&mut Vec<f32>>,
    ) -> PoseLoss {
        let PassContext { network, targets, .. } = self;
        let Person { p, kept, distill, feature } = person;
        let (j, [h, w]) = (targets.joints, targets.heatmap.hw());
        let PersonMemory { workspace, features, full, gradient, keypoint_tokens } = memory;
        let passes = self.loss_spec.passes.of(kept);
        let factors = self.factors(self.normalizer.shared_by(passes.len()));
        let mut sum = PoseLoss::default();
        for (i, kept) in passes.iter().enumerate() {
            let feature = match feature {
                FeatureSource::Given(feature) => feature,
                FeatureSource::Cached(set, index) => {
                    features.keep(network, set, index, kept);
                    &features.feature
                }
            };
            // The heatmaps of the first of several passes are the targets of the others.
            let (distill, maps) = if i == 0 {
                (distill, (passes.len() > 1).then_some(&mut *full))
            } else {
                (DistillTargets { full: full.as_slice(), ..distill }, None)
            };
            let input = PassInput {
                feature,
                kept,
                target_x: &targets.target_x[p * j * w..(p + 1) * j * w],
                target_y: &targets.target_y[p * j * h..(p + 1) * j * h],
                weights: &targets.weights[p * j..(p + 1) * j],
                distill,
            };
            let gradients = PassSums {
                numbers: gradient,
                keypoint_tokens,
                feature: feature_gradient.as_mut().map(|sum| &mut sum[..]),
            };
            sum += network.pass(self.numbers, self.weights, &input, factors, gradients, maps, workspace);
        }
        sum
    }

    /// The factors of the sums that the loss consists of.
    fn factors(&self, normalizer: LossNormalizer) -> LossFactors {
        let (loss, [h, w]) = (&self.loss_spec.loss, self.config.heatmap().hw());
        let distill = self.loss_spec.distill.factors(normalizer.persons, self.config);
        LossFactors {
            mse: (loss.mse / (self.config.joints() * normalizer.persons.max(1) * h * w) as f64) as f32,
            cross_entropy: (loss.cross_entropy / f64::from(normalizer.weight.max(1e-6))) as f32,
            temperature: loss.temperature as f32,
            full: distill.sandwich as f32,
            maps: distill.heatmaps as f32,
            keypoints: distill.tokens as f32,
            attention: distill.attention as f32,
        }
    }
}

#[cfg(test)]
mod tests;
