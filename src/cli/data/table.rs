//! The report of `tmpose data check` as text.

use crate::data::health::SummaryStats;
use crate::data::{FindingKind, Health};

/// Findings of each kind that are named; the others are only counted.
const NAMED: usize = 3;
/// Joints in a row.
const COLUMNS: usize = 3;

/// A set's report as text.
pub fn text(health: &Health) -> String {
    let mut lines = vec![
        format!("{} ({})", health.set, health.file),
        format!("  skeleton          {}, {} joints", health.skeleton, health.joints.len()),
        format!("  pictures          {}", health.pictures),
        format!("  persons           {}{}", health.persons, left_out(health)),
        format!("  joints a person   {}", spread(&health.joints_a_person, "")),
        format!("  box, longer side  {}", spread(&health.box_side, " px")),
    ];
    if !health.sources.is_empty() {
        let mut sources: Vec<_> = health.sources.iter().collect();
        sources.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let sources: Vec<String> = sources.iter().map(|(name, n)| format!("{name} {n}")).collect();
        lines.push(format!("  sources           {}", sources.join(", ")));
    }
    lines.push(format!("  teacher labels    {}", if health.teacher { "yes" } else { "none" }));
    lines.push("  labelled (of those hidden), % of the persons".into());
    let rows = health.joints.len().div_ceil(COLUMNS);
    for row in 0..rows {
        let cells = (row..health.joints.len()).step_by(rows).map(|j| {
            let joint = &health.joints[j];
            let (labelled, hidden) = (100.0 * joint.labelled, 100.0 * joint.hidden);
            format!("{:<16}{labelled:>4.0} {:<7}", joint.joint.replace('_', " "), format!("({hidden:.0})"))
        });
        lines.push(format!("    {}", cells.collect::<Vec<_>>().join("").trim_end()));
    }
    lines.push("  findings".into());
    for kind in FindingKind::ALL {
        let count = health.of_kind(kind).count();
        let looked = match kind {
            FindingKind::UndecodablePicture | FindingKind::WrongSize => health.decoded,
            FindingKind::TeacherDisagrees => health.teacher,
            _ => true,
        };
        if !looked {
            continue;
        }
        lines.push(format!("    {:>6}  {}", count, kind.title()));
        for finding in health.of_kind(kind).take(NAMED) {
            let annotation = finding.annotation.map(|id| format!("annotation {id}"));
            let picture = Some(finding.picture.clone()).filter(|p| !p.is_empty());
            let place: Vec<String> = [picture, annotation].into_iter().flatten().collect();
            let place = if place.is_empty() { String::new() } else { format!("{}: ", place.join(", ")) };
            lines.push(format!("            {place}{}", finding.text));
        }
    }
    lines.join("\n")
}

fn left_out(health: &Health) -> String {
    let parts = [
        (health.crowd, "crowd regions"),
        (health.unlabelled, "without labels"),
        (health.empty_boxes, "without a box"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let all = format!(" of {} annotations", health.annotations);
    if parts.is_empty() { all } else { format!("{all} ({})", parts.join(", ")) }
}

fn spread(s: &SummaryStats, unit: &str) -> String {
    format!("{:.0} to {:.0}{unit}, median {:.0}, mean {:.1}", s.least, s.most, s.median, s.mean)
}
