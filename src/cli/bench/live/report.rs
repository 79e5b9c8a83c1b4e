//! The numbers of `tmpose bench live` as tables, as JSON, and the memory over time as CSV.

use super::MeasurementPlan;
use crate::cli::command_line::command_line;
use crate::cli::output::markdown_table;
use crate::gpu::ComputeDevice;
use crate::live::{FrameTimes, Percentiles};
use crate::model::KeepRatio;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// The results of one measurement.
#[derive(Default)]
pub struct LiveSamples {
    /// Stage times of each result.
    pub times: Vec<FrameTimes>,
    /// From each frame's capture until its result was taken.
    pub ages: Vec<Duration>,
    /// People of all results together.
    pub people: usize,
    /// Results that a newer one replaced before they were taken.
    pub missed_results: u64,
    /// Seconds since the start and resident MiB.
    pub memory: Vec<[f64; 2]>,
}

impl LiveSamples {
    /// True without a single result.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }
}

/// TimePercentiles that a half, 95 % and 99 % of the frames did not exceed.
#[derive(Clone, Copy, Debug, Serialize)]
struct TimePercentiles {
    p50: f64,
    p95: f64,
    p99: f64,
    /// Frames in which the stage ran.
    frames: usize,
}

impl TimePercentiles {
    /// `None` of no times.
    fn of(durations: impl IntoIterator<Item = Duration>) -> Option<TimePercentiles> {
        let durations: Vec<Duration> = durations.into_iter().collect();
        let frames = durations.len();
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        Percentiles::of(durations).map(|s| TimePercentiles {
            p50: ms(s.p50),
            p95: ms(s.p95),
            p99: ms(s.p99),
            frames,
        })
    }

    /// A cell of a table.
    fn cell(times: Option<&TimePercentiles>) -> String {
        times.map_or("-".into(), |t| format!("{:.1} / {:.1} / {:.1}", t.p50, t.p95, t.p99))
    }
}

/// Frames that the pipeline counted.
#[derive(Clone, Copy, Serialize)]
pub struct FrameCounts {
    /// Frames that the source delivered.
    pub source_frames: u64,
    /// Those of them that a newer one replaced before the network was free.
    pub dropped: u64,
    /// Frames that a camera sent while none was read.
    pub missed: u64,
    /// Times that the source was too slow for its own timestamps.
    pub late: u64,
}

/// What one measurement found.
#[derive(Serialize)]
pub struct LiveRow {
    pace: &'static str,
    /// Mannequins in the picture; of another source the most people to follow.
    people: u32,
    /// People in a result, on average.
    followed: f64,
    seconds: f64,
    /// Results of the measurement.
    frames: usize,
    /// Results a second.
    frames_per_second: f64,
    #[serde(flatten)]
    counts: FrameCounts,
    /// Share of the source's frames that were dropped, 0 to 1.
    dropped_share: f64,
    /// Times of each stage.
    stages_ms: BTreeMap<&'static str, TimePercentiles>,
    /// Time of all stages of a frame.
    compute_ms: Option<TimePercentiles>,
    /// From a frame's capture until its result was taken.
    capture_to_result_ms: Option<TimePercentiles>,
    /// The most resident memory, in MiB.
    peak_mib: Option<f64>,
    /// Seconds since the start and resident MiB.
    memory: Vec<[f64; 2]>,
}

impl LiveRow {
    /// The numbers of a measurement that took `elapsed`.
    pub fn new(
        plan: &MeasurementPlan,
        elapsed: Duration,
        samples: &LiveSamples,
        counts: FrameCounts,
        peak_mib: Option<f64>,
    ) -> LiveRow {
        let frames = samples.times.len() + samples.missed_results as usize;
        let seconds = elapsed.as_secs_f64();
        let stage = |i: usize| {
            let stages = samples.times.iter().map(move |t| t.stages()[i]);
            let name = FrameTimes::default().stages()[i].0;
            Some((name, TimePercentiles::of(stages.filter_map(|(_, time)| time))?))
        };
        LiveRow {
            pace: plan.pace_name(),
            people: plan.people,
            followed: samples.people as f64 / samples.times.len().max(1) as f64,
            seconds,
            frames,
            frames_per_second: frames as f64 / seconds.max(1e-9),
            counts,
            dropped_share: counts.dropped as f64 / counts.source_frames.max(1) as f64,
            stages_ms: (0..FrameTimes::STAGES).filter_map(stage).collect(),
            compute_ms: TimePercentiles::of(samples.times.iter().map(|t| t.whole)),
            capture_to_result_ms: TimePercentiles::of(samples.ages.iter().copied()),
            peak_mib,
            memory: samples.memory.clone(),
        }
    }

