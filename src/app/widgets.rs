//! The few building blocks that every panel is made of.

use super::theme;
use egui::{Align, Align2, Color32, Layout, Response, RichText, Sense, Ui, Vec2};

/// A foldable part of a panel with a header bar; remembers whether it is open.
pub fn section(ui: &mut Ui, title: &str, content: impl FnOnce(&mut Ui)) {
    let id = ui.make_persistent_id(("section", title));
    let mut state = egui::collapsing_header::CollapsingState::load_with_default_open(ui.ctx(), id, true);
    let (rect, header) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 26.0), Sense::click());
    let header = header.on_hover_cursor(egui::CursorIcon::PointingHand);
    header.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, title));
    if header.clicked() {
        state.toggle(ui);
    }
    let color = if header.hovered() { theme::BRIGHT } else { theme::TEXT };
    ui.painter().rect_filled(rect, 0.0, theme::RAISED);
    triangle(ui, rect.left_center() + Vec2::new(14.0, 0.0), state.openness(ui.ctx()), theme::MUTED);
    let at = rect.left_center() + Vec2::new(26.0, 0.0);
    ui.painter().text(at, Align2::LEFT_CENTER, title, theme::strong_font(12.5), color);
    state.show_body_unindented(ui, |ui| {
        egui::Frame::new().inner_margin(egui::Margin { left: 12, right: 12, top: 4, bottom: 8 }).show(
            ui,
            |ui| {
                ui.set_width(ui.available_width());
                content(ui);
            },
        );
    });
    state.store(ui.ctx());
}

/// Points right when closed (0) and down when open (1).
fn triangle(ui: &Ui, center: egui::Pos2, openness: f32, color: Color32) {
    let turn = egui::emath::Rot2::from_angle(openness * std::f32::consts::FRAC_PI_2);
    let corners = [Vec2::new(-2.5, -4.0), Vec2::new(3.0, 0.0), Vec2::new(-2.5, 4.0)];
    let points = corners.map(|c| center + turn * c).to_vec();
    ui.painter().add(egui::Shape::convex_polygon(points, color, egui::Stroke::NONE));
}

/// A row: a label in the label column, and a widget that is named by it (for screen readers and tests).
pub fn row(ui: &mut Ui, label: &str, help: &str, content: impl FnOnce(&mut Ui) -> Response) -> Response {
    ui.horizontal(|ui| {
        ui.set_min_height(theme::ROW);
        let id = label_cell(ui, label, help, theme::ROW);
        let response = content(ui).labelled_by(id);
        if help.is_empty() { response } else { response.on_hover_text(help) }
    })
    .inner
}

fn label_cell(ui: &mut Ui, label: &str, help: &str, height: f32) -> egui::Id {
    let size = Vec2::new(theme::LABELS, height);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_size(size);
        let text = egui::Label::new(RichText::new(label).color(theme::MUTED)).selectable(false).truncate();
        let response = ui.add(text);
        if help.is_empty() { response.id } else { response.on_hover_text(help).id }
    })
    .inner
}

/// A row that only shows a value; lower than a row with a widget in it.
pub fn value_row(ui: &mut Ui, label: &str, value: impl Into<String>, help: &str) {
    low_row(ui, |ui| {
        let id = label_cell(ui, label, help, theme::LOW_ROW);
        let value = egui::Label::new(RichText::new(value.into()).color(theme::TEXT)).truncate();
        ui.add(value).labelled_by(id);
    });
}

/// A horizontal row without widgets.
pub fn low_row<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = theme::LOW_ROW;
        ui.horizontal(content).inner
    })
    .inner
}

/// A check box over the whole row.
pub fn check(ui: &mut Ui, on: &mut bool, label: &str, help: &str) -> Response {
    let response = ui.add(egui::Checkbox::new(on, label));
    if help.is_empty() { response } else { response.on_hover_text(help) }
}

/// A choice between a few values as a combo box that fills the row.
pub fn choice<T: PartialEq + Copy>(
    ui: &mut Ui,
    id: &str,
    value: &mut T,
    all: &[T],
    name: impl Fn(T) -> String,
) -> Response {
    let mut changed = false;
    let mut response = egui::ComboBox::from_id_salt(id)
        .width(ui.available_width())
        .selected_text(name(*value))
        .show_ui(ui, |ui| {
            for &each in all {
                changed |= ui.selectable_value(value, each, name(each)).changed();
            }
        })
        .response;
    if changed {
        response.mark_changed();
    }
    response
}

/// Muted explanation under a row.
pub fn hint(ui: &mut Ui, text: impl Into<String>) {
    ui.add(egui::Label::new(RichText::new(text.into()).color(theme::MUTED).small()).wrap());
}

/// A small rounded label, e.g. the software warning of the status bar.
pub fn chip(ui: &mut Ui, text: &str, color: Color32) -> Response {
    egui::Frame::new()
        .fill(color.gamma_multiply(0.18))
        .corner_radius(4)
        .inner_margin(egui::Margin::symmetric(6, 1))
        .show(ui, |ui| ui.label(RichText::new(text).color(color).small()))
        .response
}

/// What an [`icon_button`] shows; drawn, so that no font decides how it looks.
#[derive(Clone, Copy, PartialEq)]
pub enum Icon {
    Play,
    Pause,
    StepBack,
    StepForward,
    ToStart,
    Loop,
    Close,
}

