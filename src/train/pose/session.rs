//! The state of a pose network's training while it runs: model, data, and how gradients are computed.

use super::autodiff::{AutodiffBatch, AutodiffStep};
use super::cached::CachedSet;
use super::cpu::TeacherGradients;
use super::cpu_gradient::{CpuGradient, PictureInput};
use super::events::PoseEvent;
use super::features::{FeatureBuilder, cache_need};
use super::frozen::{FrozenFeatures, FrozenInputs};
use super::init::{InitialModel, initial_model};
use super::loss::{LossNormalizer, PoseLoss, TargetBatch};
use super::loss_spec::LossSpec;
use super::pictures::PictureBatch;
use super::plan::{BatchPlan, BatchPlanner};
use super::validate::poses_by_cpu_network;
use crate::data::{Augmentation, CropDataset, Mixture, PoseSet};
use crate::eval::set::{SetScore, estimate, score};
use crate::gpu::{self, ComputeDevice};
use crate::infer::Settings;
use crate::model::{KeepRatio, PoseNet, PoseNetConfig, TokenBudget};
use crate::pose::{Keypoint, Skeleton};
use crate::train::TrainError;
use crate::train::config::TrainConfig;
use crate::train::distill::{DistillWeights, Teacher};
use crate::train::events::RunEvent;
use crate::train::loader::Loader;
use crate::train::parameters::ParamLayout;
use crate::train::run_folder::{SpaceNeed, check_space};
use crate::train::schedule::total_steps;
use crate::train::task::{StepOutcome, shard_count};
use burn::module::Module;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// What a step learns from.
enum PoseInput {
    /// Cached features; one set for each draw of the crops.
    Features(Vec<CachedSet>),
    /// Pictures, which a teacher sees too.
    Pictures(Option<Box<Teacher>>),
}

/// Outcome of a validation.
pub struct PoseValidation {
    /// Accuracy on the set.
    pub score: SetScore,
    /// Pose of each person of the set, in picture pixels.
    pub poses: Vec<Vec<Keypoint>>,
}

/// The pose network, its data and its loss, ready to be trained.
pub struct PoseSession {
    /// The settings of the training.
    pub config: TrainConfig,
    /// Where the network is trained.
    pub device: ComputeDevice,
    /// The network, with autodiff.
    pub model: PoseNet,
    /// Where its trained parameters lie in the flat vector.
    pub layout: ParamLayout,
    /// Starting point with its source and licence; empty for random weights.
    pub origin: String,
    /// The teacher's file with its source and licence; empty without one.
    pub teacher_origin: String,
    /// The training samples.
    pub samples: Arc<CropDataset>,
    /// The part of the validation set that is used between epochs.
    pub val: Option<CropDataset>,
    /// Cached features of `val`, where the backbone is frozen.
    val_features: Option<CachedSet>,
    /// What the current step minimises.
    loss_spec: LossSpec,
    input: PoseInput,
    /// Computes gradients where the CPU's engine does; elsewhere autodiff.
    cpu: Option<Box<CpuGradient>>,
    planner: BatchPlanner,
    /// Makes batches of pictures; starts with the first step.
    loader: Option<Loader<PictureBatch>>,
}

impl PoseSession {
    /// Opens model and data and computes cached features. `None` when `stop` was raised meanwhile.
    ///
    /// # Errors
    /// The device, the starting weights, the teacher or a set cannot be used, or a disk has too little free space.
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
        let shape = model.config().clone();
        let samples = train_samples(config, &shape, &skeleton, emit)?;
        let val = val_samples(config, &shape, &skeleton)?;
        let teacher = open_teacher(config, &shape, &skeleton, &device, emit)?;
        let teacher_origin = teacher.as_ref().map(|t| t.origin.clone()).unwrap_or_default();
        let inputs = FrozenInputs { samples: &samples, val: val.as_ref(), teacher: teacher.as_ref() };
        check_space(&space_needs(config, &model, &inputs))?;

