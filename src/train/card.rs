//! The part of a model card that every training writes.

use crate::weights::TrainingRecord;

/// Where weights come from, as lines of a Markdown list: starting point, data, command, duration and notes.
pub fn provenance(record: &TrainingRecord) -> Vec<String> {
    let start = if record.start.is_empty() { "random weights" } else { &record.start };
    let mut lines = vec![
        format!("- Starting point: {start}"),
        format!("- Data: {}", record.sets.join("; ")),
        format!(
            "- Training: {} steps, {:.2} epochs, {:.0} minutes of wall-clock time",
            record.steps,
            record.epochs,
            record.seconds / 60.0
        ),
    ];
    if !record.command.is_empty() {
        lines.insert(2, format!("- Command: `{}`", record.command));
    }
    let notes = record.notes.iter().filter(|(key, _)| !key.starts_with("AP "));
    lines.extend(notes.map(|(key, value)| format!("- {key}: {value}")));
    lines
}
