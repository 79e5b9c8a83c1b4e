//! The numbers of `tmpose eval` as tables and as JSON.

use crate::cli::command_line::command_line;
use crate::cli::output::{fraction, markdown_table, percent};
use crate::eval::{PCKH_COLUMNS, Pckh, PoseAccuracy, Suppression, TrainingOverlap};
use crate::infer::Estimator;
use crate::model::{KeepRatio, MaskKind, PositionMode};
use serde::Serialize;
use std::path::Path;

/// What was measured, on what, and how.
#[derive(Serialize)]
pub struct EvalReport {
    version: &'static str,
    /// The command that made the report.
    command: String,
    /// Name of the weights file.
    weights: String,
    /// E.g. "tmpose-t, 4 layers, coco17".
    network: String,
    device: String,
    backend: String,
    decoding: &'static str,
    suppression: Suppression,
    /// The sets in the order of the command line.
    pub sets: Vec<EvaluatedSet>,
}

/// What was measured on one set.
#[derive(Serialize)]
pub struct EvaluatedSet {
    /// The set's title.
    pub set: String,
    /// "ground truth", or the name of the file with detected boxes.
    pub boxes: String,
    /// Detected boxes with a lower score were left out; `None` with annotated boxes.
    pub box_score_min: Option<f64>,
    /// Pictures of the whole set.
    pub pictures: usize,
    /// Boxes whose poses were estimated.
    pub estimated: usize,
    /// What was left out of the set, and why.
    pub notes: Vec<String>,
    /// Set when the weights were trained on pictures of this set.
    pub warning: Option<String>,
    /// How many of the pictures the weights were trained on, if any.
    pub seen_in_training: Option<TrainingOverlap>,
    /// One for each keep ratio.
    pub rows: Vec<EvalRow>,
    /// The same pictures and settings with annotated boxes, where `rows` have our detector's boxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_annotated_boxes: Option<Vec<EvalRow>>,
}

/// The accuracy at one keep ratio.
#[derive(Serialize)]
pub struct EvalRow {
    /// How the kept tokens were chosen.
    pub mask: MaskKind,
    /// Share of the visual tokens that was kept.
    pub keep_ratio: KeepRatio,
    /// Visual tokens that were kept.
    pub tokens: usize,
    /// Which positions the kept tokens got.
    pub positions: PositionMode,
    /// Whether the mirrored picture was averaged in.
    pub flip_test: bool,
    /// The numbers.
    #[serde(flatten)]
    pub accuracy: PoseAccuracy,
}

/// What the numbers are; also in docs/EVALUATION.md.
const COCO_MEANING: &str = "\
AP and AR are COCO's keypoint numbers, 0 to 1, as pycocotools computes them: AP is the mean over the OKS thresholds \
0.50 to 0.95, AP50 and AP75 are those at one threshold, M and L are persons of 32x32 to 96x96 pixels and larger ones. \
PCK@t is the share of labelled joints whose error is at most t of the longer side of the annotated box.";
const PCKH_MEANING: &str = "\
PCKh is MPII's number in percent: a joint is right when its error is at most 0.5 of the head's size (0.6 of the \
diagonal of the head box). Head, Sho .. Ank are means of left and right, Mean is over 14 joints (without pelvis and \
thorax), weighted by how often each is labelled. Published tables' \"Mean@0.1\" is taken at 0.11 because of an index \
that is one too high; both are given.";
const JOINT_MEANING: &str = "\
By joint: labels is how often the joint is labelled; OKS is the mean of its own similarity exp(-d^2 / (2 area (2 sigma)^2)), \
0 where nobody was estimated; error is the mean distance as a part of the longer side of the annotated box.";

impl EvalReport {
    /// A report without sets, of the weights file `weights`; `decoding` is the decoding's name.
    pub fn new(
        estimator: &Estimator,
        weights: &Path,
        suppression: Suppression,
        decoding: &'static str,
    ) -> EvalReport {
        let (info, device) = (estimator.info(), estimator.device());
        let config = &info.config;
        let layers = config.layers();
        EvalReport {
            version: env!("CARGO_PKG_VERSION"),
            command: command_line(std::env::args()),
            weights: weights.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            network: format!("{}, {layers} layers, {}", config.variant(), config.skeleton()),
            device: device.name.clone(),
            backend: device.backend.clone(),
            decoding,
            suppression,
            sets: Vec::new(),
        }
    }

    /// The whole report in Markdown, with tables by joint if `per_joint`.
    pub fn markdown(&self, per_joint: bool) -> String {
        let how = match (self.suppression.soft, self.suppression.threshold) {
            (true, t) => format!("soft, {t}"),
            (false, t) => format!("greedy above {t}"),
        };
        let mut text = format!(
            "# Accuracy of {}\n\n- Network: {}\n- Command: `{}`\n- Device: {} ({})\n- Decoding: {}; OKS-NMS: {how}\n",
            self.weights, self.network, self.command, self.device, self.backend, self.decoding
        );
        for set in &self.sets {
            text += &format!("\n## {}\n\n", set.set);
            if let Some(warning) = &set.warning {
                text += &format!("**Warning: {warning}.**\n\n");
            }
            for note in &set.notes {
                text += &format!("- {note}\n");
            }
            if !set.notes.is_empty() {
                text.push('\n');
            }
            text += &set.tables(per_joint);
        }
        text += "\n## What the numbers are\n";
        let rows = || self.sets.iter().flat_map(|s| &s.rows);
        let has_pckh = rows().any(|r| r.accuracy.pckh.is_some());
        let has_ap = rows().any(|r| r.accuracy.pckh.is_none());
        for (wanted, meaning) in
            [(has_ap, COCO_MEANING), (has_pckh, PCKH_MEANING), (per_joint, JOINT_MEANING)]
        {
            if wanted {
                text += &format!("\n{meaning}\n");
            }
        }
        text
    }
}

