//! `tmpose eval`: accuracy of weights on annotated sets.

mod detector;
mod own_boxes;
mod report;

use super::mannequin_sets::path_to_evaluate_on;
use super::model_args::ModelArgs;
use super::output::{progress_bar, refuse_overwriting, write_file};
use crate::cli::terminal::{errln, out, outln};
use crate::data::{PoseSet, SetSource};
use crate::eval::set::plain_samples;
use crate::eval::{DetectedBoxes, EvalTask, NMS_THRESHOLD, Suppression, estimate_crops, training_overlap};
use crate::infer::{Estimator, Settings, Timing};
use crate::model::{KeepRatio, MaskKind, PositionMode, TokenBudget};
use crate::pose::Keypoint;
use crate::vision::Decoding;
use anyhow::bail;
use report::{EvalReport, EvalRow, EvaluatedSet};
use std::path::{Path, PathBuf};

/// Arguments of `tmpose eval`: those of a pose network, or a subcommand for another network.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct EvalArgs {
    #[command(subcommand)]
    command: Option<EvalCommand>,
    #[command(flatten)]
    poses: PoseArgs,
}

/// The other networks that can be measured.
#[derive(clap::Subcommand)]
enum EvalCommand {
    /// Measure the person detector on pictures with boxes around people
    Detector(detector::EvalDetectorArgs),
}

/// Arguments of `tmpose eval` for poses.
#[derive(clap::Args)]
struct PoseArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Annotated set: FOLDER (its val part), FOLDER/train, or an annotation file; `mannequin:N` renders N pictures of
    /// the mannequin into mannequin-val-N/ in the current folder, once. May be given several times
    #[arg(long, value_name = "FOLDER", required = true)]
    data: Vec<SetSource>,
    /// Use at most this many persons of each set, evenly spread; with --boxes or --detector this many pictures; 0 for
    /// all
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: usize,

    /// Keep ratios: shares of the visual tokens that are kept, above 0 and at most 1
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,0.6,0.4,0.25",
        value_name = "LIST",
        help_heading = "Network"
    )]
    keep: Vec<KeepRatio>,
    /// Which visual tokens are kept
    #[arg(long, default_value_t, value_name = "KIND", help_heading = "Network")]
    mask: MaskKind,
    /// Seed of the random mask
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "Network")]
    seed: u64,
    /// Positions of the kept tokens
    #[arg(long, default_value_t, value_name = "MODE", help_heading = "Network")]
    positions: PositionMode,
    /// Average with the mirrored picture: twice the time, slightly more accurate
    #[arg(long, help_heading = "Network")]
    flip_test: bool,
    /// How keypoints are found in the heatmaps
    #[arg(long, default_value_t, value_name = "KIND", help_heading = "Network")]
    decoding: Decoding,

    /// Use the boxes of a person detector, in COCO's results format, in place of the annotated ones; needs one --data
    #[arg(long, value_name = "FILE", group = "detected", help_heading = "Boxes")]
    boxes: Option<PathBuf>,
    /// Use the boxes of our person detector with these weights; the same pictures are also measured with annotated boxes
    #[arg(long, value_name = "FILE", group = "detected", help_heading = "Boxes")]
    detector: Option<PathBuf>,
    /// Leave out detected boxes with a lower score [default: 0 with --boxes, 0.1 with --detector]
    #[arg(
        long,
        value_name = "SCORE",
        requires = "detected",
        help_heading = "Boxes",
        allow_negative_numbers = true
    )]
    box_score_min: Option<f64>,
    /// OKS-NMS: of two poses of a picture with a larger OKS the worse one is left out; 1 keeps all
    #[arg(long, default_value_t = NMS_THRESHOLD, value_name = "OKS", value_parser = oks_threshold, help_heading = "Boxes")]
    nms: f64,
    /// Soft OKS-NMS: lower the score of the worse pose instead of leaving it out
    #[arg(long, help_heading = "Boxes")]
    soft_nms: bool,

    /// Also show a table by joint
    #[arg(long, help_heading = "Output")]
    per_joint: bool,
    /// Also write all numbers to this JSON file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Also write the tables, with explanations, to this Markdown file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    markdown: Option<PathBuf>,
    /// Also write the poses in COCO's results format into this folder, one file for each set and keep ratio
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    results: Option<PathBuf>,
}

