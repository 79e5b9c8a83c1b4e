//! `tmpose train`: settings from a file and flags, a progress bar for the events.

mod bars;
mod detector;
mod flags;
mod screen;

use crate::cli::mannequin_sets::with_mannequin_sets;
use crate::cli::stop_flag;
use crate::train::{self, PoseEvent, PoseStep, TrainConfig, TrainSettings};
use anyhow::Context;
use flags::ConfigArgs;
use screen::{Screen, still};
use std::path::Path;

/// Trains a pose network, or the network that a subcommand names.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    poses: ConfigArgs<TrainConfig>,
}

/// What else can be trained.
#[derive(clap::Subcommand)]
// Parsed once, moved once: the size of the largest variant costs nothing.
#[allow(clippy::large_enum_variant)]
enum Other {
    /// Train the person detector on pictures with boxes around people
    Detector(detector::Args),
}

pub fn run(args: Args) -> anyhow::Result<()> {
    match args.other {
        Some(Other::Detector(args)) => detector::run(args),
        None => run_poses(args.poses),
    }
}

fn run_poses(args: ConfigArgs<TrainConfig>) -> anyhow::Result<()> {
    let mut config = args.settings()?;
    if args.print_config {
        print!("{}", config.to_toml());
        return Ok(());
    }
    args.check_folder(&config.run.out)?;
    let stop = stop_flag()?;
    let data = &mut config.data;
    with_mannequin_sets(&config.run.out, &stop, |sets| {
        sets.replace_in(&mut data.train, &mut data.val, &mut data.report)
    })?;
    let screen = Screen::default();
    let command = command_line(std::env::args());
    train::run(&config, args.resumes(), &command, &|event| show(&screen, event), &stop)
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
