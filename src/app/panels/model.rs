//! The network: its weights, its shape, and the device it runs on.

use super::push;
use crate::app::actions::{ActionQueue, AppAction};
use crate::app::commands::AppCommand;
use crate::app::state::State;
use crate::app::widgets::{device_choice, hint, row, value_row};
use crate::live::{ModelStatus, ModelSummary};
use crate::pose::Size;
use egui::{Button, Ui};

/// Draws the section.
pub fn show(ui: &mut Ui, state: &mut State, actions: &mut ActionQueue) {
    match &state.pipeline.model {
        ModelStatus::Ready(summary) => describe(ui, summary),
        ModelStatus::Loading { done, of } => hint(ui, preparing(*done, *of)),
        ModelStatus::Failed(_) => {
            hint(ui, "The weights could not be used; see the message over the picture.")
        }
        ModelStatus::None => hint(ui, "No weights are loaded."),
    }
    let mut device = state.preferences.device;
    let help = "Where the network runs. Automatic: on a real GPU if there is one, otherwise on the CPU.";
    let changed = row(ui, "Device", help, |ui| device_choice(ui, "device", &mut device)).changed();
    if changed {
        actions.push(AppAction::SetDevice(device));
    }
    let tip = AppCommand::OpenWeights.hint(ui.ctx());
    let size = egui::vec2(ui.available_width(), 26.0);
    if ui.add_sized(size, Button::new(AppCommand::OpenWeights.name())).on_hover_text(tip).clicked() {
        push(AppCommand::OpenWeights, state, actions);
    }
}

fn describe(ui: &mut Ui, summary: &ModelSummary) {
    let config = &summary.info.config;
    let file = summary.path.file_name().unwrap_or(summary.path.as_os_str()).to_string_lossy().into_owned();
    value_row(ui, "File", file, &summary.path.display().to_string());
    value_row(ui, "Variant", config.variant().to_string(), "Which network the weights are for.");
    let skeleton = format!("{}, {} joints", summary.info.skeleton.title, config.joints());
    value_row(ui, "Skeleton", skeleton, "The joints that the network estimates.");
    let size = |size: Size| format!("{} × {}", size.width, size.height);
    value_row(
        ui,
        "Input",
        size(config.input()),
        "Width and height in pixels of the crop that the network sees.",
    );
    value_row(ui, "Tokens", size(config.grid()), "Columns and rows of the crop's visual tokens.");
    let record = &summary.info.record;
    if !record.command.is_empty() {
        let sets = record.sets.join(", ");
        let help = format!("{}\nData: {sets}\nStarted from: {}", record.command, record.start);
        let text = format!("{} steps, {:.0} min", record.steps, record.seconds / 60.0);
        value_row(ui, "Training", text, &help);
    }
    ui.add_space(2.0);
}

/// What is being done before the first pose.
pub(super) fn preparing(done: usize, of: usize) -> String {
    // A CPU prepares one batch size; a GPU compiles for several.
    if of > 1 {
        format!("Preparing the network for several people, {done} of {of}…")
    } else {
        "Preparing the network…".into()
    }
}
