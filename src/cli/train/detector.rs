//! `tmpose train detector`: settings from a file and flags, a progress bar for the events.

use super::command_line;
use super::flags::ConfigArgs;
use super::screen::{Screen, still};
use crate::cli::stop_flag;
use crate::train::TrainSettings;
use crate::train::detector::{self, DetectorEvent, DetectorScore, DetectorStep, DetectorTrainConfig};
use anyhow::Context;

/// What the person detector is trained with.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs<DetectorTrainConfig>,
}

/// Runs `tmpose train detector`.
pub fn run(args: Args) -> anyhow::Result<()> {
    let config = args.config.settings()?;
    if args.config.print_config {
        print!("{}", config.to_toml());
        return Ok(());
    }
    let out = &config.run.out;
    args.config.check_folder(out)?;
    let stop = stop_flag()?;
    let screen = Screen::default();
    let command = command_line(std::env::args());
    detector::run(&config, args.config.resumes(), &command, &|event| show(&screen, event), &stop)
        .with_context(|| format!("training in {}", out.display()))?;
    screen.outcome("train detector", out)
}

fn show(screen: &Screen, event: &DetectorEvent) {
    match event {
        DetectorEvent::Run(event) => screen.show(event),
        DetectorEvent::Started { step, steps, samples, trained, parameters, device } => {
            screen.line(&format!(
                "step {step} of {steps}, {samples} pictures an epoch, {trained} of {parameters} parameters \
                 trained; {device}"
            ));
        }
        DetectorEvent::Step(e) => {
            screen.advance("training", e.position.step, e.position.steps, &step_text(e))
        }
        DetectorEvent::Validated { step, epoch, score, best } => {
            let best = if *best { ", best so far" } else { "" };
            screen.line(&format!("step {step}, epoch {epoch:.2}: {}{best}", score_text(score)));
        }
        DetectorEvent::Kept { step, score } => {
            screen.line(&format!("kept, from step {step}: {}", score_text(score)));
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
        still(e.pace.seconds_left, e.pace.waiting)
    )
}
