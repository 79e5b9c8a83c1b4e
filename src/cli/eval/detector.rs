//! `tmpose eval detector`: how good a person detector's boxes are on an annotated set.

use super::SetNotes;
use crate::cli::command_line::command_line;
use crate::cli::output::{fraction, markdown_table, progress_bar, refuse_overwriting, write_file};
use crate::cli::terminal::{errln, out};
use crate::data::BoxSet;
use crate::detect::{self, DetectSettings, Detector, DetectorConfig, DetectorNet};
use crate::eval::detector::{DetectorScore, find_people, score};
use crate::eval::{BoxStats, OperatingPoint, TallRecall, TrainingOverlap, box_training_overlap};
use crate::gpu::{self, DeviceChoice};
use serde::Serialize;
use std::path::PathBuf;

/// Arguments of `tmpose eval detector`.
#[derive(clap::Args)]
pub struct EvalDetectorArgs {
    /// Annotated set in COCO's layout of boxes: FOLDER (its val part), FOLDER/train, or an annotation file
    data: PathBuf,
    /// The detector's .safetensors file, or RTMDet-nano's .onnx
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Use at most this many pictures, evenly spread; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: usize,
    /// Where the network runs: auto, gpu, cpu or cuda
    #[arg(long, default_value_t, value_name = "DEVICE")]
    device: DeviceChoice,
    /// NMS: of two boxes with a larger IoU the worse one is left out; 1 keeps all
    #[arg(long, value_name = "IOU", default_value_t = DetectSettings::everything().nms_iou, value_parser = overlap)]
    nms: f32,
    /// Also write all numbers to this JSON file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write the tables, with explanations, to this Markdown file
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Also write the boxes to this file in COCO's results format
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

/// What was measured, on what, and how.
#[derive(Serialize)]
struct DetectorReport {
    version: &'static str,
    command: String,
    /// Name of the weights file.
    weights: String,
    /// E.g. "985927 parameters, 0.31 GMAC at 320x320".
    network: String,
    device: String,
    backend: String,
    settings: DetectSettings,
    set: String,
    pictures: usize,
    people: usize,
    notes: Vec<String>,
    /// Set when the weights were trained on pictures of this set.
    warning: Option<String>,
    seen_in_training: Option<TrainingOverlap>,
    boxes: BoxStats,
    tall: TallRecall,
}

/// What the numbers are; also in docs/DETECTOR.md.
const MEANING: &str = "\
AP and AR are COCO's box numbers, 0 to 1, as pycocotools computes them: AP is the mean over the overlaps (IoU) 0.50 to \
0.95, AP50 and AP75 are those at one overlap, S, M and L are persons of up to 32x32, up to 96x96 and more pixels of the \
set's own pictures; AR1, AR10 and AR100 are the recalls with that many boxes a picture. Crowd regions count neither as \
found nor as missed.
Large people are higher than a quarter of their picture; somebody is found by a box with an overlap of at least 0.5. A \
box on nobody overlaps no person and no crowd region that much, or is the second on a person.";

/// Runs `tmpose eval detector`.
///
/// # Errors
/// A file cannot be read, holds no people, or cannot be written; or the network fails.
pub fn run(args: EvalDetectorArgs) -> anyhow::Result<()> {
    let outputs = [&args.results, &args.json, &args.markdown].into_iter().filter_map(Option::as_deref);
    refuse_overwriting(outputs, [args.data.as_path(), &args.weights])?;
    let device = gpu::choose(args.device)?;
    if let Some(note) = &device.note {
        errln!("{note}");
    }
    let (net, info) = detect::open(&args.weights, &device.device)?;
    let mut set = BoxSet::open(&args.data, "val")?;
    let title = set.title.clone();
    let mut notes = SetNotes::of(&title);
    notes.add(set.report.summary());
    let all = set.images.len();
    set.thin_to(args.limit);
    if set.images.len() < all {
        notes.add(format!("only a part of the set: {} of {all} pictures", set.images.len()));
    }
    let seen = box_training_overlap(&set, &info.record.trained_on());
    if let Some(seen) = &seen {
        errln!("warning: {seen}");
    }
    let (name, backend) = (device.name.clone(), device.backend.clone());
    let network = network_title(&net, &info.config);
    let mut detector = Detector::from_parts(net, info, device);
    let settings = DetectSettings { nms_iou: args.nms, ..DetectSettings::everything() };
    let bar = progress_bar(set.images.len(), &title);
    let found = find_people(&mut detector, &set, &settings, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let DetectorScore { pictures, boxes, tall } = score(&set, &found);
    let report = DetectorReport {
        version: env!("CARGO_PKG_VERSION"),
        command: command_line(std::env::args()),
        weights: args.weights.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        network,
        device: name,
        backend,
        settings,
        set: title.clone(),
        pictures,
        people: set.people(),
        notes: notes.into_vec(),
        warning: seen.as_ref().map(|s| s.to_string()),
        seen_in_training: seen,
        boxes,
        tall,
    };
    out!("{}", report.tables());
    if let Some(path) = &args.results {
        write_file(path, &serde_json::to_vec(&found)?)?;
    }
    if let Some(path) = &args.json {
        write_file(path, &serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(path) = &args.markdown {
        write_file(path, report.markdown().as_bytes())?;
    }
    Ok(())
}

/// E.g. "985927 parameters, 0.31 GMAC at 320x320".
fn network_title(net: &DetectorNet, config: &DetectorConfig) -> String {
    let (side, parameters) = (config.input, burn::module::Module::num_params(net));
    format!("{parameters} parameters, {:.2} GMAC at {side}x{side}", config.macs() as f64 / 1e9)
}

impl DetectorReport {
    fn tables(&self) -> String {
        let named = self.boxes.named();
        let mut text = format!("{}: {} pictures, {} people\n\n", self.set, self.pictures, self.people);
        text += &markdown_table(&named.map(|(name, _)| name), &[named.map(|(_, v)| fraction(v)).to_vec()]);
        text += &format!("\nLarge people ({}):\n\n", self.tall.people);
        let row = |first: String, at: &OperatingPoint| {
            vec![first, format!("{:.3}", at.score), fraction(at.recall), format!("{:.3}", at.false_boxes)]
        };
        let by_score = self.tall.by_score.iter().map(|at| row("-".into(), at));
        let by_false = self.tall.by_false_boxes.iter().map(|(most, at)| row(format!("at most {most}"), at));
        let rows: Vec<Vec<String>> = by_false.chain(by_score).collect();
        text += &markdown_table(&["wanted on nobody", "score", "found", "on nobody, a picture"], &rows);
        text
    }

    fn markdown(&self) -> String {
        let s = &self.settings;
        let mut text = format!(
            "# Accuracy of {}\n\n- Network: {}\n- Command: `{}`\n- Device: {} ({})\n- Scores from {}, NMS above {}, at \
             most {} boxes a picture\n\n",
            self.weights,
            self.network,
            self.command,
            self.device,
            self.backend,
            s.min_score,
            s.nms_iou,
            s.most
        );
        if let Some(warning) = &self.warning {
            text += &format!("**Warning: {warning}.**\n\n");
        }
        for note in &self.notes {
            text += &format!("- {note}\n");
        }
        text + &self.tables() + &format!("\n{MEANING}\n")
    }
}

/// Parses an IoU threshold, so that a wrong one is a usage error.
fn overlap(text: &str) -> Result<f32, String> {
    text.parse::<f32>()
        .ok()
        .filter(|t| *t > 0.0 && *t <= 1.0)
        .ok_or_else(|| "it must be a number above 0 and at most 1; 1 keeps every box".into())
}