/// A square button with a drawn icon and a name for tooltips, screen readers and tests.
pub fn icon_button(ui: &mut Ui, icon: Icon, name: &str, tip: &str, lit: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(26.0), Sense::click());
    let enabled = ui.is_enabled();
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, enabled, lit, name));
    let visuals = *ui.style().interact(&response);
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, visuals.corner_radius, visuals.weak_bg_fill);
    }
    let color = if lit { theme::ACCENT } else { visuals.fg_stroke.color };
    draw_icon(ui.painter(), icon, rect.center(), color);
    response.on_hover_text(tip)
}

fn draw_icon(painter: &egui::Painter, icon: Icon, c: egui::Pos2, color: Color32) {
    let none = egui::Stroke::NONE;
    let line = egui::Stroke::new(1.6, color);
    let bar = |x: f32, w: f32| {
        painter.rect_filled(
            egui::Rect::from_center_size(c + Vec2::new(x, 0.0), Vec2::new(w, 11.0)),
            1.0,
            color,
        );
    };
    let arrow = |x: f32, size: f32| {
        let points =
            [Vec2::new(x - size / 2.0, -5.5), Vec2::new(x + size / 2.0, 0.0), Vec2::new(x - size / 2.0, 5.5)];
        painter.add(egui::Shape::convex_polygon(points.map(|p| c + p).to_vec(), color, none));
    };
    match icon {
        Icon::Play => arrow(1.0, 10.0),
        Icon::Pause => {
            bar(-3.2, 3.2);
            bar(3.2, 3.2);
        }
        Icon::StepForward => {
            arrow(-1.5, 8.0);
            bar(5.0, 2.2);
        }
        Icon::StepBack => {
            arrow(1.5, -8.0);
            bar(-5.0, 2.2);
        }
        Icon::ToStart => {
            arrow(4.0, -6.5);
            arrow(-2.0, -6.5);
            bar(-6.5, 1.8);
        }
        Icon::Loop => {
            // Most of a circle, with an arrow head at its end.
            let around = |t: f32| c + 5.2 * Vec2::angled(t);
            let points = (0..=20).map(|n| around(-1.0 + n as f32 * 0.26)).collect();
            painter.add(egui::Shape::line(points, line));
            let tip = around(-1.0);
            let head = [Vec2::new(-4.0, -1.0), Vec2::new(1.5, -4.5), Vec2::new(1.5, 1.5)];
            painter.add(egui::Shape::convex_polygon(head.map(|p| tip + p).to_vec(), color, none));
        }
        Icon::Close => {
            painter.line_segment([c + Vec2::new(-4.0, -4.0), c + Vec2::new(4.0, 4.0)], line);
            painter.line_segment([c + Vec2::new(-4.0, 4.0), c + Vec2::new(4.0, -4.0)], line);
        }
    }
}

/// A history over the last results: values on the left in `unit`, from 0 up; it cannot be moved or zoomed.
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
fn few_marks(input: egui_plot::GridInput) -> Vec<egui_plot::GridMark> {
    let (low, high) = input.bounds;
    let wanted = ((high - low) / 3.0).max(1e-6);
    let ten = 10_f64.powf(wanted.log10().floor());
    let step_size =
        [1.0, 2.0, 5.0, 10.0].map(|m| m * ten).into_iter().find(|s| *s >= wanted).unwrap_or(wanted);
    let first = (low / step_size).ceil() as i64;
    let last = (high / step_size).floor() as i64;
    (first..=last).map(|n| egui_plot::GridMark { value: n as f64 * step_size, step_size }).collect()
}

/// A part of a second as milliseconds with three figures.
pub fn milliseconds(time: std::time::Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        ms if ms >= 99.5 => format!("{ms:.0} ms"),
        ms if ms >= 9.95 => format!("{ms:.1} ms"),
        ms => format!("{ms:.2} ms"),
    }
}

/// Media time as minutes, seconds and tenths.
pub fn clock(time: std::time::Duration) -> String {
    let tenths = time.as_millis() / 100;
    let (minutes, seconds, tenth) = (tenths / 600, tenths / 10 % 60, tenths % 10);
    match minutes / 60 {
        0 => format!("{minutes}:{seconds:02}.{tenth}"),
        hours => format!("{hours}:{:02}:{seconds:02}.{tenth}", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_small_plot_has_a_few_round_marks() {
        for high in [0.7, 3.0, 46.0, 90.0, 130.0, 930.0, 5000.0] {
            let bounds = (-0.05 * high, high);
            let marks = few_marks(egui_plot::GridInput { bounds, base_step_size: 1.0 });
            assert!((2..=4).contains(&marks.len()), "{high}: {} marks", marks.len());
            assert_eq!(marks[0].value, 0.0);
        }
    }

    #[test]
    fn times_are_written_for_people() {
        assert_eq!(milliseconds(Duration::from_micros(2_346)), "2.35 ms");
        assert_eq!(milliseconds(Duration::from_micros(23_460)), "23.5 ms");
        assert_eq!(milliseconds(Duration::from_millis(234)), "234 ms");
        assert_eq!(clock(Duration::from_millis(3_250)), "0:03.2");
        assert_eq!(clock(Duration::from_millis(3_723_400)), "1:02:03.4");
    }
}
