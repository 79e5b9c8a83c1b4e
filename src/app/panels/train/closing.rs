//! The question that the window asks when it is to close while a training runs.

use super::half_width;
use crate::app::actions::{ActionQueue, AppAction};
use crate::app::theme;
use crate::app::train::{CloseState, TrainPhase, TrainingState};
use crate::app::widgets::{main_button, thousands};
use egui::{Button, Context, Frame, Id, Label, Modal, RichText, Ui};

/// Draws the question while the window is to close.
pub fn show_closing(ctx: &Context, training: &TrainingState, actions: &mut ActionQueue) {
    let content = match training.closing {
        CloseState::Asking => ask,
        CloseState::Saving => wait,
        CloseState::Open | CloseState::Closing => return,
    };
    let frame = Frame::popup(&ctx.global_style()).inner_margin(18);
    Modal::new(Id::unique("closing")).frame(frame).show(ctx, |ui| {
        ui.set_width(400.0);
        content(ui, training, actions);
    });
}

fn ask(ui: &mut Ui, _: &TrainingState, actions: &mut ActionQueue) {
    title(ui, "A training is running");
    let text = "Closing the window stops it. The current step is finished and saved, and the training can be \
                resumed another day.";
    ui.add(Label::new(text).wrap());
    ui.add_space(10.0);
    ui.horizontal(|ui| {
        let half = half_width(ui);
        if ui.add_sized(half, main_button("Stop, save and close")).clicked() {
            actions.push(AppAction::SaveAndClose);
        }
        if ui.add_sized(half, Button::new("Keep training")).clicked() {
            actions.push(AppAction::CancelClose);
        }
    });
}

fn wait(ui: &mut Ui, training: &TrainingState, actions: &mut ActionQueue) {
    title(ui, "Saving the training…");
    let what = match training.progress.phase {
        TrainPhase::Validating { .. } => "A validation has to finish first; this can take a while.",
        _ => "The window closes when the step is finished and saved.",
    };
    ui.add(Label::new(what).wrap());
    let lost = match training.progress.saved {
        Some(step) => format!("Closing at once loses what was learned since step {}.", thousands(step)),
        None => "Closing at once loses what was learned: nothing is saved yet.".into(),
    };
    ui.add(Label::new(RichText::new(lost).color(theme::MUTED)).wrap());
    ui.add_space(10.0);
    ui.horizontal(|ui| {
        if ui.add_sized(half_width(ui), Button::new("Close at once")).clicked() {
            actions.push(AppAction::CloseAtOnce);
        }
    });
}

fn title(ui: &mut Ui, text: &str) {
    ui.label(RichText::new(text).font(theme::strong_font(15.0)).color(theme::BRIGHT));
    ui.add_space(4.0);
}
