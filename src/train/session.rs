//! Everything a training holds while it runs: model, data and the way its gradients are computed.

use super::TrainError;
use super::config::TrainConfig;
use super::cpu::Network;
use super::events::TrainEvent;
use super::features::{cached_features, is_bad};
use super::loss::{LossParts, TargetBatch};
use super::parameters::Layout;
use super::pictures::{PictureBatch, batches};
use super::plan::{Planner, StepPlan};
use super::start::{Start, calibrate, channel_scale, start};
use super::step::{CachedSet, HandSteps, Input, recorded_gradient};
use super::validate::validate_by_hand;
use crate::data::{Augmentation, CocoSet, Mixture, Samples};
use crate::eval::set::{SetScore, estimate, score};
use crate::gpu::{self, ComputeDevice};
use crate::infer::Settings;
use crate::model::{MaskKind, PositionMode, TmPose};
use crate::vision::Decoding;
use burn::module::Module;
use crossbeam_channel::Receiver;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// How a step's gradient comes about.
enum Engine {
    /// Cached features, one set for each draw of the crops; hand-written passes.
    Hand(Box<HandSteps>, Vec<CachedSet>),
    /// The same, autodiff.
    Cached(Vec<CachedSet>),
    /// Pictures, autodiff; the channel is opened at the first step.
    Pictures(Option<Receiver<PictureBatch>>),
}

/// A step's outcome.
pub struct StepOutcome {
    pub loss: LossParts,
    /// Time spent waiting for data.
    pub waited: Duration,
    /// Names of the batch's pictures, for a loss that is not finite.
    pub samples: Vec<usize>,
    /// Pictures that could not be decoded in this step.
    pub bad: Vec<String>,
}

