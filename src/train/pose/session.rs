//! Everything a training holds while it runs: model, data and the way its gradients are computed.

use super::autodiff::{Batch, Input, autodiff_step};
use super::cached::CachedSet;
use super::cpu::CpuNetwork;
use super::cpu_gradient::CpuGradient;
use super::events::PoseEvent;
use super::features::{FeatureContext, cached_features, cached_teacher_targets, is_bad};
use super::init::{InitialModel, calibrate, channel_scale, initial_model};
use super::loss::{PoseLoss, TargetBatch};
use super::loss_spec::LossSpec;
use super::pictures::PictureBatch;
use super::plan::{BatchPlan, BatchPlanner};
use super::validate::poses_by_hand;
use crate::data::{Augmentation, Mixture, PoseSet, Samples};
use crate::eval::set::{SetScore, estimate, score};
use crate::gpu::{self, ComputeDevice};
use crate::infer::Settings;
use crate::model::{KeepRatio, TmPose, TokenBudget};
use crate::pose::Keypoint;
use crate::train::TrainError;
use crate::train::config::TrainConfig;
use crate::train::distill::{DistillWeights, Teacher, TeacherTargetsBatch};
use crate::train::events::RunEvent;
use crate::train::loader::Loader;
use crate::train::parameters::ParamLayout;
use crate::train::run_folder;
use crate::train::schedule::total_steps;
use crate::train::task::StepOutcome;
use burn::module::Module;
use burn::prelude::*;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// How a step's gradient comes about.
enum GradientEngine {
    /// Cached features, one set for each draw of the crops; hand-written passes.
    Hand(Box<CpuGradient>, Vec<CachedSet>),
    /// The same, autodiff.
    Cached(LossSpec, Vec<CachedSet>),
    /// Pictures, autodiff; the loader starts with the first step. A teacher sees the same pictures.
    Pictures(LossSpec, Option<Loader<PictureBatch>>, Option<Box<Teacher>>),
}

/// Outcome of a validation.
pub struct PoseValidation {
    pub score: SetScore,
    /// Pose of each person of the set, in picture pixels.
    pub poses: Vec<Vec<Keypoint>>,
}

/// A prepared training.
pub struct PoseSession {
    pub config: TrainConfig,
    pub device: ComputeDevice,
    pub model: TmPose,
    pub layout: ParamLayout,
    pub origin: String,
    /// What the teacher is, its source and licence; empty without one.
    pub teacher: String,
    pub samples: Arc<Samples>,
    /// The part of the validation set that is looked at after each epoch.
    pub quick: Option<Samples>,
    quick_features: Option<CachedSet>,
    engine: GradientEngine,
    planner: BatchPlanner,
}

