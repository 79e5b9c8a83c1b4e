//! What can be done next, along the bottom of the training panel.

use super::half_width;
use crate::app::actions::{ActionQueue, AppAction, DialogPurpose};
use crate::app::theme;
use crate::app::train::{TrainDialog, TrainPhase, TrainingState};
use crate::app::widgets::main_button;
use egui::{Button, Color32, Label, RichText, Ui, Vec2};

/// Under the form: what stands in the way, and the buttons that start or resume a training.
pub fn settings(ui: &mut Ui, training: &TrainingState, actions: &mut ActionQueue) {
    let obstacle = training.form.obstacle();
    let (text, color) = message(training, obstacle.as_deref());
    note(ui, text, color);
    ui.horizontal(|ui| {
        let half = half_width(ui);
        let start = ui.add_enabled_ui(!training.running && obstacle.is_none(), |ui| {
            ui.add_sized(half, main_button("Start training"))
                .on_disabled_hover_text("Something in the settings has to be corrected first.")
        });
        if start.inner.clicked() {
            actions.push(AppAction::StartTraining);
        }
        let (text, tip, action) = match training.form.taken_folder() {
            Some(folder) => (
                "Resume this run",
                "Continue the training in the run folder, with its own settings.",
                AppAction::ResumeFolder(folder.into()),
            ),
            None => (
                "Resume a run…",
                "Continue a training that was stopped, in this window or in a terminal.",
                AppAction::OpenDialog(DialogPurpose::Training(TrainDialog::Resume)),
            ),
        };
        let resume = ui
            .add_enabled_ui(!training.running, |ui| ui.add_sized(half, Button::new(text)).on_hover_text(tip));
        if resume.inner.clicked() {
            actions.push(action);
        }
    });
}

/// The line above the buttons, and its colour.
fn message(training: &TrainingState, obstacle: Option<&str>) -> (String, Color32) {
    if training.running {
        let text = "A training is running; its settings are shown and cannot be changed.";
        return (text.into(), theme::MUTED);
    }
    match (&training.refused, obstacle) {
        (Some(refused), _) => (refused.clone(), theme::ERROR),
        (None, Some(obstacle)) => {
            let color = if training.form.is_empty() { theme::MUTED } else { theme::ERROR };
            (obstacle.into(), color)
        }
        (None, None) => (summary(training), theme::MUTED),
    }
}

/// The next training in a line.
fn summary(training: &TrainingState) -> String {
    let config = &training.form.config;
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

/// Under the progress: what can be done with the run on display.
pub fn progress(ui: &mut Ui, training: &TrainingState, actions: &mut ActionQueue) {
    if let Some(refused) = training.refused.clone().filter(|_| !training.running) {
        note(ui, refused, theme::ERROR);
    }
    let nothing_saved = training.can_resume() && training.failed() && training.progress.saved.is_none();
    let half = half_width(ui);
    ui.horizontal(|ui| {
        first_button(ui, half, training, nothing_saved, actions);
        best_weights(ui, half, training, actions);
    });
    let second = if nothing_saved {
        let tip = "Start again with the same settings, once the cause is removed.";
        ("Try again", tip, AppAction::ResumeTraining)
    } else if training.can_resume() {
        let tip = "Leave this run as it is and set up another one.";
        ("New training", tip, AppAction::NewTraining)
    } else {
        return;
    };
    ui.horizontal(|ui| {
        let (text, tip, action) = second;
        if ui.add_sized(half, Button::new(text)).on_hover_text(tip).clicked() {
            actions.push(action);
        }
    });
}

/// The likeliest next step.
fn first_button(
    ui: &mut Ui,
    half: Vec2,
    training: &TrainingState,
    nothing_saved: bool,
    actions: &mut ActionQueue,
) {
    let (button, tip, action) = if training.running {
        let text = if training.stopping { "Finishing the step…" } else { "Stop" };
        let tip = "Finish the step, save everything, and stop. Resuming continues from there.";
        (Button::new(text), tip, AppAction::StopTraining)
    } else if nothing_saved {
        let tip = "Set up the training again; no step of this one is saved.";
        (main_button("Change the settings"), tip, AppAction::NewTraining)
    } else if training.can_resume() {
        (main_button("Resume"), "Continue exactly where it was stopped.", AppAction::ResumeTraining)
    } else {
        (Button::new("New training"), "Set up another training.", AppAction::NewTraining)
    };
    let enabled = !(training.running && training.stopping);
    ui.add_enabled_ui(enabled, |ui| {
        if ui.add_sized(half, button).on_hover_text(tip).clicked() {
            actions.push(action);
        }
    });
}

fn best_weights(ui: &mut Ui, half: Vec2, training: &TrainingState, actions: &mut ActionQueue) {
    let finished = matches!(training.progress.phase, TrainPhase::Finished { .. });
    let text = "Show the best weights";
    let button = if finished { main_button(text) } else { Button::new(text) };
    let best = training.best_weights();
    ui.add_enabled_ui(best.is_some(), |ui| {
        let button = ui
            .add_sized(half, button)
            .on_hover_text("Run the best weights so far in the viewer.")
            .on_disabled_hover_text("There are none before the first validation.");
        if let (true, Some(path)) = (button.clicked(), best) {
            actions.push(AppAction::ShowWeights(path));
        }
    });
}

fn note(ui: &mut Ui, text: String, color: Color32) {
    ui.add(Label::new(RichText::new(text).color(color).small()).wrap());
    ui.add_space(2.0);
}
