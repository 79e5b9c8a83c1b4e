//! `tmpose ablate`: what masks and keep ratios cost in accuracy and save in arithmetic and time.

mod published;
mod report;

use super::command_line::command_line;
use super::mannequin_sets::path_to_evaluate_on;
use super::model_args::ModelArgs;
use super::output::{progress_bar, write_file};
use crate::cli::terminal::{errln, out};
use crate::data::{CropDataset, PoseSet, SetSource, read_image};
use crate::eval::ablation::{AblationSetting, SeedStats, ablation_settings};
use crate::eval::set::plain_samples;
use crate::eval::{EvalTask, PoseAccuracy, Suppression, estimate_crops, training_overlap};
use crate::infer::{Estimator, Settings, Timing};
use crate::model::{Counting, KeepRatio, MaskKind, PoseNetConfig, PositionMode};
use crate::pose::Size;
use report::{AblationReport, AblationRow, Arithmetic, MedianTimes};
use std::path::{Path, PathBuf};

/// Runs before the first timed one, in which memory is allocated, and kernels are compiled and tuned.
const WARM_UP: u32 = 2;
/// Size of the chart.
const CHART: Size = Size::new(1440, 900);

/// Arguments of `tmpose ablate`.
#[derive(clap::Args)]
pub struct AblateArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Annotated set: FOLDER (its val part), FOLDER/train, or an annotation file; `mannequin:N` renders N pictures of
    /// the mannequin into mannequin-val-N/ in the current folder, once
    #[arg(long, value_name = "FOLDER")]
    data: SetSource,
    /// Use at most this many persons, evenly spread; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: usize,
    /// Keep ratios: shares of the visual tokens that are kept, above 0 and at most 1
    #[arg(long, value_delimiter = ',', default_value = "1,0.8,0.6,0.4,0.25", value_name = "LIST")]
    keep: Vec<KeepRatio>,
    /// Masks; the row with all tokens kept is always there
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "random,uniform,block,progressive",
        value_name = "LIST"
    )]
    mask: Vec<MaskKind>,
    /// Positions of the kept tokens
    #[arg(long, value_delimiter = ',', default_value = "gathered", value_name = "LIST")]
    positions: Vec<PositionMode>,
    /// Seeds of the random mask: each of its rows is measured with this many
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Average with the mirrored picture: twice the time, slightly more accurate
    #[arg(long)]
    flip_test: bool,
    /// Timed runs of each row; the median is reported
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// A line about the machine, for the report
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Folder for ABLATION.md, ablation.csv, ablation.json and ablation.png
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

/// Runs `tmpose ablate`.
///
/// # Errors
/// A file cannot be read, holds no people, or cannot be written; or the network fails.
pub fn run(args: AblateArgs) -> anyhow::Result<()> {
    let mut estimator = args.model.estimator()?;
    let info = estimator.info().clone();
    let set = PoseSet::open(&path_to_evaluate_on(&args.data)?, "val", &info.skeleton)?;
    let title = set.title.clone();
    let left_out = set.report.summary();
    if !left_out.is_empty() {
        errln!("{title}: {left_out}");
    }
    let seen = training_overlap(&set, &info.record.trained_on(), &info.skeleton);
    if let Some(seen) = &seen {
        errln!("warning: {seen}");
    }
    let all = set.persons.len();
    let mut samples = plain_samples(set, &info.config, &info.skeleton);
    samples.mixture.thin_to(args.limit);
    let ablation_settings =
        ablation_settings(&args.mask, &args.keep, &args.positions, args.seeds, info.config.tokens());

    let scores = measure(&estimator, &samples, &ablation_settings, args.flip_test, &title)?;
    let times = time(&mut estimator, &samples, &ablation_settings, args.flip_test, args.runs)?;
    let rows = ablation_settings.into_iter().zip(scores).zip(times);
    let rows = rows.map(|((cell, scores), ms)| row(&info.config, cell, &scores, ms, args.flip_test));
    let report = AblationReport {
        version: env!("CARGO_PKG_VERSION"),
        command: command_line(std::env::args()),
        weights: args.model.weights_file()?.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        network: format!(
            "{}, {} layers, {}",
            info.config.variant(),
            info.config.layers(),
            info.config.skeleton()
        ),
        device: estimator.device().title(),
        note: args.note.clone(),
        set: title,
        persons: samples.len(),
        of: all,
        flip_test: args.flip_test,
        runs: args.runs,
        warning: seen.map(|s| s.to_string()),
        rows: rows.collect(),
    };
    out!("{}", report.table());
    write_report(&report, &args.out)
}

