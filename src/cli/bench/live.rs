//! `tmpose bench live`: runs a source through the whole live pipeline without a window, and measures frame rate,
//! latency, stage times, dropped frames and memory.

mod known_boxes;
mod measure;
mod memory;
mod on_demand;
mod prerendered;
mod report;

use super::super::model_args::ModelArgs;
use super::super::output::write_file;
use super::super::source_arg::parse_source;
use crate::cli::terminal::{errln, out};
use crate::detect::DetectorChoice;
use crate::gpu::{self, ComputeDevice, DeviceChoice};
use crate::infer::{Estimator, Settings};
use crate::live::{
    self, DetectorLoader, DetectorSummary, ModelLoader, ModelSummary, Notifier, Opener,
    PeopleTrackerSettings, Pipeline, Transport,
};
use crate::model::{KeepRatio, MaskKind, TokenBudget};
use crate::source::{self, SourceSpec};
use crate::synth::MAX_FIGURES;
use crate::track::TrackSettings;
use anyhow::{Context, bail};
use known_boxes::KnownBoxes;
use measure::LiveBench;
use on_demand::{OnDemandSource, Permits, permits};
use prerendered::Prerendered;
use report::{LiveReport, LiveSubject};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Numbers of people without `--people`.
const PEOPLE: [u32; 4] = [1, 2, 5, 10];

/// Arguments of `tmpose bench live`.
#[derive(clap::Args)]
pub struct BenchLiveArgs {
    /// A video or folder; "camera" or "camera:NAME"; "mannequin:SEED" or "mannequin:SEED*PEOPLE"
    #[arg(default_value = "mannequin:7")]
    source: String,
    #[command(flatten)]
    model: ModelArgs,
    /// Share of the visual tokens that is kept, above 0 and at most 1
    #[arg(long, default_value_t, value_name = "RATIO")]
    keep: KeepRatio,
    /// Which visual tokens are kept
    #[arg(long, default_value_t, value_name = "KIND")]
    mask: MaskKind,
    /// The person detector's weights, or "none": then the program is told where the mannequins are, and of another
    /// source one person is followed [default: tmpose-detect.safetensors, found where the weights are]
    #[arg(long, value_name = "FILE")]
    detector: Option<DetectorChoice>,
    /// Frames from one detection to the next; in between, boxes follow the keypoints
    #[arg(long, default_value_t = TrackSettings::default().detect_every, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    detect_every: u32,
    /// Mannequins in the picture; of another source the most people to follow [default: 1,2,5,10]
    #[arg(long, value_delimiter = ',', value_name = "LIST", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_FIGURES)))]
    people: Vec<u32>,
    /// When frames come
    #[arg(long, value_enum, value_delimiter = ',', default_value = "free,source", value_name = "LIST")]
    pace: Vec<Pace>,
    /// Length of each measurement in seconds
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS", value_parser = seconds)]
    seconds: f64,
    /// Start a video again at its end
    #[arg(long)]
    looped: bool,
    /// Seconds from one reading of the memory to the next [default: a hundredth of --seconds]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    memory_every: Option<f64>,
    /// Also write the memory over time to this CSV file
    #[arg(long, value_name = "FILE")]
    curve: Option<PathBuf>,
    /// Also write the numbers to this JSON file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write the tables to this Markdown file
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// When frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Pace {
    /// Whenever the network is free
    Free,
    /// At the source's own rate; frames that come while the network is busy are dropped
    Source,
}

/// How one measurement is made.
pub struct MeasurementPlan {
    /// When frames come.
    pub pace: Pace,
    /// Mannequins in the picture; of another source the most people to follow.
    pub people: u32,
    /// How long it lasts.
    pub time: Duration,
    /// Time from one reading of the memory to the next.
    pub memory_every: Duration,
}

/// Parses a time in seconds, so that a wrong one is a usage error.
fn seconds(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|s| *s > 0.0 && *s <= 1e6)
        .ok_or_else(|| "it must be a number of seconds above 0".into())
}