/// A prepared training.
pub struct Session {
    pub config: TrainConfig,
    pub device: ComputeDevice,
    pub model: TmPose,
    pub layout: Layout,
    pub origin: String,
    pub samples: Arc<Samples>,
    /// The part of the validation set that is looked at after each epoch.
    quick: Option<Samples>,
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
            tell(TrainEvent::Note { text: text.clone() });
        }
        let autodiff = device.device.clone().autodiff();
        let Start { mut model, skeleton, origin, fresh } = start(&config.model, config.run.seed, &autodiff)?;
        let rules = config.data.teacher_labels.then_some(&config.data.teacher);
        let mut mixture = Mixture::open(&config.data.train, "train", &skeleton, rules)?;
        for text in mixture.notes() {
            tell(TrainEvent::Note { text });
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
            let mut mixture = Mixture::single(CocoSet::open(path, "val", &skeleton)?);
            mixture.thin_to(config.data.val_limit);
            quick = Some(view(mixture, Augmentation::none(), 0));
        }

        let on_gpu = device.is_gpu();
        let (mut engine, mut quick_features) = (Engine::Pictures(None), None);
        let layout = Layout::of(&model);
        if config.model.freeze_backbone {
            let folder = config.data.cache.clone().unwrap_or_else(|| config.run.out.join("features"));
            let mut caches = Vec::new();
            for draw in 0..config.data.draws.max(1) {
                // The first draw's folder has no number.
                let name = if draw == 0 { "train".into() } else { format!("train-{draw}") };
                let path = folder.join(&name);
                let cache = cached_features(&name, &samples, draw, &model, on_gpu, &path, tell, stop)?;
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
                let cache = cached_features("val", quick, 0, &model, on_gpu, &path, tell, stop)?;
                let Some(cache) = cache else { return Ok(None) };
                quick_features = Some(CachedSet::new(cache, joints(quick, 0), scale.clone()));
            }
            let sets = caches.into_iter().zip(0..);
            let train =
                sets.map(|(cache, draw)| CachedSet::new(cache, joints(&samples, draw), scale.clone()));
            let train: Vec<CachedSet> = train.collect();
            engine = match Network::new(layout.slots(), &shape) {
                Ok(network) if !on_gpu => {
                    let cores = std::thread::available_parallelism().map_or(1, usize::from);
                    // Twice as many parts as cores: when another program takes a core for a while, the
                    // others go on with its parts.
                    let shards = if config.run.shards > 0 { config.run.shards } else { (2 * cores).min(32) };
                    Engine::Hand(
                        Box::new(HandSteps::new(network, shards, config.loss.clone(), shape.heatmap)),
                        train,
                    )
                }
                _ => Engine::Cached(train),
            };
        }
        let (batch, masks) = (config.schedule.batch, config.masks.clone());
        let planner = Planner::new(config.run.seed, batch, shape.grid, masks, samples.len());
        Ok(Some(Session {
            config: config.clone(),
            device,
            model,
            layout,
            origin,
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
            Engine::Pictures(_) => "pictures, autodiff",
        }
    }

    /// Loss of step `step` and its gradient at `weights`, written to `gradient`.
    pub fn step(&mut self, step: u64, weights: &[f32], gradient: &mut [f32]) -> StepOutcome {
        let loss = &self.config.loss;
        let hw = self.model.config().heatmap;
        let done = |loss, plan: StepPlan| StepOutcome {
            loss,
            waited: Duration::ZERO,
            samples: plan.samples,
            bad: Vec::new(),
        };
        match &mut self.engine {
            Engine::Hand(steps, sets) => {
                let plan = self.planner.plan(step);
                done(steps.gradient(sets, weights, &plan, gradient), plan)
            }
            Engine::Cached(sets) => {
                let plan = self.planner.plan(step);
                self.model = self.layout.write(self.model.clone(), weights);
                gradient.fill(0.0);
                let (mut values, mut one) = (Vec::new(), Vec::new());
                for (p, &index) in plan.samples.iter().enumerate() {
                    plan.set(sets, p).feature(index, &mut one);
                    values.extend_from_slice(&one);
                }
                let joints = plan.samples.iter().enumerate();
                let joints = joints.map(|(p, &i)| plan.set(sets, p).joints[i].as_slice());
                let targets = TargetBatch::new(joints, hw, loss.sigma);
                let input = Input::Features(values);
                let parts =
                    recorded_gradient(&self.model, &self.layout, input, &plan.keep, &targets, loss, gradient);
                done(parts, plan)
            }
            Engine::Pictures(channel) => {
                let before = Instant::now();
                let receiver = channel.get_or_insert_with(|| {
                    let grid = self.model.config().grid;
                    let (seed, batch) = (self.config.run.seed, self.config.schedule.batch);
                    let planner =
                        Planner::new(seed, batch, grid, self.config.masks.clone(), self.samples.len());
                    batches(self.samples.clone(), planner, step)
                });
                let Ok(batch) = receiver.recv() else {
                    // The loader thread only ends before its receiver when it panicked.
                    let loss = LossParts { mse: f64::NAN, cross_entropy: f64::NAN };
                    return done(loss, self.planner.plan(step));
                };
                let waited = before.elapsed();
                self.model = self.layout.write(self.model.clone(), weights);
                gradient.fill(0.0);
                let targets = TargetBatch::new(batch.joints.iter().map(Vec::as_slice), hw, loss.sigma);
                let input = Input::Pictures(batch.pixels);
                let (keep, layout) = (&batch.plan.keep, &self.layout);
                let parts = recorded_gradient(&self.model, layout, input, keep, &targets, loss, gradient);
                StepOutcome { waited, bad: batch.bad, ..done(parts, batch.plan) }
            }
        }
    }

    /// Accuracy of `weights` at ratio 1 on the part of the validation set that is looked at between
    /// epochs; `None` without such a set.
    pub fn validate(
        &self,
        weights: &[f32],
        done: impl Fn(usize, usize) + Sync,
    ) -> Result<Option<SetScore>, TrainError> {
        let Some(quick) = &self.quick else { return Ok(None) };
        let count = std::sync::atomic::AtomicUsize::new(0);
        let advance = |n: usize| {
            let before = count.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
            done(before + n, quick.len());
        };
        if let (Engine::Hand(steps, _), Some(set)) = (&self.engine, &self.quick_features) {
            let grid = self.model.config().grid;
            return Ok(Some(validate_by_hand(&steps.network, weights, set, quick, grid, 1.0, || advance(1))));
        }
        let model = self.trained(weights).fold();
        let settings = [setting(1.0)];
        let device = &self.device.device;
        let poses = estimate(&model, device, self.device.is_gpu(), quick, &settings, advance)?;
        Ok(poses.first().map(|poses| score(quick, poses)))
    }

    /// The model with `weights`, for inference or saving.
    pub fn trained(&self, weights: &[f32]) -> TmPose {
        self.layout.write(self.model.clone(), weights).valid()
    }

    /// Names of the pictures of a batch.
    pub fn names(&self, samples: &[usize]) -> String {
        let name = |&index: &usize| {
            let path = &self.samples.person(index).2.path;
            path.file_name().unwrap_or_default().to_string_lossy().into_owned()
        };
        samples.iter().map(name).collect::<Vec<_>>().join(", ")
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
    tell(TrainEvent::Note {
        text: format!("{} pictures cannot be decoded and are left out: {names}", bad.len()),
    });
    Ok(())
}

/// Creates the run's folder and proves that it can be written to, before anything is computed.
pub fn prepare_folder(folder: &Path) -> Result<(), TrainError> {
    let failed = |source| TrainError::Write { path: folder.display().to_string(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    Ok(())
}
