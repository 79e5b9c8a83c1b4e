//! `tmpose train detector`: settings from a file and flags, a progress bar for the events.

use super::flags::ConfigArgs;
use super::terminal::{TerminalReporter, remaining_text};
use crate::cli::command_line::command_line;
use crate::cli::stop_flag;
use crate::cli::terminal::out;
use crate::eval::detector::DetectorScore;
use crate::train::detector::{self, DetectorEvent, DetectorStep, DetectorTrainConfig};
use crate::train::{RunControl, TrainSettings};
use anyhow::Context;

/// Arguments of `tmpose train detector`.
#[derive(clap::Args)]
pub struct TrainDetectorArgs {
    #[command(flatten)]
    config: ConfigArgs<DetectorTrainConfig>,
}

/// Runs `tmpose train detector`.
///
/// # Errors
/// The settings cannot work, a file cannot be read or written, or the user stopped the training.
pub fn run(args: TrainDetectorArgs) -> anyhow::Result<()> {
    let config = args.config.settings()?;
    if args.config.print_config {
        out!("{}", config.to_toml());
        return Ok(());
    }
    let out = &config.run.out;
    args.config.check_folder(out)?;
    let stop = stop_flag()?;
    let terminal = TerminalReporter::default();
    let command = command_line(std::env::args());
    let on_event = |event: &DetectorEvent| show(&terminal, event);
    let resume = args.config.resumes();
    let control = RunControl { resume, command: &command, on_event: &on_event, stop: &stop };
    detector::run(&config, &control).with_context(|| format!("training in {}", out.display()))?;
    terminal.outcome("train detector", out)
}

fn show(terminal: &TerminalReporter, event: &DetectorEvent) {
    match event {
        DetectorEvent::Run(event) => terminal.show(event),
        DetectorEvent::Started { step, steps, samples, trained, parameters, device } => {
            terminal.line(&format!(
                "step {step} of {steps}, {samples} pictures an epoch, {trained} of {parameters} parameters \
                 trained; {device}"
            ));
        }
        DetectorEvent::Step(e) => {
            terminal.advance("training", e.position.step, e.position.steps, &step_text(e))
        }
        DetectorEvent::Validated { step, epoch, score, best } => {
            let best = if *best { ", best so far" } else { "" };
            terminal.line(&format!("step {step}, epoch {epoch:.2}: {}{best}", score_text(score)));
        }
        DetectorEvent::Kept { step, score } => {
            terminal.line(&format!("kept, from step {step}: {}", score_text(score)));
        }
    }
}

fn score_text(score: &DetectorScore) -> String {
    let b = &score.boxes;
    let tall = score.tall.at_half().map_or(0.0, |at| at.recall);
    format!(
        "AP {:.4} AP50 {:.4} AP75 {:.4} AR100 {:.4}, {tall:.3} of the large people at half a false box a picture \
         ({} pictures)",
        b.ap, b.ap50, b.ap75, b.ar100, score.pictures
    )
}

fn step_text(e: &DetectorStep) -> String {
    format!(
        "loss {:.3} (scores {:.3}, boxes {:.3}), {:.1} pictures/s, {}",
        e.loss,
        e.score_loss,
        e.box_loss,
        e.pace.samples_a_second,
        remaining_text(e.pace.seconds_left, e.pace.waiting)
    )
}
