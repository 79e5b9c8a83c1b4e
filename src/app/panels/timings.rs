//! Milliseconds of each stage, and the times of the last frames.

use crate::app::actions::ActionQueue;
use crate::app::state::State;
use crate::app::theme;
use crate::app::widgets::{hint, history_plot, low_row, milliseconds, value_row};
use crate::live::{FrameTimes, LiveMeasurements, Percentiles, RecentValues, skipped_share};
use egui::{Align, Color32, Label, Layout, Rect, RichText, Sense, Ui, Vec2};
use egui_plot::{Line, PlotPoints};
use std::time::{Duration, Instant};

/// Width of a column of milliseconds.
const COLUMN: f32 = 56.0;

/// Draws the section.
pub fn show(ui: &mut Ui, state: &mut State, _: &mut ActionQueue) {
    let measured = &state.pipeline.measured;
    let Some(whole) = Percentiles::of(measured.history.iter().map(|t| t.whole)) else {
        hint(ui, "Measured as soon as the network runs.");
        return;
    };
    headline(ui, measured, whole);
    ui.add_space(2.0);
    let stages = stages(&measured.history);
    let middle = |n: usize| stages[n].1.map_or(Duration::ZERO, |s| s.p50);
    let middles: [Duration; FrameTimes::STAGES] = std::array::from_fn(middle);
    bar(ui, &middles);
    heading(ui, measured.history.iter().len());
    let longest = middles.into_iter().max().unwrap_or_default();
    for ((name, times), color) in stages.into_iter().zip(theme::STAGES) {
        stage(ui, name, times, longest, color);
    }
    ui.add_space(4.0);
    plot(ui, &measured.history);
    around(ui, state);
}

/// The median time of a frame, and frames per second.
fn headline(ui: &mut Ui, measured: &LiveMeasurements, whole: Percentiles) {
    let count = measured.history.iter().len();
    ui.horizontal(|ui| {
        let text = RichText::new(milliseconds(whole.p50)).font(theme::strong_font(20.0)).color(theme::BRIGHT);
        let help = format!(
            "From picture to people, over the last {count} frames. Half of them took at most {}, 95 % at most {}, \
             99 % at most {}.",
            milliseconds(whole.p50),
            milliseconds(whole.p95),
            milliseconds(whole.p99)
        );
        ui.add(Label::new(text)).on_hover_text(help);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let rate = format!("{:.1} fps", measured.rate);
            ui.label(RichText::new(rate).color(theme::TEXT))
                .on_hover_text("Frames through the network per second.");
        });
    });
}

/// The percentiles of each stage over the frames in which it ran.
fn stages(history: &RecentValues<FrameTimes>) -> [(&'static str, Option<Percentiles>); FrameTimes::STAGES] {
    let names = FrameTimes::default().stages().map(|(name, _)| name);
    std::array::from_fn(|n| (names[n], Percentiles::of(history.iter().filter_map(|t| t.stages()[n].1))))
}

/// The stages' shares of their sum (medians do not add up to the whole's median).
fn bar(ui: &mut Ui, middles: &[Duration]) {
    let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 8.0), Sense::hover());
    ui.painter().rect_filled(rect, 4.0, theme::BACKGROUND);
    let whole = middles.iter().sum::<Duration>().as_secs_f32().max(1e-9);
    let mut left = rect.left();
    for (time, color) in middles.iter().zip(theme::STAGES) {
        let width = rect.width() * (time.as_secs_f32() / whole).min(1.0);
        let right = (left + width).min(rect.right());
        ui.painter().rect_filled(Rect::from_x_y_ranges(left..=right, rect.y_range()), 0.0, color);
        left = right;
    }
}

fn heading(ui: &mut Ui, count: usize) {
    low_row(ui, |ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let help = format!("Over the last {count} frames.");
            for text in ["95 %", "50 %"] {
                column(ui, text, theme::MUTED).on_hover_text(&help);
            }
        });
    });
}

