//! Who is followed, how people are found, and how steady their keypoints are.

use super::layers::slider;
use crate::app::commands::Command;
use crate::app::focus::{FollowChoice, PointerMode};
use crate::app::preferences::{KeypointDisplay, PeopleSettings};
use crate::app::widgets::{check, choice, hint, row};
use crate::app::window::Window;
use crate::live::{DetectorStatus, ModelStatus};
use crate::track::FollowMode;
use crate::weights;
use egui::{Button, Slider, Ui};

/// Draws the section about people.
pub fn show(ui: &mut Ui, window: &mut Window) {
    let mut chosen = window.focus.choice(window.preferences.people.mode);
    let help = "Whose skeletons are drawn. A click on a person in the picture follows that one; a click beside \
                everybody, or Esc, follows all again.";
    let changed = row(ui, "Follow", help, |ui| {
        choice(ui, "follow", &mut chosen, &FollowChoice::ALL, |c| c.text().to_owned())
    })
    .changed();
    if changed {
        window.choose(chosen);
    }
    if absent(window) {
        hint(ui, "Nobody is where you pointed. Click on another person, or press Esc for everybody.");
    }
    let people = &mut window.preferences.people;
    let one = chosen != FollowChoice::Automatic(FollowMode::All);
    ui.add_enabled_ui(!one, |ui| {
        row(ui, "At most", "With more people in the picture the surest ones are followed.", |ui| {
            slider(ui, Slider::new(&mut people.most, 1..=PeopleSettings::MOST).logarithmic(true))
        });
    });
    let mut percent = people.min_size * 100.0;
    let smallest =
        row(ui, "Least size", "Smaller people are left out: share of the picture's height.", |ui| {
            slider(ui, Slider::new(&mut percent, 0.0..=90.0).step_by(1.0).fixed_decimals(0).suffix(" %"))
        });
    if smallest.changed() {
        people.min_size = percent / 100.0;
    }
    detector(ui, window);
}

/// The person who was pointed at is not there.
fn absent(window: &Window) -> bool {
    let pointed = window.focus.target.is_some() && window.focus.pointer == PointerMode::Free;
    let ready = matches!(window.live.model(), ModelStatus::Ready(_));
    pointed && ready && window.viewer.result().is_some_and(|r| r.people.is_empty())
}

fn detector(ui: &mut Ui, window: &mut Window) {
    let tip = Command::ToggleDetector.hint(ui.ctx());
    let people = &mut window.preferences.people;
    check(ui, &mut people.detect, Command::ToggleDetector.text(), &tip);
    let status = window.live.detector();
    let ready = matches!(status, DetectorStatus::Ready(_));
    let help = "Frames from one detection to the next; in between, boxes follow the keypoints. Whoever is lost is \
                looked for at once.";
    ui.add_enabled_ui(ready && people.detect, |ui| {
        row(ui, "Frames apart", help, |ui| {
            slider(ui, Slider::new(&mut people.detect_every, 1..=PeopleSettings::RAREST).logarithmic(true))
        });
    });
    let alone = "One person is followed, looked for in the whole picture.";
    match status {
        DetectorStatus::Ready(_) if !people.detect => hint(ui, alone),
        DetectorStatus::Ready(summary) => {
            let name = summary.path.file_name().unwrap_or(summary.path.as_os_str()).to_string_lossy();
            row(ui, "File", &summary.path.display().to_string(), |ui| open(ui, window, &name));
            return;
        }
        DetectorStatus::Loading => hint(ui, "Preparing the detector…"),
        DetectorStatus::None => hint(ui, format!("{} was not found. {alone}", weights::DETECTOR_FILE)),
        DetectorStatus::Failed(reason) => hint(ui, format!("{reason}. {alone}")),
    }
    row(ui, "File", "", |ui| open(ui, window, Command::OpenDetector.text()));
}

/// A button with the detector's file that opens another one.
fn open(ui: &mut Ui, window: &mut Window, text: &str) -> egui::Response {
    let tip = Command::OpenDetector.hint(ui.ctx());
    let size = egui::vec2(ui.available_width(), crate::app::theme::ROW);
    let button = ui.add_sized(size, Button::new(text).truncate()).on_hover_text(tip);
    if button.clicked() {
        let ctx = ui.ctx().clone();
        window.run(&ctx, Command::OpenDetector);
    }
    button
}

/// Draws the section about the filter.
pub fn smoothing(ui: &mut Ui, window: &mut Window) {
    let tip = Command::ToggleSmoothing.hint(ui.ctx());
    let people = &mut window.preferences.people;
    check(ui, &mut people.smooth, Command::ToggleSmoothing.text(), &tip);
    ui.add_enabled_ui(people.smooth, |ui| {
        let help = "Cutoff of the One-Euro filter for a joint at rest: lower is steadier and slower.";
        row(ui, "Cutoff", help, |ui| {
            slider(
                ui,
                Slider::new(&mut people.min_cutoff, PeopleSettings::CUTOFFS).logarithmic(true).suffix(" Hz"),
            )
        });
        let help = "How much the filter opens for a joint that moves: higher lags less and trembles more.";
        row(ui, "Beta", help, |ui| {
            slider(ui, Slider::new(&mut people.beta, PeopleSettings::BETAS).fixed_decimals(1))
        });
    });
    let command = Command::ToggleRaw.hint(ui.ctx());
    row(ui, "Show", &command, |ui| {
        let all = [KeypointDisplay::Smoothed, KeypointDisplay::Raw, KeypointDisplay::Both];
        choice(ui, "shown keypoints", &mut window.preferences.layers.keypoints, &all, |shown| {
            match shown {
                KeypointDisplay::Smoothed => "smoothed",
                KeypointDisplay::Raw => "raw",
                KeypointDisplay::Both => "both",
            }
            .into()
        })
    });
}
