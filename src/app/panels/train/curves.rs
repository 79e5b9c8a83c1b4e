//! Loss, learning rate and accuracy over the steps.

use crate::app::theme;
use crate::app::train::TrainProgress;
use crate::app::widgets::{few_marks, history_plot, thousands};
use egui::text::{LayoutJob, TextFormat};
use egui::{Color32, Rect, Sense, TextStyle, Ui, Vec2, WidgetInfo};
use egui_plot::{GridMark, HoverPosition, Line, Plot, PlotPoints, Points};

/// The loss with its parts, and under it the learning rate.
pub fn loss(ui: &mut Ui, progress: &TrainProgress) {
    let points: Vec<_> = progress.curve.points().collect();
    let Some(newest) = points.last() else { return };
    legend(
        ui,
        &[
            ("loss", theme::ACCENT, short(newest.loss)),
            ("squared error", theme::STAGES[3], short(newest.mse)),
            ("cross-entropy", theme::STAGES[2], short(newest.cross_entropy)),
        ],
    );
    let end = newest.step;
    plot("loss over the steps", 120.0, end).show(ui, |plot| {
        for (name, color, part) in [
            ("squared error", theme::STAGES[3], (|p| p.mse) as fn(&crate::app::train::CurvePoint) -> f64),
            ("cross-entropy", theme::STAGES[2], |p| p.cross_entropy),
            ("loss", theme::ACCENT, |p| p.loss),
        ] {
            let line: PlotPoints<'_> = points.iter().map(|p| [p.step, part(p)]).collect();
            plot.line(Line::new(name, line).color(color).width(1.5));
        }
    });
    ui.add_space(4.0);
    legend(ui, &[("learning rate", theme::STAGES[4], rate_figures(newest.learning_rate))]);
    plot("learning rate over the steps", 64.0, end).show(ui, |plot| {
        let line: PlotPoints<'_> = points.iter().map(|p| [p.step, p.learning_rate]).collect();
        plot.line(Line::new("learning rate", line).color(theme::STAGES[4]).width(1.5));
    });
}

/// Average precision of each validation.
pub fn accuracy(ui: &mut Ui, progress: &TrainProgress) {
    let Some(newest) = progress.validations.last() else { return };
    let mut entries = vec![("AP", theme::GOOD, format!("{:.3}", newest.ap))];
    if let Some(best) = progress.best {
        entries.push(("best", theme::BRIGHT, format!("{:.3}", best.ap)));
    }
    legend(ui, &entries);
    let end = progress.step() as f64;
    // Includes 0.1 so that an AP near 0 is drawn at the bottom, not in the middle.
    plot("accuracy over the steps", 110.0, end).include_y(0.1).show(ui, |plot| {
        let points: Vec<[f64; 2]> = progress.validations.iter().map(|v| [v.step as f64, v.ap]).collect();
        plot.line(Line::new("AP", PlotPoints::from(points.clone())).color(theme::GOOD).width(1.5));
        plot.points(Points::new("AP", PlotPoints::from(points)).color(theme::GOOD).radius(2.5));
        if let Some(best) = progress.best {
            let at = PlotPoints::from(vec![[best.step as f64, best.ap]]);
            plot.points(Points::new("best", at).color(theme::BRIGHT).radius(4.0));
        }
    });
}

/// Names and newest values over a plot; in a narrow panel they wrap to a second row.
fn legend(ui: &mut Ui, entries: &[(&str, Color32, String)]) {
    const SQUARE: f32 = 8.0;
    let font = TextStyle::Body.resolve(ui.style());
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = theme::LOW_ROW;
        ui.spacing_mut().item_spacing = Vec2::new(14.0, 0.0);
        ui.horizontal_wrapped(|ui| {
            for (name, color, value) in entries {
                let mut text = LayoutJob::default();
                text.append(name, SQUARE + 5.0, TextFormat::simple(font.clone(), theme::MUTED));
                text.append(value, 5.0, TextFormat::simple(font.clone(), theme::TEXT));
                let text = ui.fonts_mut(|fonts| fonts.layout_job(text));
                // One widget, so that a row breaks between entries and not inside one.
                let (rect, entry) = ui.allocate_exact_size(text.size(), Sense::hover());
                let square = Rect::from_min_size(
                    rect.left_center() - Vec2::new(0.0, SQUARE / 2.0),
                    Vec2::splat(SQUARE),
                );
                ui.painter().rect_filled(square, 2.0, *color);
                ui.painter().galley(rect.min, text, theme::TEXT);
                entry.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, format!("{name} {value}")));
            }
        });
    });
}

/// A plot from 0 to the newest step.
fn plot<'a>(name: &'static str, height: f32, end: f64) -> Plot<'a> {
    history_plot(name, height, "")
        .include_x(0.0)
        .include_x(end)
        .show_axes([true, true])
        .x_grid_spacer(few_marks)
        .x_axis_formatter(|mark, _| thousands(mark.value.max(0.0) as u64))
        .y_axis_formatter(|mark, _| rounded(mark))
        // One width for all plots, so that their steps are aligned.
        .y_axis_min_width(50.0)
        .show_x(true)
        .label_formatter(|at| match at {
            HoverPosition::NearDataPoint { plot_name, position, .. } => {
                let step = thousands(position.x.max(0.0).round() as u64);
                Some(format!("step {step}\n{plot_name} {}", short(position.y)))
            }
            HoverPosition::Elsewhere { .. } => None,
        })
}

/// A mark with as many decimals as its neighbours need.
fn rounded(mark: GridMark) -> String {
    if mark.value == 0.0 {
        return "0".into();
    }
    let decimals = (-mark.step_size.log10().floor()).clamp(0.0, 8.0) as usize;
    format!("{:.decimals$}", mark.value)
}

/// A learning rate with three significant digits and no trailing zeros; small ones as 2.74e-6.
fn rate_figures(rate: f64) -> String {
    if rate > 0.0 && rate < 1e-4 {
        return format!("{rate:.2e}");
    }
    short(rate).parse().unwrap_or(rate).to_string()
}

/// A number with three significant digits.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let decimals = (2.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_figures_that_matter() {
        let all = [0.0, 0.000_812_34, 0.5912, 6.02, 1234.5].map(short);
        assert_eq!(all, ["0", "0.000812", "0.591", "6.02", "1234"]);
        assert_eq!(
            [0.0, 0.001, 0.000_812_34].map(|r| rate_figures(r).to_string()),
            ["0", "0.001", "0.000812"]
        );
        let mark = |value, step_size| rounded(GridMark { value, step_size });
        assert_eq!(
            [mark(0.30000000000000004, 0.1), mark(20.0, 10.0), mark(0.0005, 0.0005)],
            ["0.3", "20", "0.0005"]
        );
    }
}
