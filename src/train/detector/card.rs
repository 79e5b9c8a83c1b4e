//! The model card of a detector: what its weights are made of and how good they are, in Markdown.

use crate::detect::DetectorConfig;
use crate::eval::detector::DetectorScore;
use crate::train::card::provenance;
use crate::weights::TrainingRecord;
use std::fmt::Write;

/// The card's text. `measured` is a set's title and what was measured on all of it.
pub fn model_card(
    config: &DetectorConfig,
    parameters: usize,
    record: &TrainingRecord,
    measured: Option<&(String, DetectorScore)>,
) -> String {
    let side = config.input;
    let mut text = format!("# Person detector, {side}x{side}\n\n");
    // Writing to a String cannot fail.
    let mut line = |s: String| writeln!(text, "{s}").unwrap_or_default();
    line(format!("- Parameters: {parameters}; {:.2} GMAC at {side}x{side}", config.macs() as f64 / 1e9));
    provenance(record).into_iter().for_each(&mut line);
    let Some((set, score)) = measured else { return text };
    line(format!("\n## Accuracy on {set}\n"));
    line(
        "COCO's box numbers as pycocotools computes them, sizes in pixels of the set's own pictures.\n"
            .into(),
    );
    let named = score.boxes.named();
    line(format!("| pictures | {} |", named.map(|(name, _)| name).join(" | ")));
    line(format!("|---|{}", "---|".repeat(named.len())));
    line(format!("| {} | {} |", score.pictures, named.map(|(_, v)| format!("{v:.3}")).join(" | ")));
    let people = score.tall.people;
    line(format!(
        "\nOf the {people} people higher than a quarter of their picture it finds (overlap at least 0.5):\n"
    ));
    line("| at most this many boxes a picture on nobody | score | found |".into());
    line("|---|---|---|".into());
    for (most, at) in &score.tall.by_false_boxes {
        line(format!("| {most} | {:.3} | {:.3} |", at.score, at.recall));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{box_ap, tall_recall};

    #[test]
    fn a_card_names_the_start_and_its_licence_and_what_was_found() {
        let record = TrainingRecord {
            start: "RTMDet-nano, OpenMMLab, Apache-2.0".into(),
            sets: vec!["detect/train x1".into()],
            steps: 70,
            ..TrainingRecord::default()
        };
        let score = DetectorScore { pictures: 3, boxes: box_ap(&[], &[]), tall: tall_recall(&[], &[], 3) };
        let card =
            model_card(&DetectorConfig::default(), 985_927, &record, Some(&("detect/val".into(), score)));
        for part in ["Apache-2.0", "detect/train x1", "Accuracy on detect/val", "| 0.5 |", "70 steps"] {
            assert!(card.contains(part), "{part} is not in {card}");
        }
    }
}
