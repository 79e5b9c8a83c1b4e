//! Every command of the window, one row each: its name, explanation, keys, whether it is checked, and its action.
//! Menu, palette, shortcuts and tooltips read these rows.

use super::actions::{AppAction, DialogPurpose};
use super::state::{FollowChoice, KeypointDisplay, State};
use crate::track::FollowMode;
use egui::{Key, KeyboardShortcut, Modifiers};
use std::time::Duration;

/// A command.
struct CommandRow {
    /// The name in menus and in the palette.
    name: &'static str,
    /// What it does, in one sentence.
    tooltip: &'static str,
    keys: Option<KeyboardShortcut>,
    /// Whether what it switches is on; `None` for a command that switches nothing.
    checked: Option<fn(&State) -> bool>,
    /// What it does now.
    action: fn(&State) -> AppAction,
}

const fn plain(key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(Modifiers::NONE, key))
}

/// Ctrl, or Cmd on macOS.
const fn ctrl(key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(Modifiers::COMMAND, key))
}

const fn ctrl_shift(key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key))
}

const EVERYBODY: FollowChoice = FollowChoice::Automatic(FollowMode::All);
const LARGEST: FollowChoice = FollowChoice::Automatic(FollowMode::Largest);
const CENTRE: FollowChoice = FollowChoice::Automatic(FollowMode::Centre);

/// The row of a command: its name, tooltip and keys, then what it does. `toggle` switches a preference, `follow` chooses
/// who is followed; other commands give their `action`, and `checked` where they switch something.
macro_rules! command_row {
    ($name:literal, $tooltip:literal, $keys:expr, toggle: $($field:ident).+) => {
        command_row!($name, $tooltip, $keys,
            checked: |s| s.preferences.$($field).+,
            action: |_| AppAction::EditPreferences(|p| p.$($field).+ = !p.$($field).+))
    };
    ($name:literal, $tooltip:literal, $keys:expr, follow: $choice:expr) => {
        command_row!($name, $tooltip, $keys,
            checked: |s| s.follow_choice() == $choice,
            action: |_| AppAction::Follow($choice))
    };
    ($name:literal, $tooltip:literal, $keys:expr, checked: $checked:expr, action: $action:expr) => {
        CommandRow { name: $name, tooltip: $tooltip, keys: $keys, checked: Some($checked), action: $action }
    };
    ($name:literal, $tooltip:literal, $keys:expr, action: $action:expr) => {
        CommandRow { name: $name, tooltip: $tooltip, keys: $keys, checked: None, action: $action }
    };
}

macro_rules! commands {
    ($($command:ident { $name:literal, $tooltip:literal, $($row:tt)* })*) => {
        /// Something that the user can have the window do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum AppCommand { $(#[doc = $tooltip] $command),* }

        impl AppCommand {
            /// Every command, in the order of the menus.
            pub const ALL: &[AppCommand] = &[$(AppCommand::$command),*];

            fn row(self) -> &'static CommandRow {
                match self {
                    $(AppCommand::$command => {
                        static ROW: CommandRow = command_row!($name, $tooltip, $($row)*);
                        &ROW
                    })*
                }
            }
        }
    };
}