    /// The cells of the first table.
    fn cells(&self) -> Vec<String> {
        vec![
            self.pace.into(),
            self.people.to_string(),
            format!("{:.1}", self.followed),
            format!("{:.1}", self.counts.source_frames as f64 / self.seconds.max(1e-9)),
            format!("{:.1}", self.frames_per_second),
            format!("{:.1} %", 100.0 * self.dropped_share),
            TimePercentiles::cell(self.compute_ms.as_ref()),
            TimePercentiles::cell(self.capture_to_result_ms.as_ref()),
            self.peak_mib.map_or("-".into(), |mib| format!("{mib:.0}")),
        ]
    }

    /// The cells of the table of stages.
    fn stage_cells(&self) -> Vec<String> {
        let stages = FrameTimes::default().stages();
        let times = stages.iter().map(|(name, _)| TimePercentiles::cell(self.stages_ms.get(name)));
        [self.pace.into(), self.people.to_string()].into_iter().chain(times).collect()
    }

    /// Memory at the beginning and at the end, as a sentence; empty where it is not known.
    fn memory_line(&self) -> String {
        let mib: Vec<f64> = self.memory.iter().map(|m| m[1]).collect();
        let third = mib.len() / 3;
        if third == 0 {
            return String::new();
        }
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let most = mib.iter().copied().fold(0.0, f64::max);
        format!(
            "{}, {} people: resident memory {:.0} MiB on average in the first third of {:.0} s, {:.0} MiB in the \
             last, never above {most:.0} MiB",
            self.pace,
            self.people,
            mean(&mib[..third]),
            self.seconds,
            mean(&mib[mib.len() - third..])
        )
    }
}

/// All measurements.
#[derive(Serialize)]
pub struct LiveReport {
    version: &'static str,
    command: String,
    /// Name of the weights file.
    weights: String,
    /// Name of the detector's weights file, or "none".
    detector: String,
    device: String,
    backend: String,
    source: String,
    keep: KeepRatio,
    detect_every: u32,
    /// The machine's load average before the first run, if it was busy.
    load: Option<f64>,
    rows: Vec<LiveRow>,
}

/// What a report is about.
pub struct LiveSubject<'a> {
    /// Name of the weights file.
    pub weights: String,
    /// Name of the detector's weights file, or "none".
    pub detector: String,
    /// What computes.
    pub device: &'a ComputeDevice,
    /// The source, as on the command line.
    pub source: String,
    /// Share of the visual tokens that is kept.
    pub keep: KeepRatio,
    /// Frames from one detection to the next.
    pub detect_every: u32,
    /// The machine's load average before the first run, if it was busy.
    pub load: Option<f64>,
}

impl LiveReport {
    /// A report without rows.
    pub fn new(subject: LiveSubject) -> LiveReport {
        LiveReport {
            version: env!("CARGO_PKG_VERSION"),
            command: command_line(std::env::args()),
            weights: subject.weights,
            detector: subject.detector,
            device: subject.device.name.clone(),
            backend: subject.device.backend.clone(),
            source: subject.source,
            keep: subject.keep,
            detect_every: subject.detect_every,
            load: subject.load,
            rows: Vec::new(),
        }
    }

    /// Adds a measurement.
    pub fn add(&mut self, row: LiveRow) {
        self.rows.push(row);
    }

