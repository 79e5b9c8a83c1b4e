//! Measured milliseconds a stage, and how they went over the last frames.

use crate::app::theme;
use crate::app::widgets::{hint, history_plot, low_row, milliseconds, value_row};
use crate::app::window::Window;
use crate::infer::StageTimes;
use egui::{Align, Label, Layout, Rect, RichText, Sense, Ui, Vec2};
use egui_plot::{Line, PlotPoints};
use std::time::Duration;

/// Draws the section.
pub fn show(ui: &mut Ui, window: &mut Window) {
    let measured = window.live.measured();
    let Some(median) = median(measured.history.iter().rev().take(30)) else {
        hint(ui, "Measured as soon as the network runs.");
        return;
    };
    ui.horizontal(|ui| {
        let whole =
            RichText::new(milliseconds(median.whole)).font(theme::strong_font(20.0)).color(theme::BRIGHT);
        ui.add(Label::new(whole)).on_hover_text("Median over the last 30 frames, from picture to pose.");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let rate = format!("{:.1} frames/s", measured.rate);
            ui.label(RichText::new(rate).color(theme::TEXT))
                .on_hover_text("Frames through the network a second.");
        });
    });
    ui.add_space(2.0);
    bar(ui, &median);
    let longest = median.stages().iter().map(|s| s.1).max().unwrap_or_default();
    for ((name, time), color) in median.stages().into_iter().zip(theme::STAGES) {
        stage(ui, name, time, longest, color);
    }
    ui.add_space(4.0);
    plot(ui, &measured.history);
    let source = window.live.source();
    let dropped = window.live.dropped_frames() + source.as_ref().map_or(0, |s| s.missed);
    value_row(
        ui,
        "Frame age",
        milliseconds(window.viewer.age()),
        "From a frame's capture to its way to the screen.",
    );
    let help = "Frames that were replaced by a newer one before the network took them. Nothing queues.";
    value_row(ui, "Skipped", format!("{dropped} frames"), help);
}

/// Medians stage by stage: one slow frame does not move them.
fn median<'a>(times: impl Iterator<Item = &'a StageTimes>) -> Option<StageTimes> {
    let times: Vec<&StageTimes> = times.collect();
    if times.is_empty() {
        return None;
    }
    let of = |part: fn(&StageTimes) -> Duration| {
        let mut all: Vec<Duration> = times.iter().map(|t| part(t)).collect();
        all.sort_unstable();
        all[all.len() / 2]
    };
    Some(StageTimes {
        crop: of(|t| t.crop),
        backbone: of(|t| t.backbone),
        mask: of(|t| t.mask),
        transformer: of(|t| t.transformer),
        head: of(|t| t.head),
        network: of(|t| t.network),
        decode: of(|t| t.decode),
        whole: of(|t| t.whole),
    })
}

/// The stages' shares of their sum (medians do not add up to the whole's median).
fn bar(ui: &mut Ui, times: &StageTimes) {
    let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 8.0), Sense::hover());
    ui.painter().rect_filled(rect, 4.0, theme::GROUND);
    let whole = times.stages().iter().map(|s| s.1).sum::<Duration>().as_secs_f32().max(1e-9);
    let mut left = rect.left();
    for ((_, time), color) in times.stages().into_iter().zip(theme::STAGES) {
        let width = rect.width() * (time.as_secs_f32() / whole).min(1.0);
        let right = (left + width).min(rect.right());
        ui.painter().rect_filled(Rect::from_x_y_ranges(left..=right, rect.y_range()), 0.0, color);
        left = right;
    }
}

fn stage(ui: &mut Ui, name: &str, time: Duration, longest: Duration, color: egui::Color32) {
    low_row(ui, |ui| {
        let (square, _) = ui.allocate_exact_size(Vec2::splat(8.0), Sense::hover());
        ui.painter().rect_filled(square, 2.0, color);
        let size = Vec2::new(76.0, theme::LOW_ROW);
        let label = ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_size(size);
            ui.add(Label::new(RichText::new(name).color(theme::MUTED)).selectable(false)).id
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let size = Vec2::new(58.0, theme::LOW_ROW);
            ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
                ui.set_min_size(size);
                ui.label(RichText::new(milliseconds(time)).color(theme::TEXT)).labelled_by(label.inner);
            });
            let (track, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 4.0), Sense::hover());
            ui.painter().rect_filled(track, 2.0, theme::GROUND);
            let part = time.as_secs_f32() / longest.as_secs_f32().max(1e-9);
            let filled =
                Rect::from_min_size(track.min, Vec2::new(track.width() * part.min(1.0), track.height()));
            ui.painter().rect_filled(filled, 2.0, color.gamma_multiply(0.85));
        });
    });
}

/// The whole's milliseconds over the last frames.
fn plot(ui: &mut Ui, history: &crate::live::History<StageTimes>) {
    let points: PlotPoints<'_> =
        history.iter().enumerate().map(|(n, t)| [n as f64, t.whole.as_secs_f64() * 1e3]).collect();
    history_plot("milliseconds", 84.0, "ms")
        .include_x(0.0)
        .show(ui, |plot| plot.line(Line::new("whole", points).color(theme::ACCENT).width(1.5).fill(0.0)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_frame_does_not_move_the_medians() {
        let frame = |ms| StageTimes { whole: Duration::from_millis(ms), ..StageTimes::default() };
        let times = [frame(10), frame(500), frame(11)];
        assert_eq!(median(times.iter()).unwrap().whole, Duration::from_millis(11));
        assert_eq!(median([].iter()), None);
    }
}