commands! {
    OpenFile {
        "Open video or picture…", "Open a video file, or one or more pictures.", ctrl(Key::O),
        action: |_| AppAction::OpenDialog(DialogPurpose::Media)
    }
    OpenFolder {
        "Open folder of pictures…", "Show every picture of a folder, one per second.", ctrl_shift(Key::O),
        action: |_| AppAction::OpenDialog(DialogPurpose::Folder)
    }
    OpenMannequin {
        "Mannequin", "Show a rendered, moving figure whose joints are known.", ctrl(Key::M),
        action: |_| AppAction::OpenMannequin
    }
    NewMannequin {
        "Another mannequin", "Show a figure with other clothes, light and camera.", ctrl_shift(Key::M),
        action: |_| AppAction::OpenNextMannequin
    }
    OpenWeights {
        "Open weights…", "Run another model from a .safetensors file.", ctrl(Key::L),
        action: |_| AppAction::OpenDialog(DialogPurpose::Weights)
    }
    ReopenSource {
        "Open the source again", "Close the camera or file and open it again.", ctrl(Key::R),
        action: |_| AppAction::ReopenSource
    }
    CloseSource {
        "Close the source", "Close the camera or file.", ctrl(Key::W),
        action: |_| AppAction::CloseSource
    }
    Quit {
        "Quit", "Close the window.", ctrl(Key::Q),
        action: |_| AppAction::Quit
    }
    PlayPause {
        "Play or pause", "Play or pause; a paused camera shows its last frame.", plain(Key::Space),
        action: |_| AppAction::TogglePlaying
    }
    StepForward {
        "Next frame", "Pause and show the next frame.", plain(Key::ArrowRight),
        action: |_| AppAction::StepFrames(1)
    }
    StepBack {
        "Previous frame", "Pause and show the previous frame.", plain(Key::ArrowLeft),
        action: |_| AppAction::StepFrames(-1)
    }
    ToStart {
        "Go to the start", "Show the first frame.", plain(Key::Home),
        action: |_| AppAction::Seek(Duration::ZERO)
    }
    ToggleLoop {
        "Loop", "Start again at the end.", plain(Key::L),
        checked: |s| s.preferences.looping,
        action: |_| AppAction::ToggleLooping
    }
    FollowAll {
        "Follow everybody", "Follow all people, and deselect a person who was clicked on.", plain(Key::Escape),
        follow: EVERYBODY
    }
    FollowLargest {
        "Follow the largest person", "Follow only the largest person.", plain(Key::A),
        follow: LARGEST
    }
    FollowCentre {
        "Follow the person in the middle", "Follow only the person nearest to the middle.", plain(Key::X),
        follow: CENTRE
    }
    DrawBox {
        "Draw a box to follow", "Drag a box around a person; needs no person detector.", plain(Key::B),
        follow: FollowChoice::Draw
    }
    ToggleSmoothing {
        "Smooth keypoints", "Steady the keypoints from frame to frame; still pictures are not affected.", plain(Key::O),
        toggle: people.smooth
    }
    ToggleRaw {
        "Raw keypoints", "Draw the keypoints as the network estimates them, without smoothing.", plain(Key::R),
        checked: |s| s.preferences.layers.keypoints == KeypointDisplay::Raw,
        action: |_| AppAction::EditPreferences(|p| {
            p.layers.keypoints = match p.layers.keypoints {
                KeypointDisplay::Raw => KeypointDisplay::Smoothed,
                _ => KeypointDisplay::Raw,
            }
        })
    }
    ToggleDetector {
        "Person detector", "Detect people; without it, one person is followed.", plain(Key::D),
        toggle: people.detect
    }
    OpenDetector {
        "Open detector…", "Detect people with other weights, from a .safetensors or .onnx file.", ctrl_shift(Key::L),
        action: |_| AppAction::OpenDialog(DialogPurpose::Detector)
    }
    ToggleSkeleton {
        "Skeleton", "Draw joints and bones.", plain(Key::S),
        toggle: layers.skeleton
    }
    ToggleNumbers {
        "Person numbers", "Write each person's number beside them.", plain(Key::N),
        toggle: layers.numbers
    }
    ToggleHeatmaps {
        "Heatmaps", "Show where the network expects each joint.", plain(Key::H),
        toggle: layers.heatmaps
    }
    NextJoint {
        "Next heatmap", "Show the heatmap of the next joint.", plain(Key::Period),
        action: |_| AppAction::StepHeatmapJoint(1)
    }
    PreviousJoint {
        "Previous heatmap", "Show the heatmap of the previous joint.", plain(Key::Comma),
        action: |_| AppAction::StepHeatmapJoint(-1)
    }
    ToggleTokens {
        "Kept tokens", "Show which visual tokens enter the transformer.", plain(Key::T),
        toggle: layers.tokens
    }
    ToggleCrop {
        "Crop", "Outline the part of the picture that the network sees.", plain(Key::C),
        toggle: layers.crop
    }
    ToggleTruth {
        "True joints", "Draw the mannequin's true joints in white.", plain(Key::G),
        toggle: layers.truth
    }
    ToggleMirror {
        "Mirror the display", "Show the picture as in a mirror; left and right joints keep their names.", plain(Key::M),
        toggle: layers.mirror
    }
    FewerTokens {
        "Keep fewer tokens", "Keep fewer visual tokens, by 5 percentage points: faster, less accurate.", plain(Key::OpenBracket),
        action: |_| AppAction::ChangeKeepRatio(-0.05)
    }
    MoreTokens {
        "Keep more tokens", "Keep more visual tokens, by 5 percentage points: slower, more accurate.", plain(Key::CloseBracket),
        action: |_| AppAction::ChangeKeepRatio(0.05)
    }
    ToggleFlipTest {
        "Flip test", "Average with the mirrored picture: twice the time, slightly more accurate.", plain(Key::F),
        toggle: flip_test
    }
    FitPicture {
        "Fit picture", "Show the whole picture.", plain(Key::Num0),
        action: |_| AppAction::FitPicture
    }
    ToggleLeftPanel {
        "Left panel", "Show or hide source, model, people and layers.", ctrl(Key::B),
        toggle: left_panel
    }
    ToggleRightPanel {
        "Right panel", "Show or hide tokens, timings and accuracy.", ctrl(Key::J),
        toggle: right_panel
    }
    ToggleFullscreen {
        "Full screen", "Fill the screen with the window.", plain(Key::F11),
        action: |_| AppAction::ToggleFullscreen
    }
    Train {
        "Train…", "Train a network on pictures of people while the viewer keeps running.", ctrl(Key::T),
        checked: |s| s.training.open,
        action: |s| AppAction::ShowTraining(!s.training.open)
    }
    CopyReport {
        "Copy report", "Copy versions, device, settings and timings, for a bug report.", None,
        action: |_| AppAction::CopyReport
    }
    Palette {
        "Commands…", "Find a command by its name.", ctrl(Key::P),
        action: |_| AppAction::TogglePalette
    }
}

