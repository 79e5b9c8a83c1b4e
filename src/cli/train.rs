//! `tmpose train`: settings from a file and flags, a progress bar for the events.

mod bars;
mod detector;
mod run_args;
mod screen;

use crate::cli::stop_flag;
use crate::data::{SetSource, SetSpec};
use crate::model::Variant;
use crate::synth::training_set;
use crate::train::{self, PoseEvent, PoseStep, Recipe, TrainConfig};
use anyhow::{Context, bail};
use indicatif::ProgressBar;
use run_args::{RunArgs, set};
use screen::{Screen, still};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Trains a pose network, or the network that a subcommand names.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    poses: PoseArgs,
}

/// What else can be trained.
#[derive(clap::Subcommand)]
// Parsed once, moved once: the size of the largest variant costs nothing.
#[allow(clippy::large_enum_variant)]
enum Other {
    /// Train the person detector on pictures with boxes around people
    Detector(detector::Args),
}

/// Flags; each one overrides its setting in the file.
#[derive(clap::Args)]
struct PoseArgs {
    /// What the settings start from: modern (short trainings, the default) or tmpose (the paper's)
    #[arg(long, conflicts_with = "resume")]
    recipe: Option<Recipe>,
    /// A set to train on, COCO or MPII layout, passed N times an epoch; `mannequin:N` draws N pictures of the
    /// built-in figure. May be given several times
    #[arg(long, value_name = "FOLDER[:N]")]
    data: Vec<SetSpec>,
    /// The set that decides which weights are best
    #[arg(long, value_name = "FOLDER")]
    val: Option<SetSource>,
    /// A further set to measure the finished weights on; may be given several times
    #[arg(long, value_name = "FOLDER")]
    report: Vec<SetSource>,
    /// tmpose-t, -s, -b, -l-d6, -l-d18 or -l-d24
    #[arg(long)]
    variant: Option<Variant>,
    /// Layers of the transformer
    #[arg(long)]
    depth: Option<usize>,
    /// Skeleton: coco17, mpii16 or a skeleton file
    #[arg(long)]
    skeleton: Option<String>,
    /// Starting weights: .safetensors, .pth or PP-TinyPose's .onnx
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Learn from this network's outputs too: .safetensors, or PP-TinyPose's .onnx
    #[arg(long, value_name = "FILE")]
    teacher: Option<PathBuf>,
    /// Show every person with all tokens, a drawn set and the fewest in each step
    #[arg(long)]
    sandwich: bool,
    /// Leave the backbone as it starts and compute its features once
    #[arg(long)]
    freeze_backbone: bool,
    /// Different crops of each sample whose features are kept; every pass over the data takes the next
    #[arg(long, value_name = "N")]
    draws: Option<u64>,
    /// Folder for cached features
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Passes over all samples [default: 5]
    #[arg(long)]
    epochs: Option<f64>,
    /// Persons that the network sees at once [default: 32]
    #[arg(long)]
    batch: Option<usize>,
    /// Batches a step, their gradients added [default: 1]
    #[arg(long, value_name = "N")]
    accumulate: Option<usize>,
    /// Highest learning rate, reached after the warm-up [default: 0.001]
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Train on at most this many samples, spread over all sets
    #[arg(long)]
    limit: Option<usize>,
    /// Validate on at most this many persons between epochs
    #[arg(long)]
    val_limit: Option<usize>,
    #[command(flatten)]
    run: RunArgs,
}

impl PoseArgs {
    fn settings(&self) -> anyhow::Result<TrainConfig> {
        let mut c = match self.run.file() {
            Some(path) => TrainConfig::load(&path, self.recipe)?,
            None => TrainConfig::recipe(self.recipe.unwrap_or_default()),
        };
        self.run.apply(&mut c.run, &mut c.schedule);
        if !self.data.is_empty() {
            c.data.train = self.data.clone();
        }
        if !self.report.is_empty() {
            c.data.report = self.report.clone();
        }
        if self.val.is_some() {
            c.data.val = self.val.clone();
        }
        if self.init.is_some() {
            c.model.init = self.init.clone();
        }
        if self.teacher.is_some() {
            c.distillation.teacher = self.teacher.clone();
        }
        c.masks.sandwich |= self.sandwich;
        if self.cache.is_some() {
            c.data.cache = self.cache.clone();
        }
        c.model.freeze_backbone |= self.freeze_backbone;
        set(&mut c.model.variant, &self.variant);
        set(&mut c.model.depth, &self.depth);
        set(&mut c.model.skeleton, &self.skeleton);
        set(&mut c.schedule.epochs, &self.epochs);
        set(&mut c.schedule.batch, &self.batch);
        set(&mut c.schedule.accumulate, &self.accumulate);
        set(&mut c.schedule.learning_rate, &self.learning_rate);
        set(&mut c.data.draws, &self.draws);
        set(&mut c.data.limit, &self.limit);
        set(&mut c.data.val_limit, &self.val_limit);
        Ok(c)
    }
}