/// A row of the table from the accuracy with each of its seeds and the times.
fn row(
    config: &PoseNetConfig,
    cell: AblationSetting,
    scores: &[PoseAccuracy],
    ms: MedianTimes,
    flip_test: bool,
) -> AblationRow {
    let arithmetic = |counting: Counting| {
        // The published tables divide by 2^30.
        let unit = if counting == Counting::Repository { f64::from(1 << 30) } else { 1e9 };
        let macs = config.macs(cell.tokens, counting);
        Arithmetic { transformer: macs.transformer() as f64 / unit, total: macs.total() as f64 / unit }
    };
    let over_seeds =
        |of: fn(&PoseAccuracy) -> Option<f64>| SeedStats::of(scores.iter().filter_map(of).collect());
    let executed = arithmetic(Counting::Executed);
    // Both passes of the flip test are executed.
    let passes = if flip_test { 2.0 } else { 1.0 };
    AblationRow {
        executed: Arithmetic { transformer: passes * executed.transformer, total: passes * executed.total },
        reference: arithmetic(Counting::Reference),
        paper: arithmetic(Counting::Repository),
        ap: over_seeds(|a| Some(a.coco.ap)),
        ar: over_seeds(|a| Some(a.coco.ar)),
        pck01: over_seeds(|a| Some(a.pck01)),
        pckh: over_seeds(|a| a.pckh.as_ref()?.mean),
        ms,
        cell,
    }
}

/// Writes the report's four files into `folder`.
fn write_report(report: &AblationReport, folder: &Path) -> anyhow::Result<()> {
    write_file(&folder.join("ABLATION.md"), report.markdown().as_bytes())?;
    write_file(&folder.join("ablation.csv"), report.csv().as_bytes())?;
    write_file(&folder.join("ablation.json"), &serde_json::to_vec_pretty(report)?)?;
    let mut png = std::io::Cursor::new(Vec::new());
    report.chart().draw(CHART).write_to(&mut png, image::ImageFormat::Png)?;
    write_file(&folder.join("ablation.png"), png.get_ref())?;
    errln!("wrote ABLATION.md, ablation.csv, ablation.json and ablation.png to {}", folder.display());
    Ok(())
}

/// For each row of the table the accuracy with each of its seeds. The backbone runs once for each person.
fn measure(
    estimator: &Estimator,
    samples: &CropDataset,
    ablation_settings: &[AblationSetting],
    flip_test: bool,
    title: &str,
) -> anyhow::Result<Vec<Vec<PoseAccuracy>>> {
    let settings: Vec<Settings> = ablation_settings
        .iter()
        .flat_map(|cell| cell.seeds.iter().map(|seed| setting(cell, *seed, flip_test)))
        .collect();
    let task = EvalTask::of_samples(samples);
    let bar = progress_bar(task.crops.len(), title);
    let poses = estimate_crops(&estimator.network(), &task.crops, &settings, |n| bar.inc(n as u64))?;
    bar.finish_and_clear();
    let mut scores = poses.iter().map(|poses| task.measure(poses, Suppression::default()));
    Ok(ablation_settings.iter().map(|cell| scores.by_ref().take(cell.seeds.len()).collect()).collect())
}

/// Median times for one person on this device. The settings' runs are interleaved, so that a machine that slows down
/// slows all of them.
fn time(
    estimator: &mut Estimator,
    samples: &CropDataset,
    ablation_settings: &[AblationSetting],
    flip_test: bool,
    runs: u32,
) -> anyhow::Result<Vec<MedianTimes>> {
    let (img, boxes) = (read_image(samples.image(0))?, [samples.person(0).bbox]);
    let mut parts = vec![Vec::new(); ablation_settings.len()];
    let mut wholes = vec![Vec::new(); ablation_settings.len()];
    let bar = progress_bar(ablation_settings.len() * (WARM_UP + runs) as usize, "timing");
    for round in 0..WARM_UP + runs {
        for (i, cell) in ablation_settings.iter().enumerate() {
            let settings = setting(cell, cell.seeds[0], flip_test);
            estimator.set_timing(Timing::Stages);
            let stages = estimator.estimate(&img, &boxes, &settings, false)?.times;
            estimator.set_timing(Timing::WholeOnly);
            let whole = estimator.estimate(&img, &boxes, &settings, false)?.times;
            if round >= WARM_UP {
                parts[i].push((stages.mask + stages.transformer + stages.head).as_secs_f64() * 1e3);
                wholes[i].push(whole.whole.as_secs_f64() * 1e3);
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let pairs = parts.iter_mut().zip(&mut wholes);
    Ok(pairs.map(|(part, whole)| MedianTimes { transformer: median(part), whole: median(whole) }).collect())
}

/// How the network is run for a row of the table.
fn setting(cell: &AblationSetting, seed: u64, flip_test: bool) -> Settings {
    Settings { budget: cell.budget(seed), flip_test, ..Settings::default() }
}

/// The middle value, of an even number the mean of the two; 0 for none.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n => (values[(n - 1) / 2] + values[n / 2]) / 2.0,
    }
}