        let layout = ParamLayout::of(&model);
        let mut val_features = None;
        let loss_spec = LossSpec::new(config, shape.grid());
        let teacher_gradients =
            teacher.as_ref().map(|_| TeacherGradients::of(&loss_spec.distill)).unwrap_or_default();
        let input = if config.model.freeze_backbone {
            let mut builder = FeatureBuilder::new(config, &device, shape.input(), emit, stop);
            let features = inputs.open(&config.data, &mut model, fresh.then_some(&skeleton), &mut builder)?;
            let Some(FrozenFeatures { train, val }) = features else { return Ok(None) };
            val_features = val;
            PoseInput::Features(train)
        } else {
            PoseInput::Pictures(teacher.map(Box::new))
        };
        let on_engine = || {
            let frozen = config.model.freeze_backbone;
            CpuGradient::new(&model, &layout, shard_count(&config.run), frozen, teacher_gradients)
        };
        let cpu = if device.is_gpu() { None } else { on_engine().map(Box::new) };
        if cpu.is_none() && !device.is_gpu() {
            let text =
                "the CPU's engine does not know this network: Burn's autodiff trains it, which is slower";
            emit(RunEvent::Note { text: text.into() }.into());
        }
        Ok(Some(PoseSession {
            loss_spec,
            planner: planner(config, &shape, samples.len()),
            config: config.clone(),
            device,
            model,
            layout,
            origin,
            teacher_origin,
            samples: Arc::new(samples),
            val,
            val_features,
            input,
            cpu,
            loader: None,
        }))
    }

    /// How gradients are computed, in words.
    pub fn engine_name(&self) -> &'static str {
        match (&self.input, &self.cpu) {
            (PoseInput::Features(_), Some(_)) => "cached features, the CPU's engine",
            (PoseInput::Features(_), None) => "cached features, autodiff",
            (PoseInput::Pictures(_), Some(_)) => "pictures, the CPU's engine",
            (PoseInput::Pictures(_), None) => "pictures, autodiff",
        }
    }

    /// Loss of step `step` and its gradient at `weights`, which is written to `gradient`. The gradients of
    /// `schedule.accumulate` batches are added; the sum is that of one batch with all their samples.
    pub fn step(&mut self, step: u64, weights: &[f32], gradient: &mut [f32]) -> StepOutcome<PoseLoss> {
        let steps = total_steps(&self.config.schedule, self.samples.len());
        self.loss_spec.loss = self.config.loss.at(step as f64 / steps.max(1) as f64);
        let (heatmap, sigma) = (self.model.config().heatmap(), self.loss_spec.loss.sigma);
        let accumulate = self.config.schedule.accumulate;
        let mut outcome = StepOutcome::<PoseLoss>::default();
        match (&self.input, &mut self.cpu) {
            (PoseInput::Features(sets), Some(cpu)) => {
                // Persons are computed one by one, so that several batches need no more memory than one.
                let plan = BatchPlan::joined(self.planner.batches(step, accumulate));
                outcome.loss = cpu.of_features(sets, weights, &plan, &self.loss_spec, gradient);
                outcome.samples = plan.samples;
            }
            (PoseInput::Features(sets), None) => {
                let plans = self.planner.batches(step, accumulate);
                let targets: Vec<TargetBatch> =
                    plans.iter().map(|p| p.targets(sets, heatmap, sigma)).collect();
                outcome.samples = plans.iter().flat_map(|plan| plan.samples.clone()).collect();
                let device = self.device.device.clone();
                let batches = plans.into_iter().map(|plan| AutodiffBatch::of_features(plan, sets, &device));
                self.model = self.layout.write(self.model.clone(), weights);
                let (model, layout, loss_spec) = (&self.model, &self.layout, &self.loss_spec);
                let autodiff = AutodiffStep { model, layout, loss_spec };
                outcome.loss = autodiff.gradient(batches, &targets, gradient);
            }
            (PoseInput::Pictures(_), _) => {
                let started = Instant::now();
                let loader = self.loader.take().unwrap_or_else(|| self.start_loader(step));
                let mut batches: Vec<PictureBatch> = (0..accumulate).map_while(|_| loader.next()).collect();
                outcome.waited = started.elapsed();
                if batches.len() < accumulate {
                    // A loader's thread only ends before its loader when it panicked.
                    outcome.loss.mse = f64::NAN;
                    return outcome;
                }
                self.loader = Some(loader);
                let targets: Vec<TargetBatch> = batches.iter().map(|b| b.targets(heatmap, sigma)).collect();
                for batch in &mut batches {
                    outcome.samples.extend(&batch.plan.samples);
                    outcome.unreadable.append(&mut batch.unreadable);
                }
                outcome.loss = self.picture_gradient(batches, &targets, weights, gradient);
            }
        }
        outcome
    }

    /// Loss and gradient of batches of pictures. Batch norms' running statistics go on with what they see.
    fn picture_gradient(
        &mut self,
        batches: Vec<PictureBatch>,
        targets: &[TargetBatch],
        weights: &[f32],
        gradient: &mut [f32],
    ) -> PoseLoss {
        let PoseInput::Pictures(teacher) = &self.input else { return PoseLoss::default() };
        let teacher = teacher.as_deref();
        let (input, device) = (self.model.config().input(), &self.device.device);
        let Some(cpu) = &mut self.cpu else {
            self.model = self.layout.write(self.model.clone(), weights);
            let batches =
                batches.into_iter().map(|batch| AutodiffBatch::of_pictures(batch, teacher, input, device));
            let (model, layout, loss_spec) = (&self.model, &self.layout, &self.loss_spec);
            return AutodiffStep { model, layout, loss_spec }.gradient(batches, targets, gradient);
        };
        gradient.fill(0.0);
        let normalizer = LossNormalizer::of(targets);
        let mut sum = PoseLoss::default();
        for (batch, targets) in batches.iter().zip(targets) {
            let teacher =
                teacher.map(|teacher| (batch.teacher_rows(teacher, input, device), teacher.shape.clone()));
            let input = PictureInput { pixels: &batch.pixels, kept: &batch.plan.kept, teacher };
            let (loss, seen) =
                cpu.of_pictures(&input, weights, targets, normalizer, &self.loss_spec, gradient);
            self.model = self.layout.with_statistics(self.model.clone(), &seen);
            sum += loss;
        }
        sum
    }

    /// Starts making batches of pictures for step `step` and those after it.
    fn start_loader(&self, step: u64) -> Loader<PictureBatch> {
        let planner = planner(&self.config, &self.model.config(), self.samples.len());
        let threads = self.config.run.loader_threads(self.device.is_gpu());
        let accumulate = self.config.schedule.accumulate;
        Loader::of_crops(self.samples.clone(), planner, step * accumulate as u64, 2 * accumulate, threads)
    }

    /// Poses and accuracy of `weights` at the keep ratio `masks.validation`, on the part of the validation set that is
    /// used between epochs; `None` without such a set. `progress` gets the persons done and all persons.
    ///
    /// # Errors
    /// A picture cannot be decoded, or the device fails.
    pub fn validate(
        &self,
        weights: &[f32],
        progress: impl Fn(usize, usize) + Sync,
    ) -> Result<Option<PoseValidation>, TrainError> {
        let Some(val) = &self.val else { return Ok(None) };
        let ratio = self.config.masks.validation;
        let count = AtomicUsize::new(0);
        let advance = |n: usize| {
            let before = count.fetch_add(n, Ordering::Relaxed);
            progress(before + n, val.len());
        };
        let poses = if let (Some(cpu), Some(set)) = (&self.cpu, &self.val_features) {
            let grid = self.model.config().grid();
            poses_by_cpu_network(&cpu.network, weights, set, val, grid, ratio, || advance(1))
        } else {
            let model = self.trained(weights).fold();
            let poses = estimate(&model, &self.device, val, &[eval_settings(ratio)], advance)?;
            poses.into_iter().next().unwrap_or_default()
        };
        Ok(Some(PoseValidation { score: score(val, &poses), poses }))
    }

    /// The model with `weights`, for inference or saving.
    pub fn trained(&self, weights: &[f32]) -> PoseNet {
        self.layout.write(self.model.clone(), weights).valid()
    }
}

