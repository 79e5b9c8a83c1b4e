//! The model card: what weights are made of and how good they are, in Markdown.

use crate::eval::set::SetScore;
use crate::model::KeepRatio;
use crate::train::card::provenance;
use crate::weights::TrainingRecord;
use std::fmt::Write;

/// Accuracy on one set at one keep ratio.
#[derive(Clone, Debug)]
pub struct CardRow {
    /// Title of the set.
    pub set: String,
    /// Share of the visual tokens that are kept.
    pub keep_ratio: KeepRatio,
    /// The measurements.
    pub score: SetScore,
}

/// The card's text. `network` is e.g. "tmpose-t, 4 layers, coco17".
pub fn model_card(network: &str, parameters: usize, record: &TrainingRecord, rows: &[CardRow]) -> String {
    let mut text = format!("# {network}\n\n");
    // Writing to a String cannot fail.
    let mut line = |s: String| writeln!(text, "{s}").unwrap_or_default();
    line(format!("- Parameters: {parameters}"));
    provenance(record).into_iter().for_each(&mut line);
    line("\n## Accuracy\n".into());
    line("Ground-truth boxes, progressive mask, no flip test, DARK decoding. OKS AP as pycocotools computes it; PCK at a part of the box's longer side.\n".into());
    line("| set | persons | kept | AP | AP50 | AP75 | AR | PCK@0.1 | PCK@0.2 |".into());
    line("|---|---|---|---|---|---|---|---|---|".into());
    for row in rows {
        let s = &row.score;
        line(format!(
            "| {} | {} | {} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} |",
            row.set, s.persons, row.keep_ratio, s.ap, s.ap50, s.ap75, s.ar, s.pck01, s.pck02
        ));
    }
    text
}
