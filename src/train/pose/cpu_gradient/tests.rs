//! The engine's gradients against autodiff's.

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
    let weights: Vec<f32> =
        layout.read(&model).iter().zip(noise(layout.count(), 1)).map(|(w, n)| w * 2.0 + 0.02 * n).collect();
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
    let set = CachedSet { teacher_targets: Some(TeacherTargetsCache::new(teacher_targets, shape)), ..set };
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
            assert!(off <= 2e-3 * size + 1e-6, "{}: off by {off} where the largest is {size}", param.path);
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
    let [a, b] = [&taught, &model].map(running_statistics);
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
