//! File dialogs of the system.

use super::task::{BackgroundTask, TaskState};
use crate::app::actions::DialogPurpose;
use crate::app::train::TrainDialog;
use burn_cubecl::cubecl::future::block_on;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// A dialog that is dismissed sooner never appeared: no user is that fast.
const NO_DIALOG: Duration = Duration::from_millis(700);
/// The extensions of videos and pictures.
const MEDIA: &[&str] = &[
    "mp4", "mov", "avi", "mkv", "webm", "m4v", "mpg", "jpg", "jpeg", "png", "webp", "bmp", "gif", "tif",
    "tiff",
];

/// What a dialog lets the user choose.
enum DialogKind {
    /// A file to read.
    File,
    /// Files to read.
    Files,
    /// A folder.
    Folder,
    /// A file to write, with a proposed name.
    Save(&'static str),
}

/// What a dialog shows.
struct DialogContent {
    title: &'static str,
    /// Names and extensions of its file types.
    types: &'static [(&'static str, &'static [&'static str])],
    kind: DialogKind,
}

impl DialogContent {
    fn of(purpose: DialogPurpose) -> DialogContent {
        use DialogKind::{File, Files, Folder, Save};
        let (title, types, kind): (_, &'static [(&'static str, &'static [&'static str])], _) = match purpose {
            DialogPurpose::Media => {
                ("Open video or pictures", &[("Videos and pictures", MEDIA), ("All files", &["*"])], Files)
            }
            DialogPurpose::Folder => ("Open folder of pictures", &[], Folder),
            DialogPurpose::Weights => ("Open weights", &[("Weights", &["safetensors"])], File),
            DialogPurpose::Detector => ("Open detector", &[("Weights", &["safetensors", "onnx"])], File),
            DialogPurpose::Training(dialog) => match dialog {
                TrainDialog::AddSet | TrainDialog::ReplaceSet(_) => {
                    ("Choose the folder of a training set", &[], Folder)
                }
                TrainDialog::Validation => ("Choose the folder of the validation set", &[], Folder),
                TrainDialog::InitWeights => {
                    ("Choose start weights", &[("Weights", &["safetensors", "pth", "onnx"])], File)
                }
                TrainDialog::RunFolder => ("Choose a folder for the run", &[], Folder),
                TrainDialog::Resume => ("Choose the folder of the run to resume", &[], Folder),
                TrainDialog::LoadSettings => ("Load training settings", &[("Settings", &["toml"])], File),
                TrainDialog::SaveSettings => {
                    ("Save training settings", &[("Settings", &["toml"])], Save("training.toml"))
                }
            },
        };
        DialogContent { title, types, kind }
    }
}

/// The paths that are chosen; none when the dialog is cancelled.
type ChosenPaths = Pin<Box<dyn Future<Output = Vec<PathBuf>> + Send>>;

/// Shows a dialog. Called on the window's thread, as macOS requires; the answer may be awaited on any.
fn show(content: DialogContent) -> ChosenPaths {
    let DialogContent { title, types, kind } = content;
    let mut dialog = rfd::AsyncFileDialog::new().set_title(title);
    for (name, extensions) in types {
        dialog = dialog.add_filter(*name, extensions);
    }
    let path = |handle: rfd::FileHandle| handle.path().to_owned();
    macro_rules! chosen {
        ($asked:expr) => {{
            let asked = $asked;
            Box::pin(async move { asked.await.into_iter().map(path).collect() })
        }};
    }
    match kind {
        DialogKind::File => chosen!(dialog.pick_file()),
        DialogKind::Folder => chosen!(dialog.pick_folder()),
        DialogKind::Save(name) => chosen!(dialog.set_file_name(name).save_file()),
        DialogKind::Files => {
            let asked = dialog.pick_files();
            Box::pin(async move { asked.await.into_iter().flatten().map(path).collect() })
        }
    }
}

/// How a file dialog ended.
#[derive(Debug, PartialEq, Eq)]
pub enum DialogResult {
    /// At least one path.
    Chosen(DialogPurpose, Vec<PathBuf>),
    /// The user chose nothing.
    Cancelled,
    /// The system has no file dialog. It does not report that; it only answers at once.
    NoDialog,
}

impl DialogResult {
    fn new(purpose: DialogPurpose, paths: Vec<PathBuf>, after: Duration) -> DialogResult {
        match paths.is_empty() {
            false => DialogResult::Chosen(purpose, paths),
            true if after < NO_DIALOG => DialogResult::NoDialog,
            true => DialogResult::Cancelled,
        }
    }
}

/// The file dialog that is open, if any.
#[derive(Default)]
pub struct Dialogs {
    open: Option<BackgroundTask<DialogResult>>,
}

impl Dialogs {
    /// Opens a dialog of the system; only one at a time.
    pub fn open(&mut self, ctx: &egui::Context, purpose: DialogPurpose) {
        if self.open.is_some() {
            return;
        }
        let since = Instant::now();
        let chosen = show(DialogContent::of(purpose));
        self.open = BackgroundTask::start(ctx, "tmpose-dialog", move || {
            let paths = block_on(chosen);
            DialogResult::new(purpose, paths, since.elapsed())
        });
    }

    /// How the dialog ended; `None` while it is open, and after that was said once.
    pub fn poll(&mut self) -> Option<DialogResult> {
        let result = match self.open.as_ref()?.poll() {
            TaskState::Running => return None,
            TaskState::Done(result) => result,
            TaskState::Lost => DialogResult::NoDialog,
        };
        self.open = None;
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_that_nobody_can_have_seen_is_told_from_a_cancelled_one() {
        let after = |paths: &[&str], ms| {
            let paths = paths.iter().map(PathBuf::from).collect();
            DialogResult::new(DialogPurpose::Media, paths, Duration::from_millis(ms))
        };
        assert_eq!(after(&["a.mp4"], 5), DialogResult::Chosen(DialogPurpose::Media, vec!["a.mp4".into()]));
        assert_eq!(after(&[], 5), DialogResult::NoDialog);
        assert_eq!(after(&[], 900), DialogResult::Cancelled);
    }
}
