//! The numbers of `tmpose bench` as a table and as JSON.

use crate::cli::terminal::{out, outln};
use crate::detect::DetectTimes;
use crate::gpu::ComputeDevice;
use crate::infer::StageTimes;
use crate::model::{KeepRatio, MaskKind, Variant};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Columns in the order of the table. `network` is everything from the pictures on the device to the
/// heatmaps (on a GPU to keypoints), and `whole` all of it, both without waiting between the stages.
const COLUMNS: [&str; 8] = ["crop", "backbone", "mask", "transformer", "head", "decode", "network", "whole"];

/// Columns of the person detector: letterboxing and normalising, its network, boxes from its maps, all of it.
const DETECTOR_COLUMNS: [&str; 4] = ["prepare", "network", "decode", "whole"];

/// Milliseconds of each run, by column.
#[derive(Clone, Debug, Default)]
pub struct StageSamples(BTreeMap<String, Vec<f64>>);

impl StageSamples {
    /// Adds a run of ours: `stages` were timed with waiting for the device after each stage, `unbroken` without.
    pub fn add_ours(&mut self, stages: &StageTimes, unbroken: &StageTimes) {
        let whole = [("network", unbroken.network), ("whole", unbroken.whole)];
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        self.add(stages.stages().into_iter().chain(whole).map(|(name, time)| (name.to_owned(), ms(time))));
    }

    /// The runs of a peer.
    pub fn of(runs: Vec<BTreeMap<String, f64>>) -> StageSamples {
        let mut samples = StageSamples::default();
        runs.into_iter().for_each(|ms| samples.add(ms));
        samples
    }

    fn add(&mut self, ms: impl IntoIterator<Item = (String, f64)>) {
        for (column, ms) in ms {
            self.0.entry(column).or_default().push(ms);
        }
    }

    /// Adds a run of the person detector.
    pub fn add_detector(&mut self, times: &DetectTimes) {
        let columns =
            DETECTOR_COLUMNS.into_iter().zip([times.prepare, times.network, times.decode, times.whole]);
        self.add(columns.map(|(name, time)| (name.to_owned(), time.as_secs_f64() * 1e3)));
    }

    fn medians(&self) -> BTreeMap<String, f64> {
        self.0.iter().filter_map(|(name, runs)| Some((name.clone(), median(runs)?))).collect()
    }
}

/// The middle value, of an even number the mean of the two; `None` of no values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some((low + high) / 2.0)
}

/// One variant at one ratio on one device.
#[derive(Serialize)]
pub struct StageRow {
    variant: Variant,
    backend: String,
    device: String,
    keep: KeepRatio,
    tokens: usize,
    /// Median milliseconds.
    ms: BTreeMap<String, f64>,
    peers: Vec<PeerTimes>,
}

#[derive(Serialize)]
struct PeerTimes {
    name: String,
    ms: BTreeMap<String, f64>,
    /// Our time divided by the peer's: below 1 ours is shorter. The ratio of `whole` is our time from the picture to
    /// the keypoints divided by the peer's for the network alone.
    ratio: BTreeMap<String, f64>,
}

impl PeerTimes {
    fn beside(ms: &BTreeMap<String, f64>, name: String, samples: &StageSamples) -> PeerTimes {
        let their = samples.medians();
        let arithmetic = their.get("network").map(|network| ("whole", *network));
        let pairs = their.iter().map(|(column, ms)| (column.as_str(), *ms)).chain(arithmetic);
        let ratio = pairs
            .filter(|(_, their)| *their > 0.0)
            .filter_map(|(column, their)| Some((column.to_owned(), ms.get(column)? / their)))
            .collect();
        PeerTimes { name, ms: their, ratio }
    }
}

/// The person detector on one device.
#[derive(Serialize)]
pub struct DetectorRow {
    /// Name of its weights file.
    weights: String,
    /// Side of its network's input in pixels.
    input: usize,
    backend: String,
    device: String,
    /// Median milliseconds.
    ms: BTreeMap<String, f64>,
    peers: Vec<PeerTimes>,
}

impl DetectorRow {
    /// The medians of our runs and of the peers'.
    pub fn new(
        weights: String,
        input: usize,
        device: &ComputeDevice,
        ours: &StageSamples,
        theirs: Vec<(String, StageSamples)>,
    ) -> DetectorRow {
        let ms = ours.medians();
        let peers =
            theirs.into_iter().map(|(name, samples)| PeerTimes::beside(&ms, name, &samples)).collect();
        DetectorRow {
            weights,
            input,
            backend: device.backend.clone(),
            device: device.name.clone(),
            ms,
            peers,
        }
    }
}

