//! `tmpose train`: settings from a file and flags, a progress bar for the events.

mod bars;
mod detector;
mod flags;
mod terminal;

use crate::cli::command_line::command_line;
use crate::cli::stop_flag;
use crate::cli::terminal::out;
use crate::train::{self, PoseEvent, PoseStep, RunControl, TrainConfig, TrainSettings};
use anyhow::Context;
use flags::ConfigArgs;
use terminal::{TerminalReporter, remaining_text};

/// Arguments of `tmpose train`: those of a pose network, or a subcommand for another network.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct TrainArgs {
    #[command(subcommand)]
    command: Option<TrainCommand>,
    #[command(flatten)]
    poses: ConfigArgs<TrainConfig>,
}

/// The other networks that can be trained.
#[derive(clap::Subcommand)]
// Parsed once, moved once: the size of the largest variant costs nothing.
#[allow(clippy::large_enum_variant)]
enum TrainCommand {
    /// Train the person detector on pictures with boxes around people
    Detector(detector::TrainDetectorArgs),
}

/// Runs `tmpose train`.
///
/// # Errors
/// The settings cannot work, a file cannot be read or written, or the user stopped the training.
pub fn run(args: TrainArgs) -> anyhow::Result<()> {
    match args.command {
        Some(TrainCommand::Detector(args)) => detector::run(args),
        None => run_poses(args.poses),
    }
}

fn run_poses(args: ConfigArgs<TrainConfig>) -> anyhow::Result<()> {
    let config = args.settings()?;
    if args.print_config {
        out!("{}", config.to_toml());
        return Ok(());
    }
    args.check_folder(&config.run.out)?;
    let stop = stop_flag()?;
    let terminal = TerminalReporter::default();
    let command = command_line(std::env::args());
    let on_event = |event: &PoseEvent| show(&terminal, event);
    let control = RunControl { resume: args.resumes(), command: &command, on_event: &on_event, stop: &stop };
    train::run(&config, &control).with_context(|| format!("training in {}", config.run.out.display()))?;
    terminal.outcome("train", &config.run.out)
}

fn show(terminal: &TerminalReporter, event: &PoseEvent) {
    match event {
        PoseEvent::Run(event) => terminal.show(event),
        PoseEvent::Rendering { done, total } => {
            terminal.advance("rendering the mannequin", *done as u64, *total as u64, "");
        }
        PoseEvent::Features { set, done, total } => {
            terminal.advance(&format!("features of {set}"), *done as u64, *total as u64, "");
        }
        PoseEvent::Started { step, steps, samples, parameters, device } => terminal.line(&format!(
            "step {step} of {steps}, {samples} samples an epoch, {parameters} parameters; {device}"
        )),
        PoseEvent::Step(e) => terminal.advance("training", e.position.step, e.position.steps, &step_text(e)),
        PoseEvent::Validated { step, epoch, keep_ratio, score, best } => terminal.line(&format!(
            "step {step}, epoch {epoch:.2}, kept {keep_ratio}: AP {:.4} AP50 {:.4} AP75 {:.4} AR {:.4} PCK@0.1 {:.4} @0.2 {:.4} ({} persons){}",
            score.ap, score.ap50, score.ap75, score.ar, score.pck01, score.pck02, score.persons,
            if *best { ", best so far" } else { "" }
        )),
    }
}

fn step_text(e: &PoseStep) -> String {
    let distilled: String = [("sandwich", e.sandwich), ("teacher", e.teacher)]
        .into_iter()
        .filter(|(_, part)| *part > 0.0)
        .map(|(name, part)| format!(", {name} {part:.3}"))
        .collect();
    format!(
        "loss {:.3} (mse {:.3}, ce {:.3}{distilled}), {:.0} persons/s, {}",
        e.loss,
        e.mse,
        e.cross_entropy,
        e.pace.samples_a_second,
        remaining_text(e.pace.seconds_left, e.pace.waiting)
    )
}