impl PoseSession {
    /// Opens model and data and computes cached features. `None` when `stop` was raised meanwhile.
    pub fn open(
        config: &TrainConfig,
        emit: &mut dyn FnMut(PoseEvent),
        stop: &AtomicBool,
    ) -> Result<Option<PoseSession>, TrainError> {
        let device = gpu::choose(config.run.device)?;
        if let Some(text) = &device.note {
            emit(RunEvent::Note { text: text.clone() }.into());
        }
        let autodiff = device.device.clone().autodiff();
        let InitialModel { mut model, skeleton, origin, fresh } =
            initial_model(&config.model, config.run.seed, &autodiff)?;
        let rules = config.data.teacher_labels.then_some(&config.data.teacher);
        let mut mixture = Mixture::open(&config.data.train, "train", &skeleton, rules)?;
        for text in mixture.notes() {
            emit(RunEvent::Note { text }.into());
        }
        mixture.check_annotations(config.data.bad_limit)?;
        mixture.thin_to(config.data.limit);
        let shape = model.config().clone();
        let [input_wh, heatmap_wh] = [shape.input, shape.heatmap].map(|[h, w]| [w, h]);
        let view = |mixture, augmentation, seed| {
            let skeleton = skeleton.clone();
            Samples { mixture, skeleton, augmentation, seed, input_wh, heatmap_wh }
        };
        let samples = view(mixture, config.augmentation.clone(), config.run.seed);
        let mut quick = None;
        if let Some(path) = &config.data.val {
            let mut mixture = Mixture::single(PoseSet::open(path, "val", &skeleton)?);
            mixture.thin_to(config.data.val_limit);
            quick = Some(view(mixture, Augmentation::none(), 0));
        }

        let on_gpu = device.is_gpu();
        let mut teacher = None;
        if let Some(path) = &config.distillation.teacher {
            let by = DistillWeights::new(config);
            let opened = Teacher::open(path, &shape, &skeleton, by, &device.device)?;
            emit(RunEvent::Note { text: format!("teacher: {}", opened.origin) }.into());
            teacher = Some(opened);
        }
        let taught_by = teacher.as_ref().map(|t| t.origin.clone()).unwrap_or_default();
        let teacher_targets = teacher.as_ref().map_or(0, |t| t.shape.len());
        let persons = [samples.len(), quick.as_ref().map_or(0, Samples::len)];
        run_folder::check_space(config, &model, persons, teacher_targets)?;
        let loss_spec = LossSpec::new(config, shape.grid);
        let engine;
        let mut quick_features = None;
        let layout = ParamLayout::of(&model);
        if config.model.freeze_backbone {
            let folder = config.data.cache.clone().unwrap_or_else(|| config.run.out.join("features"));
            let with = FeatureContext { device: device.device.clone(), on_gpu, input: shape.input };
            let mut caches = Vec::new();
            for draw in 0..config.data.draws.max(1) {
                let name = run_folder::draw_folder("train", draw);
                let path = folder.join(&name);
                let cache = cached_features(&name, &samples, draw, &model, &with, &path, emit, stop)?;
                let Some(cache) = cache else { return Ok(None) };
                caches.push(cache);
            }
            let bad: Vec<usize> = (0..samples.len()).filter(|&i| is_bad(&caches[0], i)).collect();
            check_bad(&bad, &samples, config.data.bad_limit, emit)?;
            if fresh {
                model = calibrate(model, &caches[0], &skeleton);
            }
            let scale = channel_scale(&model);
            if let Some(quick) = &quick {
                let path = folder.join("val");
                let cache = cached_features("val", quick, 0, &model, &with, &path, emit, stop)?;
                let Some(cache) = cache else { return Ok(None) };
                quick_features = Some(CachedSet::new(cache, joints(quick, 0), scale.clone()));
            }
            let mut train = Vec::new();
            for (cache, draw) in caches.into_iter().zip(0..) {
                let mut set = CachedSet::new(cache, joints(&samples, draw), scale.clone());
                if let Some(teacher) = &teacher {
                    let path = folder.join(run_folder::draw_folder("teacher", draw));
                    let teacher_targets =
                        cached_teacher_targets(teacher, &samples, draw, &with, &path, emit, stop)?;
                    let Some(teacher_targets) = teacher_targets else { return Ok(None) };
                    set.teacher_targets = Some(teacher_targets);
                }
                train.push(set);
            }
            engine = match CpuNetwork::new(layout.slots(), &shape) {
                Ok(network) if !on_gpu => {
                    let cores = std::thread::available_parallelism().map_or(1, usize::from);
                    // Twice as many parts as cores: when another program takes a core for a while, the
                    // others go on with its parts.
                    let shards = if config.run.shards > 0 { config.run.shards } else { (2 * cores).min(32) };
                    GradientEngine::Hand(
                        Box::new(CpuGradient::new(network, shards, loss_spec, shape.clone())),
                        train,
                    )
                }
                _ => GradientEngine::Cached(loss_spec, train),
            };
        } else {
            engine = GradientEngine::Pictures(loss_spec, None, teacher.map(Box::new));
        }
        let (batch, masks) = (config.schedule.batch, config.masks.clone());
        let planner = BatchPlanner::new(config.run.seed, batch, shape.grid, masks, samples.len());
        Ok(Some(PoseSession {
            config: config.clone(),
            device,
            model,
            layout,
            origin,
            teacher: taught_by,
            samples: Arc::new(samples),
            quick,
            quick_features,
            engine,
            planner,
        }))
    }