    /// The tables in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "{}, {} kept, detector: {}, every {} frames; {} ({}); {}\n\n",
            self.weights, self.keep, self.detector, self.detect_every, self.device, self.backend, self.source
        );
        let names = [
            "pace",
            "people",
            "followed",
            "source frames/s",
            "frames/s",
            "dropped",
            "compute ms p50 / p95 / p99",
            "capture to result ms p50 / p95 / p99",
            "peak MiB",
        ];
        text += &markdown_table(&names, &self.rows.iter().map(LiveRow::cells).collect::<Vec<_>>());
        text += "\nStages, ms p50 / p95 / p99, of the frames in which they ran:\n\n";
        let stages = FrameTimes::default().stages().map(|(name, _)| name);
        let names: Vec<&str> = ["pace", "people"].into_iter().chain(stages).collect();
        text += &markdown_table(&names, &self.rows.iter().map(LiveRow::stage_cells).collect::<Vec<_>>());
        let lines: Vec<String> =
            self.rows.iter().map(LiveRow::memory_line).filter(|l| !l.is_empty()).collect();
        if !lines.is_empty() {
            let _ = write!(text, "\n{}\n", lines.join("\n"));
        }
        text
    }

    /// The memory of every measurement as comma-separated values.
    pub fn curve(&self) -> String {
        let mut text = String::from("pace,people,seconds,resident_mib\n");
        for row in &self.rows {
            for [seconds, mib] in &row.memory {
                let _ = writeln!(text, "{},{},{seconds:.1},{mib:.1}", row.pace, row.people);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::live::Pace;

    fn row(memory: Vec<[f64; 2]>) -> LiveRow {
        let ms = Duration::from_millis;
        let times = FrameTimes { detect: Some(ms(20)), whole: ms(50), ..FrameTimes::default() };
        let other = FrameTimes { detect: None, whole: ms(30), ..times };
        let samples = LiveSamples {
            times: vec![times, other, other, other],
            ages: [60, 40, 40, 40].map(ms).into(),
            people: 8,
            missed_results: 1,
            memory,
        };
        let plan = MeasurementPlan { pace: Pace::Source, people: 2, time: ms(2000), memory_every: ms(100) };
        let counts = FrameCounts { source_frames: 60, dropped: 15, missed: 0, late: 0 };
        LiveRow::new(&plan, ms(2000), &samples, counts, Some(123.4))
    }

    #[test]
    fn a_row_has_rates_shares_and_what_most_frames_did_not_exceed() {
        let row = row(Vec::new());
        assert_eq!((row.frames, row.frames_per_second, row.followed), (5, 2.5, 2.0));
        assert_eq!(row.dropped_share, 0.25);
        assert_eq!((row.stages_ms["detect"].p50, row.stages_ms["detect"].frames), (20.0, 1));
        let cells = row.cells();
        let wanted = [
            "source",
            "2",
            "2.0",
            "30.0",
            "2.5",
            "25.0 %",
            "30.0 / 50.0 / 50.0",
            "40.0 / 60.0 / 60.0",
            "123",
        ];
        assert_eq!(cells, wanted);
        assert_eq!(row.memory_line(), "");
    }

    #[test]
    fn the_memory_of_the_beginning_stands_beside_that_of_the_end() {
        let row = row(vec![[0.0, 100.0], [1.0, 130.0], [2.0, 120.0]]);
        let line = row.memory_line();
        assert!(line.contains("100 MiB on average") && line.contains("120 MiB in the last"), "{line}");
        assert!(line.contains("never above 130 MiB"), "{line}");
        let subject = LiveSubject {
            weights: "w".into(),
            detector: "none".into(),
            device: &ComputeDevice::cpu(),
            source: "mannequin:7".into(),
            keep: KeepRatio::ALL,
            detect_every: 10,
            load: None,
        };
        let mut report = LiveReport::new(subject);
        report.add(row);
        assert!(report.curve().ends_with("source,2,2.0,120.0\n"), "{}", report.curve());
        assert!(report.markdown().contains("| source | 2 | 2.0 |"), "{}", report.markdown());
    }
}
