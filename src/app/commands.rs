//! Every command of the window once: its text, its explanation and its keys. Menu, palette, shortcuts
//! and tooltips are fed from here.

use egui::{Key, KeyboardShortcut, Modifiers};

/// Something the user can tell the window to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    OpenFile,
    OpenFolder,
    OpenMannequin,
    NewMannequin,
    OpenWeights,
    ReopenSource,
    CloseSource,
    Quit,
    PlayPause,
    StepForward,
    StepBack,
    ToStart,
    ToggleLoop,
    FollowAll,
    FollowLargest,
    FollowCentre,
    DrawBox,
    ToggleSmoothing,
    ToggleRaw,
    ToggleDetector,
    OpenDetector,
    ToggleSkeleton,
    ToggleNumbers,
    ToggleHeatmaps,
    NextJoint,
    PreviousJoint,
    ToggleTokens,
    ToggleCrop,
    ToggleTruth,
    ToggleMirror,
    FewerTokens,
    MoreTokens,
    ToggleFlipTest,
    FitPicture,
    ToggleLeftPanel,
    ToggleRightPanel,
    ToggleFullscreen,
    Train,
    CopyReport,
    Palette,
}

impl Command {
    /// Every command, in the order of the menus.
    pub const ALL: [Command; 40] = [
        Command::OpenFile,
        Command::OpenFolder,
        Command::OpenMannequin,
        Command::NewMannequin,
        Command::OpenWeights,
        Command::ReopenSource,
        Command::CloseSource,
        Command::Quit,
        Command::PlayPause,
        Command::StepForward,
        Command::StepBack,
        Command::ToStart,
        Command::ToggleLoop,
        Command::FollowAll,
        Command::FollowLargest,
        Command::FollowCentre,
        Command::DrawBox,
        Command::ToggleSmoothing,
        Command::ToggleRaw,
        Command::ToggleDetector,
        Command::OpenDetector,
        Command::ToggleSkeleton,
        Command::ToggleNumbers,
        Command::ToggleHeatmaps,
        Command::NextJoint,
        Command::PreviousJoint,
        Command::ToggleTokens,
        Command::ToggleCrop,
        Command::ToggleTruth,
        Command::ToggleMirror,
        Command::FewerTokens,
        Command::MoreTokens,
        Command::ToggleFlipTest,
        Command::FitPicture,
        Command::ToggleLeftPanel,
        Command::ToggleRightPanel,
        Command::ToggleFullscreen,
        Command::Train,
        Command::CopyReport,
        Command::Palette,
    ];

