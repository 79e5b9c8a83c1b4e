//! The numbers of `tmpose ablate` as tables, CSV and a chart.

use super::published;
use crate::cli::output::markdown_table;
use crate::draw::{Chart, Series};
use crate::eval::ablation::{AblationSetting, SeedStats};
use crate::model::{MaskKind, PositionMode};
use serde::Serialize;

/// What was measured, on what, and how.
#[derive(Serialize)]
pub struct AblationReport {
    /// Version of this program.
    pub version: &'static str,
    /// The command that made the report.
    pub command: String,
    /// Name of the weights file.
    pub weights: String,
    /// E.g. "tmpose-t, 4 layers, coco17".
    pub network: String,
    /// What computed, in words.
    pub device: String,
    /// The user's line about the machine.
    pub note: Option<String>,
    /// The set's title.
    pub set: String,
    /// Persons measured.
    pub persons: usize,
    /// Persons of the set.
    pub of: usize,
    /// Whether the mirrored picture was averaged in.
    pub flip_test: bool,
    /// Timed runs of each row.
    pub runs: u32,
    /// Set when the weights were trained on pictures of this set.
    pub warning: Option<String>,
    /// One for each mask, keep ratio and position mode.
    pub rows: Vec<AblationRow>,
}

/// One mask at one keep ratio with one position mode.
#[derive(Serialize)]
pub struct AblationRow {
    /// Mask, keep ratio and positions.
    #[serde(flatten)]
    pub cell: AblationSetting,
    /// OKS average precision, 0 to 1.
    pub ap: Option<SeedStats>,
    /// OKS average recall, 0 to 1.
    pub ar: Option<SeedStats>,
    /// PCK@0.1, 0 to 1.
    pub pck01: Option<SeedStats>,
    /// PCKh@0.5 in percent, where the set gives head sizes.
    pub pckh: Option<SeedStats>,
    /// GMAC that are computed, in both passes of a flip test.
    pub executed: Arithmetic,
    /// GMAC with every token embedded and every layer complete.
    pub reference: Arithmetic,
    /// By the counter behind the published tables, in its units of 2^30.
    pub paper: Arithmetic,
    /// Median times.
    pub ms: MedianTimes,
}

/// Arithmetic for one person.
#[derive(Clone, Copy, Serialize)]
pub struct Arithmetic {
    /// The transformer part: tokens, encoder layers and head.
    pub transformer: f64,
    /// The whole network.
    pub total: f64,
}

/// Median times for one person, in milliseconds.
#[derive(Clone, Copy, Serialize)]
pub struct MedianTimes {
    /// Selecting and embedding tokens, encoder layers and head.
    pub transformer: f64,
    /// From the picture to keypoints.
    pub whole: f64,
}

impl AblationReport {
    fn has_pckh(&self) -> bool {
        self.rows.iter().any(|r| r.pckh.is_some())
    }

    fn has_prefix(&self) -> bool {
        self.rows.iter().any(|r| r.cell.positions == PositionMode::Prefix)
    }

