//! The widgets that every panel is made of.

use super::theme;
use crate::gpu::DeviceChoice;
use egui::{Align, Align2, Color32, Layout, Response, RichText, Sense, Ui, Vec2};

/// A foldable part of a panel with a header bar, open at first.
pub fn section(ui: &mut Ui, title: &str, content: impl FnOnce(&mut Ui)) {
    foldable(ui, title, true, content);
}

/// A section that is closed at first.
pub fn closed_section(ui: &mut Ui, title: &str, content: impl FnOnce(&mut Ui)) {
    foldable(ui, title, false, content);
}

/// A section that is open or closed at first; a click on its header changes that, and egui remembers it.
pub fn foldable(ui: &mut Ui, title: &str, open: bool, content: impl FnOnce(&mut Ui)) {
    let id = ui.make_persistent_id(("section", title));
    let mut state = egui::collapsing_header::CollapsingState::load_with_default_open(ui.ctx(), id, open);
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

/// A choice of the device that computes.
pub fn device_choice(ui: &mut Ui, id: &str, device: &mut DeviceChoice) -> Response {
    choice(ui, id, device, &[DeviceChoice::Auto, DeviceChoice::Gpu, DeviceChoice::Cpu], |device| {
        match device {
            DeviceChoice::Auto => "Automatic",
            DeviceChoice::Gpu => "GPU",
            DeviceChoice::Cpu => "CPU",
            DeviceChoice::Cuda(_) => "CUDA",
        }
        .into()
    })
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

/// A message on a dark background with a coloured edge.
pub fn card<R>(ui: &mut Ui, width: f32, color: Color32, content: impl FnOnce(&mut Ui) -> R) -> R {
    // Margins left and right, and the line on both sides.
    const EDGES: f32 = 16.0 + 12.0 + 2.0;
    let frame = egui::Frame::new()
        .fill(theme::PANEL.gamma_multiply(0.96))
        .stroke(egui::Stroke::new(1.0, theme::LINE))
        .corner_radius(6)
        .inner_margin(egui::Margin { left: 16, right: 12, top: 10, bottom: 10 });
    let shown = frame.show(ui, |ui| {
        ui.set_width(width - EDGES);
        content(ui)
    });
    let edge = egui::Rect::from_min_size(
        shown.response.rect.left_top() + Vec2::new(5.0, 8.0),
        Vec2::new(3.0, shown.response.rect.height() - 16.0),
    );
    ui.painter().rect_filled(edge, 1.5, color);
    shown.inner
}

/// How much of something is done, 0 to 1.
pub fn bar(ui: &mut Ui, part: f32, color: Color32) {
    let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 8.0), Sense::hover());
    ui.painter().rect_filled(rect, 4.0, theme::BACKGROUND);
    let width = rect.width() * part.clamp(0.0, 1.0);
    if width > 0.0 {
        let filled = egui::Rect::from_min_size(rect.min, Vec2::new(width.max(4.0), rect.height()));
        ui.painter().rect_filled(filled, 4.0, color);
    }
}

/// The button of the next step to take, in the accent's colour.
pub fn main_button(text: &str) -> egui::Button<'_> {
    egui::Button::new(RichText::new(text).font(theme::strong_font(12.5)).color(theme::BRIGHT))
        .fill(theme::ACCENT_DEEP)
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
    Folder,
}

/// A square button with a drawn icon and a name for tooltips, screen readers and tests.
pub fn icon_button(ui: &mut Ui, icon: Icon, name: &str, tip: &str, lit: bool) -> Response {
    sized_icon_button(ui, 26.0, icon, name, tip, lit)
}

/// An icon button as high as the fields of a row beside it.
pub fn row_icon_button(ui: &mut Ui, icon: Icon, name: &str, tip: &str) -> Response {
    sized_icon_button(ui, theme::ROW, icon, name, tip, false)
}

fn sized_icon_button(ui: &mut Ui, size: f32, icon: Icon, name: &str, tip: &str, lit: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(size), Sense::click());
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
        Icon::Folder => {
            let outline = [(-6.0, 4.5), (-6.0, -4.5), (-2.0, -4.5), (-0.5, -2.5), (6.0, -2.5), (6.0, 4.5)];
            let points = outline.map(|(x, y)| c + Vec2::new(x, y)).to_vec();
            painter.add(egui::Shape::closed_line(points, egui::Stroke::new(1.3, color)));
        }
        Icon::Close => {
            painter.line_segment([c + Vec2::new(-4.0, -4.0), c + Vec2::new(4.0, 4.0)], line);
            painter.line_segment([c + Vec2::new(-4.0, 4.0), c + Vec2::new(4.0, -4.0)], line);
        }
    }
}

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

/// A time of less than a second or so as milliseconds with three digits.
pub fn milliseconds(time: std::time::Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        ms if ms >= 99.5 => format!("{ms:.0} ms"),
        ms if ms >= 9.95 => format!("{ms:.1} ms"),
        ms => format!("{ms:.2} ms"),
    }
}

/// A longer time in its two largest units.
pub fn span(time: std::time::Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, 1..10) => format!("{minutes} min {:02} s", seconds % 60),
        (0, _) => format!("{minutes} min"),
        (1..48, _) => format!("{hours} h {minutes:02} min"),
        _ => format!("{} days {} h", hours / 24, hours % 24),
    }
}

/// A whole number with a thin space before each group of three digits.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
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
        assert_eq!(span(Duration::from_millis(41_600)), "42 s");
        assert_eq!(span(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!(span(Duration::from_secs(1_260)), "21 min");
        assert_eq!(span(Duration::from_secs(7_500)), "2 h 05 min");
        assert_eq!(span(Duration::from_secs(200_000)), "2 days 7 h");
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(thousands),
            ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
        assert_eq!(clock(Duration::from_millis(3_250)), "0:03.2");
        assert_eq!(clock(Duration::from_millis(3_723_400)), "1:02:03.4");
    }
}
