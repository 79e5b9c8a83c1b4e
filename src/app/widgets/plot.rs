//! Small plots over the last results or steps.

use crate::app::theme;

/// A plot of the last results: values in `unit` on the left, from 0 up; it cannot be moved or zoomed.
pub fn history_plot<'a>(name: &'static str, height: f32, unit: &'static str) -> egui_plot::Plot<'a> {
    egui_plot::Plot::new(name)
        .height(height)
        .include_y(0.0)
        .show_axes([false, true])
        .show_grid([false, true])
        .grid_color(theme::LINE)
        .y_grid_spacer(few_marks)
        .y_axis_formatter(move |mark, _| format!("{} {unit}", mark.value))
        .y_axis_min_width(34.0)
        .show_x(false)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
}

/// Two to four marks of a small plot's axis at round numbers.
pub fn few_marks(input: egui_plot::GridInput) -> Vec<egui_plot::GridMark> {
    let (low, high) = input.bounds;
    let wanted = ((high - low) / 3.0).max(1e-6);
    let ten = 10_f64.powf(wanted.log10().floor());
    let step_size =
        [1.0, 2.0, 5.0, 10.0].map(|m| m * ten).into_iter().find(|s| *s >= wanted).unwrap_or(wanted);
    let first = (low / step_size).ceil() as i64;
    let last = (high / step_size).floor() as i64;
    (first..=last).map(|n| egui_plot::GridMark { value: n as f64 * step_size, step_size }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_plot_has_a_few_round_marks() {
        for high in [0.7, 3.0, 46.0, 90.0, 130.0, 930.0, 5000.0] {
            let bounds = (-0.05 * high, high);
            let marks = few_marks(egui_plot::GridInput { bounds, base_step_size: 1.0 });
            assert!((2..=4).contains(&marks.len()), "{high}: {} marks", marks.len());
            assert_eq!(marks[0].value, 0.0);
        }
    }
}
