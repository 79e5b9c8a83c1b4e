//! The question that a window asks which is to close while a training runs.

use crate::app::theme;
use crate::app::train::{CloseState, TrainPhase};
use crate::app::widgets::{main_button, thousands};
use crate::app::window::Window;
use egui::{Button, Context, Frame, Id, Label, Modal, RichText, Ui, Vec2, ViewportCommand};

/// Draws the question while the window is to close.
pub fn closing(ctx: &Context, window: &mut Window) {
    if !matches!(window.training.leaving, CloseState::Asked | CloseState::Saving) {
        return;
    }
    if !window.training.running() {
        // It ended by itself while the question stood.
        window.training.leaving = CloseState::No;
        return;
    }
    let frame = Frame::popup(&ctx.global_style()).inner_margin(18);
    Modal::new(Id::unique("leaving")).frame(frame).show(ctx, |ui| {
        ui.set_width(400.0);
        match window.training.leaving {
            CloseState::Asked => ask(ui, window),
            _ => wait(ui, window),
        }
    });
}

fn ask(ui: &mut Ui, window: &mut Window) {
    title(ui, "A training is running");
    let text = "Closing the window stops it. The step that runs is finished and saved, and the training can be \
                resumed another day.";
    ui.add(Label::new(text).wrap());
    ui.add_space(10.0);
    ui.horizontal(|ui| {
        let half = halves(ui);
        if ui.add_sized(half, main_button("Stop, save and close")).clicked() {
            window.training.leave();
        }
        if ui.add_sized(half, Button::new("Go on training")).clicked() {
            window.training.leaving = CloseState::No;
        }
    });
}

fn wait(ui: &mut Ui, window: &mut Window) {
    title(ui, "Saving the training…");
    let what = match window.training.progress.phase {
        TrainPhase::Validating { .. } => "A validation is finished first; this can take a while.",
        _ => "The window closes when the step is finished and saved.",
    };
    ui.add(Label::new(what).wrap());
    let lost = match window.training.progress.saved {
        Some(step) => format!("Closing at once loses what was learned since step {}.", thousands(step)),
        None => "Closing at once loses what was learned: nothing is saved yet.".into(),
    };
    ui.add(Label::new(RichText::new(lost).color(theme::MUTED)).wrap());
    ui.add_space(10.0);
    ui.horizontal(|ui| {
        let half = halves(ui);
        if ui.add_sized(half, Button::new("Close at once")).clicked() {
            window.training.leave_at_once();
            ui.ctx().send_viewport_cmd(ViewportCommand::Close);
        }
    });
}

fn title(ui: &mut Ui, text: &str) {
    ui.label(RichText::new(text).font(theme::strong_font(15.0)).color(theme::BRIGHT));
    ui.add_space(4.0);
}

fn halves(ui: &Ui) -> Vec2 {
    Vec2::new((ui.available_width() - ui.spacing().item_spacing.x) / 2.0, 28.0)
}
