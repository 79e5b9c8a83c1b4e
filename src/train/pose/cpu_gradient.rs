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
mod tests {
    use super::*;
    use crate::data::{CacheKey, ChannelScale, DataError, FeatureCache};
    use crate::model::{PoseNet, Variant};
    use crate::pose::Skeleton;
    use crate::train::config::TrainConfig;
    use crate::train::distill::{TeacherTargetParts, TeacherTargetsShape};
    use crate::train::meter::LossTerms;
    use crate::train::parameters::ParamLayout;
    use crate::train::parameters::running_statistics;
    use crate::train::pose::autodiff::{AutodiffBatch, AutodiffInput, AutodiffStep};
    use crate::train::pose::cached::TeacherTargetsCache;
    use burn::prelude::*;
    use half::f16;

    /// Numbers between -1 and 1 without a pattern.
    fn noise(count: usize, seed: u64) -> Vec<f32> {
        use rand::RngExt;
        let mut rng = crate::data::generator(seed, 0, 0, 0);
        (0..count).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect()
    }

    /// A network whose every part matters, persons to train it on and a step's plan for them.
    struct Scene {
        model: PoseNet,
        layout: ParamLayout,
        weights: Vec<f32>,
        sets: Vec<CachedSet>,
        plan: BatchPlan,
        /// Holds the caches' files.
        _folder: tempfile::TempDir,
    }

    const PERSONS: usize = 4;

    fn cache(
        folder: &std::path::Path,
        tokens: usize,
        patch_values: usize,
        numbers: &dyn Fn(usize) -> Vec<f32>,
    ) -> FeatureCache {
        let key = CacheKey {
            format: CacheKey::FORMAT,
            backbone: String::new(),
            samples: String::new(),
            count: PERSONS,
            tokens,
            patch_values,
            channels: 1,
        };
        let records = |range: std::ops::Range<usize>| -> Result<Vec<f16>, DataError> {
            Ok(range.flat_map(numbers).map(f16::from_f32).collect())
        };
        FeatureCache::open_or_build(folder, key, records, |_| (), || false).unwrap().unwrap()
    }

