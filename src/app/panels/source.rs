//! Where pictures come from: files, cameras and the mannequin.

use super::push;
use crate::app::actions::{ActionQueue, AppAction};
use crate::app::commands::AppCommand;
use crate::app::state::State;
use crate::app::theme;
use crate::app::widgets::{hint, row};
use crate::source::{CameraInfo, SourceSpec};
use egui::{Button, DragValue, RichText, Ui, Vec2};

/// Draws the section.
pub fn show(ui: &mut Ui, state: &mut State, actions: &mut ActionQueue) {
    now(ui, state);
    ui.horizontal(|ui| {
        let half = Vec2::new((ui.available_width() - ui.spacing().item_spacing.x) / 2.0, 26.0);
        for (text, command) in
            [("Open file…", AppCommand::OpenFile), ("Open folder…", AppCommand::OpenFolder)]
        {
            let tip = command.hint(ui.ctx());
            if ui.add_sized(half, Button::new(text)).on_hover_text(tip).clicked() {
                push(command, state, actions);
            }
        }
    });
    cameras(ui, state, actions);
    mannequin(ui, state, actions);
}

/// What is open.
fn now(ui: &mut Ui, state: &State) {
    let Some(status) = &state.pipeline.source else {
        hint(ui, "Nothing is open. Drop a file here, or choose one.");
        return;
    };
    let Some(info) = &status.info else {
        hint(ui, if status.opening { "Opening…" } else { "The source could not be opened." });
        return;
    };
    ui.add(egui::Label::new(RichText::new(&info.title).color(theme::BRIGHT)).truncate());
    let rate = info.fps.map(|fps| format!(", {} fps", (fps * 100.0).round() / 100.0)).unwrap_or_default();
    let count = info.frames.filter(|_| info.fps.is_none()).map(|n| match n {
        1 => ", one picture".to_owned(),
        n => format!(", {n} pictures"),
    });
    hint(ui, format!("{} × {}{rate}{}", info.size.width, info.size.height, count.unwrap_or_default()));
    for note in &info.notes {
        ui.label(RichText::new(note).small().color(theme::WARN));
        ui.add_space(2.0);
    }
}

fn cameras(ui: &mut Ui, state: &State, actions: &mut ActionQueue) {
    let list = &state.cameras;
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        ui.label(RichText::new("Cameras").color(theme::MUTED));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let text = if list.scanning { "Looking…" } else { "Rescan" };
            let rescan = Button::new(RichText::new(text).small());
            if ui.add_enabled(!list.scanning, rescan).on_hover_text("Look for cameras again.").clicked() {
                actions.push(AppAction::ScanCameras);
            }
        });
    });
    match &list.found {
        None => hint(ui, "Looking for cameras…"),
        Some(Err(reason)) => hint(ui, reason),
        Some(Ok(found)) if found.is_empty() => {
            hint(ui, "None found. Plug one in and rescan; on Linux, your user must be in the group video.");
        }
        Some(Ok(found)) => found.iter().for_each(|camera| entry(ui, state, actions, camera)),
    }
}

/// A camera: click for the format that fits best, or choose one.
fn entry(ui: &mut Ui, state: &State, actions: &mut ActionQueue, listed: &CameraInfo) {
    let camera = listed.index.to_string();
    let is_open =
        matches!(&state.source.spec, Some(SourceSpec::Camera { camera: open, .. }) if *open == camera);
    ui.horizontal(|ui| {
        let width = ui.available_width() - 76.0;
        let button = Button::selectable(is_open, listed.name.as_str()).truncate();
        let tip = format!("Open this camera ({}).", listed.device);
        if ui.add_sized(Vec2::new(width, 24.0), button).on_hover_text(tip).clicked() {
            let spec = SourceSpec::Camera { camera: camera.clone(), format: None };
            actions.push(AppAction::OpenSource(spec));
        }
        ui.add_enabled_ui(!listed.formats.is_empty(), |ui| {
            ui.menu_button(RichText::new("Format").small(), |ui| {
                egui::ScrollArea::vertical().max_height(300.0).show(ui, |ui| {
                    for format in &listed.formats {
                        if ui.button(format.to_string()).clicked() {
                            let spec = SourceSpec::Camera { camera: camera.clone(), format: Some(*format) };
                            actions.push(AppAction::OpenSource(spec));
                            ui.close();
                        }
                    }
                });
            });
        });
    });
    if let Some(problem) = listed.problem.as_ref().filter(|_| !is_open) {
        hint(ui, problem);
    }
}

fn mannequin(ui: &mut Ui, state: &mut State, actions: &mut ActionQueue) {
    ui.add_space(4.0);
    let help = "A rendered, moving figure whose joints are known: the accuracy is measured while you watch.";
    let is_open = matches!(state.source.spec, Some(SourceSpec::Mannequin { .. }));
    let mut show = false;
    row(ui, "Mannequin", help, |ui| {
        let seed = DragValue::new(&mut state.preferences.mannequin_seed).prefix("seed ").speed(0.1);
        let seed = ui.add(seed);
        show = seed.changed() && is_open;
        if ui.add(Button::selectable(is_open, "Show")).on_hover_text(help).clicked() {
            show = true;
        }
        seed
    });
    if show {
        push(AppCommand::OpenMannequin, state, actions);
    }
}
