//! The progress of the training: its phase, the remaining time, its curves and its notes.

use super::curves;
use crate::app::theme;
use crate::app::train::{ApMeasurement, TrainPhase, TrainingState};
use crate::app::widgets::{bar, card, hint, low_row, section, span, thousands, value_row};
use egui::{Align, Color32, Frame, Label, Layout, Margin, RichText, Ui, Vec2};
use std::time::Instant;

/// Draws the run on display.
pub fn show(ui: &mut Ui, training: &TrainingState) {
    if training.run.is_none() {
        Frame::new().inner_margin(Margin::symmetric(12, 12)).show(ui, |ui| {
            ui.label(RichText::new("No training has run yet").font(theme::strong_font(14.0)).color(theme::BRIGHT));
            hint(ui, "Choose training data in the settings and start, or resume a run from its folder. The viewer keeps running meanwhile.");
        });
        return;
    }
    Frame::new().inner_margin(Margin { left: 12, right: 12, top: 8, bottom: 8 }).show(ui, |ui| {
        ui.set_width(ui.available_width());
        state(ui, training);
        ui.add_space(4.0);
        outcome(ui, training);
        numbers(ui, training);
    });
    let progress = &training.progress;
    if progress.curve.points().nth(1).is_some() {
        section(ui, "Loss", |ui| curves::loss(ui, progress));
    }
    if !progress.validations.is_empty() || !progress.table.is_empty() {
        section(ui, "Accuracy", |ui| {
            if !progress.validations.is_empty() {
                curves::accuracy(ui, progress);
            }
            table(ui, &progress.table);
        });
    }
    if !progress.notes.is_empty() {
        section(ui, "Notes", |ui| {
            for note in progress.notes.iter().rev() {
                ui.add(Label::new(RichText::new(note).color(theme::TEXT).small()).wrap());
            }
        });
    }
}

/// What is being done, how much of it is done, and how long the rest takes.
fn state(ui: &mut Ui, training: &TrainingState) {
    let progress = &training.progress;
    let steps = progress.overview.as_ref().map(|overview| overview.steps);
    let of = |done: usize, total: usize| format!("{} of {}", thousands(done as u64), thousands(total as u64));
    let (text, part) = match (&progress.phase, progress.phase.counted()) {
        (TrainPhase::Rendering { .. }, Some((done, total))) => {
            (format!("Rendering mannequins, {}", of(done, total)), None)
        }
        (TrainPhase::Features { set, .. }, Some((done, total))) => {
            (format!("Features of {set}, {}", of(done, total)), None)
        }
        (TrainPhase::Validating { .. }, Some((done, total))) => {
            let what = if progress.trained() { "Measuring the best weights" } else { "Validating" };
            (format!("{what}, {}", of(done, total)), None)
        }
        (TrainPhase::Preparing | TrainPhase::Idle, _) => ("Preparing data and network…".into(), Some(0.0)),
        (TrainPhase::Failed(_), _) if progress.step() == 0 => {
            ("The training could not begin".into(), Some(0.0))
        }
        _ => {
            let of = steps.map(|steps| format!(" of {}", thousands(steps))).unwrap_or_default();
            (format!("Step {}{of}", thousands(progress.step())), Some(training.fraction_done()))
        }
    };
    let counted = progress.phase.counted().map(|(done, total)| done as f32 / total.max(1) as f32);
    ui.horizontal(|ui| {
        ui.label(RichText::new(text).font(theme::strong_font(15.0)).color(theme::BRIGHT));
        if let Some(left) = progress.left(Instant::now()).filter(|_| training.running) {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.label(RichText::new(format!("{} left", span(left))).color(theme::MUTED));
            });
        }
    });
    let color = match progress.phase {
        TrainPhase::Finished { .. } => theme::GOOD,
        TrainPhase::Failed(_) => theme::ERROR,
        TrainPhase::Stopped { .. } => theme::MUTED,
        _ => theme::ACCENT,
    };
    bar(ui, part.or(counted).unwrap_or_default(), color);
}

