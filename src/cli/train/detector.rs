//! `tmpose train detector`: settings from a file and flags, a progress bar for the events.

use super::bars::{Bars, remaining};
use super::{check_folder, command_line, ended, set};
use crate::cli::stop_flag;
use crate::data::SetSpec;
use crate::gpu::DeviceChoice;
use crate::train::detector::{self, DetectorEvent, DetectorScore, DetectorStep, DetectorTraining, Frozen};
use anyhow::Context;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Flags; each one overrides its setting in the file.
#[derive(clap::Args)]
pub struct Args {
    /// Settings file (TOML); what it does not name keeps its default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Go on with the training in this folder
    #[arg(long, value_name = "RUN", conflicts_with = "config")]
    resume: Option<PathBuf>,
    /// A set to train on, COCO's layout of boxes (annotations/instances_train.json), passed N times an epoch. May be
    /// given several times
    #[arg(long, value_name = "FOLDER[:N]")]
    data: Vec<SetSpec>,
    /// The set that decides which weights are best
    #[arg(long, value_name = "FOLDER")]
    val: Option<PathBuf>,
    /// Starting weights: a detector's .safetensors, or RTMDet-nano's .onnx
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Leave a part as it starts: none, backbone, or neck (backbone and neck) [default: none]
    #[arg(long, value_name = "STAGES")]
    freeze: Option<Frozen>,
    /// Where the network is trained: auto, gpu, cpu or cuda [default: auto]
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
    /// Folder for the run's checkpoints, log and weights
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
    /// Steps to train, instead of a number of epochs
    #[arg(long)]
    steps: Option<u64>,
    /// Passes over all pictures [default: 12]
    #[arg(long)]
    epochs: Option<f64>,
    /// Pictures that the network sees at once [default: 16]
    #[arg(long)]
    batch: Option<usize>,
    /// Highest learning rate, reached after the warm-up [default: 0.0003]
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Probability of four pictures in one [default: 0.6]
    #[arg(long, value_name = "P")]
    mosaic: Option<f64>,
    /// Probability of laying another picture over the first [default: 0]
    #[arg(long, value_name = "P")]
    mixup: Option<f64>,
    /// Other augmentations and orders for another number [default: 1]
    #[arg(long)]
    seed: Option<u64>,
    /// Train on at most this many pictures, spread over all sets
    #[arg(long)]
    limit: Option<usize>,
    /// Validate on at most this many pictures during the training
    #[arg(long)]
    val_limit: Option<usize>,
    /// Steps between validations instead of once an epoch
    #[arg(long)]
    val_steps: Option<u64>,
    /// End after this many validations without a better AP; 0 for never [default: 0]
    #[arg(long, value_name = "N")]
    patience: Option<u64>,
    /// Print the settings as a file for --config, each with what it means, and end
    #[arg(long)]
    print_config: bool,
}

impl Args {
    fn settings(&self) -> anyhow::Result<DetectorTraining> {
        let mut c = match (&self.config, &self.resume) {
            (Some(path), _) => DetectorTraining::load(path)?,
            (None, Some(run)) => DetectorTraining::load(&run.join("config.toml"))?,
            (None, None) => DetectorTraining::default(),
        };
        if !self.data.is_empty() {
            c.data.train = self.data.clone();
        }
        if self.val.is_some() {
            c.data.val = self.val.clone();
        }
        if self.init.is_some() {
            c.model.init = self.init.clone();
        }
        set(&mut c.model.freeze, &self.freeze);
        set(&mut c.run.device, &self.device);
        set(&mut c.run.out, &self.out.clone().or(self.resume.clone()));
        set(&mut c.run.seed, &self.seed);
        set(&mut c.run.val_steps, &self.val_steps);
        set(&mut c.schedule.steps, &self.steps);
        set(&mut c.schedule.epochs, &self.epochs);
        set(&mut c.schedule.batch, &self.batch);
        set(&mut c.schedule.patience, &self.patience);
        set(&mut c.schedule.learning_rate, &self.learning_rate);
        set(&mut c.augmentation.mosaic, &self.mosaic);
        set(&mut c.augmentation.mixup, &self.mixup);
        set(&mut c.data.limit, &self.limit);
        set(&mut c.data.val_limit, &self.val_limit);
        Ok(c)
    }
}

/// Runs `tmpose train detector`.
pub fn run(args: Args) -> anyhow::Result<()> {
    let config = args.settings()?;
    if args.print_config {
        print!("{}", config.to_toml());
        return Ok(());
    }
    let out = &config.run.out;
    check_folder(out, args.resume.as_deref(), args.out.as_deref())?;
    let stop = stop_flag()?;
    let screen = Screen::default();
    let command = command_line(std::env::args());
    detector::run(&config, args.resume.is_some(), &command, &|event| screen.show(event), &stop)
        .with_context(|| format!("training in {}", out.display()))?;
    ended(screen.stopped.get().copied(), "train detector", out)
}

/// Shows the events of a training.
#[derive(Default)]
struct Screen {
    bars: Bars,
    /// The step after which the training ended early on request.
    stopped: OnceLock<u64>,
}

impl Screen {
    fn show(&self, event: &DetectorEvent) {
        match event {
            DetectorEvent::Note { text } => self.bars.line(text),
            DetectorEvent::Started { step, steps, samples, trained, parameters, device } => {
                self.bars.line(&format!(
                    "step {step} of {steps}, {samples} pictures an epoch, {trained} of {parameters} parameters \
                     trained; {device}"
                ));
            }
            DetectorEvent::Step(e) => self.bars.advance("training", e.step, e.steps, &step_text(e)),
            DetectorEvent::Validating { done, total } => {
                self.bars.advance("validating", *done as u64, *total as u64, "");
            }
            DetectorEvent::Validated { step, epoch, score, best } => {
                let best = if *best { ", best so far" } else { "" };
                self.bars.line(&format!("step {step}, epoch {epoch:.2}: {}{best}", score_text(score)));
            }
            DetectorEvent::Kept { step, score } => {
                self.bars.line(&format!("kept, from step {step}: {}", score_text(score)));
            }
            DetectorEvent::Saved { .. } => {}
            DetectorEvent::Stopped { step } => {
                // It can only be stopped once.
                let _ = self.stopped.set(*step);
                self.bars.clear();
            }
            DetectorEvent::Finished { step, seconds, .. } => {
                self.bars.line(&format!("finished: {step} steps in {:.1} minutes", seconds / 60.0));
            }
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
    let mut text = format!(
        "loss {:.3} (scores {:.3}, boxes {:.3}), {:.1} pictures/s, {} left",
        e.loss,
        e.score_loss,
        e.box_loss,
        e.samples_a_second,
        remaining(e.seconds_left)
    );
    if e.waiting > 0.05 {
        text += &format!(", {:.0}% waiting for data", e.waiting * 100.0);
    }
    text
}