impl EvaluatedSet {
    /// The set's tables in Markdown, with those by joint if `per_joint`.
    pub fn tables(&self, per_joint: bool) -> String {
        let first = self.rows.first();
        let persons = first.map_or(0, |r| r.accuracy.persons);
        let mask = first.map_or(String::new(), |r| {
            format!("{} mask, {} positions", r.mask, r.positions)
                + if r.flip_test { ", flip test" } else { "" }
        });
        let boxes = match self.box_score_min {
            Some(min) => format!("{} boxes from {} (score at least {min})", self.estimated, self.boxes),
            None => "ground-truth boxes".into(),
        };
        let mut text = format!("{}: {persons} persons, {boxes}, {mask}\n\n", self.set);
        if let Some(annotated) = &self.with_annotated_boxes {
            text += &self.beside(annotated);
            text += "\nAll numbers with the detector's boxes:\n\n";
            text += &table(&self.rows);
            text += "\nAll numbers with annotated boxes:\n\n";
            text += &table(annotated);
        } else {
            text += &table(&self.rows);
        }
        if per_joint {
            for row in &self.rows {
                text += &format!("\nBy joint, {} of the tokens kept ({}):\n\n", row.keep_ratio, row.tokens);
                text += &row.joint_table();
            }
        }
        text
    }

    /// The most important numbers, with our detector's boxes and with annotated boxes side by side.
    fn beside(&self, annotated: &[EvalRow]) -> String {
        let mut names = vec!["kept".to_owned(), "tokens".to_owned()];
        for number in ["AP", "AP50", "AP75", "AR"] {
            names.extend([format!("{number}, detector's boxes"), format!("{number}, annotated boxes")]);
        }
        let row = |(own, annotated): (&EvalRow, &EvalRow)| {
            let of = |row: &EvalRow| {
                let c = &row.accuracy.coco;
                [c.ap, c.ap50, c.ap75, c.ar]
            };
            let pairs = of(own).into_iter().zip(of(annotated)).flat_map(|(own, annotated)| [own, annotated]);
            own.start().into_iter().chain(pairs.map(fraction)).collect()
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        markdown_table(&names, &self.rows.iter().zip(annotated).map(row).collect::<Vec<_>>())
    }
}

/// A table of all numbers.
fn table(rows: &[EvalRow]) -> String {
    if rows.iter().any(|r| r.accuracy.pckh.is_some()) { pckh_table(rows) } else { coco_table(rows) }
}

fn coco_table(rows: &[EvalRow]) -> String {
    let mut names = vec!["kept", "tokens"];
    names.extend(rows.first().map_or([""; 10], |r| r.accuracy.coco.named().map(|n| n.0)));
    names.extend(["PCK@0.05", "PCK@0.1", "PCK@0.2"]);
    let row = |row: &EvalRow| {
        let a = &row.accuracy;
        let numbers = a.coco.named().map(|n| n.1).into_iter().chain([a.pck005, a.pck01, a.pck02]);
        row.start().into_iter().chain(numbers.map(fraction)).collect()
    };
    markdown_table(&names, &rows.iter().map(row).collect::<Vec<_>>())
}

fn pckh_table(rows: &[EvalRow]) -> String {
    let mut names = vec!["kept", "tokens"];
    names.extend(PCKH_COLUMNS.map(|c| c.0));
    names.extend(["Mean", "Mean@0.1", "Mean@0.11", "PCK@0.1", "AP"]);
    let row = |row: &EvalRow| {
        let a = &row.accuracy;
        let pckh = a.pckh.as_ref();
        let columns = pckh.map_or([None; 7], |p| p.columns);
        let means: [fn(&Pckh) -> Option<f64>; 3] = [|p| p.mean, |p| p.mean_at_010, |p| p.mean_at_011];
        let means = means.map(|mean| pckh.and_then(mean));
        let percents = columns.into_iter().chain(means).map(percent);
        let rest = [a.pck01, a.coco.ap].map(fraction);
        row.start().into_iter().chain(percents).chain(rest).collect()
    };
    markdown_table(&names, &rows.iter().map(row).collect::<Vec<_>>())
}

impl EvalRow {
    /// The cells that every table begins with.
    fn start(&self) -> [String; 2] {
        [self.keep_ratio.to_string(), self.tokens.to_string()]
    }

    fn joint_table(&self) -> String {
        let row = |j: &crate::eval::JointAccuracy| {
            let numbers = [j.oks, j.pck005, j.pck01, j.pck02, j.error].map(fraction);
            [j.joint.replace('_', " "), j.places.to_string()].into_iter().chain(numbers).collect()
        };
        let rows: Vec<Vec<String>> = self.accuracy.joints.iter().map(row).collect();
        markdown_table(&["joint", "labels", "OKS", "PCK@0.05", "PCK@0.1", "PCK@0.2", "error"], &rows)
    }
}
