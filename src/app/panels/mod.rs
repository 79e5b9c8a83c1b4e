//! The panels, one file each. A panel reads the window's state, draws it, and changes preferences or
//! runs commands; what follows from that happens in `window`.

pub mod menu;
pub mod picture;
pub mod status;
pub mod train;
pub mod transport;

mod accuracy;
mod layers;
mod model;
mod people;
mod source;
mod timings;
mod tokens;

use super::theme;
use super::widgets::{closed_section, section};
use super::window::Window;
use egui::{Frame, Panel, ScrollArea, Ui};

/// What goes in: source, model, people and layers.
pub fn left(ui: &mut Ui, window: &mut Window) {
    if !window.preferences.left_panel {
        return;
    }
    side(Panel::left("left"), 264.0, ui, |ui| {
        section(ui, "Source", |ui| source::show(ui, window));
        section(ui, "Model", |ui| model::show(ui, window));
        section(ui, "People", |ui| people::show(ui, window));
        closed_section(ui, "Smoothing", |ui| people::smoothing(ui, window));
        section(ui, "Layers", |ui| layers::show(ui, window));
    });
}

/// What comes out: tokens, timings and accuracy.
pub fn right(ui: &mut Ui, window: &mut Window) {
    if !window.preferences.right_panel {
        return;
    }
    side(Panel::right("right"), 296.0, ui, |ui| {
        section(ui, "Visual tokens", |ui| tokens::show(ui, window));
        section(ui, "Timings", |ui| timings::show(ui, window));
        if window.accuracy.now().is_some() {
            section(ui, "Accuracy", |ui| accuracy::show(ui, window));
        }
    });
}

fn side(panel: Panel, width: f32, ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    panel.default_size(width).min_size(220.0).max_size(440.0).frame(Frame::new().fill(theme::PANEL)).show(
        ui,
        |ui| {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                ui.spacing_mut().item_spacing.y = 4.0;
                content(ui);
            });
        },
    );
}
