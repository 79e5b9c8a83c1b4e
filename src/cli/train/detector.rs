//! `tmpose train detector`: settings from a file and flags, a progress bar for the events.

use super::command_line;
use super::run_args::{RunArgs, set};
use super::screen::{Screen, still};
use crate::cli::stop_flag;
use crate::data::{SetSource, SetSpec};
use crate::train::detector::{self, DetectorEvent, DetectorScore, DetectorStep, DetectorTraining, Frozen};
use anyhow::Context;
use std::path::PathBuf;

/// Flags; each one overrides its setting in the file.
#[derive(clap::Args)]
pub struct Args {
    /// A set to train on, COCO's layout of boxes (annotations/instances_train.json), passed N times an epoch. May be
    /// given several times
    #[arg(long, value_name = "FOLDER[:N]")]
    data: Vec<SetSpec>,
    /// The set that decides which weights are best
    #[arg(long, value_name = "FOLDER")]
    val: Option<SetSource>,
    /// Starting weights: a detector's .safetensors, or RTMDet-nano's .onnx
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Leave a part as it starts: none, backbone, or neck (backbone and neck) [default: none]
    #[arg(long, value_name = "STAGES")]
    freeze: Option<Frozen>,
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
    /// Train on at most this many pictures, spread over all sets
    #[arg(long)]
    limit: Option<usize>,
    /// Validate on at most this many pictures during the training
    #[arg(long)]
    val_limit: Option<usize>,
    #[command(flatten)]
    run: RunArgs,
}

impl Args {
    fn settings(&self) -> anyhow::Result<DetectorTraining> {
        let mut c = match self.run.file() {
            Some(path) => DetectorTraining::load(&path)?,
            None => DetectorTraining::default(),
        };
        self.run.apply(&mut c.run, &mut c.schedule);
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
        set(&mut c.schedule.epochs, &self.epochs);
        set(&mut c.schedule.batch, &self.batch);
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
    if args.run.print_config {
        print!("{}", config.to_toml());
        return Ok(());
    }
    let out = &config.run.out;
    args.run.check_folder(out)?;
    let stop = stop_flag()?;
    let screen = Screen::default();
    let command = command_line(std::env::args());
    detector::run(&config, args.run.resumes(), &command, &|event| show(&screen, event), &stop)
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