    /// How gradients are computed, in words.
    pub fn engine_name(&self) -> &'static str {
        match self.engine {
            GradientEngine::Hand(..) => "cached features, hand-written passes",
            GradientEngine::Cached(..) => "cached features, autodiff",
            GradientEngine::Pictures(..) => "pictures, autodiff",
        }
    }

    /// Loss of step `step` and its gradient at `weights`, written to `gradient`. The gradients of
    /// `schedule.accumulate` batches are added, each divided by what all of them hold together.
    pub fn step(&mut self, step: u64, weights: &[f32], gradient: &mut [f32]) -> StepOutcome<PoseLoss> {
        let steps = total_steps(&self.config.schedule, self.samples.len());
        let loss = self.config.loss.at(step as f64 / steps.max(1) as f64);
        let sigma = loss.sigma;
        let hw = self.model.config().heatmap;
        let accumulate = self.config.schedule.accumulate;
        let mut outcome = StepOutcome::<PoseLoss>::default();
        match &mut self.engine {
            GradientEngine::Hand(steps, sets) => {
                steps.loss_spec.loss = loss;
                // Persons pass one by one, so that several batches need no more memory than one.
                let plan = BatchPlan::joined(self.planner.batches(step, accumulate));
                outcome.loss = steps.gradient(sets, weights, &plan, gradient);
                outcome.samples = plan.samples;
            }
            GradientEngine::Cached(loss_spec, sets) => {
                loss_spec.loss = loss;
                self.model = self.layout.write(self.model.clone(), weights);
                let plans = self.planner.batches(step, accumulate);
                let targets: Vec<TargetBatch> = plans.iter().map(|p| p.targets(sets, hw, sigma)).collect();
                outcome.samples = plans.iter().flat_map(|plan| plan.samples.clone()).collect();
                let batches = plans.into_iter().map(|plan| {
                    let (values, teacher_targets) = plan.batch(sets, &self.device.device);
                    Batch { input: Input::Features(values), keep: plan.keep, teacher_targets }
                });
                let (model, layout) = (&self.model, &self.layout);
                outcome.loss = autodiff_step(model, layout, batches, &targets, loss_spec, gradient);
            }
            GradientEngine::Pictures(loss_spec, loader, teacher) => {
                loss_spec.loss = loss;
                let before = Instant::now();
                let loader = loader.get_or_insert_with(|| {
                    let grid = self.model.config().grid;
                    let (seed, batch) = (self.config.run.seed, self.config.schedule.batch);
                    let planner =
                        BatchPlanner::new(seed, batch, grid, self.config.masks.clone(), self.samples.len());
                    let threads = self.config.run.loader_threads(self.device.is_gpu());
                    let first = step * accumulate as u64;
                    Loader::of_crops(self.samples.clone(), planner, first, 2 * accumulate, threads)
                });
                let mut batches: Vec<PictureBatch> = (0..accumulate).map_while(|_| loader.next()).collect();
                outcome.waited = before.elapsed();
                if batches.len() < accumulate {
                    // A loader's thread only ends before its loader when it panicked.
                    outcome.loss.mse = f64::NAN;
                    return outcome;
                }
                self.model = self.layout.write(self.model.clone(), weights);
                let target = |batch: &PictureBatch| {
                    TargetBatch::new(batch.joints.iter().map(Vec::as_slice), hw, sigma)
                };
                let targets: Vec<TargetBatch> = batches.iter().map(target).collect();
                for batch in &mut batches {
                    outcome.samples.extend(&batch.plan.samples);
                    outcome.bad.append(&mut batch.bad);
                }
                let batches = batches.into_iter().map(|batch| {
                    let teacher_targets = teacher.as_ref().map(|teacher| {
                        let [h, w] = self.model.config().input;
                        let pixels = TensorData::new(batch.pixels.clone(), [batch.joints.len(), 3, h, w]);
                        let rows = teacher.targets(Tensor::from_data(pixels, &self.device.device));
                        TeacherTargetsBatch { rows, shape: teacher.shape.clone() }
                    });
                    Batch { input: Input::Pictures(batch.pixels), keep: batch.plan.keep, teacher_targets }
                });
                let (model, layout) = (&self.model, &self.layout);
                outcome.loss = autodiff_step(model, layout, batches, &targets, loss_spec, gradient);
            }
        }
        outcome
    }

    /// Poses and accuracy of `weights` at the keep ratio `masks.validation`, on the part of the
    /// validation set that is looked at between epochs; `None` without such a set.
    pub fn validate(
        &self,
        weights: &[f32],
        done: impl Fn(usize, usize) + Sync,
    ) -> Result<Option<PoseValidation>, TrainError> {
        let Some(quick) = &self.quick else { return Ok(None) };
        let ratio = self.config.masks.validation;
        let count = std::sync::atomic::AtomicUsize::new(0);
        let advance = |n: usize| {
            let before = count.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
            done(before + n, quick.len());
        };
        let poses = if let (GradientEngine::Hand(steps, _), Some(set)) = (&self.engine, &self.quick_features)
        {
            let grid = self.model.config().grid;
            poses_by_hand(&steps.network, weights, set, quick, grid, ratio, || advance(1))
        } else {
            let model = self.trained(weights).fold();
            let poses = estimate(&model, &self.device, quick, &[setting(ratio)], advance)?;
            poses.into_iter().next().unwrap_or_default()
        };
        Ok(Some(PoseValidation { score: score(quick, &poses), poses }))
    }

    /// The model with `weights`, for inference or saving.
    pub fn trained(&self, weights: &[f32]) -> TmPose {
        self.layout.write(self.model.clone(), weights).valid()
    }
}

/// The mask of inference at a ratio, for tables.
pub fn setting(keep_ratio: f64) -> Settings {
    // Checked with the training's settings.
    let keep_ratio = KeepRatio::new(keep_ratio).unwrap_or_default();
    Settings { budget: TokenBudget::progressive(keep_ratio), ..Settings::default() }
}

/// Joints of every sample on the heatmap, drawn as in pass `round` over the data.
fn joints(samples: &Samples, round: u64) -> Vec<Vec<[f32; 3]>> {
    (0..samples.len()).map(|i| samples.joints(i, &samples.draw(i, round))).collect()
}

fn check_bad(
    bad: &[usize],
    samples: &Samples,
    limit: f64,
    emit: &mut dyn FnMut(PoseEvent),
) -> Result<(), TrainError> {
    if bad.is_empty() {
        return Ok(());
    }
    let name = |&i: &usize| samples.person(i).2.path.display().to_string();
    let names = bad.iter().take(5).map(name).collect::<Vec<_>>().join(", ");
    if bad.len() as f64 > limit * samples.len() as f64 {
        return Err(TrainError::BadPictures { bad: bad.len(), all: samples.len(), names });
    }
    let text = format!("{} pictures cannot be decoded and are left out: {names}", bad.len());
    emit(RunEvent::Note { text }.into());
    Ok(())
}
