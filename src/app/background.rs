//! Questions whose answer takes time (file dialogs, the camera list) are asked on threads of their own,
//! so that the window goes on drawing.

use super::train::TrainDialog;
use crate::source::{self, CameraInfo};
use burn_cubecl::cubecl::future::block_on;
use crossbeam_channel::{Receiver, bounded};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Nobody dismisses a dialog sooner: it never appeared.
const NO_DIALOG: Duration = Duration::from_millis(700);

/// What a file dialog was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogPurpose {
    Media,
    Folder,
    Weights,
    Detector,
    Training(TrainDialog),
}

/// An answer that arrives later, at most one.
struct BackgroundTask<T>(Receiver<T>);

impl<T: Send + 'static> BackgroundTask<T> {
    fn ask(
        ctx: &egui::Context,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<BackgroundTask<T>> {
        let (sender, receiver) = bounded(1);
        let ctx = ctx.clone();
        let started = std::thread::Builder::new().name(name.into()).spawn(move || {
            // The window may be gone; then nobody needs the answer.
            let _ = sender.send(work());
            ctx.request_repaint();
        });
        if let Err(error) = started {
            log::error!("no thread could be started for {name}: {error}");
            return None;
        }
        Some(BackgroundTask(receiver))
    }
}

/// What became of a file dialog.
#[derive(Debug, PartialEq, Eq)]
pub enum DialogResult {
    /// At least one path.
    Chosen(DialogPurpose, Vec<PathBuf>),
    Cancelled,
    /// The system has none to show. It does not say so; it only answers at once.
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
        let dialog = rfd::AsyncFileDialog::new();
        let answer = move |handles: Option<Vec<rfd::FileHandle>>| {
            let paths = handles.unwrap_or_default().iter().map(|h| h.path().to_owned()).collect();
            DialogResult::new(purpose, paths, since.elapsed())
        };
        // macOS wants the dialog made on the window's thread; waiting for it happens on another.
        let pending = match purpose {
            DialogPurpose::Media => {
                let picked = dialog
                    .set_title("Open video or pictures")
                    .add_filter("Videos and pictures", &media_endings())
                    .add_filter("All files", &["*"])
                    .pick_files();
                BackgroundTask::ask(ctx, "tmpose-dialog", move || answer(block_on(picked)))
            }
            DialogPurpose::Folder => {
                let picked = dialog.set_title("Open folder of pictures").pick_folder();
                BackgroundTask::ask(ctx, "tmpose-dialog", move || answer(block_on(picked).map(|f| vec![f])))
            }
            DialogPurpose::Training(TrainDialog::Save) => {
                let picked = dialog
                    .set_title("Save the settings of the training")
                    .add_filter("Settings", &["toml"])
                    .set_file_name("training.toml")
                    .save_file();
                BackgroundTask::ask(ctx, "tmpose-dialog", move || answer(block_on(picked).map(|f| vec![f])))
            }
            DialogPurpose::Training(pick @ (TrainDialog::Load | TrainDialog::Start)) => {
                let (title, kind, endings): (_, _, &[&str]) = match pick {
                    TrainDialog::Load => ("Load the settings of a training", "Settings", &["toml"]),
                    _ => ("Choose starting weights", "Weights", &["safetensors", "pth", "onnx"]),
                };
                let picked = dialog.set_title(title).add_filter(kind, endings).pick_file();
                BackgroundTask::ask(ctx, "tmpose-dialog", move || answer(block_on(picked).map(|f| vec![f])))
            }
            DialogPurpose::Training(pick) => {
                let title = match pick {
                    TrainDialog::Resume => "Choose the folder of the run to go on with",
                    TrainDialog::Folder => "Choose a folder for the run",
                    TrainDialog::Validation => "Choose the folder of the validation set",
                    _ => "Choose the folder of a training set",
                };
                let picked = dialog.set_title(title).pick_folder();
                BackgroundTask::ask(ctx, "tmpose-dialog", move || answer(block_on(picked).map(|f| vec![f])))
            }
            DialogPurpose::Weights | DialogPurpose::Detector => {
                let (title, endings): (_, &[&str]) = match purpose {
                    DialogPurpose::Weights => ("Open weights", &["safetensors"]),
                    _ => ("Open detector", &["safetensors", "onnx"]),
                };
                let picked = dialog.set_title(title).add_filter("Weights", endings).pick_file();
                BackgroundTask::ask(ctx, "tmpose-dialog", move || answer(block_on(picked).map(|f| vec![f])))
            }
        };
        self.open = pending;
    }

    /// What became of the dialog, once.
    pub fn answer(&mut self) -> Option<DialogResult> {
        let answer = match self.open.as_ref()?.0.try_recv() {
            Ok(answer) => answer,
            Err(crossbeam_channel::TryRecvError::Empty) => return None,
            // The thread that waited for it is gone.
            Err(crossbeam_channel::TryRecvError::Disconnected) => DialogResult::NoDialog,
        };
        self.open = None;
        Some(answer)
    }
}

fn media_endings() -> [&'static str; 15] {
    [
        "mp4", "mov", "avi", "mkv", "webm", "m4v", "mpg", "jpg", "jpeg", "png", "webp", "bmp", "gif", "tif",
        "tiff",
    ]
}

/// The cameras of the machine, asked for again on request.
#[derive(Default)]
pub struct CameraList {
    pending: Option<BackgroundTask<Result<Vec<CameraInfo>, String>>>,
    known: Option<Result<Vec<CameraInfo>, String>>,
}

impl CameraList {
    /// Looks for cameras anew.
    pub fn scan(&mut self, ctx: &egui::Context) {
        if self.pending.is_none() {
            self.pending = BackgroundTask::ask(ctx, "tmpose-cameras", || {
                source::list_cameras().map_err(|error| error.to_string())
            });
        }
    }

    /// What was found last; `None` before the first answer.
    pub fn list(&mut self) -> Option<&Result<Vec<CameraInfo>, String>> {
        if let Some(answer) = self.pending.as_ref().and_then(|p| p.0.try_recv().ok()) {
            self.known = Some(answer);
            self.pending = None;
        }
        self.known.as_ref()
    }

    /// True while the system is being asked.
    pub fn scanning(&self) -> bool {
        self.pending.is_some()
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
