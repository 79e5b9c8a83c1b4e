//! How near the estimate is to the mannequin's true joints, while one watches.

use crate::app::accuracy::Accuracy;
use crate::app::theme;
use crate::app::widgets::{hint, value_row};
use crate::app::window::Window;
use egui::{Ui, Vec2};
use egui_plot::{Line, Plot, PlotPoints};

/// Draws the section; only called while there is an accuracy.
pub fn show(ui: &mut Ui, window: &mut Window) {
    let pixels = |a: Accuracy| format!("{:.1} px", a.error);
    let percent = |a: Accuracy| format!("{:.0} %", a.pck * 100.0);
    let help_error = "Mean distance between estimated and true joints inside the picture.";
    let help_pck = "PCK@0.1: joints within a tenth of the person box's longer side.";
    if let Some(now) = window.accuracy.now() {
        value_row(ui, "Error now", pixels(now), help_error);
        value_row(ui, "PCK@0.1 now", percent(now), help_pck);
    }
    if let Some((mean, count)) = window.accuracy.mean() {
        value_row(ui, "Mean error", pixels(mean), help_error);
        value_row(ui, "Mean PCK@0.1", percent(mean), help_pck);
        hint(ui, format!("Means over the last {count} results; the truth is the mannequin's own."));
    }
    let points: PlotPoints<'_> =
        window.accuracy.errors().enumerate().map(|(n, e)| [n as f64, f64::from(e)]).collect();
    ui.add_space(2.0);
    Plot::new("error in pixels")
        .height(64.0)
        .min_size(Vec2::new(40.0, 40.0))
        .include_y(0.0)
        .show_axes([false, true])
        .show_grid([false, true])
        .grid_color(theme::LINE)
        .y_axis_formatter(|mark, _| format!("{} px", mark.value))
        .y_axis_min_width(34.0)
        .show_x(false)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .show(ui, |plot| plot.line(Line::new("error", points).color(theme::GOOD).width(1.5)));
}
