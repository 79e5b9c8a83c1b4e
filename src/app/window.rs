//! The state behind the window, and what its commands do.

use super::accuracy::LiveAccuracy;
use super::automation::{Automation, AutomationRunner};
use super::background::{CameraList, DialogPurpose, DialogResult, Dialogs};
use super::commands::Command;
use super::focus::{FollowChoice, PersonSelection, PointerMode};
use super::palette::Palette;
use super::preferences::KeypointDisplay;
use super::preferences::{HeatmapJoint, Preferences};
use super::train::TrainingState;
use super::viewer::{PictureGesture, Viewer};
use super::{panels, report, theme};
use crate::gpu;
use crate::infer::{Estimator, InferError};
use crate::live::{self, LiveSettings, ModelLoader, ModelStatus, ModelSummary, Pipeline, Rate, Transport};
use crate::model::KeepRatio;
use crate::source::{self, MANNEQUIN_SIZE, SourceSpec};
use crate::track::FollowMode;
use egui::{Context, Ui, ViewportCommand};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A line over the picture that the user can dismiss.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    pub text: String,
    pub error: bool,
    since: Instant,
}

/// How long a note stays that is not an error.
const NOTE_TIME: Duration = Duration::from_secs(15);

/// The keys go no further down than to this share of the tokens.
const FEWEST_TOKENS: f64 = 0.05;

/// The window looks this often at a source that is to play.
const IDLE_REPAINT: Duration = Duration::from_millis(500);

/// Said when the system shows no file dialog.
const NO_DIALOG: &str = "This system has no file dialog: drop files or folders onto the window, name them on the \
    command line, or install zenity or a desktop portal (xdg-desktop-portal)";

impl Notification {
    fn new(text: String, error: bool) -> Notification {
        Notification { text, error, since: Instant::now() }
    }
}

/// The window's state.
pub struct Window {
    pub preferences: Preferences,
    pub live: Pipeline,
    pub viewer: Viewer,
    pub accuracy: LiveAccuracy,
    pub cameras: CameraList,
    pub dialogs: Dialogs,
    pub palette: Palette,
    pub training: TrainingState,
    pub notice: Option<Notification>,
    /// What is open; `None` before the first source.
    pub spec: Option<SourceSpec>,
    /// Number of the source whose frames are shown.
    pub source: u64,
    /// Whom the pointer chose.
    pub focus: PersonSelection,
    /// The weights file that is loaded or was tried.
    pub weights: Option<PathBuf>,
    /// The person detector's file that is loaded or was tried.
    pub detector: Option<PathBuf>,
    /// A source's error that was put away.
    pub dismissed: Option<String>,
    /// Repaints a second.
    pub rate: Rate,
    /// The device's note is said once.
    device_note_said: bool,
    last_settings: LiveSettings,
    robot: AutomationRunner,
}

impl Window {
    /// A window without a source and a model.
    ///
    /// # Errors
    /// The system has no thread left for the network.
    pub fn new(ctx: &Context, preferences: Preferences, automation: Automation) -> std::io::Result<Window> {
        theme::apply(ctx);
        let wake = {
            let ctx = ctx.clone();
            Arc::new(move || ctx.request_repaint())
        };
        let settings = preferences.live(None);
        Ok(Window {
            live: Pipeline::new(settings.clone(), wake)?,
            training: TrainingState::remembered(&preferences.training),
            preferences,
            viewer: Viewer::default(),
            accuracy: LiveAccuracy::default(),
            cameras: CameraList::default(),
            dialogs: Dialogs::default(),
            palette: Palette::default(),
            notice: None,
            spec: None,
            source: 0,
            focus: PersonSelection::default(),
            weights: None,
            detector: None,
            dismissed: None,
            rate: Rate::default(),
            device_note_said: false,
            last_settings: settings,
            robot: AutomationRunner::new(automation),
        })
    }

    /// Opens a source and plays it.
    pub fn open(&mut self, spec: SourceSpec) {
        let transport = Transport { playing: true, looping: self.preferences.looping };
        if let SourceSpec::Mannequin { seed, .. } = &spec {
            self.preferences.mannequin_seed = *seed;
        }
        self.source = self.live.open(spec.clone(), transport);
        self.spec = Some(spec);
        self.opened();
    }

    /// A source was replaced: nothing of the old one may stay on show.
    pub fn opened(&mut self) {
        self.viewer.clear();
        self.accuracy.clear();
        self.notice = None;
        self.dismissed = None;
        self.focus = PersonSelection::default();
    }