/// Runs `tmpose bench live`.
///
/// # Errors
/// The source, the weights or the device cannot be used, a network fails, or a report cannot be written.
pub fn run(args: &BenchLiveArgs) -> anyhow::Result<()> {
    let load = super::busy();
    let spec = parse_source(&args.source)?;
    let detector = args.detector.clone().unwrap_or_default().file()?;
    let detector = detector.as_deref();
    let people = args.people_counts(&spec, detector.is_some())?;
    let pose_weights = args.model.weights_file()?;
    let device = gpu::choose(args.model.device)?;
    if let Some(note) = &device.note {
        errln!("note: {note}");
    }
    let news = Arc::new(Notifier::default());
    let wake = {
        let news = news.clone();
        move || news.notify()
    };
    let live = Pipeline::new(args.settings(1), Arc::new(wake)).context("cannot start the pipeline")?;
    let mut bench = LiveBench { live, news, stop: crate::cli::stop_flag()? };
    bench.live.load(Some(loader(&pose_weights, &device)));
    bench.ready()?;
    let mut report = LiveReport::new(LiveSubject {
        weights: file_name(&pose_weights),
        detector: detector.map_or("none".into(), file_name),
        device: &device,
        source: args.source.clone(),
        keep: args.keep,
        detect_every: args.detect_every,
        load,
    });
    let time = Duration::from_secs_f64(args.seconds);
    let memory_every = args.memory_every.map_or(time / 100, Duration::from_secs_f64);
    for &pace in &args.pace {
        for &people in &people {
            let plan = MeasurementPlan { pace, people, time, memory_every };
            errln!("{people} people, {}, {} s", plan.pace_name(), args.seconds);
            bench.live.set_settings(args.settings(people));
            bench.live.load_detector(finder(detector, args.model.device, &spec, people, &device));
            bench.ready()?;
            let (number, permits) = bench.open(with_people(&spec, people), pace, args.looped);
            report.add(bench.measure(&plan, number, permits.as_ref())?);
        }
    }
    out!("{}", report.markdown());
    if let Some(path) = &args.json {
        write_file(path, &serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(path) = &args.markdown {
        write_file(path, report.markdown().as_bytes())?;
    }
    if let Some(path) = &args.curve {
        write_file(path, report.curve().as_bytes())?;
    }
    Ok(())
}

impl BenchLiveArgs {
    /// The numbers of people to measure with.
    fn people_counts(&self, spec: &SourceSpec, detector: bool) -> anyhow::Result<Vec<u32>> {
        if !is_drawn(spec) && !detector {
            if self.people.iter().any(|n| *n > 1) {
                bail!(
                    "without a detector only one person is followed in {}: give --detector FILE, or measure mannequins",
                    self.source
                );
            }
            return Ok(vec![1]);
        }
        Ok(match (self.people.as_slice(), spec) {
            ([], SourceSpec::Crowd { people, .. }) => vec![*people],
            ([], _) => PEOPLE.to_vec(),
            (wanted, _) => wanted.to_vec(),
        })
    }

    fn settings(&self, people: u32) -> PeopleTrackerSettings {
        let budget = TokenBudget { mask: self.mask, keep_ratio: self.keep, ..TokenBudget::default() };
        let infer = Settings { budget, ..Settings::default() };
        let track = TrackSettings {
            most_people: people as usize,
            detect_every: self.detect_every,
            // Mannequins of any size are followed.
            min_size: 0.0,
            ..TrackSettings::default()
        };
        PeopleTrackerSettings { infer, track, ..PeopleTrackerSettings::default() }
    }
}

impl LiveBench {
    /// Opens a source and plays it; returns its number, and with [`Pace::Free`] the permits that its frames wait for.
    fn open(&mut self, spec: SourceSpec, pace: Pace, looping: bool) -> (u64, Option<Permits>) {
        let transport = Transport { playing: true, looping };
        let (permits, gate) = match pace {
            Pace::Source => (None, None),
            Pace::Free => {
                let (permits, gate) = permits();
                (Some(permits), Some(gate))
            }
        };
        let drawn = is_drawn(&spec);
        let open: Opener = Box::new(move || {
            let mut source = source::open(&spec)?;
            if drawn {
                source = Box::new(Prerendered::new(source)?);
            }
            Ok(match &gate {
                Some(gate) => Box::new(OnDemandSource::new(source, gate.clone())),
                None => source,
            })
        });
        (self.live.open_with(open, transport), permits)
    }
}

fn is_drawn(spec: &SourceSpec) -> bool {
    matches!(spec, SourceSpec::Mannequin { .. } | SourceSpec::Crowd { .. })
}

/// The source with this many mannequins; another source stays as it is.
fn with_people(spec: &SourceSpec, people: u32) -> SourceSpec {
    match *spec {
        SourceSpec::Mannequin { seed, size } | SourceSpec::Crowd { seed, size, .. } => {
            SourceSpec::Crowd { seed, people, size }
        }
        _ => spec.clone(),
    }
}

/// Loads the network on the inference thread.
fn loader(weights: &Path, device: &ComputeDevice) -> ModelLoader {
    let (path, device) = (weights.to_owned(), device.clone());
    Box::new(move || {
        let estimator = Estimator::load(&path, device.clone())?;
        let info = Arc::new(estimator.info().clone());
        Ok((Box::new(estimator) as _, ModelSummary { path, info, device }))
    })
}

/// Loads the detector on the inference thread; without one, [`KnownBoxes`] take its place for mannequins.
fn finder(
    detector: Option<&Path>,
    choice: DeviceChoice,
    spec: &SourceSpec,
    people: u32,
    device: &ComputeDevice,
) -> Option<DetectorLoader> {
    match (detector, spec) {
        (Some(path), _) => Some(live::detector_loader(path.to_owned(), choice)),
        (None, _) if is_drawn(spec) => {
            let summary = DetectorSummary { path: PathBuf::new(), device: device.clone() };
            Some(Box::new(move || Ok((Box::new(KnownBoxes(people)) as _, summary))))
        }
        (None, _) => None,
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Size;
    use clap::Parser;

    #[derive(Parser)]
    struct LiveCommandLine {
        #[command(flatten)]
        args: BenchLiveArgs,
    }

    fn counts(line: &str, detector: bool) -> anyhow::Result<Vec<u32>> {
        let args = LiveCommandLine::try_parse_from(line.split(' '))?.args;
        let spec = match args.source.as_str() {
            "walk.mp4" => SourceSpec::Video("walk.mp4".into()),
            other => parse_source(other)?,
        };
        args.people_counts(&spec, detector)
    }

    #[test]
    fn the_numbers_of_people_suit_the_source() {
        assert_eq!(counts("live", false).unwrap(), PEOPLE);
        assert_eq!(counts("live mannequin:3*4", false).unwrap(), [4]);
        assert_eq!(counts("live mannequin:3*4 --people 1,2", false).unwrap(), [1, 2]);
        assert_eq!(counts("live walk.mp4", false).unwrap(), [1]);
        assert_eq!(counts("live walk.mp4 --people 5", true).unwrap(), [5]);
        let refused = counts("live walk.mp4 --people 5", false).unwrap_err().to_string();
        assert!(refused.contains("--detector FILE"), "{refused}");
        assert!(counts("live --people 0", false).is_err() && counts("live --people 17", false).is_err());
    }

    #[test]
    fn a_mannequin_becomes_as_many_as_asked_for_and_a_video_stays_itself() {
        let one = SourceSpec::Mannequin { seed: 3, size: Size::new(64, 48) };
        assert_eq!(with_people(&one, 5), SourceSpec::Crowd { seed: 3, people: 5, size: Size::new(64, 48) });
        let video = SourceSpec::Video("walk.mp4".into());
        assert_eq!(with_people(&video, 5), video);
    }
}