/// The inference settings, at a keep ratio, with which a training measures accuracy.
pub fn eval_settings(keep_ratio: KeepRatio) -> Settings {
    Settings { budget: TokenBudget::progressive(keep_ratio), ..Settings::default() }
}

/// What the training will write: weights, and features where the backbone is frozen.
fn space_needs(config: &TrainConfig, model: &PoseNet, inputs: &FrozenInputs) -> Vec<SpaceNeed> {
    let mut needs = vec![SpaceNeed::of_weights(&config.run.out, model)];
    if config.model.freeze_backbone {
        let counts = [inputs.samples.len(), inputs.val.map_or(0, CropDataset::len)];
        let teacher_values = inputs.teacher.map_or(0, |teacher| teacher.shape.len());
        needs.push(cache_need(config, &model.config(), counts, teacher_values));
    }
    needs
}

/// Plans the batches of the training.
fn planner(config: &TrainConfig, shape: &PoseNetConfig, samples: usize) -> BatchPlanner {
    let (seed, batch) = (config.run.seed, config.schedule.batch);
    BatchPlanner::new(seed, batch, shape.grid(), config.masks.clone(), samples)
}

/// The training samples.
fn train_samples(
    config: &TrainConfig,
    shape: &PoseNetConfig,
    skeleton: &Skeleton,
    emit: &mut dyn FnMut(PoseEvent),
) -> Result<CropDataset, TrainError> {
    let rules = config.data.teacher_labels.then_some(&config.data.teacher);
    let mut mixture = Mixture::open(&config.data.train, "train", skeleton, rules)?;
    for text in mixture.notes() {
        emit(RunEvent::Note { text }.into());
    }
    mixture.check_annotations(config.data.bad_limit)?;
    mixture.thin_to(config.data.limit);
    Ok(samples(mixture, skeleton, config.augmentation.clone(), config.run.seed, shape))
}