/// A right-aligned cell.
fn column(ui: &mut Ui, text: &str, color: Color32) -> egui::Response {
    let size = Vec2::new(COLUMN, theme::LOW_ROW);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        ui.set_min_size(size);
        ui.label(RichText::new(text).color(color))
    })
    .inner
}

fn stage(ui: &mut Ui, name: &str, times: Option<Percentiles>, longest: Duration, color: Color32) {
    low_row(ui, |ui| {
        let (square, _) = ui.allocate_exact_size(Vec2::splat(8.0), Sense::hover());
        ui.painter().rect_filled(square, 2.0, color);
        let size = Vec2::new(70.0, theme::LOW_ROW);
        let label = ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_size(size);
            ui.add(Label::new(RichText::new(name).color(theme::MUTED)).selectable(false)).id
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let text =
                |part: fn(Percentiles) -> Duration| times.map_or("–".into(), |t| milliseconds(part(t)));
            column(ui, &text(|t| t.p95), theme::MUTED);
            column(ui, &text(|t| t.p50), theme::TEXT).labelled_by(label.inner);
            let (track, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 4.0), Sense::hover());
            ui.painter().rect_filled(track, 2.0, theme::BACKGROUND);
            let time = times.map_or(Duration::ZERO, |t| t.p50);
            let part = time.as_secs_f32() / longest.as_secs_f32().max(1e-9);
            let filled =
                Rect::from_min_size(track.min, Vec2::new(track.width() * part.min(1.0), track.height()));
            ui.painter().rect_filled(filled, 2.0, color.gamma_multiply(0.85));
        });
    });
}

/// The times of the last frames in milliseconds, and how old the frames were when their people were known.
fn plot(ui: &mut Ui, history: &RecentValues<FrameTimes>) {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let whole: PlotPoints<'_> = history.iter().enumerate().map(|(n, t)| [n as f64, ms(t.whole)]).collect();
    let age: PlotPoints<'_> =
        history.iter().enumerate().filter_map(|(n, t)| Some([n as f64, ms(t.age?)])).collect();
    history_plot("milliseconds", 84.0, "ms").include_x(0.0).show(ui, |plot| {
        plot.line(Line::new("age", age).color(theme::MUTED).width(1.0));
        plot.line(Line::new("whole", whole).color(theme::ACCENT).width(1.5).fill(0.0));
    });
}

/// What happens before and after the network.
fn around(ui: &mut Ui, state: &State) {
    let pipeline = &state.pipeline;
    if let Some(ages) = state.view.ages() {
        let text = format!("{} (95 %: {})", milliseconds(ages.p50), milliseconds(ages.p95));
        let help = "From a frame's capture until it is handed to the screen: the median of the last frames, and what \
                    95 % of them do not exceed. The grey line is the age when the people were known.";
        value_row(ui, "Frame age", text, help);
    }
    let skipped = pipeline.dropped_frames + pipeline.source.as_ref().map_or(0, |s| s.missed);
    let share = skipped_share(pipeline.measured.history.iter()) * 100.0;
    let help = "Frames that a newer one replaced before the network took them: their share of the last frames, \
                and their number since the source was opened. Frames never queue.";
    value_row(ui, "Skipped", format!("{share:.0} % ({skipped} frames)"), help);
    let rate = state.repaints.per_second(Instant::now());
    value_row(ui, "Window", format!("{rate:.1} fps"), "Repaints of this window per second.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_runs_now_and_then_is_measured_over_the_frames_in_which_it_ran() {
        let mut history = RecentValues::new(9);
        for n in 0..9 {
            let detect = (n % 3 == 0).then_some(Duration::from_millis(30));
            history.push(FrameTimes { detect, ..FrameTimes::default() });
        }
        let stages = stages(&history);
        assert_eq!((stages[0].0, stages[0].1.unwrap().p50), ("detect", Duration::from_millis(30)));
        assert_eq!((stages[7].0, stages[7].1.unwrap().p50), ("track", Duration::ZERO));
    }
}
