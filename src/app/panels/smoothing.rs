//! How steady the keypoints are.

use super::layers::slider;
use crate::app::actions::ActionQueue;
use crate::app::commands::AppCommand;
use crate::app::state::{KeypointDisplay, PeopleSettings, State};
use crate::app::widgets::{check, choice, row};
use egui::{Slider, Ui};

/// Draws the section.
pub fn show(ui: &mut Ui, state: &mut State, _: &mut ActionQueue) {
    let tip = AppCommand::ToggleSmoothing.hint(ui.ctx());
    let people = &mut state.preferences.people;
    check(ui, &mut people.smooth, AppCommand::ToggleSmoothing.name(), &tip);
    ui.add_enabled_ui(people.smooth, |ui| {
        let help = "Cutoff of the One-Euro filter for a joint at rest: lower is steadier and slower.";
        row(ui, "Cutoff", help, |ui| {
            slider(
                ui,
                Slider::new(&mut people.min_cutoff, PeopleSettings::CUTOFFS).logarithmic(true).suffix(" Hz"),
            )
        });
        let help = "How much the filter opens for a joint that moves: higher lags less and jitters more.";
        row(ui, "Beta", help, |ui| {
            slider(ui, Slider::new(&mut people.beta, PeopleSettings::BETAS).fixed_decimals(1))
        });
    });
    let command = AppCommand::ToggleRaw.hint(ui.ctx());
    row(ui, "Show", &command, |ui| {
        let all = [KeypointDisplay::Smoothed, KeypointDisplay::Raw, KeypointDisplay::Both];
        choice(ui, "shown keypoints", &mut state.preferences.layers.keypoints, &all, |shown| {
            match shown {
                KeypointDisplay::Smoothed => "smoothed",
                KeypointDisplay::Raw => "raw",
                KeypointDisplay::Both => "both",
            }
            .into()
        })
    });
}