    fn scene() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let config = PoseNetConfig::new(Variant::T, Skeleton::coco17()).with_depth(2);
        let model = config.init(&Device::flex().autodiff());
        let layout = ParamLayout::of(&model);
        // Weights large enough that every part of the network matters.
        let weights: Vec<f32> = layout
            .read(&model)
            .iter()
            .zip(noise(layout.count(), 1))
            .map(|(w, n)| w * 2.0 + 0.02 * n)
            .collect();
        let model = layout.write(model, &weights);
        let record = config.tokens() * config.patch_values();
        let features = cache(&folder.path().join("features"), config.tokens(), config.patch_values(), &|i| {
            noise(record, i as u64)
        });
        let shape = TeacherTargetsShape {
            joints: 17,
            heatmap: config.heatmap(),
            layers: 2,
            dim: config.dim(),
            tokens: config.tokens(),
            parts: TeacherTargetParts { maps: true, keypoints: true, attention: true },
        };
        let teacher_targets = cache(&folder.path().join("teacher_targets"), 1, shape.len(), &|i| {
            let mut row = noise(shape.len(), 50 + i as u64);
            row[shape.attention()].iter_mut().for_each(|share| *share = share.abs());
            row
        });
        // Of the last person nothing is known.
        let joint = |p: usize, j: usize| {
            let weight = if p == 3 { 0.0 } else { (j % 3) as f32 * 0.5 };
            [p as f32 * 9.0 + j as f32, 3.5 * j as f32, weight]
        };
        let joints = (0..PERSONS).map(|p| (0..17).map(|j| joint(p, j)).collect()).collect();
        let set = CachedSet::new(features, joints, ChannelScale { mean: vec![0.1], factor: vec![1.5] });
        let set =
            CachedSet { teacher_targets: Some(TeacherTargetsCache::new(teacher_targets, shape)), ..set };
        let kept = [[0, 7, 33, 100, 255], [1, 2, 3, 4, 5], [9, 80, 90, 99, 200], [10, 20, 30, 40, 50]];
        let kept = kept.map(|k| k.to_vec()).to_vec();
        let plan = BatchPlan { step: 0, samples: vec![2, 0, 3, 1], epochs: vec![0; PERSONS], kept };
        Scene { model, layout, weights, sets: vec![set], plan, _folder: folder }
    }

    impl Scene {
        fn on_cpu(&self, config: &TrainConfig) -> (PoseLoss, Vec<f32>) {
            let shape = self.model.config();
            let loss_spec = LossSpec::new(config, shape.grid());
            let mut gradient = vec![0.0; self.layout.count()];
            let teacher = TeacherGradients::of(&loss_spec.distill);
            let mut steps = CpuGradient::new(&self.model, &self.layout, 2, true, teacher).unwrap();
            (steps.of_features(&self.sets, &self.weights, &self.plan, &loss_spec, &mut gradient), gradient)
        }

        fn by_autodiff(&self, config: &TrainConfig) -> (PoseLoss, Vec<f32>) {
            let (shape, set, plan) = (self.model.config(), &self.sets[0], &self.plan);
            let mut batch = AutodiffBatch::of_features(plan.clone(), &self.sets, &Device::flex());
            batch.teacher_targets = batch.teacher_targets.filter(|_| config.distillation.teacher.is_some());
            let joints = plan.samples.iter().map(|&i| set.joints[i].as_slice());
            let targets = TargetBatch::new(joints, shape.heatmap(), config.loss.sigma);
            let loss_spec = LossSpec::new(config, shape.grid());
            let mut gradient = vec![0.0; self.layout.count()];
            let step = AutodiffStep { model: &self.model, layout: &self.layout, loss_spec: &loss_spec };
            let parts = step.gradient(std::iter::once(batch), &[targets], &mut gradient);
            (parts, gradient)
        }

        fn both_agree(&self, config: &TrainConfig) -> PoseLoss {
            let ((engine, on_cpu), (autodiff, by_autodiff)) = (self.on_cpu(config), self.by_autodiff(config));
            let terms = |l: PoseLoss| [l.mse, l.cross_entropy, l.sandwich, l.teacher];
            for (a, b) in terms(engine).into_iter().zip(terms(autodiff)) {
                assert!((a - b).abs() <= 1e-4 * b.abs(), "{engine:?} {autodiff:?}");
            }
            for param in self.layout.params().iter().filter(|s| !s.path.starts_with("backbone.")) {
                let range = param.range();
                let (a, b) = (&on_cpu[range.clone()], &by_autodiff[range]);
                let size = b.iter().fold(0f32, |m, v| m.max(v.abs()));
                let off = a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
                assert!(
                    off <= 2e-3 * size + 1e-6,
                    "{}: off by {off} where the largest is {size}",
                    param.path
                );
            }
            engine
        }
    }

    #[test]
    fn the_engine_agrees_with_autodiff() {
        let scene = scene();
        let plain = scene.both_agree(&TrainConfig::default());
        assert!(plain.mse > 0.0 && plain.cross_entropy > 0.0 && plain.sandwich + plain.teacher == 0.0);

        let mut sandwich = TrainConfig::default();
        sandwich.masks.sandwich = true;
        assert!(scene.both_agree(&sandwich).sandwich > 0.0);

        // Each of a teacher's terms large enough that a wrong gradient shows.
        for weights in [[1.0, 0.0, 0.0], [0.0, 300.0, 0.0], [0.0, 0.0, 300.0], [1.0, 300.0, 300.0]] {
            let mut taught = sandwich.clone();
            let d = &mut taught.distillation;
            d.teacher = Some("teacher.safetensors".into());
            [d.heatmaps, d.tokens, d.attention] = weights;
            let loss = scene.both_agree(&taught);
            assert!(loss.teacher > 0.1 * loss.sum(), "{loss:?}");
        }
    }

    #[test]
    fn the_gradient_is_the_slope_of_all_terms_together() {
        let mut scene = scene();
        let mut config = TrainConfig::default();
        config.distillation.teacher = Some("teacher.safetensors".into());
        (config.distillation.tokens, config.distillation.attention) = (30.0, 30.0);
        let (_, gradient) = scene.on_cpu(&config);
        let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let start = scene.weights.clone();
        let mut along = |distance: f64| {
            let step = distance / length;
            let moved = start.iter().zip(&gradient).map(|(w, g)| w + (f64::from(*g) * step) as f32);
            scene.weights = moved.collect();
            scene.on_cpu(&config).0.sum()
        };
        let slope = (along(2e-3) - along(-2e-3)) / 4e-3;
        assert!((slope / length - 1.0).abs() < 0.02, "slope {slope}, length of the gradient {length}");
    }

    /// The engine and autodiff learn the same from two pictures, backbone and batch norms included.
    fn pictures_agree(variant: Variant, tolerance: f64) {
        let config = PoseNetConfig::new(variant, Skeleton::coco17()).with_depth(1);
        let device = Device::flex();
        device.seed(3);
        let model = config.init(&device.clone().autodiff());
        let layout = ParamLayout::of(&model);
        let weights: Vec<f32> =
            layout.read(&model).iter().zip(noise(layout.count(), 1)).map(|(w, n)| w + 0.01 * n).collect();
        let model = layout.write(model, &weights);
        let pixels = noise(2 * 3 * config.input().area(), 4);
        let all = config.tokens();
        let kept = vec![(0..all / 3).collect::<Vec<usize>>(), (all / 2..all / 2 + all / 3).collect()];
        let joints: Vec<Vec<[f32; 3]>> = [4.0, 20.0]
            .map(|x| (0..17).map(|j| [x + j as f32, 3.0 * j as f32, (j % 3) as f32 * 0.5]).collect())
            .to_vec();
        let loss_spec = {
            let mut config = TrainConfig::default();
            config.masks.sandwich = true;
            LossSpec::new(&config, model.config().grid())
        };
        let targets = TargetBatch::new(joints.iter().map(Vec::as_slice), config.heatmap(), 2.0);

        let teacher = TeacherGradients::default();
        let mut engine = CpuGradient::new(&model, &layout, 2, false, teacher).unwrap();
        let input = PictureInput { pixels: &pixels, kept: &kept, teacher: None };
        let normalizer = LossNormalizer::of(std::slice::from_ref(&targets));
        let mut own = vec![0.0; layout.count()];
        let (loss, seen) = engine.of_pictures(&input, &weights, &targets, normalizer, &loss_spec, &mut own);
        let taught = layout.with_statistics(model.clone(), &seen);

        let batch = AutodiffBatch { input: AutodiffInput::Pictures(pixels), kept, teacher_targets: None };
        let mut theirs = vec![0.0; layout.count()];
        let step = AutodiffStep { model: &model, layout: &layout, loss_spec: &loss_spec };
        let other = step.gradient(std::iter::once(batch), &[targets], &mut theirs);
        for (a, b) in [(loss.mse, other.mse), (loss.cross_entropy, other.cross_entropy)] {
            assert!((a - b).abs() <= 1e-3 * b.abs(), "{loss:?} {other:?}");
        }
        let whole = theirs.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let mut compared = 0;
        for param in layout.params() {
            let (a, b) = (&own[param.range()], &theirs[param.range()]);
            let size = b.iter().fold(0f32, |m, v| m.max(v.abs()));
            let off = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
            let length = b.iter().map(|b| f64::from(*b).powi(2)).sum::<f64>().sqrt();
            // In front of a batch norm a bias has no gradient but rounding.
            let allowed = tolerance * length + 1e-4 * whole;
            assert!(off <= allowed, "{}: off by {off} of {length}, all {whole}", param.path);
            compared += usize::from(size > 0.0);
        }
        assert!(compared * 10 > layout.params().len() * 9, "gradients of {compared} parameters");
        let [a, b] = [&taught, &model].map(|model| running_statistics(model));
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() <= 1e-3 * b.abs().max(1e-2), "running statistic {a}, not {b}");
        }
    }

    #[test]
    fn the_engine_learns_tmpose_t_from_pictures_as_autodiff_does() {
        pictures_agree(Variant::T, 0.01);
    }

    #[test]
    fn the_engine_learns_hrnet_with_its_batch_norms_as_autodiff_does() {
        // A rectifier whose input is zero but for rounding is open in the one and shut in the other; small as the random
        // weights in front of a hundred batch norms are, one pixel's gradient shows.
        pictures_agree(Variant::S, 0.05);
        pictures_agree(Variant::B, 0.05);
    }
}
