//! Play, pause, step, seek and loop, under the picture.

use super::push;
use crate::app::actions::{ActionQueue, AppAction};
use crate::app::commands::AppCommand;
use crate::app::state::State;
use crate::app::theme;
use crate::app::widgets::{Icon, chip, clock, icon_button};
use egui::{Frame, Margin, Panel, RichText, Slider, Ui};
use std::time::Duration;

/// Draws the bar under the picture.
pub fn show(ui: &mut Ui, state: &State, actions: &mut ActionQueue) {
    let frame = Frame::new().fill(theme::PANEL).inner_margin(Margin::symmetric(10, 4));
    Panel::bottom("transport").frame(frame).exact_size(36.0).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            content(ui, state, actions);
        });
    });
}

fn content(ui: &mut Ui, state: &State, actions: &mut ActionQueue) {
    let Some(status) = &state.pipeline.source else { return };
    let Some(info) = &status.info else {
        let text = if status.opening { "Opening…" } else { "" };
        ui.label(RichText::new(text).color(theme::MUTED));
        return;
    };
    let still = info.frames == Some(1);
    ui.add_enabled_ui(!still, |ui| {
        ui.add_enabled_ui(info.seekable, |ui| {
            button(ui, state, actions, Icon::ToStart, AppCommand::ToStart);
            button(ui, state, actions, Icon::StepBack, AppCommand::StepBack);
        });
        let icon = if state.pipeline.transport.playing { Icon::Pause } else { Icon::Play };
        button(ui, state, actions, icon, AppCommand::PlayPause);
        button(ui, state, actions, Icon::StepForward, AppCommand::StepForward);
    });
    ui.add_space(6.0);
    if info.live {
        chip(ui, "LIVE", theme::ERROR);
        return;
    }
    let Some(duration) = info.duration.filter(|d| !d.is_zero() && !still) else {
        ui.label(RichText::new(clock(status.position)).color(theme::TEXT));
        return;
    };
    let time = format!("{} / {}", clock(status.position), clock(duration));
    let label = ui.label(RichText::new(time).color(theme::TEXT));
    let mut seconds = status.position.as_secs_f64();
    ui.add_space(6.0);
    ui.spacing_mut().slider_width = (ui.available_width() - 32.0).max(40.0);
    let slider = Slider::new(&mut seconds, 0.0..=duration.as_secs_f64()).show_value(false);
    let slider = ui.add_enabled(info.seekable, slider).labelled_by(label.id);
    if slider.changed() {
        actions.push(AppAction::Seek(Duration::from_secs_f64(seconds.max(0.0))));
    }
    button(ui, state, actions, Icon::Loop, AppCommand::ToggleLoop);
}

fn button(ui: &mut Ui, state: &State, actions: &mut ActionQueue, icon: Icon, command: AppCommand) {
    let lit = command.checked(state).unwrap_or(false);
    let ctx = ui.ctx().clone();
    if icon_button(ui, icon, command.name(), &command.hint(&ctx), lit).clicked() {
        push(command, state, actions);
    }
}
