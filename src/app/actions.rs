//! What a panel, a command or a file dialog asks for, as data. `execute` carries it out.

use super::state::{FollowChoice, Preferences};
use super::train::TrainDialog;
use crate::gpu::DeviceChoice;
use crate::source::SourceSpec;
use crate::vision::BBox;
use std::path::PathBuf;
use std::time::Duration;

/// What a file dialog is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogPurpose {
    /// A video, or one or more pictures.
    Media,
    /// A folder of pictures.
    Folder,
    /// The model's weights.
    Weights,
    /// The person detector's weights.
    Detector,
    /// A file or folder of the training panel.
    Training(TrainDialog),
}

/// A change beyond the settings that a panel edits in place.
#[derive(Clone, Debug)]
pub enum AppAction {
    /// Opens a source and plays it.
    OpenSource(SourceSpec),
    /// Opens files by what they are: several pictures as one source; of anything else the first.
    OpenPaths(Vec<PathBuf>),
    /// Opens the mannequin of the chosen seed.
    OpenMannequin,
    /// Opens the mannequin of the next seed.
    OpenNextMannequin,
    /// Closes the source and opens it again.
    ReopenSource,
    /// Closes the source.
    CloseSource,
    /// Tries a lost camera now, without waiting for the next attempt.
    RetryCamera,
    /// Hides this error of the source.
    DismissSourceError(String),
    /// Asks the system for its cameras.
    ScanCameras,

    /// Plays or pauses.
    TogglePlaying,
    /// Loops or stops at the end.
    ToggleLooping,
    /// Pauses and moves by so many frames.
    StepFrames(i32),
    /// Goes to a media time.
    Seek(Duration),

    /// Runs a model in the viewer without remembering it for the next start.
    ShowWeights(PathBuf),
    /// Loads model and detector on another device.
    SetDevice(DeviceChoice),

    /// Follows these people.
    Follow(FollowChoice),
    /// Follows the person at this point of the picture.
    FollowPoint([f32; 2]),
    /// Follows the person in this box of the picture.
    FollowBox(BBox),
    /// Stops drawing a box; the person who is followed stays followed.
    CancelBox,

    /// Changes a preference.
    EditPreferences(fn(&mut Preferences)),
    /// Keeps more of the visual tokens, or fewer, by this share.
    ChangeKeepRatio(f64),
    /// Shows the heatmap of another joint: 1 the next, -1 the previous.
    StepHeatmapJoint(isize),
    /// Shows the whole picture.
    FitPicture,

    /// Opens a file dialog.
    OpenDialog(DialogPurpose),
    /// Hides the message over the picture.
    DismissNotification,
    /// Shows or hides the command palette.
    TogglePalette,
    /// Fills the screen, or stops doing so.
    ToggleFullscreen,
    /// Copies the report to the clipboard.
    CopyReport,
    /// Closes the window.
    Quit,

    /// Shows or hides the training panel.
    ShowTraining(bool),
    /// Starts a training with the form's settings.
    StartTraining,
    /// Asks the training to finish its step and save.
    StopTraining,
    /// Resumes the run on display.
    ResumeTraining,
    /// Resumes the run in this folder.
    ResumeFolder(PathBuf),
    /// Returns to the form, for another run.
    NewTraining,
    /// Stops and saves the training, then closes the window.
    SaveAndClose,
    /// Closes the window without waiting for the training.
    CloseAtOnce,
    /// Keeps the window open and the training running.
    CancelClose,
}

/// The actions of a frame, in the order of asking.
#[derive(Default)]
pub struct ActionQueue {
    actions: Vec<AppAction>,
}

impl ActionQueue {
    /// Adds an action; it is carried out after the frame was drawn.
    pub fn push(&mut self, action: AppAction) {
        self.actions.push(action);
    }

    /// Takes all actions out of the queue.
    pub fn take(&mut self) -> Vec<AppAction> {
        std::mem::take(&mut self.actions)
    }
}
