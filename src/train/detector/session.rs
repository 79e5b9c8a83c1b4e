//! Everything a detector's training holds while it runs: network, pictures and the way its gradients are computed.

use super::assign::{Anchor, anchors};
use super::batch::{BoxBatch, batches};
use super::config::DetectorTrainConfig;
use super::events::DetectorEvent;
use super::gradient::{DetectorEngine, DetectorGradient, DetectorLoss};
use super::init::{InitialDetector, start};
use crate::data::{BoxMixture, BoxSet};
use crate::detect::{DetectorNet, STRIDES};
use crate::eval::detector::{DetectorScore, find_people_with, score};
use crate::gpu::{self, ComputeDevice};
use crate::train::TrainError;
use crate::train::events::RunEvent;
use crate::train::loader::Loader;
use crate::train::log::RunLog;
use crate::train::parameters::ParamLayout;
use crate::train::run_folder::{SpaceNeed, check_space};
use crate::train::schedule::total_steps;
use crate::train::task::{StepOutcome, shard_count};
use burn::module::Module;
use burn::prelude::*;
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Instant;

/// Pictures that a random network is settled on.
const SETTLING: usize = 16;

/// A prepared training.
pub struct DetectorSession {
    pub config: DetectorTrainConfig,
    pub device: ComputeDevice,
    pub start: InitialDetector,
    pub layout: ParamLayout,
    pub mixture: Arc<BoxMixture>,
    /// The part of the validation set that is looked at during the training.
    pub quick: Option<BoxSet>,
    pub steps: u64,
    pub engine: DetectorEngine,
    anchors: Vec<Anchor>,
    shards: usize,
    loader: Option<Loader<BoxBatch>>,
}

impl DetectorSession {
    /// Opens network and data.
    ///
    /// # Errors
    /// The device, the starting weights or a set cannot be used, or the run's folder has no room.
    pub fn open(
        config: &DetectorTrainConfig,
        log: &RunLog<DetectorEvent>,
    ) -> Result<DetectorSession, TrainError> {
        let device = gpu::choose(config.run.device)?;
        if let Some(text) = &device.note {
            log.note(text.clone());
        }
        let mut start = start(&config.model, config.run.seed, &device.device.clone().autodiff())?;
        let mut mixture = BoxMixture::open(&config.data.train, config.data.bad_limit)?;
        mixture.notes().into_iter().for_each(|text| log.note(text));
        mixture.thin_to(config.data.limit);
        if start.fresh {
            start.net = settled(start.net, &mixture, start.config.input, config, &device);
        }
        let mut quick = None;
        if let Some(set) = &config.data.val {
            let mut set = BoxSet::open(set.path()?, "val")?;
            let left_out = set.report.summary();
            if !left_out.is_empty() {
                log.note(format!("{}: {left_out}", set.title));
            }
            set.thin_to(config.data.val_limit);
            quick = Some(set);
        }
        check_space(&[SpaceNeed::of_weights(&config.run.out, &start.net)])?;
        let shards = shard_count(&config.run);
        let layout = ParamLayout::of(&start.net);
        Ok(DetectorSession {
            steps: total_steps(&config.schedule, mixture.len()),
            anchors: anchors(start.config.input, &STRIDES),
            engine: DetectorEngine::of(&start.net, &layout, start.config.input, device.is_gpu()),
            layout,
            config: config.clone(),
            mixture: Arc::new(mixture),
            loader: None,
            device,
            start,
            quick,
            shards,
        })
    }

    /// Losses of step `step` and their gradient at `weights`, written to `gradient`: the mean over the step's
    /// `schedule.accumulate` batches.
    pub fn step(&mut self, step: u64, weights: &[f32], out: &mut [f32]) -> StepOutcome<DetectorLoss> {
        let before = Instant::now();
        let loader = self.loader.take().unwrap_or_else(|| self.load_from(step));
        let accumulate = self.config.schedule.accumulate;
        let given: Vec<BoxBatch> = (0..accumulate).map_while(|_| loader.next()).collect();
        let mut outcome = StepOutcome::<DetectorLoss> { waited: before.elapsed(), ..StepOutcome::default() };
        out.fill(0.0);
        if given.len() < accumulate {
            // A loader's thread only ends before its loader when it panicked.
            outcome.loss.scores = f64::NAN;
            return outcome;
        }
        let mut loss = self.config.loss.clone();
        loss.scores /= accumulate as f64;
        loss.boxes /= accumulate as f64;
        let work = DetectorGradient {
            engine: &self.engine,
            net: &self.start.net,
            layout: &self.layout,
            anchors: &self.anchors,
            shards: self.shards,
            loss,
            device: &self.device.device,
        };
        for batch in given {
            outcome.loss += work.gradient(weights, &batch.shown, out);
            outcome.samples.extend(batch.samples);
            outcome.unreadable.extend(batch.shown.into_iter().flat_map(|sample| sample.bad));
        }
        self.loader = Some(loader);
        outcome
    }

    fn load_from(&self, step: u64) -> Loader<BoxBatch> {
        let threads = self.config.run.loader_threads(self.device.is_gpu());
        batches(&self.mixture, &self.config, self.start.config.input, step, self.steps, threads)
    }

    /// The network with `weights`, for inference or saving.
    pub fn trained(&self, weights: &[f32]) -> DetectorNet {
        self.layout.write(self.start.net.clone(), weights).valid()
    }

    /// How good `net` is on `set`.
    ///
    /// # Errors
    /// A picture cannot be decoded, or the device fails.
    pub fn measure(
        &self,
        net: &DetectorNet,
        set: &BoxSet,
        log: &RunLog<DetectorEvent>,
    ) -> Result<DetectorScore, TrainError> {
        let total = set.images.len();
        let done = |done| log.emit(RunEvent::Validating { done, total });
        let found = find_people_with(net, &self.start.config, &self.device, set, done)?;
        Ok(score(set, &found))
    }
}

/// A random network made ready for the pictures that it will see first.
fn settled(
    net: DetectorNet,
    mixture: &BoxMixture,
    side: usize,
    config: &DetectorTrainConfig,
    device: &ComputeDevice,
) -> DetectorNet {
    let (how, seed) = (&config.augmentation, config.run.seed);
    let shown = SETTLING.min(mixture.len());
    let pictures = (0..shown).into_par_iter().map(|i| i * mixture.len() / shown);
    let pixels: Vec<Vec<f32>> = pictures
        .map(|sample| mixture.show(&mixture.compose(sample, 0, side, how, true, seed), how).pixels)
        .collect();
    let images = TensorData::new(pixels.concat(), [shown, 3, side, side]);
    net.settled(Tensor::from_data(images, &device.device).autodiff())
}
