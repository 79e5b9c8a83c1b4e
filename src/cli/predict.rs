//! `tmpose predict`: poses of pictures, folders and videos, without a window.

mod boxes;
mod ids;
mod jobs;
mod people;
mod results;
mod runner;

use super::model_args::{ModelArgs, SettingsArgs};
use crate::infer::Timing;
use crate::live::PeopleTracker;
use crate::track::FollowMode;
use anyhow::{Context, bail};
use boxes::BoxFile;
use ids::ImageIds;
use indicatif::{ProgressBar, ProgressStyle};
use jobs::OutputNames;
use people::PeopleArgs;
use results::Results;
use runner::{PeopleSource, PredictRunner};
use std::path::{Path, PathBuf};

/// Arguments of `tmpose predict`.
#[derive(clap::Args)]
pub struct PredictArgs {
    /// Pictures, folders of pictures, and videos
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Boxes of people: a COCO instances or keypoints file (pictures are matched by file name), or a list of detections
    /// (matched by the number in the file name) [default: the person detector finds people]
    #[arg(long, value_name = "FILE")]
    boxes: Option<PathBuf>,
    /// Folder for the annotated pictures and videos, keypoints.json and images.json
    #[arg(short, long, default_value = "out", value_name = "DIR")]
    out: PathBuf,
    /// Write keypoints.json and images.json only
    #[arg(long)]
    no_pictures: bool,
    /// Minimum score: joints with a lower score are not drawn
    #[arg(long, default_value_t = 0.2, value_name = "SCORE")]
    min_score: f32,
    #[command(flatten)]
    people: PeopleArgs,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// Runs `tmpose predict`.
///
/// # Errors
/// The model, the boxes or an input cannot be read, or a result cannot be written; also when the user stopped it. What
/// was done by then is kept.
pub fn run(args: PredictArgs) -> anyhow::Result<()> {
    let jobs = jobs::collect(&args.inputs)?;
    let stop = super::stop_flag()?;
    let mut estimator = args.model.estimator()?;
    estimator.set_timing(Timing::WholeOnly);
    let skeleton = estimator.info().skeleton.clone();
    let settings = args.settings.settings();
    let people = match args.boxes.as_deref() {
        Some(file) => PeopleSource::Boxes { boxes: BoxFile::read(file)?, estimator, settings },
        None => {
            let detector = args.people.detector(estimator.device())?;
            let settings = args.people.settings(settings);
            // Several people are told apart by colours.
            let several = detector.is_some() && settings.track.mode == FollowMode::All;
            PeopleSource::Found { people: PeopleTracker::new(estimator, detector, settings), several }
        }
    };
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let mut runner = PredictRunner {
        people,
        skeleton,
        outputs: (!args.no_pictures).then(|| OutputNames::new(args.out.clone())),
        min_score: args.min_score,
        results: Results::create(&args.out)?,
        ids: ImageIds::new(jobs.iter().filter_map(jobs::Job::number)),
        stop,
        progress: progress_bar(jobs.len() as u64)?,
        without_boxes: 0,
    };
    let mut failures = Vec::new();
    for job in &jobs {
        if runner.stopped() {
            break;
        }
        if let Err(error) = runner.run(job) {
            failures.push(super::errors::sentence(&error));
        }
        runner.progress.inc(matches!(job, jobs::Job::Picture(_)).into());
    }
    finish(runner, &args.out, &failures)
}

/// Completes the files, reports what was done, and makes one error of all failures.
fn finish(runner: PredictRunner, out: &Path, failures: &[String]) -> anyhow::Result<()> {
    runner.progress.finish_and_clear();
    let stopped = runner.stopped();
    let (poses, images) = (runner.results.poses(), runner.results.images());
    runner.results.finish()?;
    if images > 0 {
        println!("{}: {poses} poses in {images} pictures and frames", out.join("keypoints.json").display());
    }
    if let (PeopleSource::Boxes { boxes, .. }, missing @ 1..) = (&runner.people, runner.without_boxes) {
        let shown = boxes.shown();
        if images == 0 && failures.is_empty() {
            bail!(
                "{shown} names none of the inputs: give the file that belongs to them, or leave --boxes out"
            );
        }
        eprintln!("note: {shown} does not name {missing} pictures or frames; they were left out");
    }
    match failures {
        _ if stopped => {
            bail!("stopped after {images} pictures and frames, which are kept in {}", out.display())
        }
        [] => Ok(()),
        [only] => bail!("{only}"),
        [first, ..] => bail!("{} inputs failed; the first: {first}", failures.len()),
    }
}

fn progress_bar(jobs: u64) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len}  {per_sec}  {eta} left")?;
    Ok(ProgressBar::new(jobs).with_style(style))
}
