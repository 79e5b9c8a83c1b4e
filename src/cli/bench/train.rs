//! `tmpose bench --train`: how long a training step takes, beside PyTorch's.

use super::Args;
use super::noise_set;
use super::peers::{Peers, take_turns};
use super::train_report::{StepTimes, TrainReport, TrainRow};
use crate::cli::stop_flag;
use crate::data::Augmentation;
use crate::gpu::DeviceChoice;
use crate::model::{KeepRatio, ModelConfig, Variant, kept_tokens};
use crate::pose::Skeleton;
use crate::train::config::MaskSection;
use crate::train::{Stepper, TrainConfig};
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a training step begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TrainFrom {
    /// Cached features of a frozen backbone: the part behind it is trained
    Features,
    /// Pictures: the whole network is trained
    Pictures,
}

/// The part of the arguments that belongs to training.
#[derive(clap::Args)]
#[command(next_help_heading = "Training")]
pub struct TrainingArgs {
    /// Measure training steps instead: from cached features, from pictures, or (without a value) both
    #[arg(long, value_enum, value_delimiter = ',', num_args = 0..=1, require_equals = true, default_missing_values = ["features", "pictures"], value_name = "LIST")]
    pub train: Vec<TrainFrom>,
    /// Persons in a step from cached features
    #[arg(long, default_value_t = 32, value_name = "N", requires = "train", value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
    /// Persons in a step from pictures, through the whole network
    #[arg(long, default_value_t = 8, value_name = "N", requires = "train", value_parser = clap::value_parser!(u16).range(1..=1024))]
    picture_batch: u16,
}

/// Everything that steps of one kind share.
struct TrainCase<'a> {
    args: &'a Args,
    variant: Variant,
    from: TrainFrom,
    device: DeviceChoice,
    /// Where the people lie, and where features may be kept.
    folder: &'a Path,
}

/// Runs `tmpose bench --train`.
pub fn run(args: &Args, mut peers: Option<&mut Peers>, load: Option<f64>) -> anyhow::Result<()> {
    // Asked for so that the folder is removed after Ctrl-C too.
    let stop = stop_flag()?;
    let folder = tempfile::tempdir().context("cannot make a folder for the people to train on")?;
    let persons = usize::from(args.training.batch.max(args.training.picture_batch));
    noise_set::write(folder.path(), persons, Skeleton::coco17())?;
    let variants = if args.variants.is_empty() { vec![Variant::T] } else { args.variants.clone() };
    let mut report = TrainReport::new(args.mask, args.runs, load);
    let mut measured = Ok(());
    'cases: for &device in &args.devices {
        for &variant in &variants {
            for &from in &args.training.train {
                let case = TrainCase { args, variant, from, device, folder: folder.path() };
                measured = case.measure(peers.as_deref_mut(), &mut report, &stop);
                if measured.is_err() || stop.load(Ordering::SeqCst) {
                    break 'cases;
                }
            }
        }
    }
    args.write_json(&report)?;
    // Ctrl-C ends PyTorch's process too, whose silence is then no error of its own.
    if stop.load(Ordering::SeqCst) { Ok(()) } else { measured }
}

impl TrainCase<'_> {
    /// Every keep ratio. Ours and PyTorch take turns step by step, so that whatever else the machine does
    /// falls on both alike.
    fn measure(
        &self,
        mut peers: Option<&mut Peers>,
        report: &mut TrainReport,
        stop: &AtomicBool,
    ) -> anyhow::Result<()> {
        let shape = ModelConfig::new(self.variant, Skeleton::coco17());
        let mut names: Option<Vec<String>> = None;
        for &keep in &self.args.keep {
            let config = self.settings(keep);
            let Some(mut ours) = Stepper::open(&config, stop)? else { return Ok(()) };
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
            let kept = kept_tokens(self.args.mask, keep, shape.grid, 0);
            let turns = take_turns(self.args.runs, peers.as_deref_mut(), names.len(), || {
                if stop.load(Ordering::SeqCst) {
                    return Ok(None);
                }
                Ok(Some((ours.step()?.time.as_secs_f64() * 1e3, kept.clone())))
            })?;
            let Some(turns) = turns else { return Ok(()) };
            let batch = config.schedule.batch;
            let steps = |runs: &Vec<BTreeMap<String, f64>>| -> Vec<f64> {
                runs.iter().filter_map(|ms| ms.get("step").copied()).collect()
            };
            let peer = names.first().zip(turns.theirs.first().map(steps));
            report.add(TrainRow::new(
                self.variant,
                ours.device(),
                ours.engine_name(),
                keep,
                kept.len(),
                StepTimes::new(batch, &turns.ours),
                peer.map(|(name, ms)| (name.clone(), StepTimes::new(batch, &ms))),
            ));
        }
        Ok(())
    }

    /// The default recipe, with one batch and one mask.
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
        // Both terms in every step, as PyTorch has them.
        config.loss.cross_entropy_until = 0.0;
        config.schedule.batch = usize::from(match self.from {
            TrainFrom::Features => training.batch,
            TrainFrom::Pictures => training.picture_batch,
        });
        config.run.out = self.folder.to_owned();
        config.run.device = self.device;
        config
    }
}
