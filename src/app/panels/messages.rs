//! Errors and notes over the picture, each with what can be done about it.

use super::push;
use crate::app::actions::{ActionQueue, AppAction};
use crate::app::commands::AppCommand;
use crate::app::state::{Notification, PointerMode, State};
use crate::app::theme;
use crate::app::widgets::{Icon, card, clock, hint, icon_button, span};
use crate::live::{ModelStatus, SourceStatus};
use crate::weights;
use egui::{Align, Area, Color32, Id, Layout, Order, Rect, RichText, Ui, Vec2};

/// Draws the messages, stacked in the upper left corner of the picture.
pub fn show(ui: &mut Ui, area: Rect, state: &State, actions: &mut ActionQueue) {
    let width = (area.width() - 32.0).min(520.0);
    Area::new(Id::unique("messages"))
        .order(Order::Middle)
        .fixed_pos(area.left_top() + Vec2::splat(16.0))
        .constrain_to(area)
        .show(ui.ctx(), |ui| {
            ui.spacing_mut().item_spacing.y = 8.0;
            if let Some(message) = &state.notification {
                notification(ui, width, message, actions);
            }
            if let Some(status) = &state.pipeline.source {
                source(ui, width, state, status, actions);
            }
            pointer(ui, width, state);
            model(ui, width, state, actions);
        });
}

fn notification(ui: &mut Ui, width: f32, message: &Notification, actions: &mut ActionQueue) {
    let color = if message.error { theme::ERROR } else { theme::WARN };
    let close = card(ui, width, color, |ui| {
        ui.horizontal_top(|ui| {
            let size = Vec2::new(ui.available_width() - 36.0, 0.0);
            ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
                // Level with the button's middle while it is one line.
                ui.add_space(5.0);
                ui.label(&message.text);
            });
            icon_button(ui, Icon::Close, "Dismiss", "Hide this message.", false).clicked()
        })
        .inner
    });
    if close {
        actions.push(AppAction::DismissNotification);
    }
}

/// What is wrong with the source.
fn source(ui: &mut Ui, width: f32, state: &State, status: &SourceStatus, actions: &mut ActionQueue) {
    let title = status.info.as_ref().map_or("The source", |info| info.title.as_str());
    if let Some(outage) = &status.outage {
        let since = span(outage.since.elapsed());
        let headline = "Camera disconnected, trying again";
        let detail = format!("{}. Lost {since} ago; the last picture stays.", outage.reason);
        match choice(ui, width, theme::WARN, headline, &detail, ["Try now", "Close the source"]) {
            Some(0) => actions.push(AppAction::RetryCamera),
            Some(_) => push(AppCommand::CloseSource, state, actions),
            None => {}
        }
    } else if let Some(silent) = status.silent {
        let headline = format!("{title} has sent nothing for {}", span(silent));
        let commands = [AppCommand::ReopenSource, AppCommand::CloseSource];
        let detail = "tmpose is still waiting for it.";
        if let Some(n) = choice(ui, width, theme::WARN, &headline, detail, commands.map(AppCommand::name)) {
            push(commands[n], state, actions);
        }
    }
    if let Some(error) = status.error.as_ref().filter(|e| state.source.dismissed_error.as_ref() != Some(*e)) {
        let at = status.error_at.map(|at| format!("The last good picture is at {}.", clock(at)));
        let buttons = [AppCommand::ReopenSource.name(), "Dismiss"];
        match choice(ui, width, theme::ERROR, error, at.as_deref().unwrap_or_default(), buttons) {
            Some(0) => push(AppCommand::ReopenSource, state, actions),
            Some(_) => actions.push(AppAction::DismissSourceError(error.clone())),
            None => {}
        }
    }
    if status.opening {
        card(ui, width, theme::ACCENT, |ui| ui.label("Opening the source…"));
    }
}

/// What the pointer is expected to do.
fn pointer(ui: &mut Ui, width: f32, state: &State) {
    let text = match state.selection.pointer {
        PointerMode::Free => return,
        PointerMode::Click => "Click on the person to follow. Esc follows everybody.",
        PointerMode::Draw => "Drag a box around the person to follow. Esc cancels.",
    };
    card(ui, width, theme::ACCENT, |ui| ui.label(text));
}

/// What keeps the network from running.
fn model(ui: &mut Ui, width: f32, state: &State, actions: &mut ActionQueue) {
    match &state.pipeline.model {
        ModelStatus::None => no_weights(ui, width, state, actions),
        ModelStatus::Failed(reason) => {
            card(ui, width, theme::ERROR, |ui| {
                ui.label(reason);
                open_weights(ui, state, actions);
            });
        }
        ModelStatus::Loading { done, of } => {
            card(ui, width, theme::ACCENT, |ui| {
                ui.label(super::model::preparing(*done, *of));
                ui.label("The first time on a GPU this takes a while.");
            });
        }
        ModelStatus::Ready(_) => {
            if let Some(error) = &state.pipeline.measured.error {
                card(ui, width, theme::ERROR, |ui| ui.label(error));
            }
        }
    }
}

/// A message with two buttons; the one that was pressed.
fn choice(
    ui: &mut Ui,
    width: f32,
    color: Color32,
    headline: &str,
    detail: &str,
    buttons: [&str; 2],
) -> Option<usize> {
    card(ui, width, color, |ui| {
        ui.label(RichText::new(headline).color(theme::BRIGHT));
        if !detail.is_empty() {
            hint(ui, detail);
        }
        ui.horizontal(|ui| {
            let pressed = buttons.map(|text| ui.button(text).clicked());
            pressed.iter().position(|pressed| *pressed)
        })
        .inner
    })
}

/// What to do without weights.
fn no_weights(ui: &mut Ui, width: f32, state: &State, actions: &mut ActionQueue) {
    card(ui, width, theme::ACCENT, |ui| {
        ui.label(RichText::new("No model is loaded").font(theme::strong_font(14.0)).color(theme::BRIGHT));
        ui.label(format!(
            "The picture is shown without one; skeletons need a weights file. {} comes with tmpose in its weights \
             folder: put it beside the program or into ./weights, name it in the environment variable TMPOSE_WEIGHTS, or choose \
             a file here. tmpose train makes new ones, and tmpose import reads published TokenPose, TMPose and PPT \
             checkpoints.",
            weights::DEFAULT_FILE
        ));
        open_weights(ui, state, actions);
    });
}

fn open_weights(ui: &mut Ui, state: &State, actions: &mut ActionQueue) {
    if ui.button(AppCommand::OpenWeights.name()).clicked() {
        push(AppCommand::OpenWeights, state, actions);
    }
}