pub fn run(args: Args) -> anyhow::Result<()> {
    match args.other {
        Some(Other::Detector(args)) => detector::run(args),
        None => run_poses(args.poses),
    }
}

fn run_poses(args: PoseArgs) -> anyhow::Result<()> {
    let mut config = args.settings()?;
    if args.run.print_config {
        print!("{}", config.to_toml());
        return Ok(());
    }
    args.run.check_folder(&config.run.out)?;
    let stop = stop_flag()?;
    for spec in &mut config.data.train {
        if let SetSource::Mannequin(pictures) = spec.source {
            *spec = drawn(&config.run.out, pictures.unwrap_or(1), &stop)?;
        }
    }
    let screen = Screen::default();
    let command = command_line(std::env::args());
    train::run(&config, args.run.resumes(), &command, &|event| show(&screen, event), &stop)
        .with_context(|| format!("training in {}", config.run.out.display()))?;
    screen.outcome("train", &config.run.out)
}

/// The command as it stands in the weights' training record. Weights are passed on to others, so what lies
/// around a file or folder on this machine is left out. Words with spaces are quoted.
pub(super) fn command_line(args: impl Iterator<Item = String>) -> String {
    let shorten = |text: &str| match Path::new(text).file_name() {
        Some(name) if Path::new(text).is_absolute() => name.to_string_lossy().into_owned(),
        _ => text.to_owned(),
    };
    let quoted = |text: String| if text.contains(char::is_whitespace) { format!("{text:?}") } else { text };
    let shown = args.skip(1).map(|arg| match arg.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => format!("{flag}={}", quoted(shorten(value))),
        _ => quoted(shorten(&arg)),
    });
    std::iter::once("tmpose".to_owned()).chain(shown).collect::<Vec<_>>().join(" ")
}

/// A set of `count` pictures of the mannequin in the run's folder; drawn where it is missing.
fn drawn(run: &Path, count: usize, stop: &AtomicBool) -> anyhow::Result<SetSpec> {
    let folder = run.join(format!("mannequin-{count}"));
    let bar = ProgressBar::new(0).with_message("drawing the mannequin");
    let show = |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let complete = training_set(&folder, count, &show, stop)?;
    bar.finish_and_clear();
    if !complete {
        bail!("stopped while the mannequin was drawn; start again to go on");
    }
    Ok(folder.into())
}

fn show(screen: &Screen, event: &PoseEvent) {
    match event {
        PoseEvent::Run(event) => screen.show(event),
        PoseEvent::Features { set, done, total } => {
            screen.advance(&format!("features of {set}"), *done as u64, *total as u64, "");
        }
        PoseEvent::Started { step, steps, samples, parameters, device } => screen.line(&format!(
            "step {step} of {steps}, {samples} samples an epoch, {parameters} parameters; {device}"
        )),
        PoseEvent::Step(e) => screen.advance("training", e.position.step, e.position.steps, &step_text(e)),
        PoseEvent::Validated { step, epoch, keep_ratio, score, best } => screen.line(&format!(
            "step {step}, epoch {epoch:.2}, kept {keep_ratio}: AP {:.4} AP50 {:.4} AP75 {:.4} AR {:.4} PCK@0.1 {:.4} @0.2 {:.4} ({} persons){}",
            score.ap, score.ap50, score.ap75, score.ar, score.pck01, score.pck02, score.persons,
            if *best { ", best so far" } else { "" }
        )),
    }
}

fn step_text(e: &PoseStep) -> String {
    let imitated: String = [("sandwich", e.sandwich), ("teacher", e.teacher)]
        .into_iter()
        .filter(|(_, part)| *part > 0.0)
        .map(|(name, part)| format!(", {name} {part:.3}"))
        .collect();
    format!(
        "loss {:.3} (mse {:.3}, ce {:.3}{imitated}), {:.0} persons/s, {}",
        e.loss,
        e.mse,
        e.cross_entropy,
        e.pace.samples_a_second,
        still(e.pace.seconds_left, e.pace.waiting)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn the_recorded_command_does_not_tell_where_things_lie_on_this_machine() {
        let args =
            ["/opt/bin/tmpose", "train", "--data", "/home/me/people:2", "--out=/tmp/run", "--val", "a/b"];
        let command = command_line(args.into_iter().map(str::to_owned));
        assert_eq!(command, "tmpose train --data people:2 --out=run --val a/b");

        let spaced = ["tmpose", "ablate", "--note", "two cores", "--out=my run"].map(str::to_owned);
        assert_eq!(command_line(spaced.into_iter()), r#"tmpose ablate --note "two cores" --out="my run""#);
    }
}