    /// Name in menus and in the palette.
    pub fn text(self) -> &'static str {
        self.words().0
    }

    /// What it does, in one sentence.
    pub fn tooltip(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Command::OpenFile => ("Open video or picture…", "Open a video file, or one or more pictures."),
            Command::OpenFolder => {
                ("Open folder of pictures…", "Show every picture of a folder, one a second.")
            }
            Command::OpenMannequin => ("Mannequin", "Watch a drawn, moving figure whose joints are known."),
            Command::NewMannequin => {
                ("Another mannequin", "Draw a figure with other clothes, light and camera.")
            }
            Command::OpenWeights => ("Open weights…", "Run another model from a .safetensors file."),
            Command::ReopenSource => ("Open the source again", "Close and open the camera or file anew."),
            Command::CloseSource => ("Close the source", "Let go of the camera or file."),
            Command::Quit => ("Quit", "Close the window."),
            Command::PlayPause => ("Play or pause", "Play or pause; a paused camera shows its last frame."),
            Command::StepForward => ("Next frame", "Pause and show the next frame."),
            Command::StepBack => ("Previous frame", "Pause and show the frame before."),
            Command::ToStart => ("Go to the start", "Show the first frame."),
            Command::ToggleLoop => ("Loop", "Begin again at the end."),
            Command::FollowAll => {
                ("Follow everybody", "Follow all people, and give up a person that was clicked on.")
            }
            Command::FollowLargest => ("Follow the largest person", "Follow only who is largest."),
            Command::FollowCentre => {
                ("Follow the person in the middle", "Follow only who is nearest to the middle.")
            }
            Command::DrawBox => {
                ("Draw a box to follow", "Drag a box around a person; needs no person detector.")
            }
            Command::ToggleSmoothing => {
                ("Smooth keypoints", "Steady the keypoints from frame to frame; pictures stay as they are.")
            }
            Command::ToggleRaw => ("Raw keypoints", "Draw the keypoints as the network found them."),
            Command::ToggleDetector => {
                ("Person detector", "Look for people; without it one person is followed.")
            }
            Command::OpenDetector => ("Open detector…", "Find people with another detector's weights."),
            Command::ToggleSkeleton => ("Skeleton", "Draw joints and bones."),
            Command::ToggleNumbers => ("Person numbers", "Write each person's number beside it."),
            Command::ToggleHeatmaps => ("Heatmaps", "Show where the network believes each joint to be."),
            Command::NextJoint => ("Next heatmap", "Show the heatmap of the next joint."),
            Command::PreviousJoint => ("Previous heatmap", "Show the heatmap of the joint before."),
            Command::ToggleTokens => ("Kept tokens", "Show which visual tokens enter the transformer."),
            Command::ToggleCrop => ("Crop", "Outline the part of the picture that the network sees."),
            Command::ToggleTruth => ("True joints", "Draw the mannequin's known joints in white."),
            Command::ToggleMirror => {
                ("Mirror the display", "Show the picture as in a mirror; left and right stay right.")
            }
            Command::FewerTokens => {
                ("Keep fewer tokens", "Keep 5 % fewer visual tokens: faster, less accurate.")
            }
            Command::MoreTokens => {
                ("Keep more tokens", "Keep 5 % more visual tokens: slower, more accurate.")
            }
            Command::ToggleFlipTest => {
                ("Flip test", "Average with the mirrored picture: twice the time, a little more accurate.")
            }
            Command::FitPicture => ("Fit picture", "Show the whole picture."),
            Command::ToggleLeftPanel => ("Left panel", "Show or hide source, model, people and layers."),
            Command::ToggleRightPanel => ("Right panel", "Show or hide tokens, timings and accuracy."),
            Command::ToggleFullscreen => ("Full screen", "Fill the screen with the window."),
            Command::Train => ("Train…", "Train a network on pictures of people, while the viewer goes on."),
            Command::CopyReport => {
                ("Copy report", "Copy versions, device, settings and timings, for a bug report.")
            }
            Command::Palette => ("Commands…", "Find a command by its name."),
        }
    }

    /// The keys, if it has any.
    pub fn shortcut(self) -> Option<KeyboardShortcut> {
        let plain = |key| Some(KeyboardShortcut::new(Modifiers::NONE, key));
        let command = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND, key));
        let shifted = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key));
        match self {
            Command::OpenFile => command(Key::O),
            Command::OpenFolder => shifted(Key::O),
            Command::OpenMannequin => command(Key::M),
            Command::NewMannequin => shifted(Key::M),
            Command::OpenWeights => command(Key::L),
            Command::ReopenSource => command(Key::R),
            Command::CloseSource => command(Key::W),
            Command::Quit => command(Key::Q),
            Command::PlayPause => plain(Key::Space),
            Command::StepForward => plain(Key::ArrowRight),
            Command::StepBack => plain(Key::ArrowLeft),
            Command::ToStart => plain(Key::Home),
            Command::ToggleLoop => plain(Key::L),
            Command::FollowAll => plain(Key::Escape),
            Command::FollowLargest => plain(Key::A),
            Command::FollowCentre => plain(Key::X),
            Command::DrawBox => plain(Key::B),
            Command::ToggleSmoothing => plain(Key::O),
            Command::ToggleRaw => plain(Key::R),
            Command::ToggleDetector => plain(Key::D),
            Command::OpenDetector => shifted(Key::L),
            Command::ToggleSkeleton => plain(Key::S),
            Command::ToggleNumbers => plain(Key::N),
            Command::ToggleHeatmaps => plain(Key::H),
            Command::NextJoint => plain(Key::Period),
            Command::PreviousJoint => plain(Key::Comma),
            Command::ToggleTokens => plain(Key::T),
            Command::ToggleCrop => plain(Key::C),
            Command::ToggleTruth => plain(Key::G),
            Command::ToggleMirror => plain(Key::M),
            Command::FewerTokens => plain(Key::OpenBracket),
            Command::MoreTokens => plain(Key::CloseBracket),
            Command::ToggleFlipTest => plain(Key::F),
            Command::FitPicture => plain(Key::Num0),
            Command::ToggleLeftPanel => command(Key::B),
            Command::ToggleRightPanel => command(Key::J),
            Command::ToggleFullscreen => plain(Key::F11),
            Command::Train => command(Key::T),
            Command::Palette => command(Key::P),
            Command::CopyReport => None,
        }
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
    pub fn pressed(ctx: &egui::Context) -> Vec<Command> {
        if ctx.egui_wants_keyboard_input() {
            return Vec::new();
        }
        // Longer combinations first: a shortcut also matches with more modifiers held.
        let mut all: Vec<_> = Command::ALL.iter().filter_map(|&c| Some((c, c.shortcut()?))).collect();
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
        let names: HashSet<_> = Command::ALL.iter().map(|c| c.text()).collect();
        assert_eq!(names.len(), Command::ALL.len());
        let keys: Vec<_> = Command::ALL.iter().filter_map(|c| c.shortcut()).collect();
        let different: HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }

    #[test]
    fn every_command_explains_itself_in_a_sentence() {
        assert!(Command::ALL.iter().all(|c| c.tooltip().ends_with('.')));
    }
}
