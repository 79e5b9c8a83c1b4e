//! `tmpose predict`: poses of pictures, folders and videos, without a window.

mod boxes;
mod ids;
mod jobs;
mod outputs;
mod people;
mod results;
mod runner;

use super::model_args::{ModelArgs, SettingsArgs};
use crate::cli::terminal::{errln, outln};
use crate::files;
use crate::infer::Timing;
use crate::live::PeopleTracker;
use crate::source::SourceError;
use crate::track::FollowMode;
use anyhow::{Context, bail};
use boxes::BoxFile;
use ids::ImageIds;
use indicatif::{ProgressBar, ProgressStyle};
use jobs::{Job, Jobs};
use outputs::{KEYPOINTS, OutputFolder};
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
    /// Pictures of subfolders, too
    #[arg(short, long)]
    recursive: bool,
    /// Replace files in the output folder that no earlier run made; inputs never are [default: a number is added to the
    /// name]
    #[arg(long)]
    overwrite: bool,
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
    let Jobs { jobs, mut folders } = jobs::collect(&args.inputs, args.recursive)?;
    let inputs = jobs.iter().map(Job::path).chain(args.boxes.as_deref()).chain(args.model.weights.as_deref());
    let outputs = OutputFolder::new(&args.out, inputs, args.overwrite)?;
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
        outputs,
        annotate: !args.no_pictures,
        names: jobs::distinct_names(jobs.iter().map(Job::path)),
        min_score: args.min_score,
        results: Results::create(&args.out)?,
        ids: ImageIds::new(jobs.iter().filter_map(Job::number)),
        stop,
        progress: progress_bar(jobs.len() as u64)?,
        without_boxes: 0,
    };
    let mut outcome = Outcome::default();
    for job in &jobs {
        if runner.stopped() || outcome.disk_full {
            break;
        }
        if let Err(error) = runner.run(job) {
            match job {
                // Whoever names a folder did not ask for every file in it.
                Job::Picture(_, Some(folder)) if is_foreign(&error) => folders[*folder].1.foreign += 1,
                _ => {
                    outcome.disk_full = is_full_disk(&error);
                    outcome.failures.push(super::errors::sentence(&error));
                }
            }
        }
        runner.progress.inc(matches!(job, Job::Picture(..)).into());
    }
    runner.progress.finish_and_clear();
    for (folder, found) in folders {
        found.note(&folder).into_iter().for_each(|note| errln!("note: {note}"));
    }
    finish(runner, &args.out, &outcome)
}

/// What went wrong.
#[derive(Default)]
struct Outcome {
    /// A sentence for each input that failed.
    failures: Vec<String>,
    disk_full: bool,
}

/// Whether an error says that nothing more fits on the disk.
fn is_full_disk(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(files::is_full)
            || cause.downcast_ref::<SourceError>().is_some_and(SourceError::is_full_disk)
    })
}

/// Whether an error says that a picture's format is not read.
fn is_foreign(error: &anyhow::Error) -> bool {
    let foreign =
        |e: &SourceError| matches!(e, SourceError::ForeignPicture { .. } | SourceError::FfmpegMissing { .. });
    error.downcast_ref::<SourceError>().is_some_and(foreign)
}

/// Completes the files, reports what was done, and makes one error of all failures. A run that did nothing replaces no
/// results.
fn finish(runner: PredictRunner, out: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    let stopped = runner.stopped();
    let failures = outcome.failures.as_slice();
    let (poses, images) = (runner.results.poses(), runner.results.images());
    if let PeopleSource::Boxes { boxes, .. } = &runner.people {
        let (shown, missing) = (boxes.shown(), runner.without_boxes);
        // A picture that the file names may have nobody in it.
        let belongs = images > 0 && !boxes.is_detections() && boxes.has_persons();
        if poses == 0 && !belongs && failures.is_empty() && !stopped {
            bail!(
                "{shown} names none of the inputs, so that none of its boxes was used: give the file that belongs to \
                 them, or leave --boxes out"
            );
        }
        if boxes.unusable() > 0 {
            errln!("note: {} entries of {shown} have no usable box; they were left out", boxes.unusable());
        }
        if missing > 0 {
            errln!("note: {shown} does not name {missing} pictures or frames; they were left out");
        }
    }
    if images > 0 {
        runner.results.finish()?;
        outln!("{}: {poses} poses in {images} pictures and frames", out.join(KEYPOINTS).display());
    }
    match failures {
        _ if stopped => {
            bail!("stopped after {images} pictures and frames, which are kept in {}", out.display())
        }
        [.., last] if outcome.disk_full => bail!(
            "the disk is full after {images} pictures and frames, which are kept in {}: free some space, or choose \
             another folder with --out ({last})",
            out.display()
        ),
        [] => Ok(()),
        [only] => bail!("{only}"),
        [first, others @ ..] => {
            // Each file has its sentence.
            for other in others {
                errln!("failed: {other}");
            }
            bail!("{} inputs failed; the first: {first}", failures.len())
        }
    }
}

fn progress_bar(jobs: u64) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len}  {per_sec}  {eta} left")?;
    Ok(ProgressBar::new(jobs).with_style(style))
}
