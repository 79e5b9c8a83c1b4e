//! The training panel, in the place of the right panel: settings on one side, progress on the other.

mod curves;
mod form;
mod leaving;
mod progress;

pub use leaving::closing;

use crate::app::background::DialogPurpose;
use crate::app::theme;
use crate::app::train::{TrainDialog, TrainPhase, TrainTab};
use crate::app::widgets::{Icon, icon_button, main_button};
use crate::app::window::Window;
use egui::{Align, Button, Frame, Label, Layout, Margin, Panel, RichText, ScrollArea, Ui, Vec2};
use std::path::{Path, PathBuf};

/// Height of the buttons along the bottom.
const BUTTON: f32 = 28.0;

/// Draws the panel.
pub fn show(ui: &mut Ui, window: &mut Window) {
    // The picture keeps a third of the window.
    let most = (ui.available_width() * 0.66).clamp(320.0, 640.0);
    let panel = Panel::right("train").default_size(400.0).min_size(320.0).max_size(most);
    panel.frame(Frame::new().fill(theme::PANEL)).show(ui, |ui| {
        let bar =
            Frame::new().fill(theme::PANEL).inner_margin(Margin { left: 12, right: 6, top: 5, bottom: 5 });
        Panel::top("train head").frame(bar).show(ui, |ui| head(ui, window));
        let bar = Frame::new().fill(theme::PANEL).inner_margin(Margin::symmetric(12, 10));
        Panel::bottom("train foot").frame(bar).show(ui, |ui| match window.training.tab {
            TrainTab::Settings => settings_foot(ui, window),
            TrainTab::Progress => progress_foot(ui, window),
        });
        ScrollArea::vertical().id_salt(window.training.tab as u8).auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            match window.training.tab {
                TrainTab::Settings => form::show(ui, window),
                TrainTab::Progress => progress::show(ui, window),
            }
        });
    });
}

fn head(ui: &mut Ui, window: &mut Window) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Train").font(theme::strong_font(14.0)).color(theme::BRIGHT));
        ui.add_space(8.0);
        ui.spacing_mut().item_spacing.x = 2.0;
        for (tab, text) in [(TrainTab::Settings, "Settings"), (TrainTab::Progress, "Progress")] {
            let button = Button::selectable(window.training.tab == tab, text).min_size(Vec2::new(76.0, 24.0));
            if ui.add(button).clicked() {
                window.training.tab = tab;
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let tip = "Close this panel; a training that runs goes on.";
            if icon_button(ui, Icon::Close, "Close the training panel", tip, false).clicked() {
                window.training.open = false;
            }
        });
    });
}

/// What stands in the way, and Start.
fn settings_foot(ui: &mut Ui, window: &mut Window) {
    let running = window.training.running();
    let obstacle = window.training.form.obstacle();
    let (text, color) = match (&window.training.refused, &obstacle) {
        _ if running => (
            "A training runs; its settings cannot be changed. They are shown as they were.".into(),
            theme::MUTED,
        ),
        (Some(refused), _) => (refused.clone(), theme::ERROR),
        (None, Some(obstacle)) if window.training.form.is_empty() => (obstacle.clone(), theme::MUTED),
        (None, Some(obstacle)) => (obstacle.clone(), theme::ERROR),
        (None, None) => (summary(window), theme::MUTED),
    };
    said(ui, text, color);
    ui.horizontal(|ui| {
        let half = halves(ui);
        let start = ui.add_enabled_ui(!running && obstacle.is_none(), |ui| {
            ui.add_sized(half, main_button("Start training"))
                .on_disabled_hover_text("Something in the settings has to be put right first.")
        });
        if start.inner.clicked() {
            let ctx = ui.ctx().clone();
            window.training.start(&ctx);
        }
        let taken = window.training.form.taken_folder().map(Path::to_path_buf);
        let (text, tip) = match taken {
            Some(_) => {
                ("Resume this run", "Go on with the training in the run folder, with its own settings.")
            }
            None => {
                ("Resume a run…", "Go on with a training that was stopped, in this window or in a terminal.")
            }
        };
        let resume =
            ui.add_enabled_ui(!running, |ui| ui.add_sized(half, Button::new(text)).on_hover_text(tip));
        if resume.inner.clicked() {
            let ctx = ui.ctx().clone();
            match taken {
                Some(folder) => window.training.resume_folder(&ctx, &folder),
                None => window.dialogs.open(&ctx, DialogPurpose::Training(TrainDialog::Resume)),
            }
        }
    });
}