impl PoseArgs {
    /// How the network is run, once for each keep ratio.
    fn settings(&self) -> Vec<Settings> {
        let setting = |&keep_ratio: &KeepRatio| Settings {
            budget: TokenBudget { mask: self.mask, keep_ratio, seed: self.seed, positions: self.positions },
            flip_test: self.flip_test,
            decoding: self.decoding,
        };
        self.keep.iter().map(setting).collect()
    }

    /// The lowest score of a detected box that counts.
    fn box_score_min(&self) -> f64 {
        self.box_score_min.unwrap_or(if self.detector.is_some() { DETECTOR_SCORE_MIN } else { 0.0 })
    }
}

/// Boxes with a lower score each cost a pass of the network and hardly change AP (docs/EVALUATION.md).
const DETECTOR_SCORE_MIN: f64 = 0.1;

/// Runs `tmpose eval`.
///
/// # Errors
/// A file cannot be read, holds no people, or cannot be written; or the network fails.
pub fn run(args: EvalArgs) -> anyhow::Result<()> {
    match args.command {
        Some(EvalCommand::Detector(args)) => detector::run(args),
        None => run_poses(args.poses),
    }
}

fn run_poses(args: PoseArgs) -> anyhow::Result<()> {
    if args.boxes.is_some() && args.data.len() > 1 {
        bail!("--boxes belong to the pictures of one set; give --data once, or measure the sets one by one");
    }
    let sets = args.data.iter().filter_map(|source| source.path().ok());
    let files = [&args.boxes, &args.detector, &args.model.weights].into_iter().filter_map(Option::as_deref);
    refuse_overwriting(
        [&args.json, &args.markdown].into_iter().filter_map(Option::as_deref),
        sets.chain(files),
    )?;
    let mut estimator = args.model.estimator()?;
    estimator.set_timing(Timing::WholeOnly);
    let suppression = Suppression { threshold: args.nms, soft: args.soft_nms };
    let mut report =
        EvalReport::new(&estimator, &args.model.weights_file()?, suppression, args.decoding.name());
    let measurement =
        Measurement { args: &args, estimator: &estimator, suppression, settings: args.settings() };
    for source in &args.data {
        let set = measurement.of_set(&path_to_evaluate_on(source)?)?;
        if !report.sets.is_empty() {
            outln!();
        }
        out!("{}", set.tables(args.per_joint));
        report.sets.push(set);
    }
    if let Some(path) = &args.json {
        write_file(path, &serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(path) = &args.markdown {
        write_file(path, report.markdown(args.per_joint).as_bytes())?;
    }
    Ok(())
}

/// Notes on a set. Each goes to stderr when it is added.
pub(super) struct SetNotes {
    title: String,
    notes: Vec<String>,
}

impl SetNotes {
    /// Without notes; `title` is the set's.
    pub(super) fn of(title: &str) -> SetNotes {
        SetNotes { title: title.to_owned(), notes: Vec::new() }
    }

    /// Adds a note unless it is empty.
    pub(super) fn add(&mut self, note: String) {
        if !note.is_empty() {
            errln!("{}: {note}", self.title);
            self.notes.push(note);
        }
    }

    /// The notes, for the report.
    pub(super) fn into_vec(self) -> Vec<String> {
        self.notes
    }
}

/// The keypoints of every person that was estimated, in picture pixels.
type Poses = Vec<Vec<Keypoint>>;

/// How every set is measured.
struct Measurement<'a> {
    args: &'a PoseArgs,
    estimator: &'a Estimator,
    suppression: Suppression,
    /// How the network is run, once for each keep ratio.
    settings: Vec<Settings>,
}

impl Measurement<'_> {
    /// Measures a set with all keep ratios. The backbone runs once for each person.
    fn of_set(&self, folder: &Path) -> anyhow::Result<EvaluatedSet> {
        let (args, info) = (self.args, self.estimator.info());
        let set = PoseSet::open(folder, "val", &info.skeleton)?;
        let title = set.title.clone();
        let mut notes = SetNotes::of(&title);
        notes.add(set.report.summary());
        let seen = training_overlap(&set, &info.record.trained_on(), &info.skeleton);
        if let Some(seen) = &seen {
            errln!("warning: {seen}");
        }
        let score_min = args.box_score_min();
        let boxes = self.boxes(&set, score_min)?;
        if let Some(boxes) = &boxes {
            notes.add(boxes.summary());
        }
        let pictures = set.images.len();
        let (all, what) = match &boxes {
            Some(_) => (pictures, "pictures"),
            None => (set.persons.len(), "persons"),
        };
        let mut samples = plain_samples(set, &info.config, &info.skeleton);
        if boxes.is_none() {
            samples.mixture.thin_to(args.limit);
        }
        let set = &samples.mixture.sets[0];
        let aspect = info.config.input().aspect();
        let task = match &boxes {
            Some(boxes) => EvalTask::of_boxes(set, boxes, args.limit, aspect, &info.skeleton),
            None => EvalTask::of_samples(&samples),
        };
        if args.limit > 0 && args.limit < all {
            notes.add(format!("only a part of the set: {} of {all} {what}", args.limit));
        }
        let poses = self.estimate(&task, &title)?;
        self.write_results(&task, &poses, &title)?;
        let with_annotated_boxes = match &args.detector {
            Some(_) => {
                let annotated = EvalTask::of_annotated(set, args.limit, aspect, &info.skeleton);
                let poses = self.estimate(&annotated, &format!("{title}, annotated boxes"))?;
                Some(self.rows(&annotated, &poses))
            }
            None => None,
        };
        let file_name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(EvaluatedSet {
            set: title,
            boxes: args.boxes.as_ref().or(args.detector.as_ref()).map_or("ground truth".into(), file_name),
            box_score_min: boxes.is_some().then_some(score_min),
            pictures,
            estimated: task.crops.len(),
            notes: notes.into_vec(),
            warning: seen.as_ref().map(|s| s.to_string()),
            seen_in_training: seen,
            rows: self.rows(&task, &poses),
            with_annotated_boxes,
        })
    }

    /// The boxes that take the place of the annotated ones, if there are any.
    fn boxes(&self, set: &PoseSet, score_min: f64) -> anyhow::Result<Option<DetectedBoxes>> {
        let args = self.args;
        Ok(match (&args.boxes, &args.detector) {
            (Some(path), _) => Some(DetectedBoxes::read(path, set, score_min)?),
            (None, Some(path)) => {
                Some(own_boxes::detect(path, self.estimator.device(), set, args.limit, score_min)?)
            }
            (None, None) => None,
        })
    }

    /// For each setting the poses of `task`.
    fn estimate(&self, task: &EvalTask, title: &str) -> anyhow::Result<Vec<Poses>> {
        let bar = progress_bar(task.crops.len(), title);
        let network = self.estimator.network();
        let poses = estimate_crops(&network, &task.crops, &self.settings, |n| bar.inc(n as u64))?;
        bar.finish_and_clear();
        Ok(poses)
    }

    /// For each setting the accuracy of its poses.
    fn rows(&self, task: &EvalTask, poses: &[Poses]) -> Vec<EvalRow> {
        let tokens = self.estimator.info().config.tokens();
        let row = |(setting, poses): (&Settings, &Poses)| EvalRow {
            mask: setting.budget.mask,
            keep_ratio: setting.budget.keep_ratio,
            tokens: setting.budget.keep_count(tokens),
            positions: setting.budget.positions,
            flip_test: setting.flip_test,
            accuracy: task.measure(poses, self.suppression),
        };
        self.settings.iter().zip(poses).map(row).collect()
    }

    /// Writes COCO's results files, if they were asked for.
    fn write_results(&self, task: &EvalTask, poses: &[Poses], title: &str) -> anyhow::Result<()> {
        let Some(folder) = &self.args.results else { return Ok(()) };
        for (setting, poses) in self.settings.iter().zip(poses) {
            let name = format!("{}_{}.json", title.replace('/', "_"), setting.budget.keep_ratio);
            let results = task.results(poses, self.suppression);
            write_file(&folder.join(name), &serde_json::to_vec(&results)?)?;
        }
        Ok(())
    }
}

/// Parses an OKS threshold, so that a wrong one is a usage error.
fn oks_threshold(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|t| *t > 0.0 && *t <= 1.0)
        .ok_or_else(|| "it must be a number above 0 and at most 1; 1 keeps every pose".into())
}
