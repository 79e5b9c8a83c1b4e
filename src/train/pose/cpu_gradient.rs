//! The gradient of a step by hand-written passes over cached features, shared among the cores.

use super::cached::{CachedSet, PersonFeatures};
use super::cpu::{CpuNetwork, DistillTargets, LossFactors, PassInput, PassWorkspace};
use super::loss::{LossNormalizer, PoseLoss, TargetBatch};
use super::loss_spec::LossSpec;
use super::plan::BatchPlan;
use crate::model::PoseNetConfig;
use rayon::prelude::*;

/// Memory of one shard of a batch.
#[derive(Default)]
struct Shard {
    workspace: PassWorkspace,
    features: PersonFeatures,
    /// The teacher's targets for a person.
    teacher_targets: Vec<f32>,
    /// The heatmaps of a person's pass with all tokens, [J, cells].
    full: Vec<f32>,
    /// Sum of the gradients of its persons, as a flat vector.
    gradient: Vec<f32>,
}

/// Computes the gradients of steps by hand-written passes over cached features.
pub struct CpuGradient {
    /// The network behind the backbone.
    pub network: CpuNetwork,
    shards: Vec<Shard>,
    config: PoseNetConfig,
}

impl CpuGradient {
    /// For batches that are cut into `shards` shards.
    pub fn new(network: CpuNetwork, shards: usize, config: PoseNetConfig) -> CpuGradient {
        let shards = (0..shards.max(1)).map(|_| Shard::default()).collect();
        CpuGradient { network, shards, config }
    }

    /// Loss of a step and its gradient with respect to `weights`, written to `out`. `sets` has the features
    /// of each draw of the crops.
    ///
    /// The batch is cut into a fixed number of shards whose gradients are added in order, so that the result does not depend
    /// on which core was faster.
    pub fn gradient(
        &mut self,
        sets: &[CachedSet],
        weights: &[f32],
        plan: &BatchPlan,
        loss_spec: &LossSpec,
        out: &mut [f32],
    ) -> PoseLoss {
        let targets = plan.targets(sets, self.config.heatmap(), loss_spec.loss.sigma);
        let normalizer = LossNormalizer::of(std::slice::from_ref(&targets));
        let CpuGradient { network, shards, config } = self;
        let context =
            ShardContext { network, loss_spec, config, sets, weights, plan, targets: &targets, normalizer };
        let part = plan.samples.len().div_ceil(shards.len());
        let losses: Vec<PoseLoss> = shards
            .par_iter_mut()
            .enumerate()
            .map(|(s, shard)| {
                shard.gradient.clear();
                shard.gradient.resize(weights.len(), 0.0);
                let mut sum = PoseLoss::default();
                for p in (s * part..(s + 1) * part).take_while(|p| *p < plan.samples.len()) {
                    if targets.has_targets(p) {
                        sum += context.person(p, shard);
                    }
                }
                sum
            })
            .collect();
        const CHUNK: usize = 1 << 14;
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(c, out)| {
            out.fill(0.0);
            for shard in shards.iter() {
                for (o, g) in out.iter_mut().zip(&shard.gradient[c * CHUNK..]) {
                    *o += g;
                }
            }
        });
        let mut sum = PoseLoss::default();
        losses.into_iter().for_each(|l| sum += l);
        sum
    }
}

/// What all shards of a step have in common.
struct ShardContext<'a> {
    network: &'a CpuNetwork,
    loss_spec: &'a LossSpec,
    config: &'a PoseNetConfig,
    sets: &'a [CachedSet],
    weights: &'a [f32],
    plan: &'a BatchPlan,
    targets: &'a TargetBatch,
    normalizer: LossNormalizer,
}

impl ShardContext<'_> {
    /// Loss of all passes of person number `p` of the plan; the gradient is added to that of `shard`.
    fn person(&self, p: usize, shard: &mut Shard) -> PoseLoss {
        let ShardContext { network, targets, plan, .. } = self;
        let (set, index) = (plan.set(self.sets, p), plan.samples[p]);
        let (j, [h, w]) = (targets.joints, targets.heatmap.hw());
        let Shard { workspace, features, teacher_targets, full, gradient } = shard;
        let mut distill = DistillTargets::default();
        if let Some(cache) = &set.teacher_targets {
            cache.read(index, teacher_targets);
            let shape = &cache.shape;
            distill.maps = &teacher_targets[shape.maps()];
            distill.keypoints = &teacher_targets[shape.keypoints()];
            distill.attention = &teacher_targets[shape.attention()];
        }
        let passes = self.loss_spec.passes.of(&plan.kept[p]);
        let factors = self.factors(self.normalizer.shared_by(passes.len()));
        features.open(network, set, index);
        let mut sum = PoseLoss::default();
        for (i, kept) in passes.iter().enumerate() {
            features.keep(network, set, index, kept);
            // The heatmaps of the first of several passes are the targets of the others.
            let (distill, maps) = if i == 0 {
                (distill, (passes.len() > 1).then_some(&mut *full))
            } else {
                (DistillTargets { full: full.as_slice(), ..distill }, None)
            };
            let input = PassInput {
                patches: &features.patches,
                feature: &features.feature,
                kept,
                target_x: &targets.target_x[p * j * w..(p + 1) * j * w],
                target_y: &targets.target_y[p * j * h..(p + 1) * j * h],
                weights: &targets.weights[p * j..(p + 1) * j],
                distill,
            };
            sum += network.pass(self.weights, gradient, &input, factors, maps, workspace);
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
    use crate::train::pose::autodiff::{AutodiffBatch, AutodiffStep};
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
        fn by_hand(&self, config: &TrainConfig) -> (PoseLoss, Vec<f32>) {
            let shape = self.model.config();
            let network = CpuNetwork::new(self.layout.params(), &shape).unwrap();
            let loss_spec = LossSpec::new(config, shape.grid());
            let mut gradient = vec![0.0; self.layout.count()];
            let mut steps = CpuGradient::new(network, 2, shape.clone());
            (steps.gradient(&self.sets, &self.weights, &self.plan, &loss_spec, &mut gradient), gradient)
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
            let ((hand, by_hand), (autodiff, by_autodiff)) = (self.by_hand(config), self.by_autodiff(config));
            let terms = |l: PoseLoss| [l.mse, l.cross_entropy, l.sandwich, l.teacher];
            for (a, b) in terms(hand).into_iter().zip(terms(autodiff)) {
                assert!((a - b).abs() <= 1e-4 * b.abs(), "{hand:?} {autodiff:?}");
            }
            for param in self.layout.params().iter().filter(|s| !s.path.starts_with("backbone.")) {
                let range = param.range();
                let (a, b) = (&by_hand[range.clone()], &by_autodiff[range]);
                let size = b.iter().fold(0f32, |m, v| m.max(v.abs()));
                let off = a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
                assert!(
                    off <= 2e-3 * size + 1e-6,
                    "{}: off by {off} where the largest is {size}",
                    param.path
                );
            }
            hand
        }
    }

    #[test]
    fn hand_written_passes_agree_with_autodiff() {
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
        let (_, gradient) = scene.by_hand(&config);
        let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let start = scene.weights.clone();
        let mut along = |distance: f64| {
            let step = distance / length;
            let moved = start.iter().zip(&gradient).map(|(w, g)| w + (f64::from(*g) * step) as f32);
            scene.weights = moved.collect();
            scene.by_hand(&config).0.sum()
        };
        let slope = (along(2e-3) - along(-2e-3)) / 4e-3;
        assert!((slope / length - 1.0).abs() < 0.02, "slope {slope}, length of the gradient {length}");
    }
}