/// The part of the validation set that is used between epochs.
fn val_samples(
    config: &TrainConfig,
    shape: &PoseNetConfig,
    skeleton: &Skeleton,
) -> Result<Option<CropDataset>, TrainError> {
    let Some(set) = &config.data.val else { return Ok(None) };
    let mut mixture = Mixture::single(PoseSet::open(set.path()?, "val", skeleton)?);
    mixture.thin_to(config.data.val_limit);
    Ok(Some(samples(mixture, skeleton, Augmentation::none(), 0, shape)))
}

/// The crops of `mixture` for a network with the architecture `shape`.
fn samples(
    mixture: Mixture,
    skeleton: &Skeleton,
    augmentation: Augmentation,
    seed: u64,
    shape: &PoseNetConfig,
) -> CropDataset {
    let (input, heatmap) = (shape.input(), shape.heatmap());
    CropDataset { mixture, skeleton: skeleton.clone(), augmentation, seed, input, heatmap }
}

/// The teacher, where the settings name one.
fn open_teacher(
    config: &TrainConfig,
    shape: &PoseNetConfig,
    skeleton: &Skeleton,
    device: &ComputeDevice,
    emit: &mut dyn FnMut(PoseEvent),
) -> Result<Option<Teacher>, TrainError> {
    let Some(path) = &config.distillation.teacher else { return Ok(None) };
    let teacher = Teacher::open(path, shape, skeleton, DistillWeights::new(config), &device.device)?;
    emit(RunEvent::Note { text: format!("teacher: {}", teacher.origin) }.into());
    Ok(Some(teacher))
}
