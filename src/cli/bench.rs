//! `tmpose bench`: how long each stage takes, for every variant, keep ratio and device, compared with PyTorch
//! and ONNX Runtime where they are installed; with `--train`, how long a training step takes.

mod detector;
mod live;
mod noise_set;
mod ops;
mod peers;
mod report;
mod train;
mod train_report;

use crate::cli::terminal::errln;
use crate::gpu::{self, ComputeDevice, DeviceChoice};
use crate::infer::{Estimator, Settings, StageTimes, Timing};
use crate::model::{KeepRatio, MaskKind, PoseNetConfig, TokenBudget, Variant};
use crate::pose::Skeleton;
use crate::vision::BBox;
use crate::weights::{TrainingRecord, WeightsInfo};
use anyhow::Context;
use image::{Rgb, RgbImage};
use peers::{Peers, run_interleaved};
use report::{StageReport, StageRow, StageSamples};
use std::path::PathBuf;

/// Arguments of `tmpose bench`. Weights are random: only the time counts.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: Option<BenchCommand>,
    /// Variants, such as tmpose-t,tmpose-b [default: all; with --train: tmpose-t]
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    variants: Vec<Variant>,
    /// Keep ratios
    #[arg(long, value_delimiter = ',', default_value = "1,0.6,0.4", value_name = "LIST")]
    keep: Vec<KeepRatio>,
    /// Devices to measure on: auto, gpu, cpu or cuda
    #[arg(long, value_delimiter = ',', default_value = "auto", value_name = "LIST")]
    devices: Vec<DeviceChoice>,
    /// Which visual tokens are kept
    #[arg(long, default_value_t, value_name = "KIND")]
    mask: MaskKind,
    /// Persons in the frame
    #[arg(long, default_value_t = 1, value_name = "N", conflicts_with = "train", value_parser = clap::value_parser!(u16).range(1..=16))]
    persons: u16,
    /// Timed runs; the median is reported
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Also measure the person detector of this file
    #[arg(long, value_name = "FILE", conflicts_with = "train")]
    detector: Option<PathBuf>,
    /// Do not compare with PyTorch and ONNX Runtime
    #[arg(long)]
    no_peers: bool,
    /// Python that has PyTorch, and for ONNX Runtime also onnxruntime and onnx
    #[arg(long, default_value = "python3", value_name = "PROGRAM")]
    python: PathBuf,
    /// Also write the numbers to this JSON file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    training: train::TrainingArgs,
}

/// What can be measured besides the networks alone.
#[derive(clap::Subcommand)]
// Parsed once, moved once: the size of the largest variant costs nothing.
#[allow(clippy::large_enum_variant)]
enum BenchCommand {
    /// Run the live pipeline without a window: frame rate, latency, stage times, dropped frames and memory
    Live(live::BenchLiveArgs),
    /// Measure each operation of the networks on the CPU: time, and share of what a core can do at most
    Ops(ops::BenchOpsArgs),
}

/// Runs `tmpose bench`.
///
/// # Errors
/// A device or a file cannot be used, the Python process ended, or the report cannot be written.
pub fn run(args: BenchArgs) -> anyhow::Result<()> {
    match &args.command {
        Some(BenchCommand::Live(args)) => return live::run(args),
        Some(BenchCommand::Ops(args)) => return ops::run(args),
        None => {}
    }
    let mut peers = if args.no_peers { None } else { Peers::start(&args.python) };
    if peers.is_none() && !args.no_peers {
        errln!("note: {} has no PyTorch, so there is nothing to compare with", args.python.display());
    }
    let load = busy();
    if let Some(load) = load {
        errln!("note: other programs keep this machine busy (load {load}): the times mean little");
    }
    if !args.training.train.is_empty() {
        return train::run(&args, peers.as_mut(), load);
    }
    let variants = if args.variants.is_empty() { Variant::ALL.to_vec() } else { args.variants.clone() };
    let mut report = StageReport::new(args.mask, usize::from(args.persons), args.runs, load);
    for &choice in &args.devices {
        let device = gpu::choose(choice)?;
        if let Some(note) = &device.note {
            errln!("note: {note}");
        }
        report.start_device(&device);
        for &variant in &variants {
            for row in measure(&args, variant, &device, peers.as_mut())? {
                report.add(row);
            }
        }
        if let Some(weights) = &args.detector {
            report.add_detector(detector::measure(weights, args.runs, &device, peers.as_mut())?);
        }
    }
    args.write_json(&report)
}

impl BenchArgs {
    /// Writes the report to the file of `--json`, if one was asked for.
    fn write_json(&self, report: &impl serde::Serialize) -> anyhow::Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        let text = serde_json::to_string_pretty(report)?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Times one variant on one device at every keep ratio. Our runs and the peers' alternate, so that other load on the
/// machine slows all of them alike.
fn measure(
    args: &BenchArgs,
    variant: Variant,
    device: &ComputeDevice,
    mut peers: Option<&mut Peers>,
) -> anyhow::Result<Vec<StageRow>> {
    let skeleton = Skeleton::coco17().clone();
    let config = PoseNetConfig::new(variant, &skeleton);
    let model = config.init(&device.device);
    let info = WeightsInfo::new(config.clone(), skeleton, TrainingRecord::default());
    let mut estimator = Estimator::from_parts(model, info, device.clone());
    let persons = usize::from(args.persons);
    let img = picture();
    let boxes = vec![BBox::whole(img.dimensions().into()); persons];
    let names = match peers.as_deref_mut() {
        Some(peers) => peers.load(&config, device.is_gpu(), persons)?,
        None => Vec::new(),
    };
    let mut rows = Vec::new();
    for &ratio in &args.keep {
        let budget = TokenBudget { mask: args.mask, keep_ratio: ratio, ..TokenBudget::default() };
        let settings = Settings { budget, ..Settings::default() };
        let mut estimate = |timing| -> anyhow::Result<(StageTimes, Vec<usize>)> {
            estimator.set_timing(timing);
            let output = estimator.estimate(&img, &boxes, &settings, false)?;
            Ok((output.times, output.kept.of(0).to_vec()))
        };
        let measured = run_interleaved(args.runs, peers.as_deref_mut(), names.len(), || {
            let (stages, kept) = estimate(Timing::Stages)?;
            let (unbroken, _) = estimate(Timing::WholeOnly)?;
            Ok(Some(((stages, unbroken), kept)))
        })?;
        let mut ours = StageSamples::default();
        let mut theirs = Vec::new();
        if let Some(measured) = measured {
            measured.ours.iter().for_each(|(stages, unbroken)| ours.add_ours(stages, unbroken));
            theirs = names.iter().cloned().zip(measured.theirs.into_iter().map(StageSamples::of)).collect();
        }
        let kept = estimate(Timing::WholeOnly)?.1.len();
        rows.push(StageRow::new(variant, device, ratio, kept, &ours, theirs));
    }
    Ok(rows)
}

/// The load average of the last minute, where the system reports one and it is above 0.5.
fn busy() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let load: f64 = text.split_whitespace().next()?.parse().ok()?;
    (load > 0.5).then_some(load)
}

/// A frame of 640x480 pixels that is not one colour.
fn picture() -> RgbImage {
    RgbImage::from_fn(640, 480, |x, y| Rgb([(x % 256) as u8, (y % 256) as u8, ((x * y) % 251) as u8]))
}
