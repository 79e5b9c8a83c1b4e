//! Everything a training holds while it runs: model, data and the way its gradients are computed.

use super::TrainError;
use super::cached::CachedSet;
use super::config::TrainConfig;
use super::cpu::Network;
use super::distill::{Imitation, LessonBatch, LessonCache, Teacher};
use super::events::{RunEvent, TrainEvent};
use super::features::{Networking, cached_features, is_bad};
use super::folder;
use super::loss::{LossParts, TargetBatch};
use super::parameters::Layout;
use super::pictures::{Loader, PictureBatch};
use super::plan::{Planner, StepPlan};
use super::recorded::{Batch, Input, recorded_step};
use super::schedule::total_steps;
use super::start::{Start, calibrate, channel_scale, start};
use super::step::{HandSteps, Objective};
use super::training::Outcome;
use super::validate::poses_by_hand;
use crate::data::{Augmentation, Mixture, PoseSet, Samples};
use crate::eval::set::{SetScore, estimate, score};
use crate::gpu::{self, ComputeDevice};
use crate::infer::Settings;
use crate::model::{MaskKind, PositionMode, TmPose};
use crate::pose::Keypoint;
use crate::vision::Decoding;
use burn::module::Module;
use burn::prelude::*;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// How a step's gradient comes about.
enum Engine {
    /// Cached features, one set for each draw of the crops; hand-written passes.
    Hand(Box<HandSteps>, Vec<CachedSet>),
    /// The same, autodiff.
    Cached(Objective, Vec<CachedSet>),
    /// Pictures, autodiff; the loader starts with the first step. A teacher sees the same pictures.
    Pictures(Objective, Option<Loader<PictureBatch>>, Option<Box<Teacher>>),
}

/// Outcome of a validation.
pub struct Validation {
    pub score: SetScore,
    /// Pose of each person of the set, in picture pixels.
    pub poses: Vec<Vec<Keypoint>>,
}

/// A prepared training.
pub struct Session {
    pub config: TrainConfig,
    pub device: ComputeDevice,
    pub model: TmPose,
    pub layout: Layout,
    pub origin: String,
    /// What the teacher is, its source and licence; empty without one.
    pub teacher: String,
    pub samples: Arc<Samples>,
    /// The part of the validation set that is looked at after each epoch.
    pub quick: Option<Samples>,
    quick_features: Option<CachedSet>,
    engine: Engine,
    planner: Planner,
}