/// The next training in a line.
fn summary(window: &Window) -> String {
    let config = &window.training.form.config;
    let length = match config.schedule.steps {
        0 => format!("{} epochs", config.schedule.epochs),
        steps => format!("{steps} steps"),
    };
    let sets = match config.data.train.len() {
        1 => "one set".to_owned(),
        n => format!("{n} sets"),
    };
    format!("Ready: {} on {sets}, {length}.", config.model.variant)
}

/// What can be done with the run on show.
fn progress_foot(ui: &mut Ui, window: &mut Window) {
    let training = &window.training;
    let (running, stopping, resumable) = (training.running(), training.stopping(), training.can_resume());
    let refused = training.refused.clone().filter(|_| !running);
    let unsaved = resumable && training.failed() && training.progress.saved.is_none();
    let best = training.best_weights();
    if let Some(refused) = refused {
        said(ui, refused, theme::ERROR);
    }
    let ctx = ui.ctx().clone();
    ui.horizontal(|ui| {
        let half = halves(ui);
        if running {
            let text = if stopping { "Finishing the step…" } else { "Stop" };
            let tip = "Finish the step, save everything, and end. Resume goes on from there.";
            ui.add_enabled_ui(!stopping, |ui| {
                if ui.add_sized(half, Button::new(text)).on_hover_text(tip).clicked() {
                    window.training.stop();
                }
            });
        } else if unsaved {
            let tip = "Set the training up anew; no step of this one is saved.";
            if ui.add_sized(half, main_button("Change the settings")).on_hover_text(tip).clicked() {
                window.training.again();
            }
        } else if resumable {
            let tip = "Go on exactly where it was stopped.";
            if ui.add_sized(half, main_button("Resume")).on_hover_text(tip).clicked() {
                window.training.resume(&ctx);
            }
        } else {
            let tip = "Set up another training.";
            if ui.add_sized(half, Button::new("New training")).on_hover_text(tip).clicked() {
                window.training.again();
            }
        }
        show_best(ui, window, half, best);
    });
    if unsaved {
        ui.horizontal(|ui| {
            let tip = "With the same settings, when the cause lies elsewhere.";
            if ui.add_sized(halves(ui), Button::new("Try again")).on_hover_text(tip).clicked() {
                window.training.resume(&ctx);
            }
        });
    } else if resumable {
        ui.horizontal(|ui| {
            let tip = "Leave this run as it is and set up another one.";
            if ui.add_sized(halves(ui), Button::new("New training")).on_hover_text(tip).clicked() {
                window.training.again();
            }
        });
    }
}

fn show_best(ui: &mut Ui, window: &mut Window, size: Vec2, best: Option<PathBuf>) {
    let finished = matches!(window.training.progress.phase, TrainPhase::Finished { .. });
    let text = "Show the best weights";
    let button = if finished { main_button(text) } else { Button::new(text) };
    ui.add_enabled_ui(best.is_some(), |ui| {
        let button = ui
            .add_sized(size, button)
            .on_hover_text("Run the best weights so far in the viewer.")
            .on_disabled_hover_text("There are none before the first validation.");
        if let (true, Some(path)) = (button.clicked(), best) {
            window.load_model(Some(path));
        }
    });
}

fn said(ui: &mut Ui, text: String, color: egui::Color32) {
    ui.add(Label::new(RichText::new(text).color(color).small()).wrap());
    ui.add_space(2.0);
}

/// The size of one of two buttons that fill a row.
fn halves(ui: &Ui) -> Vec2 {
    Vec2::new((ui.available_width() - ui.spacing().item_spacing.x) / 2.0, BUTTON)
}
