//! `tmpose bench --train`: how long a training step takes, beside PyTorch's.

use super::BenchArgs;
use super::noise_set;
use super::peers::{InterleavedRuns, Peers, run_interleaved};
use super::train_report::{StepTimes, TrainReport, TrainRow};
use crate::cli::stop_flag;
use crate::data::Augmentation;
use crate::gpu::{ComputeDevice, DeviceChoice};
use crate::model::{KeepRatio, PoseNetConfig, Variant, kept_tokens};
use crate::pose::Skeleton;
use crate::train::config::MaskSection;
use crate::train::detector::DetectorTrainConfig;
use crate::train::{DetectorStepper, PoseStepper, TrainConfig};
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a training step begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TrainFrom {
    /// Cached features of a frozen backbone: the part behind it is trained
    Features,
    /// Pictures: the whole network is trained
    Pictures,
    /// Pictures, which the person detector is trained with
    Detector,
}

/// The arguments of `tmpose bench --train`.
#[derive(clap::Args)]
#[command(next_help_heading = "Training")]
pub struct TrainingArgs {
    /// Measure training steps instead: from cached features, from pictures, of the detector, or (without a value) all
    #[arg(long, value_enum, value_delimiter = ',', num_args = 0..=1, require_equals = true, default_missing_values = ["features", "pictures", "detector"], value_name = "LIST")]
    pub train: Vec<TrainFrom>,
    /// Persons in a step from cached features
    #[arg(long, default_value_t = 32, value_name = "N", requires = "train", value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
    /// Persons in a step from pictures, through the whole network
    #[arg(long, default_value_t = 8, value_name = "N", requires = "train", value_parser = clap::value_parser!(u16).range(1..=1024))]
    picture_batch: u16,
    /// Pictures in a step of the detector
    #[arg(long, default_value_t = 16, value_name = "N", requires = "train", value_parser = clap::value_parser!(u16).range(1..=1024))]
    detector_batch: u16,
}

/// One kind of training step on one device.
struct TrainCase<'a> {
    args: &'a BenchArgs,
    variant: Variant,
    from: TrainFrom,
    device: DeviceChoice,
    /// The folder of the training set, where features may be cached too.
    folder: &'a Path,
}

/// Runs `tmpose bench --train`. `load` is the machine's load average, if it was busy.
///
/// # Errors
/// The set cannot be written, a training cannot start, or the Python process ended.
pub fn run(args: &BenchArgs, mut peers: Option<&mut Peers>, load: Option<f64>) -> anyhow::Result<()> {
    // With a stop flag Ctrl-C does not end the program at once, so the folder is removed.
    let stop = stop_flag()?;
    let folder = tempfile::tempdir().context("cannot create a folder for the training set")?;
    let TrainingArgs { batch, picture_batch, detector_batch, .. } = args.training;
    let persons = usize::from(batch.max(picture_batch).max(detector_batch));
    noise_set::write(folder.path(), persons, Skeleton::coco17())?;
    let variants = if args.variants.is_empty() { vec![Variant::T] } else { args.variants.clone() };
    let mut report = TrainReport::new(args.mask, args.runs, load);
    let mut measured = Ok(());
    'cases: for &device in &args.devices {
        for &variant in &variants {
            for &from in args.training.train.iter().filter(|from| **from != TrainFrom::Detector) {
                let case = TrainCase { args, variant, from, device, folder: folder.path() };
                measured = case.measure(peers.as_deref_mut(), &mut report, &stop);
                if measured.is_err() || stop.load(Ordering::SeqCst) {
                    break 'cases;
                }
            }
        }
        if args.training.train.contains(&TrainFrom::Detector) {
            measured =
                measure_detector(args, device, folder.path(), peers.as_deref_mut(), &mut report, &stop);
            if measured.is_err() || stop.load(Ordering::SeqCst) {
                break 'cases;
            }
        }
    }
    args.write_json(&report)?;
    // Ctrl-C ends the Python process too; that it then gives no answer is no error.
    if stop.load(Ordering::SeqCst) { Ok(()) } else { measured }
}