    /// Lets go of the source.
    fn close_source(&mut self) {
        self.live.close();
        // No source has this number: what is still on its way is not shown.
        self.source = 0;
        self.spec = None;
        self.opened();
    }

    /// Opens a file or folder by what it is.
    pub fn open_path(&mut self, path: &Path) {
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors")) {
            if live::is_detector(path) {
                self.choose_detector(path.to_owned());
            } else {
                self.preferences.weights = Some(path.to_owned());
                self.load_model(Some(path.to_owned()));
            }
            return;
        }
        match source::spec_from_path(path) {
            Ok(spec) => {
                self.preferences.remember(path.to_owned());
                self.open(spec);
            }
            Err(error) => self.fail(error.to_string()),
        }
    }

    /// Several pictures are one source; of anything else the first is opened.
    pub fn open_paths(&mut self, paths: Vec<PathBuf>) {
        let pictures = paths.len() > 1
            && paths.iter().all(|p| matches!(source::spec_from_path(p), Ok(SourceSpec::Pictures(_))));
        if pictures {
            self.open(SourceSpec::Pictures(paths));
        } else if let Some(first) = paths.first() {
            self.open_path(first);
        }
    }

    /// Loads the weights on the chosen device, on the inference thread.
    pub fn load_model(&mut self, weights: Option<PathBuf>) {
        self.weights = weights.clone();
        self.device_note_said = false;
        self.accuracy.clear();
        let device = self.preferences.device;
        let shared = self.viewer.heatmaps().draws_on_device();
        self.live.load(weights.map(|path| -> ModelLoader {
            Box::new(move || {
                let device = gpu::choose(device).map_err(InferError::from)?;
                let mut estimator = Estimator::load(&path, device.clone())?;
                estimator.leave_heatmaps_on_device(shared);
                let info = Arc::new(estimator.info().clone());
                Ok((Box::new(estimator) as _, ModelSummary { path, info, device }))
            })
        }));
    }

    /// Takes another person detector, also for the next time.
    fn choose_detector(&mut self, path: PathBuf) {
        self.preferences.people.detect = true;
        self.preferences.people.detector = Some(path.clone());
        self.load_detector(Some(path));
    }

    /// Loads a person detector on the chosen device, on the inference thread.
    pub fn load_detector(&mut self, weights: Option<PathBuf>) {
        self.detector = weights.clone();
        let device = self.preferences.device;
        self.live.load_detector(weights.map(|path| live::detector_loader(path, device)));
    }

    pub fn fail(&mut self, text: String) {
        self.notice = Some(Notification::new(text, true));
    }

    /// Takes what was chosen in a file dialog: at least one path.
    fn open_chosen(&mut self, ctx: &Context, purpose: DialogPurpose, mut paths: Vec<PathBuf>) {
        match purpose {
            DialogPurpose::Weights | DialogPurpose::Folder => self.open_path(&paths[0]),
            DialogPurpose::Media => self.open_paths(paths),
            DialogPurpose::Detector => self.choose_detector(paths.swap_remove(0)),
            DialogPurpose::Training(pick) => self.training.picked(ctx, pick, paths.swap_remove(0)),
        }
    }

    /// Once a repaint, before anything is drawn.
    pub fn update(&mut self, ctx: &Context) {
        self.rate.tick(Instant::now());
        for command in Command::pressed(ctx) {
            if command == Command::FollowAll && self.focus.pointer == PointerMode::Draw {
                // Who gives up drawing goes on with whoever was followed.
                self.focus.pointer = PointerMode::Free;
            } else {
                self.run(ctx, command);
            }
        }
        let dropped: Vec<PathBuf> =
            ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_owned()).collect());
        if !dropped.is_empty() {
            self.open_paths(dropped);
        }
        match self.dialogs.answer() {
            Some(DialogResult::Chosen(purpose, paths)) => self.open_chosen(ctx, purpose, paths),
            Some(DialogResult::NoDialog) => self.fail(NO_DIALOG.into()),
            Some(DialogResult::Cancelled) | None => {}
        }
        self.training.update();
        self.close(ctx);
        let settings = self.preferences.live(self.focus.target);
        if settings != self.last_settings {
            // Accuracy under other settings is another accuracy.
            if settings.infer != self.last_settings.infer {
                self.accuracy.clear();
            }
            self.last_settings = settings.clone();
            self.live.set_settings(settings);
        }
        if self.notice.as_ref().is_some_and(|n| !n.error && n.since.elapsed() > NOTE_TIME) {
            self.notice = None;
        }
        // A source that sends nothing wakes nobody.
        if self.live.transport().playing {
            ctx.request_repaint_after(IDLE_REPAINT);
        }
        let newest = self.preferences.newest_picture;
        let fresh = self.viewer.update(ctx, &self.live, self.source, newest);
        if let ModelStatus::Ready(summary) = self.live.model() {
            if let Some(result) = fresh {
                self.accuracy.add(&result, &summary.info.skeleton);
            }
            if let (false, Some(note)) =
                (std::mem::replace(&mut self.device_note_said, true), &summary.device.note)
            {
                self.notice = Some(Notification::new(note.clone(), false));
            }
        }
    }

    /// A window that closes must not cost what a training has learned.
    fn close(&mut self, ctx: &Context) {
        let asked = ctx.input(|i| i.viewport().close_requested());
        if asked && !self.training.may_close(self.robot.unattended()) {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
        }
        if self.training.left() {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    /// Draws everything.
    pub fn ui(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        self.update(&ctx);
        panels::menu::show(ui, self);
        panels::status::show(ui, self);
        panels::left(ui, self);
        if self.training.open {
            panels::train::show(ui, self);
        } else {
            panels::right(ui, self);
        }
        panels::transport::show(ui, self);
        panels::picture::show(ui, self);
        panels::train::closing(&ctx, self);
        if let Some(command) = self.palette.show(&ctx) {
            self.run(&ctx, command);
        }
        let report = |window: &Window| report::report(window);
        let mut robot = std::mem::take(&mut self.robot);
        robot.act(&ctx, || report(self));
        self.robot = robot;
    }

    /// Follows whom the pointer chose.
    pub fn gesture(&mut self, gesture: PictureGesture) {
        match gesture {
            PictureGesture::Person(at) => self.focus.follow(FollowMode::Point(at)),
            PictureGesture::Box(drawn) => self.focus.follow(FollowMode::Drawn(drawn)),
            PictureGesture::Nobody if self.focus.target.is_some() => {
                self.choose(FollowChoice::Automatic(FollowMode::All))
            }
            PictureGesture::Nobody => {}
        }
    }

    /// Chooses whom to follow.
    pub fn choose(&mut self, choice: FollowChoice) {
        self.focus.choose(choice, &mut self.preferences.people.mode);
    }

    /// Carries out a command.
    pub fn run(&mut self, ctx: &Context, command: Command) {
        let layers = &mut self.preferences.layers;
        match command {
            Command::OpenFile => self.dialogs.open(ctx, DialogPurpose::Media),
            Command::OpenFolder => self.dialogs.open(ctx, DialogPurpose::Folder),
            Command::OpenWeights => self.dialogs.open(ctx, DialogPurpose::Weights),
            Command::OpenMannequin => self.open_mannequin(),
            Command::NewMannequin => {
                self.preferences.mannequin_seed = self.preferences.mannequin_seed.wrapping_add(1);
                self.open_mannequin();
            }
            Command::ReopenSource => {
                if let Some(spec) = self.spec.clone() {
                    self.open(spec);
                }
            }
            Command::CloseSource => self.close_source(),
            Command::Quit => ctx.send_viewport_cmd(ViewportCommand::Close),
            Command::PlayPause => {
                let transport = self.live.transport();
                self.live.set_transport(Transport { playing: !transport.playing, ..transport });
            }
            Command::StepForward => self.live.step(1),
            Command::StepBack => self.live.step(-1),
            Command::ToStart => self.live.seek(Duration::ZERO),
            Command::ToggleLoop => {
                self.preferences.looping = !self.preferences.looping;
                let transport = self.live.transport();
                self.live.set_transport(Transport { looping: self.preferences.looping, ..transport });
            }
            Command::FollowAll => self.choose(FollowChoice::Automatic(FollowMode::All)),
            Command::FollowLargest => self.choose(FollowChoice::Automatic(FollowMode::Largest)),
            Command::FollowCentre => self.choose(FollowChoice::Automatic(FollowMode::Centre)),
            Command::DrawBox => self.choose(FollowChoice::Draw),
            Command::ToggleSmoothing => self.preferences.people.smooth = !self.preferences.people.smooth,
            Command::ToggleRaw => {
                layers.keypoints = match layers.keypoints {
                    KeypointDisplay::Raw => KeypointDisplay::Smoothed,
                    _ => KeypointDisplay::Raw,
                }
            }
            Command::ToggleDetector => self.preferences.people.detect = !self.preferences.people.detect,
            Command::OpenDetector => self.dialogs.open(ctx, DialogPurpose::Detector),
            Command::ToggleSkeleton => layers.skeleton = !layers.skeleton,
            Command::ToggleNumbers => layers.numbers = !layers.numbers,
            Command::ToggleHeatmaps => layers.heatmaps = !layers.heatmaps,
            Command::NextJoint => self.turn_joint(1),
            Command::PreviousJoint => self.turn_joint(-1),
            Command::ToggleTokens => layers.tokens = !layers.tokens,
            Command::ToggleCrop => layers.crop = !layers.crop,
            Command::ToggleTruth => layers.truth = !layers.truth,
            Command::ToggleMirror => layers.mirror = !layers.mirror,
            Command::FewerTokens => self.change_keep(-0.05),
            Command::MoreTokens => self.change_keep(0.05),
            Command::ToggleFlipTest => self.preferences.flip_test = !self.preferences.flip_test,
            Command::FitPicture => self.viewer.fit(),
            Command::ToggleLeftPanel => self.preferences.left_panel = !self.preferences.left_panel,
            Command::ToggleRightPanel => self.preferences.right_panel = !self.preferences.right_panel,
            Command::ToggleFullscreen => {
                let full = ctx.input(|i| i.viewport().fullscreen.unwrap_or(false));
                ctx.send_viewport_cmd(ViewportCommand::Fullscreen(!full));
            }
            Command::Train => self.training.open = !self.training.open,
            Command::CopyReport => ctx.copy_text(format!("{:#}", report::report(self))),
            Command::Palette => self.palette.toggle(),
        }
    }

    /// True when a command that switches something is on.
    pub fn is_on(&self, command: Command) -> Option<bool> {
        let layers = &self.preferences.layers;
        Some(match command {
            Command::ToggleLoop => self.preferences.looping,
            Command::FollowAll => self.chosen(FollowChoice::Automatic(FollowMode::All)),
            Command::FollowLargest => self.chosen(FollowChoice::Automatic(FollowMode::Largest)),
            Command::FollowCentre => self.chosen(FollowChoice::Automatic(FollowMode::Centre)),
            Command::DrawBox => self.chosen(FollowChoice::Draw),
            Command::ToggleSmoothing => self.preferences.people.smooth,
            Command::ToggleRaw => layers.keypoints == KeypointDisplay::Raw,
            Command::ToggleDetector => self.preferences.people.detect,
            Command::ToggleSkeleton => layers.skeleton,
            Command::ToggleNumbers => layers.numbers,
            Command::ToggleHeatmaps => layers.heatmaps,
            Command::ToggleTokens => layers.tokens,
            Command::ToggleCrop => layers.crop,
            Command::ToggleTruth => layers.truth,
            Command::ToggleMirror => layers.mirror,
            Command::ToggleFlipTest => self.preferences.flip_test,
            Command::ToggleLeftPanel => self.preferences.left_panel,
            Command::ToggleRightPanel => self.preferences.right_panel,
            Command::Train => self.training.open,
            _ => return None,
        })
    }

    fn chosen(&self, choice: FollowChoice) -> bool {
        self.focus.choice(self.preferences.people.mode) == choice
    }

    fn open_mannequin(&mut self) {
        let seed = self.preferences.mannequin_seed;
        self.open(SourceSpec::Mannequin { seed, size: MANNEQUIN_SIZE });
    }

    fn change_keep(&mut self, by: f64) {
        let percent = ((self.preferences.keep_ratio.get() + by) * 100.0).round();
        let share = (percent / 100.0).clamp(FEWEST_TOKENS, 1.0);
        self.preferences.keep_ratio = KeepRatio::new(share).unwrap_or_default();
    }

    /// Goes around "all", joint 0, joint 1, ...
    fn turn_joint(&mut self, by: isize) {
        let ModelStatus::Ready(summary) = self.live.model() else { return };
        let around = summary.info.skeleton.len() as isize + 1;
        let layers = &mut self.preferences.layers;
        let now = match layers.heatmap_joint {
            HeatmapJoint::All => 0,
            HeatmapJoint::One(j) => j as isize + 1,
        };
        layers.heatmaps = true;
        layers.heatmap_joint = match (now + by).rem_euclid(around) {
            0 => HeatmapJoint::All,
            n => HeatmapJoint::One(n as usize - 1),
        };
    }
}

/// The start of the mannequin, for a window that is told nothing else.
pub fn mannequin(preferences: &Preferences) -> SourceSpec {
    SourceSpec::Mannequin { seed: preferences.mannequin_seed, size: MANNEQUIN_SIZE }
}
