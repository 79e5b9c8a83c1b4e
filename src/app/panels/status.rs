//! The bar along the bottom: what computes, and how fast. It is always visible, so that the reason for a slow
//! network is in sight.

use crate::app::actions::{ActionQueue, AppAction};
use crate::app::state::State;
use crate::app::theme;
use crate::app::widgets::{chip, milliseconds};
use crate::live::{ModelStatus, skipped_share};
use egui::{Align, Color32, Frame, Layout, Margin, Panel, RichText, Ui};

/// Draws the bar.
pub fn show(ui: &mut Ui, state: &State, actions: &mut ActionQueue) {
    let frame = Frame::new().fill(theme::PANEL).inner_margin(Margin::symmetric(12, 4));
    Panel::bottom("status").frame(frame).exact_size(28.0).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            ui.spacing_mut().item_spacing.x = 10.0;
            device(ui, state);
            training(ui, state, actions);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| rates(ui, state));
        });
    });
}

fn device(ui: &mut Ui, state: &State) {
    match &state.pipeline.model {
        ModelStatus::Ready(summary) => {
            let device = &summary.device;
            let color = if device.software { theme::WARN } else { theme::GOOD };
            dot(ui, color);
            let label = ui.label(RichText::new(device.title()).color(theme::TEXT));
            if let Some(note) = &device.note {
                label.on_hover_text(note);
            }
            if device.software {
                chip(ui, "software GPU", theme::WARN).on_hover_text(
                    "This adapter emulates a GPU on the CPU and is slow; the CPU backend is faster.",
                );
            }
            let variant = format!("{}, {}", summary.info.config.variant(), summary.info.skeleton.title);
            ui.label(RichText::new(variant).color(theme::MUTED));
        }
        ModelStatus::Loading { done, of } => {
            dot(ui, theme::WARN);
            ui.label(RichText::new(super::model::preparing(*done, *of)).color(theme::TEXT));
        }
        ModelStatus::Failed(reason) => {
            dot(ui, theme::ERROR);
            ui.add(egui::Label::new(RichText::new(reason).color(theme::ERROR)).truncate())
                .on_hover_text(reason);
        }
        ModelStatus::None => {
            dot(ui, theme::MUTED);
            ui.label(RichText::new("No model").color(theme::MUTED));
        }
    }
}

/// A training that runs, even when its panel is closed.
fn training(ui: &mut Ui, state: &State, actions: &mut ActionQueue) {
    if !state.training.running {
        return;
    }
    let text = format!("training {:.0} %", state.training.fraction_done() * 100.0);
    let tip = "A training runs beside the viewer; click to see it.";
    if chip(ui, &text, theme::ACCENT).interact(egui::Sense::click()).on_hover_text(tip).clicked() {
        actions.push(AppAction::ShowTraining(true));
    }
}

/// The rates, laid out from the right end.
fn rates(ui: &mut Ui, state: &State) {
    let measured = &state.pipeline.measured;
    let source = state.pipeline.source.as_ref();
    let per_second = |rate: f64| format!("{rate:.1} fps");
    let network = per_second(measured.rate);
    pair(ui, ["network", &network], 0, "Frames through the network per second.");
    let rate = per_second(source.map_or(0.0, |s| s.rate));
    pair(ui, ["source", &rate], 0, "Frames from the source per second.");
    let skipped = format!("{:.0} %", skipped_share(measured.history.iter()) * 100.0);
    let help = "Share of the source's frames that a newer one replaced before the network took them.";
    pair(ui, ["skipped", &skipped], 0, help);
    let people = state.view.result().map_or(0, |r| r.people.len());
    let name = if people == 1 { "person" } else { "people" };
    pair(ui, [&people.to_string(), name], 1, "People with a skeleton in the picture.");
    if let Some(ages) = state.view.ages() {
        let help =
            "Time from a frame's capture until it is handed to the screen; the median of the last frames.";
        pair(ui, [&milliseconds(ages.p50), "old"], 1, help);
    }
}

/// Two words, a number and its name (the word at `name`), in the order in which they are read.
fn pair(ui: &mut Ui, words: [&str; 2], name: usize, help: &str) {
    for n in [1, 0] {
        // Spacing follows a widget: little between number and name, much before the next pair.
        ui.spacing_mut().item_spacing.x = if n == 1 { 5.0 } else { 18.0 };
        let color = if n == name { theme::MUTED } else { theme::TEXT };
        ui.label(RichText::new(words[n]).color(color)).on_hover_text(help);
    }
}

fn dot(ui: &mut Ui, color: Color32) {
    let (rect, _) = ui.allocate_exact_size(egui::vec2(8.0, 8.0), egui::Sense::hover());
    ui.painter().circle_filled(rect.center(), 4.0, color);
}
