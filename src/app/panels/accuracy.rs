//! The accuracy of the estimates, measured against the mannequin's true joints.

use crate::app::actions::ActionQueue;
use crate::app::state::{PersonAccuracy, State};
use crate::app::theme;
use crate::app::widgets::{history_plot, low_row};
use egui::{Align, Label, Layout, RichText, Ui, Vec2};
use egui_plot::{Line, PlotPoints};

/// Draws the section.
pub fn show(ui: &mut Ui, state: &mut State, _: &mut ActionQueue) {
    let (Some(now), Some((mean, count))) = (state.accuracy.now(), state.accuracy.mean()) else { return };
    let pixels = |a: PersonAccuracy| format!("{:.1} px", a.error);
    let percent = |a: PersonAccuracy| format!("{:.0} %", a.pck * 100.0);
    let mean_of = format!("mean of {count}");
    columns(ui, ["", "now", &mean_of], "Measured against the mannequin's true joints.", true);
    let help = "Mean distance between estimated and true joints inside the picture.";
    columns(ui, ["Error", &pixels(now), &pixels(mean)], help, false);
    let help = "Joints within a tenth of the person box's longer side.";
    columns(ui, ["PCK@0.1", &percent(now), &percent(mean)], help, false);
    let points: PlotPoints<'_> =
        state.accuracy.errors().enumerate().map(|(n, e)| [n as f64, f64::from(e)]).collect();
    ui.add_space(2.0);
    history_plot("error in pixels", 64.0, "px")
        .min_size(Vec2::new(40.0, 40.0))
        .show(ui, |plot| plot.line(Line::new("error", points).color(theme::GOOD).width(1.5)));
}

/// A name and two values.
fn columns(ui: &mut Ui, [name, now, mean]: [&str; 3], help: &str, heading: bool) {
    let value = if heading { theme::MUTED } else { theme::TEXT };
    low_row(ui, |ui| {
        for (text, width, color) in
            [(name, theme::LABELS, theme::MUTED), (now, 72.0, value), (mean, 90.0, value)]
        {
            let size = Vec2::new(width, theme::LOW_ROW);
            ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_size(size);
                ui.add(Label::new(RichText::new(text).color(color))).on_hover_text(help);
            });
        }
    });
}
