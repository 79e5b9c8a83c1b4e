//! The numbers of `tmpose bench --train` as a Markdown table and as JSON.

use super::report::median;
use crate::cli::terminal::outln;
use crate::gpu::ComputeDevice;
use crate::model::{KeepRatio, MaskKind};
use serde::Serialize;

/// How fast the steps of one program were.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepTimes {
    /// Persons, or the detector's pictures, in a step.
    batch: usize,
    /// Median milliseconds of a step.
    ms: f64,
    persons_a_second: f64,
}

impl StepTimes {
    /// From the milliseconds of each step of `batch` persons.
    pub fn new(batch: usize, milliseconds: &[f64]) -> StepTimes {
        let ms = median(milliseconds).unwrap_or(f64::NAN);
        StepTimes { batch, ms, persons_a_second: batch as f64 * 1e3 / ms }
    }
}

/// One variant at one ratio on one device, trained in one way.
#[derive(Serialize)]
pub struct TrainRow {
    /// A variant, or the detector.
    variant: String,
    backend: String,
    device: String,
    /// What steps begin with, and how gradients are computed.
    way: &'static str,
    keep: Option<KeepRatio>,
    tokens: Option<usize>,
    ours: StepTimes,
    peer: Option<PeerStepTimes>,
}

#[derive(Serialize)]
struct PeerStepTimes {
    name: String,
    #[serde(flatten)]
    measured: StepTimes,
    /// Our time divided by the peer's: below 1 ours is shorter.
    ratio: f64,
}

impl TrainRow {
    /// Our steps, and those of a peer by its name; `kept` is the keep ratio and the number of tokens.
    pub fn new(
        variant: String,
        device: &ComputeDevice,
        way: &'static str,
        kept: Option<(KeepRatio, usize)>,
        ours: StepTimes,
        peer: Option<(String, StepTimes)>,
    ) -> TrainRow {
        let peer =
            peer.map(|(name, measured)| PeerStepTimes { name, ratio: ours.ms / measured.ms, measured });
        let (backend, device) = (device.backend.clone(), device.name.clone());
        let (keep, tokens) = kept.unzip();
        TrainRow { variant, backend, device, way, keep, tokens, ours, peer }
    }

    fn markdown(&self) -> String {
        let TrainRow { variant, way, keep, tokens, ours, .. } = self;
        let (batch, ms, speed) = (ours.batch, ours.ms, ours.persons_a_second);
        let keep = keep.map_or("-".into(), |keep| keep.to_string());
        let tokens = tokens.map_or("-".into(), |tokens| tokens.to_string());
        let theirs = match &self.peer {
            None => ["-".into(), "-".into(), "-".into()],
            Some(peer) => [
                format!("{:.0}", peer.measured.ms),
                format!("{:.1}", peer.measured.persons_a_second),
                format!("{:.2}", peer.ratio),
            ],
        };
        let theirs = theirs.join(" | ");
        format!("| {variant} | {way} | {batch} | {keep} | {tokens} | {ms:.0} | {speed:.1} | {theirs} |")
    }
}

/// All rows, printed as they come.
#[derive(Serialize)]
pub struct TrainReport {
    version: &'static str,
    mask: MaskKind,
    runs: u32,
    /// The machine's load average before the first run, if it was busy.
    load: Option<f64>,
    rows: Vec<TrainRow>,
    /// The heading of the table that is being printed.
    #[serde(skip)]
    heading: String,
}

impl TrainReport {
    /// A report without rows. `load` is the machine's load average, if it was busy.
    pub fn new(mask: MaskKind, runs: u32, load: Option<f64>) -> TrainReport {
        let version = env!("CARGO_PKG_VERSION");
        TrainReport { version, mask, runs, load, rows: Vec::new(), heading: String::new() }
    }

    /// Prints a new table's heading when the device or its peers change.
    pub fn start(&mut self, device: &ComputeDevice, peers: &[String]) {
        let beside =
            if peers.is_empty() { String::new() } else { format!("; beside it {}", peers.join(", ")) };
        let ComputeDevice { name, backend, .. } = device;
        let heading =
            format!("{name} ({backend}), f32, {} mask, medians of {} steps{beside}.", self.mask, self.runs);
        if heading != self.heading {
            outln!("\n{heading}\n");
            outln!(
                "| network | a step from | batch | keep | tokens | ms | persons/s | PyTorch ms | PyTorch persons/s | ours / PyTorch |"
            );
            outln!("|{}", "---|".repeat(10));
            self.heading = heading;
        }
    }

    /// Prints and adds a row.
    pub fn add(&mut self, row: TrainRow) {
        outln!("{}", row.markdown());
        self.rows.push(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(peer: Option<(String, StepTimes)>) -> TrainRow {
        let ours = StepTimes::new(32, &[900.0, 800.0, 5000.0]);
        TrainRow::new(
            "tmpose-t".into(),
            &ComputeDevice::cpu(),
            "pictures, autodiff",
            Some((KeepRatio::new(0.6).unwrap(), 153)),
            ours,
            peer,
        )
    }

    #[test]
    fn a_row_is_markdown_with_our_time_over_theirs() {
        let theirs = Some(("PyTorch 2".into(), StepTimes::new(32, &[1800.0])));
        assert_eq!(
            row(theirs).markdown(),
            "| tmpose-t | pictures, autodiff | 32 | 0.6 | 153 | 900 | 35.6 | 1800 | 17.8 | 0.50 |"
        );
    }

    #[test]
    fn without_a_peer_the_columns_stay() {
        assert!(row(None).markdown().ends_with("| 900 | 35.6 | - | - | - |"));
        let json = serde_json::to_value(row(None)).unwrap();
        assert_eq!((json["ours"]["ms"].as_f64(), json["peer"].is_null()), (Some(900.0), true));
    }
}
