//! The menu bar.

use crate::app::commands::Command;
use crate::app::theme;
use crate::app::window::Window;
use crate::source::SourceSpec;
use egui::{Align, Button, Frame, Layout, Margin, MenuBar, Panel, RichText, Ui};

const PLAYBACK: [Command; 5] =
    [Command::PlayPause, Command::StepForward, Command::StepBack, Command::ToStart, Command::ToggleLoop];
const LAYERS: [Command; 7] = [
    Command::ToggleSkeleton,
    Command::ToggleNumbers,
    Command::ToggleHeatmaps,
    Command::ToggleTokens,
    Command::ToggleCrop,
    Command::ToggleTruth,
    Command::ToggleMirror,
];

/// Draws the bar along the top.
pub fn show(ui: &mut Ui, window: &mut Window) {
    let frame = Frame::new().fill(theme::PANEL).inner_margin(Margin::symmetric(8, 3));
    Panel::top("menu").frame(frame).show(ui, |ui| {
        MenuBar::new().ui(ui, |ui| {
            ui.menu_button("File", |ui| file(ui, window));
            ui.menu_button("Playback", |ui| PLAYBACK.iter().for_each(|&c| item(ui, window, c)));
            ui.menu_button("View", |ui| {
                LAYERS.iter().for_each(|&c| item(ui, window, c));
                ui.separator();
                item(ui, window, Command::PreviousJoint);
                item(ui, window, Command::NextJoint);
                ui.separator();
                item(ui, window, Command::FitPicture);
                item(ui, window, Command::ToggleLeftPanel);
                item(ui, window, Command::ToggleRightPanel);
                item(ui, window, Command::ToggleFullscreen);
            });
            ui.menu_button("People", |ui| {
                item(ui, window, Command::FollowAll);
                item(ui, window, Command::FollowLargest);
                item(ui, window, Command::FollowCentre);
                item(ui, window, Command::DrawBox);
                ui.separator();
                item(ui, window, Command::ToggleSmoothing);
                item(ui, window, Command::ToggleRaw);
                ui.separator();
                item(ui, window, Command::ToggleDetector);
                item(ui, window, Command::OpenDetector);
            });
            ui.menu_button("Network", |ui| {
                item(ui, window, Command::FewerTokens);
                item(ui, window, Command::MoreTokens);
                item(ui, window, Command::ToggleFlipTest);
                ui.separator();
                item(ui, window, Command::OpenWeights);
            });
            ui.menu_button("Tools", |ui| item(ui, window, Command::Train));
            ui.menu_button("Help", |ui| {
                item(ui, window, Command::Palette);
                item(ui, window, Command::CopyReport);
                ui.separator();
                let version = concat!("TMPose ", env!("CARGO_PKG_VERSION"), ", MIT or Apache-2.0");
                ui.label(RichText::new(version).color(theme::MUTED).small());
            });
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| title(ui, window));
        });
    });
}

fn file(ui: &mut Ui, window: &mut Window) {
    item(ui, window, Command::OpenFile);
    item(ui, window, Command::OpenFolder);
    let recent = window.preferences.recent.clone();
    ui.add_enabled_ui(!recent.is_empty(), |ui| {
        ui.menu_button("Open recent", |ui| {
            for path in &recent {
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
                if ui.button(name).on_hover_text(path.display().to_string()).clicked() {
                    window.open_path(path);
                    ui.close();
                }
            }
        });
    });
    ui.separator();
    item(ui, window, Command::OpenMannequin);
    item(ui, window, Command::NewMannequin);
    item(ui, window, Command::ReopenSource);
    item(ui, window, Command::CloseSource);
    ui.separator();
    item(ui, window, Command::OpenWeights);
    ui.separator();
    item(ui, window, Command::Quit);
}

/// What is open, at the right end of the bar.
fn title(ui: &mut Ui, window: &Window) {
    let info = window.live.source().and_then(|s| s.info);
    let text = match (info, &window.spec) {
        (Some(info), _) => format!("{}   {} × {}", info.title, info.size[0], info.size[1]),
        (None, Some(SourceSpec::Camera { .. })) => "camera".into(),
        (None, _) => String::new(),
    };
    ui.add(egui::Label::new(RichText::new(text).color(theme::MUTED)).truncate());
}

/// A menu entry of a command.
fn item(ui: &mut Ui, window: &mut Window, command: Command) {
    let keys = command.keys(ui.ctx());
    let on = window.is_on(command).unwrap_or(false);
    let button =
        Button::new(command.text()).selected(on).shortcut_text(RichText::new(keys).color(theme::MUTED));
    if ui.add(button).on_hover_text(command.tooltip()).clicked() {
        let ctx = ui.ctx().clone();
        window.run(&ctx, command);
        ui.close();
    }
}
