//! The menu bar.

use super::push;
use crate::app::actions::{ActionQueue, AppAction};
use crate::app::commands::AppCommand;
use crate::app::state::State;
use crate::app::theme;
use crate::source::SourceSpec;
use egui::{Align, Button, Frame, Layout, Margin, MenuBar, Panel, RichText, Ui};

/// The menus whose entries are all commands: groups with a line between them.
const MENUS: [(&str, &[&[AppCommand]]); 5] = [
    (
        "Playback",
        &[&[
            AppCommand::PlayPause,
            AppCommand::StepForward,
            AppCommand::StepBack,
            AppCommand::ToStart,
            AppCommand::ToggleLoop,
        ]],
    ),
    (
        "View",
        &[
            &[
                AppCommand::ToggleSkeleton,
                AppCommand::ToggleNumbers,
                AppCommand::ToggleHeatmaps,
                AppCommand::ToggleTokens,
                AppCommand::ToggleCrop,
                AppCommand::ToggleTruth,
                AppCommand::ToggleMirror,
            ],
            &[AppCommand::PreviousJoint, AppCommand::NextJoint],
            &[
                AppCommand::FitPicture,
                AppCommand::ToggleLeftPanel,
                AppCommand::ToggleRightPanel,
                AppCommand::ToggleFullscreen,
            ],
        ],
    ),
    (
        "People",
        &[
            &[
                AppCommand::FollowAll,
                AppCommand::FollowLargest,
                AppCommand::FollowCentre,
                AppCommand::DrawBox,
            ],
            &[AppCommand::ToggleSmoothing, AppCommand::ToggleRaw],
            &[AppCommand::ToggleDetector, AppCommand::OpenDetector],
        ],
    ),
    (
        "Network",
        &[
            &[AppCommand::FewerTokens, AppCommand::MoreTokens, AppCommand::ToggleFlipTest],
            &[AppCommand::OpenWeights],
        ],
    ),
    ("Tools", &[&[AppCommand::Train]]),
];

/// Draws the bar along the top.
pub fn show(ui: &mut Ui, state: &State, actions: &mut ActionQueue) {
    let frame = Frame::new().fill(theme::PANEL).inner_margin(Margin::symmetric(8, 3));
    Panel::top("menu").frame(frame).show(ui, |ui| {
        MenuBar::new().ui(ui, |ui| {
            ui.menu_button("File", |ui| file(ui, state, actions));
            for (title, groups) in MENUS {
                ui.menu_button(title, |ui| {
                    for (n, group) in groups.iter().enumerate() {
                        if n > 0 {
                            ui.separator();
                        }
                        items(ui, state, actions, group);
                    }
                });
            }
            ui.menu_button("Help", |ui| {
                items(ui, state, actions, &[AppCommand::Palette, AppCommand::CopyReport]);
                ui.separator();
                let version = concat!("TMPose ", env!("CARGO_PKG_VERSION"), ", MIT or Apache-2.0");
                ui.label(RichText::new(version).color(theme::MUTED).small());
            });
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| title(ui, state));
        });
    });
}

fn file(ui: &mut Ui, state: &State, actions: &mut ActionQueue) {
    items(ui, state, actions, &[AppCommand::OpenFile, AppCommand::OpenFolder]);
    let recent = &state.preferences.recent;
    ui.add_enabled_ui(!recent.is_empty(), |ui| {
        ui.menu_button("Open recent", |ui| {
            for path in recent {
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
                if ui.button(name).on_hover_text(path.display().to_string()).clicked() {
                    actions.push(AppAction::OpenPaths(vec![path.clone()]));
                    ui.close();
                }
            }
        });
    });
    ui.separator();
    let source = [
        AppCommand::OpenMannequin,
        AppCommand::NewMannequin,
        AppCommand::ReopenSource,
        AppCommand::CloseSource,
    ];
    items(ui, state, actions, &source);
    ui.separator();
    items(ui, state, actions, &[AppCommand::OpenWeights]);
    ui.separator();
    items(ui, state, actions, &[AppCommand::Quit]);
}

/// What is open, at the right end of the bar.
fn title(ui: &mut Ui, state: &State) {
    let info = state.pipeline.source.as_ref().and_then(|s| s.info.as_ref());
    let text = match (info, &state.source.spec) {
        (Some(info), _) => format!("{}   {} × {}", info.title, info.size.width, info.size.height),
        (None, Some(SourceSpec::Camera { .. })) => "camera".into(),
        (None, _) => String::new(),
    };
    ui.add(egui::Label::new(RichText::new(text).color(theme::MUTED)).truncate());
}

/// Menu entries of commands.
fn items(ui: &mut Ui, state: &State, actions: &mut ActionQueue, commands: &[AppCommand]) {
    for &command in commands {
        let keys = command.keys(ui.ctx());
        let checked = command.checked(state).unwrap_or(false);
        let button = Button::new(command.name())
            .selected(checked)
            .shortcut_text(RichText::new(keys).color(theme::MUTED));
        if ui.add(button).on_hover_text(command.tooltip()).clicked() {
            push(command, state, actions);
            ui.close();
        }
    }
}
