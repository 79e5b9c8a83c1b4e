//! Who is followed, and how people are found.

use super::layers::slider;
use super::push;
use crate::app::actions::{ActionQueue, AppAction};
use crate::app::commands::AppCommand;
use crate::app::state::{FollowChoice, PeopleSettings, PointerMode, State};
use crate::app::widgets::{check, choice, hint, row};
use crate::live::DetectorStatus;
use crate::track::FollowMode;
use crate::weights;
use egui::{Button, Slider, Ui};

/// Draws the section.
pub fn show(ui: &mut Ui, state: &mut State, actions: &mut ActionQueue) {
    let mut chosen = state.follow_choice();
    let help = "Whose skeletons are drawn. Click on a person in the picture to follow only that person; click \
                elsewhere, or press Esc, to follow everybody again.";
    let changed = row(ui, "Follow", help, |ui| {
        choice(ui, "follow", &mut chosen, &FollowChoice::ALL, |c| c.text().to_owned())
    })
    .changed();
    if changed {
        actions.push(AppAction::Follow(chosen));
    }
    if absent(state) {
        hint(
            ui,
            "The selected person is not in the picture. Click on another one, or press Esc to follow everybody.",
        );
    }
    let people = &mut state.preferences.people;
    let one = chosen != FollowChoice::Automatic(FollowMode::All);
    ui.add_enabled_ui(!one, |ui| {
        row(
            ui,
            "At most",
            "With more people in the picture, those with the highest confidence are followed.",
            |ui| slider(ui, Slider::new(&mut people.most, 1..=PeopleSettings::MAX_PEOPLE).logarithmic(true)),
        );
    });
    let mut percent = people.min_size * 100.0;
    let smallest =
        row(ui, "Minimum size", "People lower than this share of the picture's height are left out.", |ui| {
            slider(ui, Slider::new(&mut percent, 0.0..=90.0).step_by(1.0).fixed_decimals(0).suffix(" %"))
        });
    if smallest.changed() {
        people.min_size = percent / 100.0;
    }
    detector(ui, state, actions);
}

/// Whether the selected person is not in the picture.
fn absent(state: &State) -> bool {
    let selected = state.selection.target.is_some() && state.selection.pointer == PointerMode::Free;
    let ready = state.pipeline.ready_model().is_some();
    selected && ready && state.view.result().is_some_and(|r| r.people.is_empty())
}

fn detector(ui: &mut Ui, state: &mut State, actions: &mut ActionQueue) {
    let tip = AppCommand::ToggleDetector.hint(ui.ctx());
    let people = &mut state.preferences.people;
    check(ui, &mut people.detect, AppCommand::ToggleDetector.name(), &tip);
    let status = &state.pipeline.detector;
    let ready = matches!(status, DetectorStatus::Ready(_));
    let help = "Frames from one detection to the next; in between, boxes follow the keypoints. When a person is \
                lost, the detector runs at once.";
    ui.add_enabled_ui(ready && people.detect, |ui| {
        row(ui, "Detect interval", help, |ui| {
            slider(
                ui,
                Slider::new(&mut people.detect_every, 1..=PeopleSettings::MAX_DETECT_EVERY).logarithmic(true),
            )
        });
    });
    let alone = "One person is followed, searched for in the whole picture.";
    match status {
        DetectorStatus::Ready(_) if !people.detect => hint(ui, alone),
        DetectorStatus::Ready(summary) => {
            let name = summary.path.file_name().unwrap_or(summary.path.as_os_str()).to_string_lossy();
            row(ui, "File", &summary.path.display().to_string(), |ui| open(ui, state, actions, &name));
            return;
        }
        DetectorStatus::Loading => hint(ui, "Preparing the detector…"),
        DetectorStatus::None => hint(ui, format!("{} was not found. {alone}", weights::DETECTOR_FILE)),
        DetectorStatus::Failed(reason) => hint(ui, format!("{reason}. {alone}")),
    }
    row(ui, "File", "", |ui| open(ui, state, actions, AppCommand::OpenDetector.name()));
}

/// A button with the detector's file that opens another one.
fn open(ui: &mut Ui, state: &State, actions: &mut ActionQueue, text: &str) -> egui::Response {
    let tip = AppCommand::OpenDetector.hint(ui.ctx());
    let size = egui::vec2(ui.available_width(), crate::app::theme::ROW);
    let button = ui.add_sized(size, Button::new(text).truncate()).on_hover_text(tip);
    if button.clicked() {
        push(AppCommand::OpenDetector, state, actions);
    }
    button
}
