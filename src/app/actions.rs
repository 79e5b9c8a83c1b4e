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
    Weights,
    Detector,
    /// A file or folder of the training panel.
    Training(TrainDialog),
}

/// A change that reaches beyond the settings which a panel edits in place.
#[derive(Clone, Debug)]
pub enum AppAction {
    /// Opens a source and plays it.
    OpenSource(SourceSpec),
    /// Opens files by what they are: several pictures as one source; of anything else the first.
    OpenPaths(Vec<PathBuf>),
    OpenMannequin,
    /// Opens the mannequin with the next seed.
    OpenNextMannequin,
    ReopenSource,
    CloseSource,
    /// Tries a lost camera now, without waiting for the next attempt.
    RetryCamera,
    /// Hides this error of the source.
    DismissSourceError(String),
    ScanCameras,

    TogglePlaying,
    ToggleLooping,
    /// Pauses and moves by so many frames.
    StepFrames(i32),
    /// Goes to a media time.
    Seek(Duration),

    /// Runs a model in the viewer without remembering it for the next start.
    ShowWeights(PathBuf),
    /// Loads model and detector on another device.
    SetDevice(DeviceChoice),

    Follow(FollowChoice),
    /// Follows the person at this point of the picture.
    FollowPoint([f32; 2]),
    /// Follows whoever is in this box of the picture.
    FollowBox(BBox),
    /// Gives up drawing a box; whoever is followed stays so.
    CancelBox,

    EditPreferences(fn(&mut Preferences)),
    /// Keeps more of the visual tokens, or fewer, by this share.
    ChangeKeepRatio(f64),
    /// Shows the heatmap of another joint: 1 the next, -1 the previous.
    StepHeatmapJoint(isize),
    FitPicture,

    OpenDialog(DialogPurpose),
    DismissNotification,
    TogglePalette,
    ToggleFullscreen,
    CopyReport,
    Quit,

    ShowTraining(bool),
    StartTraining,
    StopTraining,
    /// Resumes the run on display.
    ResumeTraining,
    /// Resumes the run in this folder.
    ResumeFolder(PathBuf),
    /// Goes back to the form, for another run.
    NewTraining,
    /// Stops and saves the training, then closes the window.
    SaveAndClose,
    /// Closes the window without waiting for the training.
    CloseAtOnce,
    /// Keeps the window open and the training running.
    CancelClose,
}

/// The actions of a frame, in the order in which they were asked for.
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
