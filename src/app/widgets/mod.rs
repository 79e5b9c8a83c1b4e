//! The widgets that every panel is made of, and how numbers and times are written in them.

mod icons;
mod plot;
mod text;

pub use icons::{Icon, icon_button, row_icon_button};
pub use plot::{few_marks, history_plot};
pub use text::{clock, milliseconds, span, thousands};

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