/// How the run ended.
fn outcome(ui: &mut Ui, training: &TrainingState) {
    let said = |ui: &mut Ui, color: Color32, text: String| {
        card(ui, ui.available_width(), color, |ui| ui.add(Label::new(text).wrap()));
        ui.add_space(4.0);
    };
    let folder = training.run.as_ref().map(|run| run.run.out.display().to_string()).unwrap_or_default();
    match &training.progress.phase {
        TrainPhase::Failed(sentence) => said(ui, theme::ERROR, sentence.clone()),
        TrainPhase::Stopped { step: 0 } => {
            said(
                ui,
                theme::ACCENT,
                "Stopped before the first step. What was computed is kept, and resuming continues from there.".into(),
            );
        }
        TrainPhase::Stopped { step } => {
            let text = format!(
                "Stopped at step {}, and everything is saved. Resuming continues exactly from here, now or another \
                 day; in a terminal, tmpose train --resume {folder} does the same.",
                thousands(*step)
            );
            said(ui, theme::ACCENT, text);
        }
        TrainPhase::Finished { seconds, .. } => {
            let time = span(std::time::Duration::try_from_secs_f64(*seconds).unwrap_or_default());
            let text = format!("Finished in {time}. The best weights and their model card are in {folder}.");
            said(ui, theme::GOOD, text);
        }
        _ if training.stopping => said(
            ui,
            theme::ACCENT,
            "Stopping: the current step is finished and saved, and so is a validation that has begun.".into(),
        ),
        _ => {}
    }
}

fn numbers(ui: &mut Ui, training: &TrainingState) {
    let progress = &training.progress;
    if let Some(best) = progress.best {
        let text = format!("{:.3} at step {}", best.ap, thousands(best.step));
        value_row(ui, "Best AP", text, "OKS average precision of the best weights on the validation set.");
    }
    if let (Some((last, _)), true) = (&progress.last, training.running) {
        let text = format!(
            "{:.1} samples/s, {:.0} ms per step",
            last.pace.samples_a_second, last.pace.milliseconds_a_step
        );
        value_row(ui, "Speed", text, "Samples that go through the forward and backward pass each second.");
        let text = format!("{:.0} % of the time", last.pace.waiting * 100.0);
        value_row(ui, "Waiting", text, "Share of the time spent waiting for pictures.");
    }
    if let Some((last, _)) = &progress.last {
        value_row(ui, "Epoch", format!("{:.2}", last.position.epoch), "Passes over all samples so far.");
    }
    if let Some(saved) = progress.saved {
        let text = format!("step {}", thousands(saved));
        value_row(ui, "Checkpoint", text, "The last step that is saved on disk.");
    }
    if let Some(overview) = &progress.overview {
        let text = format!(
            "{} per epoch, {} parameters",
            thousands(overview.samples as u64),
            thousands(overview.parameters as u64)
        );
        value_row(ui, "Samples", text, "Samples in an epoch, and trained parameters.");
        value_row(ui, "Device", overview.device.clone(), &overview.device);
    }
    if let Some(run) = training.run.as_ref() {
        let folder = run.run.out.display().to_string();
        value_row(ui, "Run folder", folder.clone(), &folder);
    }
}

/// The best weights at each keep ratio.
fn table(ui: &mut Ui, table: &[ApMeasurement]) {
    if table.is_empty() {
        return;
    }
    ui.add_space(4.0);
    hint(ui, "The best weights on whole sets, by keep ratio:");
    let cells = |ui: &mut Ui, cells: [(String, Color32); 3]| {
        low_row(ui, |ui| {
            for (text, color) in cells {
                let size = Vec2::new(86.0, theme::LOW_ROW);
                ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
                    ui.set_min_size(size);
                    ui.add(Label::new(RichText::new(text).color(color)));
                });
            }
        });
    };
    cells(ui, ["keep", "AP", "people"].map(|text| (text.to_owned(), theme::MUTED)));
    for m in table {
        let kept = (format!("{:.0} %", m.keep_ratio.get() * 100.0), theme::MUTED);
        cells(ui, [kept, (format!("{:.3}", m.ap), theme::TEXT), (thousands(m.people as u64), theme::TEXT)]);
    }
}
