//! What the window knows: data without threads, files or handles. Panels read it and edit the settings they show;
//! everything else is changed by `execute` and, once a frame, by `window`.

mod accuracy;
mod pipeline;
mod preferences;
mod selection;
mod view;

pub use accuracy::{LiveAccuracy, PersonAccuracy};
pub use pipeline::PipelineStatus;
pub use preferences::{
    HeatmapJoint, KeypointDisplay, LayerSettings, PeopleSettings, Preferences, SkeletonColors,
};
pub use selection::{FollowChoice, PersonSelection, PointerMode, person_at, person_bounds};
pub use view::PictureView;

use super::train::TrainingState;
use crate::live::{PeopleTrackerSettings, Rate};
use crate::source::{CameraInfo, SourceSpec};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a notification stays that is not an error.
const NOTIFICATION_TIME: Duration = Duration::from_secs(15);

/// A message over the picture that the user can dismiss.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// What it says.
    pub text: String,
    /// Whether something failed.
    pub error: bool,
    since: Instant,
}

impl Notification {
    /// Something worth knowing; it goes away by itself.
    pub fn note(text: String) -> Notification {
        Notification { text, error: false, since: Instant::now() }
    }

    /// Something that failed; it stays until it is dismissed.
    pub fn error(text: String) -> Notification {
        Notification { text, error: true, since: Instant::now() }
    }

    /// True for a note that was shown long enough.
    pub fn expired(&self) -> bool {
        !self.error && self.since.elapsed() > NOTIFICATION_TIME
    }
}

/// The source that is open.
#[derive(Clone, Debug, Default)]
pub struct SourceState {
    /// `None` before the first source and after the last was closed.
    pub spec: Option<SourceSpec>,
    /// The number that its frames have; 0, which no source has, when none is open.
    pub number: u64,
    /// An error of it that the user dismissed.
    pub dismissed_error: Option<String>,
}

/// The cameras of this machine.
#[derive(Clone, Debug, Default)]
pub struct CameraList {
    /// What was found last, or why the system could not be asked; `None` before the first answer.
    pub found: Option<Result<Vec<CameraInfo>, String>>,
    /// True while the system is being asked.
    pub scanning: bool,
}

/// The command palette.
#[derive(Clone, Debug, Default)]
pub struct PaletteState {
    /// Whether it is shown.
    pub open: bool,
    /// What was typed.
    pub query: String,
    /// The index of the chosen command among those that match.
    pub chosen: usize,
}

impl PaletteState {
    /// Opens the palette empty, or closes it.
    pub fn toggle(&mut self) {
        *self = PaletteState { open: !self.open, ..PaletteState::default() };
    }
}

/// Everything that the panels show.
pub struct State {
    /// What the window remembers between runs.
    pub preferences: Preferences,
    /// What the pipeline reported at the beginning of this frame.
    pub pipeline: PipelineStatus,
    /// The source that is open.
    pub source: SourceState,
    /// The picture on display with its people.
    pub view: PictureView,
    /// Whom the pointer selected.
    pub selection: PersonSelection,
    /// The accuracy against the mannequin's true joints.
    pub accuracy: LiveAccuracy,
    /// The cameras of this machine.
    pub cameras: CameraList,
    /// The training panel and the run that it shows.
    pub training: TrainingState,
    /// The command palette.
    pub palette: PaletteState,
    /// The message over the picture.
    pub notification: Option<Notification>,
    /// The weights file that is loaded or was tried.
    pub weights: Option<PathBuf>,
    /// The person detector's file that is loaded or was tried.
    pub detector: Option<PathBuf>,
    /// Repaints of the window.
    pub repaints: Rate,
    /// Whether the note about the model's device has been shown.
    pub device_note_shown: bool,
}

impl State {
    /// The state of a window without a source and a model.
    pub fn new(preferences: Preferences, pipeline: PipelineStatus) -> State {
        State {
            training: TrainingState::remembered(&preferences.training),
            preferences,
            pipeline,
            source: SourceState::default(),
            view: PictureView::default(),
            selection: PersonSelection::default(),
            accuracy: LiveAccuracy::default(),
            cameras: CameraList::default(),
            palette: PaletteState::default(),
            notification: None,
            weights: None,
            detector: None,
            repaints: Rate::default(),
            device_note_shown: false,
        }
    }

    /// Forgets everything that belongs to the previous source.
    pub fn source_changed(&mut self) {
        self.view.clear();
        self.accuracy.clear();
        self.notification = None;
        self.source.dismissed_error = None;
        self.selection = PersonSelection::default();
    }

    /// What the network and the tracker are to do.
    pub fn live_settings(&self) -> PeopleTrackerSettings {
        self.preferences.live_settings(self.selection.target)
    }

    /// Who is followed, as the panel shows it.
    pub fn follow_choice(&self) -> FollowChoice {
        self.selection.choice(self.preferences.people.mode)
    }
}