impl AppCommand {
    /// The name in menus and in the palette.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What it does, in one sentence.
    pub fn tooltip(self) -> &'static str {
        self.row().tooltip
    }

    /// The keys, if it has any.
    pub fn shortcut(self) -> Option<KeyboardShortcut> {
        self.row().keys
    }

    /// Whether it is on; `None` for a command that switches nothing.
    pub fn checked(self, state: &State) -> Option<bool> {
        self.row().checked.map(|checked| checked(state))
    }

    /// What it does now.
    pub fn action(self, state: &State) -> AppAction {
        (self.row().action)(state)
    }

    /// The keys as they are written on a keyboard; empty for a command without.
    pub fn keys(self, ctx: &egui::Context) -> String {
        let Some(shortcut) = self.shortcut() else { return String::new() };
        let signs = [("OpenBracket", "["), ("CloseBracket", "]"), ("Period", "."), ("Comma", ",")];
        let named = ctx.format_shortcut(&shortcut);
        signs.iter().find(|(name, _)| *name == named).map_or(named.clone(), |(_, sign)| (*sign).into())
    }

    /// The tooltip with the keys behind it.
    pub fn hint(self, ctx: &egui::Context) -> String {
        match self.shortcut() {
            Some(_) => format!("{} ({})", self.tooltip(), self.keys(ctx)),
            None => self.tooltip().to_owned(),
        }
    }

    /// The commands whose keys were pressed, unless a text field is being typed into.
    pub fn pressed(ctx: &egui::Context) -> Vec<AppCommand> {
        if ctx.egui_wants_keyboard_input() {
            return Vec::new();
        }
        // Longer combinations first: a shortcut also matches with more modifiers held.
        let mut all: Vec<_> = AppCommand::ALL.iter().filter_map(|&c| Some((c, c.shortcut()?))).collect();
        let held = |keys: &KeyboardShortcut| {
            u8::from(keys.modifiers.command) + u8::from(keys.modifiers.shift) + u8::from(keys.modifiers.alt)
        };
        all.sort_by_key(|(_, keys)| std::cmp::Reverse(held(keys)));
        // A slider or button that has the focus wants the keys that move and press it.
        let focused = ctx.memory(|m| m.focused().is_some());
        let moves = [Key::ArrowLeft, Key::ArrowRight, Key::Space, Key::Home];
        all.retain(|(_, keys)| !(focused && keys.modifiers.is_none() && moves.contains(&keys.logical_key)));
        // Escape closes an open list first.
        let popup = egui::Popup::is_any_open(ctx);
        all.retain(|(_, keys)| !(popup && keys.logical_key == Key::Escape));
        ctx.input_mut(|input| {
            // A key that was pressed twice between two repaints counts twice.
            let mut times =
                |keys: KeyboardShortcut| input.count_and_consume_key(keys.modifiers, keys.logical_key);
            all.into_iter().flat_map(|(c, keys)| std::iter::repeat_n(c, times(keys))).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_and_keys_are_unique() {
        let names: HashSet<_> = AppCommand::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), AppCommand::ALL.len());
        let keys: Vec<_> = AppCommand::ALL.iter().filter_map(|c| c.shortcut()).collect();
        let different: HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }

    #[test]
    fn every_command_explains_itself_in_a_sentence() {
        assert!(AppCommand::ALL.iter().all(|c| c.tooltip().ends_with('.')));
    }
}