impl StageRow {
    /// The medians of our runs and of the peers', with `tokens` visual tokens kept.
    pub fn new(
        variant: Variant,
        device: &ComputeDevice,
        keep: KeepRatio,
        tokens: usize,
        ours: &StageSamples,
        theirs: Vec<(String, StageSamples)>,
    ) -> StageRow {
        let ms = ours.medians();
        let peers =
            theirs.into_iter().map(|(name, samples)| PeerTimes::beside(&ms, name, &samples)).collect();
        let (backend, device) = (device.backend.clone(), device.name.clone());
        StageRow { variant, backend, device, keep, tokens, ms, peers }
    }
}

/// All rows, printed as they come.
#[derive(Serialize)]
pub struct StageReport {
    version: &'static str,
    mask: MaskKind,
    persons: usize,
    runs: u32,
    /// The machine's load average before the first run, if it was busy.
    load: Option<f64>,
    rows: Vec<StageRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    detectors: Vec<DetectorRow>,
}

impl StageReport {
    /// A report without rows. `load` is the machine's load average, if it was busy.
    pub fn new(mask: MaskKind, persons: usize, runs: u32, load: Option<f64>) -> StageReport {
        StageReport {
            version: env!("CARGO_PKG_VERSION"),
            mask,
            persons,
            runs,
            load,
            rows: Vec::new(),
            detectors: Vec::new(),
        }
    }

    /// Prints the heading of a device's table.
    pub fn start_device(&self, device: &ComputeDevice) {
        outln!(
            "\n{} ({}), {} mask, batch of {}, medians of {} runs in ms; ratios are ours over theirs",
            device.name,
            device.backend,
            self.mask,
            self.persons,
            self.runs
        );
        out!("{:<14}{:>5}{:>7}", "variant", "keep", "tokens");
        for column in COLUMNS {
            out!("{column:>12}");
        }
        outln!();
    }

    /// Prints and adds a row.
    pub fn add(&mut self, row: StageRow) {
        out!("{:<14}{:>5}{:>7}", row.variant.name(), row.keep, row.tokens);
        outln!("{}", cells(&COLUMNS, &row.ms, ""));
        print_peers(&COLUMNS, &row.peers);
        self.rows.push(row);
    }

    /// Prints and adds the person detector's table.
    pub fn add_detector(&mut self, row: DetectorRow) {
        out!("\n{:<26}", format!("detector at {0}x{0}", row.input));
        DETECTOR_COLUMNS.iter().for_each(|column| out!("{column:>12}"));
        outln!("\n{:<26}{}", row.weights, cells(&DETECTOR_COLUMNS, &row.ms, ""));
        print_peers(&DETECTOR_COLUMNS, &row.peers);
        self.detectors.push(row);
    }
}

fn print_peers(columns: &[&str], peers: &[PeerTimes]) {
    for peer in peers {
        outln!("  {:<24}{}", peer.name, cells(columns, &peer.ms, ""));
        outln!("  {:<24}{}", "  ratio", cells(columns, &peer.ratio, "x"));
    }
}

fn cells(columns: &[&str], values: &BTreeMap<String, f64>, unit: &str) -> String {
    columns
        .iter()
        .map(|column| match values.get(*column) {
            Some(value) => format!("{:>12}", format!("{value:.2}{unit}")),
            None => format!("{:>12}", "-"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_middle_ones() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn ratios_are_ours_over_theirs_where_both_measured() {
        let mut ours = StageSamples::default();
        ours.add(
            [("network", 20.0), ("decode", 1.0), ("whole", 25.0)].map(|(name, ms)| (name.to_owned(), ms)),
        );
        let mut theirs = StageSamples::default();
        theirs.add([("network".to_owned(), 10.0)]);
        let row = StageRow::new(
            Variant::T,
            &ComputeDevice::cpu(),
            KeepRatio::ALL,
            256,
            &ours,
            vec![("P".into(), theirs)],
        );
        // From the picture to the keypoints it is our whole time over the peer's arithmetic.
        let ratios = [("network".to_owned(), 2.0), ("whole".to_owned(), 2.5)];
        assert_eq!(row.peers[0].ratio, BTreeMap::from(ratios));
        assert!(cells(&COLUMNS, &row.peers[0].ratio, "x").contains("2.00x"));
    }
}