impl TrainCase<'_> {
    /// Measures every keep ratio. Our steps and PyTorch's alternate, so that other load on the machine slows both
    /// alike.
    fn measure(
        &self,
        mut peers: Option<&mut Peers>,
        report: &mut TrainReport,
        stop: &AtomicBool,
    ) -> anyhow::Result<()> {
        let shape = PoseNetConfig::new(self.variant, Skeleton::coco17());
        let mut names: Option<Vec<String>> = None;
        for &keep in &self.args.keep {
            let config = self.settings(keep);
            let Some(mut ours) = PoseStepper::open(&config, stop)? else { return Ok(()) };
            let names = match (&mut names, peers.as_deref_mut()) {
                (Some(names), _) => &*names,
                (none, peers) => {
                    let (gpu, parameters) = (ours.device().is_gpu(), ours.parameters());
                    let loaded =
                        peers.map(|p| p.load_training(&shape, &config, gpu, parameters)).transpose()?;
                    report.start(ours.device(), loaded.as_deref().unwrap_or_default());
                    &*none.insert(loaded.unwrap_or_default())
                }
            };
            let kept = kept_tokens(self.args.mask, keep, shape.grid(), 0);
            let measured = run_interleaved(self.args.runs, peers.as_deref_mut(), names.len(), || {
                if stop.load(Ordering::SeqCst) {
                    return Ok(None);
                }
                Ok(Some((ours.step()?.time.as_secs_f64() * 1e3, kept.clone())))
            })?;
            let Some(measured) = measured else { return Ok(()) };
            let kept = Some((keep, kept.len()));
            let name = self.variant.to_string();
            let way = ours.engine_name();
            report.add(row(name, ours.device(), way, kept, config.schedule.batch, &measured, names));
        }
        Ok(())
    }

    /// The default recipe with one batch size and one mask.
    fn settings(&self, keep: KeepRatio) -> TrainConfig {
        let training = &self.args.training;
        let mut config = TrainConfig::default();
        config.model.variant = self.variant;
        config.model.freeze_backbone = self.from == TrainFrom::Features;
        config.data.train = vec![self.folder.to_owned().into()];
        // Every ratio reads the same features.
        config.data.cache = Some(self.folder.join(format!("features-{}", self.variant)));
        // Nothing leaves the crop, so that every joint of every person counts.
        config.augmentation = Augmentation::none();
        config.masks = MaskSection {
            full: 0.0,
            ratio: [keep; 2],
            fixed_share: 1.0,
            fixed: self.args.mask,
            ..config.masks
        };
        // Both terms of the loss in every step, as in PyTorch's step.
        config.loss.cross_entropy_until = 0.0;
        config.schedule.batch = usize::from(match self.from {
            TrainFrom::Features => training.batch,
            TrainFrom::Pictures | TrainFrom::Detector => training.picture_batch,
        });
        config.run.out = self.folder.to_owned();
        config.run.device = self.device;
        config
    }
}

/// What was measured, as a row; `names` are the peers'.
fn row(
    network: String,
    device: &ComputeDevice,
    way: &'static str,
    kept: Option<(KeepRatio, usize)>,
    batch: usize,
    measured: &InterleavedRuns<f64>,
    names: &[String],
) -> TrainRow {
    let steps = |runs: &Vec<BTreeMap<String, f64>>| -> Vec<f64> {
        runs.iter().filter_map(|ms| ms.get("step").copied()).collect()
    };
    let peer = names.first().zip(measured.theirs.first().map(steps));
    let peer = peer.map(|(name, ms)| (name.clone(), StepTimes::new(batch, &ms)));
    TrainRow::new(network, device, way, kept, StepTimes::new(batch, &measured.ours), peer)
}

/// Measures the detector's training. PyTorch's loss is a simple one with fixed targets: assignment and overlaps are
/// counted on our side alone.
fn measure_detector(
    args: &BenchArgs,
    device: DeviceChoice,
    folder: &Path,
    mut peers: Option<&mut Peers>,
    report: &mut TrainReport,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let mut config = DetectorTrainConfig::default();
    config.data.train = vec![folder.to_owned().into()];
    config.schedule.batch = usize::from(args.training.detector_batch);
    config.run.out = folder.to_owned();
    config.run.device = device;
    let mut ours = DetectorStepper::open(&config)?;
    let gpu = ours.device().is_gpu();
    let names = match peers.as_deref_mut() {
        Some(peers) => peers.load_detector_training(ours.config(), &config, gpu, ours.parameters())?,
        None => Vec::new(),
    };
    report.start(ours.device(), &names);
    let measured = run_interleaved(args.runs, peers, names.len(), || {
        if stop.load(Ordering::SeqCst) {
            return Ok(None);
        }
        Ok(Some((ours.step()?.time.as_secs_f64() * 1e3, Vec::new())))
    })?;
    let Some(measured) = measured else { return Ok(()) };
    let (way, batch) = (ours.engine_name(), config.schedule.batch);
    report.add(row("detector".into(), ours.device(), way, None, batch, &measured, &names));
    Ok(())
}