impl Session {
    /// Opens model and data and computes cached features. `None` when `stop` was raised meanwhile.
    pub fn open(
        config: &TrainConfig,
        tell: &mut dyn FnMut(TrainEvent),
        stop: &AtomicBool,
    ) -> Result<Option<Session>, TrainError> {
        let device = gpu::choose(config.run.device)?;
        if let Some(text) = &device.note {
            tell(RunEvent::Note { text: text.clone() }.into());
        }
        let autodiff = device.device.clone().autodiff();
        let Start { mut model, skeleton, origin, fresh } = start(&config.model, config.run.seed, &autodiff)?;
        let rules = config.data.teacher_labels.then_some(&config.data.teacher);
        let mut mixture = Mixture::open(&config.data.train, "train", &skeleton, rules)?;
        for text in mixture.notes() {
            tell(RunEvent::Note { text }.into());
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
            let by = Imitation::new(config);
            let opened = Teacher::open(path, &shape, &skeleton, by, &device.device)?;
            tell(RunEvent::Note { text: format!("teacher: {}", opened.origin) }.into());
            teacher = Some(opened);
        }
        let taught_by = teacher.as_ref().map(|t| t.origin.clone()).unwrap_or_default();
        let lesson = teacher.as_ref().map_or(0, |t| t.shape.len());
        let persons = [samples.len(), quick.as_ref().map_or(0, Samples::len)];
        folder::check_room(config, &model, persons, lesson)?;
        let objective = Objective::new(config, shape.grid);
        let engine;
        let mut quick_features = None;
        let layout = Layout::of(&model);
        if config.model.freeze_backbone {
            let folder = config.data.cache.clone().unwrap_or_else(|| config.run.out.join("features"));
            let with = Networking { device: device.device.clone(), on_gpu, input: shape.input };
            let mut caches = Vec::new();
            for draw in 0..config.data.draws.max(1) {
                let name = folder::draw_folder("train", draw);
                let path = folder.join(&name);
                let cache = cached_features(&name, &samples, draw, &model, &with, &path, tell, stop)?;
                let Some(cache) = cache else { return Ok(None) };
                caches.push(cache);
            }
            let bad: Vec<usize> = (0..samples.len()).filter(|&i| is_bad(&caches[0], i)).collect();
            check_bad(&bad, &samples, config.data.bad_limit, tell)?;
            if fresh {
                model = calibrate(model, &caches[0], &skeleton);
            }
            let scale = channel_scale(&model);
            if let Some(quick) = &quick {
                let path = folder.join("val");
                let cache = cached_features("val", quick, 0, &model, &with, &path, tell, stop)?;
                let Some(cache) = cache else { return Ok(None) };
                quick_features = Some(CachedSet::new(cache, joints(quick, 0), scale.clone()));
            }
            let mut train = Vec::new();
            for (cache, draw) in caches.into_iter().zip(0..) {
                let mut set = CachedSet::new(cache, joints(&samples, draw), scale.clone());
                if let Some(teacher) = &teacher {
                    let path = folder.join(folder::draw_folder("teacher", draw));
                    let lessons =
                        LessonCache::open_or_build(teacher, &samples, draw, &with, &path, tell, stop)?;
                    let Some(lessons) = lessons else { return Ok(None) };
                    set.lessons = Some(lessons);
                }
                train.push(set);
            }
            engine = match Network::new(layout.slots(), &shape) {
                Ok(network) if !on_gpu => {
                    let cores = std::thread::available_parallelism().map_or(1, usize::from);
                    // Twice as many parts as cores: when another program takes a core for a while, the
                    // others go on with its parts.
                    let shards = if config.run.shards > 0 { config.run.shards } else { (2 * cores).min(32) };
                    Engine::Hand(Box::new(HandSteps::new(network, shards, objective, shape.clone())), train)
                }
                _ => Engine::Cached(objective, train),
            };
        } else {
            engine = Engine::Pictures(objective, None, teacher.map(Box::new));
        }
        let (batch, masks) = (config.schedule.batch, config.masks.clone());
        let planner = Planner::new(config.run.seed, batch, shape.grid, masks, samples.len());
        Ok(Some(Session {
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
            Engine::Hand(..) => "cached features, hand-written passes",
            Engine::Cached(..) => "cached features, autodiff",
            Engine::Pictures(..) => "pictures, autodiff",
        }
    }

    /// Loss of step `step` and its gradient at `weights`, written to `gradient`. The gradients of
    /// `schedule.accumulate` batches are added, each divided by what all of them hold together.
    pub fn step(&mut self, step: u64, weights: &[f32], gradient: &mut [f32]) -> Outcome<LossParts> {
        let steps = total_steps(&self.config.schedule, self.samples.len());
        let loss = self.config.loss.at(step as f64 / steps.max(1) as f64);
        let sigma = loss.sigma;
        let hw = self.model.config().heatmap;
        let accumulate = self.config.schedule.accumulate;
        let mut outcome = Outcome::<LossParts>::default();
        match &mut self.engine {
            Engine::Hand(steps, sets) => {
                steps.objective.loss = loss;
                // Persons pass one by one, so that several batches need no more memory than one.
                let plan = StepPlan::joined(self.planner.batches(step, accumulate));
                outcome.loss = steps.gradient(sets, weights, &plan, gradient);
                outcome.samples = plan.samples;
            }
            Engine::Cached(objective, sets) => {
                objective.loss = loss;
                self.model = self.layout.write(self.model.clone(), weights);
                let plans = self.planner.batches(step, accumulate);
                let targets: Vec<TargetBatch> = plans.iter().map(|p| p.targets(sets, hw, sigma)).collect();
                outcome.samples = plans.iter().flat_map(|plan| plan.samples.clone()).collect();
                let batches = plans.into_iter().map(|plan| {
                    let (values, lesson) = plan.batch(sets, &self.device.device);
                    Batch { input: Input::Features(values), keep: plan.keep, lesson }
                });
                let (model, layout) = (&self.model, &self.layout);
                outcome.loss = recorded_step(model, layout, batches, &targets, objective, gradient);
            }
            Engine::Pictures(objective, loader, teacher) => {
                objective.loss = loss;
                let before = Instant::now();
                let loader = loader.get_or_insert_with(|| {
                    let grid = self.model.config().grid;
                    let (seed, batch) = (self.config.run.seed, self.config.schedule.batch);
                    let planner =
                        Planner::new(seed, batch, grid, self.config.masks.clone(), self.samples.len());
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
                    let lesson = teacher.as_ref().map(|teacher| {
                        let [h, w] = self.model.config().input;
                        let pixels = TensorData::new(batch.pixels.clone(), [batch.joints.len(), 3, h, w]);
                        let rows = teacher.lessons(Tensor::from_data(pixels, &self.device.device));
                        LessonBatch { rows, shape: teacher.shape.clone() }
                    });
                    Batch { input: Input::Pictures(batch.pixels), keep: batch.plan.keep, lesson }
                });
                let (model, layout) = (&self.model, &self.layout);
                outcome.loss = recorded_step(model, layout, batches, &targets, objective, gradient);
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
    ) -> Result<Option<Validation>, TrainError> {
        let Some(quick) = &self.quick else { return Ok(None) };
        let ratio = self.config.masks.validation;
        let count = std::sync::atomic::AtomicUsize::new(0);
        let advance = |n: usize| {
            let before = count.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
            done(before + n, quick.len());
        };
        let poses = if let (Engine::Hand(steps, _), Some(set)) = (&self.engine, &self.quick_features) {
            let grid = self.model.config().grid;
            poses_by_hand(&steps.network, weights, set, quick, grid, ratio, || advance(1))
        } else {
            let model = self.trained(weights).fold();
            let poses = estimate(&model, &self.device, quick, &[setting(ratio)], advance)?;
            poses.into_iter().next().unwrap_or_default()
        };
        Ok(Some(Validation { score: score(quick, &poses), poses }))
    }

    /// The model with `weights`, for inference or saving.
    pub fn trained(&self, weights: &[f32]) -> TmPose {
        self.layout.write(self.model.clone(), weights).valid()
    }
}

/// The mask of inference at a ratio, for tables.
pub fn setting(keep_ratio: f64) -> Settings {
    Settings {
        mask: MaskKind::Progressive,
        keep_ratio,
        seed: 0,
        positions: PositionMode::Gathered,
        flip_test: false,
        decoding: Decoding::default(),
    }
}

/// Joints of every sample on the heatmap, drawn as in pass `round` over the data.
fn joints(samples: &Samples, round: u64) -> Vec<Vec<[f32; 3]>> {
    (0..samples.len()).map(|i| samples.joints(i, &samples.draw(i, round))).collect()
}

fn check_bad(
    bad: &[usize],
    samples: &Samples,
    limit: f64,
    tell: &mut dyn FnMut(TrainEvent),
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
    tell(RunEvent::Note { text }.into());
    Ok(())
}
