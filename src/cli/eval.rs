//! `tmpose eval`: accuracy of weights on annotated sets with ground-truth boxes.

use crate::data::CocoSet;
use crate::eval::set::{SetScore, coco_results, estimate, plain_samples, score};
use crate::gpu::{self, DeviceChoice};
use crate::infer::Settings;
use crate::model::{MaskKind, PositionMode, keep_count};
use crate::weights;
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// Weights file
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Set in COCO layout: FOLDER (its val part), FOLDER/train, or an annotation file; may be given several
    /// times
    #[arg(long, value_name = "FOLDER", required = true)]
    data: Vec<PathBuf>,
    /// Keep ratios, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "1,0.6,0.4,0.25")]
    keep: Vec<f64>,
    /// none, random, uniform, block or progressive
    #[arg(long, default_value = "progressive")]
    mask: MaskKind,
    /// Seed of the random mask
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// gathered or prefix
    #[arg(long, default_value = "gathered")]
    positions: PositionMode,
    /// Average with the mirrored picture
    #[arg(long)]
    flip_test: bool,
    /// Use at most this many persons of each set, evenly spread
    #[arg(long, default_value_t = 0)]
    limit: usize,
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    /// Write all numbers as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the poses in COCO's results format, one file for each set and ratio, into this folder
    #[arg(long, value_name = "FOLDER")]
    results: Option<PathBuf>,
}

/// One line of the table.
#[derive(Serialize)]
struct Row {
    set: String,
    mask: String,
    keep_ratio: f64,
    tokens: usize,
    flip_test: bool,
    #[serde(flatten)]
    score: SetScore,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    if let Some(wrong) = args.keep.iter().find(|r| !(**r > 0.0 && **r <= 1.0)) {
        bail!("--keep {wrong} is no keep ratio; it must be above 0 and at most 1");
    }
    let path = match args.weights.clone().or_else(weights::default_weights) {
        Some(path) => path,
        None => bail!("no weights were found; name a file with --weights"),
    };
    let device = gpu::choose(args.device)?;
    if let Some(note) = &device.note {
        eprintln!("{note}");
    }
    let (model, info) = weights::load(&path, &device.device)?;
    let model = model.fold();
    let setting = |keep_ratio: &f64| Settings {
        mask: args.mask,
        keep_ratio: *keep_ratio,
        seed: args.seed,
        positions: args.positions,
        flip_test: args.flip_test,
        decoding: Default::default(),
    };
    let settings: Vec<Settings> = args.keep.iter().map(setting).collect();
    println!(
        "| set | persons | kept | tokens | AP | AP50 | AP75 | APM | APL | AR | PCK@0.05 | PCK@0.1 | PCK@0.2 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    for folder in &args.data {
        let set = CocoSet::open(folder, "val", &info.skeleton)?;
        let (title, left_out) = (set.title(), set.report.summary());
        if !left_out.is_empty() {
            eprintln!("{title}: {left_out}");
        }
        if info.record.sets.iter().any(|used| used.split(' ').next() == Some(title.as_str())) {
            eprintln!(
                "{title}: these weights were trained on this set; the numbers say nothing about new pictures"
            );
        }
        let mut samples = plain_samples(set, &info.config, &info.skeleton);
        samples.mixture.thin_to(args.limit);
        let bar = ProgressBar::new(samples.len() as u64).with_prefix(title.clone());
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {eta} left") {
            bar.set_style(style);
        }
        let poses =
            estimate(&model, &device.device, device.is_gpu(), &samples, &settings, |n| bar.inc(n as u64))?;
        bar.finish_and_clear();
        for (setting, poses) in settings.iter().zip(&poses) {
            let row = Row {
                set: title.clone(),
                mask: setting.mask.to_string(),
                keep_ratio: setting.keep_ratio,
                tokens: keep_count(setting.mask, setting.keep_ratio, info.config.tokens()),
                flip_test: setting.flip_test,
                score: score(&samples, poses),
            };
            print_row(&row);
            if let Some(folder) = &args.results {
                let name = format!("{}_{}.json", title.replace('/', "_"), row.keep_ratio);
                write_json(&folder.join(name), &coco_results(&samples, poses))?;
            }
            rows.push(row);
        }
    }
    if let Some(path) = &args.json {
        write_json(path, &rows)?;
    }
    Ok(())
}

fn print_row(row: &Row) {
    let s = &row.score;
    let numbers = [s.ap, s.ap50, s.ap75, s.ap_medium, s.ap_large, s.ar, s.pck005, s.pck01, s.pck02];
    let numbers = numbers.map(|v| format!("{v:.4}")).join(" | ");
    println!("| {} | {} | {} | {} | {numbers} |", row.set, s.persons, row.keep_ratio, row.tokens);
}

fn write_json(path: &PathBuf, value: &impl Serialize) -> anyhow::Result<()> {
    let shown = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(shown)?;
    }
    std::fs::write(path, serde_json::to_vec(value)?).with_context(shown)
}