    /// The accuracy that the chart shows.
    fn main_number<'a>(&self, row: &'a AblationRow) -> Option<&'a SeedStats> {
        if self.has_pckh() { row.pckh.as_ref() } else { row.ap.as_ref() }
    }

    /// The table in Markdown.
    pub fn table(&self) -> String {
        let (pckh, prefix) = (self.has_pckh(), self.has_prefix());
        let mut names = vec!["mask", "kept", "tokens"];
        if prefix {
            names.push("positions");
        }
        if pckh {
            names.push("PCKh@0.5");
        }
        names.extend(["AP", "AR", "PCK@0.1", "GMAC T", "GMAC", "reference T", "reference"]);
        names.extend(["paper's T", "paper's", "ms T", "ms"]);
        let row = |row: &AblationRow| {
            let cell = &row.cell;
            let mut line = vec![cell.mask.to_string(), cell.keep_ratio.to_string(), cell.tokens.to_string()];
            if prefix {
                line.push(cell.positions.to_string());
            }
            if pckh {
                line.push(spread(row.pckh.as_ref(), 2));
            }
            line.extend([&row.ap, &row.ar, &row.pck01].map(|s| spread(s.as_ref(), 4)));
            for count in [row.executed, row.reference, row.paper] {
                line.extend([count.transformer, count.total].map(|n| format!("{n:.3}")));
            }
            line.extend([row.ms.transformer, row.ms.whole].map(|ms| format!("{ms:.1}")));
            line
        };
        markdown_table(&names, &self.rows.iter().map(row).collect::<Vec<_>>())
    }

    /// The whole report in Markdown.
    pub fn markdown(&self) -> String {
        let persons = match self.persons == self.of {
            true => format!("all {} persons", self.of),
            false => format!("{} of {} persons, evenly spread", self.persons, self.of),
        };
        let flip = if self.flip_test { ", flip test" } else { "" };
        let mut text = format!(
            "# Masks and keep ratios\n\nMade by\n\n    {}\n\n- Weights: {} ({})\n- Set: {}, {persons}, \
             ground-truth boxes{flip}\n- Device: {}\n",
            self.command, self.weights, self.network, self.set, self.device
        );
        if let Some(note) = &self.note {
            text += &format!("- Machine: {note}\n");
        }
        if let Some(warning) = &self.warning {
            text += &format!("\n**Warning: {warning}.**\n");
        }
        text += &format!("\n## Measured\n\n{}\n![{}](ablation.png)\n", self.table(), self.chart().title);
        text += &format!("\n{}\n", self.legend());
        text += &published::markdown(&self.set);
        text
    }

    fn legend(&self) -> String {
        let seeds = self.rows.iter().map(|r| r.cell.seeds.len()).max().unwrap_or(1);
        let mut text = format!(
            "T is the transformer part: tokens, encoder layers and head. GMAC is what this program computes for one person: dropped \
             tokens are not embedded, and the last layer computes the keypoint queries only. \"reference\" is \
             the same with all tokens embedded and complete layers. \"paper's\" is what the counter behind the \
             published tables says, in its units of 2^30; it is no measure of work (`tmpose macs --count \
             paper`). ms is the median of {} runs for one person; the rows' runs are interleaved.",
            self.runs
        );
        if seeds > 1 {
            text += &format!(
                "\n\nThe random mask was drawn {seeds} times, each time one mask for all persons: mean \u{b1} \
                 standard deviation of the sample. The other masks are not random."
            );
        }
        if self.has_prefix() {
            text += "\n\nWith prefix positions the k-th kept token gets the position of the k-th cell, as in the \
                     reference code; the block mask keeps the first cells, so it is the same with both.";
        }
        text
    }

    /// A chart with one line for each mask and position mode, each ending at all tokens.
    pub fn chart(&self) -> Chart {
        let whole = self.rows.iter().find(|r| r.cell.mask == MaskKind::None);
        let mut lines: Vec<(MaskKind, PositionMode)> = Vec::new();
        for row in self.rows.iter().filter(|r| r.cell.mask != MaskKind::None) {
            let line = (row.cell.mask, row.cell.positions);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        if lines.is_empty() {
            lines.push((MaskKind::None, PositionMode::Gathered));
        }
        let curve = |&(mask, positions): &(MaskKind, PositionMode)| {
            let mut rows: Vec<&AblationRow> =
                self.rows.iter().filter(|r| (r.cell.mask, r.cell.positions) == (mask, positions)).collect();
            rows.extend(whole.filter(|_| mask != MaskKind::None));
            rows.sort_by(|a, b| a.executed.total.total_cmp(&b.executed.total));
            let shown = rows.iter().filter_map(|r| Some((r.executed.total, self.main_number(r)?)));
            let shown: Vec<(f64, &SeedStats)> = shown.collect();
            Series {
                name: match positions {
                    PositionMode::Prefix => format!("{mask}, prefix positions"),
                    PositionMode::Gathered => mask.to_string(),
                },
                points: shown.iter().map(|(x, spread)| [*x, spread.mean]).collect(),
                spread: shown.iter().map(|(_, spread)| spread.deviation.unwrap_or(0.0)).collect(),
                dots: true,
            }
        };
        let name = if self.has_pckh() { "PCKh@0.5" } else { "AP" };
        let variant = self.network.split(',').next().unwrap_or(&self.network);
        Chart {
            title: format!("{name} by arithmetic: {variant} on {}", self.set),
            note: format!(
                "{} persons, ground-truth boxes; bars: standard deviation over random masks",
                self.persons
            ),
            x_label: "GMAC executed for one person".into(),
            y_label: name.into(),
            series: lines.iter().map(curve).collect(),
        }
    }

    /// The rows as comma-separated values, unrounded.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "mask,keep_ratio,tokens,positions,seeds,ap,ap_deviation,ar,ar_deviation,pck01,pck01_deviation,pckh,\
             pckh_deviation,gmac_transformer,gmac_total,reference_transformer,reference_total,paper_transformer,\
             paper_total,ms_transformer,ms_whole\n",
        );
        for row in &self.rows {
            let c = &row.cell;
            let mut line = vec![
                c.mask.to_string(),
                c.keep_ratio.to_string(),
                c.tokens.to_string(),
                c.positions.to_string(),
                c.seeds.len().to_string(),
            ];
            for number in [&row.ap, &row.ar, &row.pck01, &row.pckh] {
                let mean = number.as_ref().map(|s| s.mean);
                let deviation = number.as_ref().and_then(|s| s.deviation);
                line.extend([mean, deviation].map(|v| v.map_or(String::new(), |v| v.to_string())));
            }
            for count in [row.executed, row.reference, row.paper] {
                line.extend([count.transformer, count.total].map(|v| v.to_string()));
            }
            line.extend([row.ms.transformer, row.ms.whole].map(|v| v.to_string()));
            text += &line.join(",");
            text.push('\n');
        }
        text
    }
}

/// Mean and standard deviation with so many digits; a dash for none.
fn spread(value: Option<&SeedStats>, digits: usize) -> String {
    match value {
        None => "-".into(),
        Some(SeedStats { mean, deviation: Some(d), .. }) => format!("{mean:.digits$} \u{b1} {d:.digits$}"),
        Some(SeedStats { mean, .. }) if *mean < 0.0 => "-".into(),
        Some(SeedStats { mean, .. }) => format!("{mean:.digits$}"),
    }
}
