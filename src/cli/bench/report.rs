//! The numbers of `tmpose bench` as a table and as JSON.

use crate::gpu::ComputeDevice;
use crate::infer::StageTimes;
use crate::model::{MaskKind, Variant};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Columns in the order of the table. `network` is everything from the pictures on the device to the
/// heatmaps (on a GPU to keypoints), and `whole` all of it, both without waiting between the stages.
const COLUMNS: [&str; 8] = ["crop", "backbone", "mask", "transformer", "head", "decode", "network", "whole"];

/// Milliseconds of each run, by column.
#[derive(Clone, Debug, Default)]
pub struct Samples(BTreeMap<String, Vec<f64>>);

impl Samples {
    /// A run with true stage times, and one without waiting between the stages.
    pub fn add_ours(&mut self, stages: &StageTimes, unbroken: &StageTimes) {
        let whole = [("network", unbroken.network), ("whole", unbroken.whole)];
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        self.add(stages.stages().into_iter().chain(whole).map(|(name, time)| (name.to_owned(), ms(time))));
    }

    pub fn add(&mut self, ms: impl IntoIterator<Item = (String, f64)>) {
        for (column, ms) in ms {
            self.0.entry(column).or_default().push(ms);
        }
    }

    fn medians(&self) -> BTreeMap<String, f64> {
        self.0.iter().filter_map(|(name, runs)| Some((name.clone(), median(runs)?))).collect()
    }
}

/// The middle one, or the mean of the two middle ones; none of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some((low + high) / 2.0)
}

/// One variant at one ratio on one device.
#[derive(Serialize)]
pub struct Row {
    variant: Variant,
    backend: String,
    device: String,
    keep: f64,
    tokens: usize,
    /// Median milliseconds.
    ms: BTreeMap<String, f64>,
    peers: Vec<Peer>,
}

#[derive(Serialize)]
struct Peer {
    name: String,
    ms: BTreeMap<String, f64>,
    /// Our time over the peer's: below 1 we are faster.
    ratio: BTreeMap<String, f64>,
}

impl Row {
    pub fn new(
        variant: Variant,
        device: &ComputeDevice,
        keep: f64,
        tokens: usize,
        ours: &Samples,
        theirs: Vec<(String, Samples)>,
    ) -> Row {
        let ms = ours.medians();
        let peers = theirs
            .into_iter()
            .map(|(name, samples)| {
                let their = samples.medians();
                let ratio = their
                    .iter()
                    .filter(|(_, their)| **their > 0.0)
                    .filter_map(|(column, their)| Some((column.clone(), ms.get(column)? / their)))
                    .collect();
                Peer { name, ms: their, ratio }
            })
            .collect();
        let (backend, device) = (device.backend.clone(), device.name.clone());
        Row { variant, backend, device, keep, tokens, ms, peers }
    }
}

/// All rows, printed as they come.
#[derive(Serialize)]
pub struct Report {
    version: &'static str,
    mask: MaskKind,
    persons: usize,
    runs: u32,
    /// The machine's load average before the first run, if it was busy.
    load: Option<f64>,
    rows: Vec<Row>,
}

impl Report {
    pub fn new(mask: MaskKind, persons: usize, runs: u32, load: Option<f64>) -> Report {
        Report { version: env!("CARGO_PKG_VERSION"), mask, persons, runs, load, rows: Vec::new() }
    }

    pub fn start_device(&self, device: &ComputeDevice) {
        println!(
            "\n{} ({}), {} mask, batch of {}, medians of {} runs in ms; ratios are ours over theirs",
            device.name, device.backend, self.mask, self.persons, self.runs
        );
        print!("{:<14}{:>5}{:>7}", "variant", "keep", "tokens");
        for column in COLUMNS {
            print!("{column:>12}");
        }
        println!();
    }

    pub fn add(&mut self, row: Row) {
        print!("{:<14}{:>5}{:>7}", row.variant.name(), row.keep, row.tokens);
        println!("{}", cells(&row.ms, ""));
        for peer in &row.peers {
            println!("  {:<24}{}", peer.name, cells(&peer.ms, ""));
            println!("  {:<24}{}", "  ratio", cells(&peer.ratio, "x"));
        }
        self.rows.push(row);
    }
}

fn cells(values: &BTreeMap<String, f64>, unit: &str) -> String {
    COLUMNS
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
        let mut ours = Samples::default();
        ours.add([("network".to_owned(), 20.0), ("decode".to_owned(), 1.0)]);
        let mut theirs = Samples::default();
        theirs.add([("network".to_owned(), 10.0)]);
        let row = Row::new(Variant::T, &ComputeDevice::cpu(), 1.0, 256, &ours, vec![("P".into(), theirs)]);
        assert_eq!(row.peers[0].ratio, BTreeMap::from([("network".to_owned(), 2.0)]));
        assert!(cells(&row.peers[0].ratio, "x").contains("2.00x"));
    }
}
