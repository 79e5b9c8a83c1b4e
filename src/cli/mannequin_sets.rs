//! Renders the mannequin's pictures where a command names `mannequin:N` as a data set.

use crate::data::{DataError, MannequinSets, SetSource};
use indicatif::ProgressBar;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Calls `work` with what renders the mannequin's sets into `folder`, and shows a progress bar on stderr.
///
/// # Errors
/// Those of `work`.
fn with_mannequin_sets<T>(
    folder: &Path,
    stop: &AtomicBool,
    work: impl FnOnce(&MannequinSets) -> Result<T, DataError>,
) -> Result<T, DataError> {
    let bar = ProgressBar::new(0).with_message("rendering the mannequin");
    let progress = |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let result = work(&MannequinSets { folder: folder.into(), progress: &progress, stop });
    bar.finish_and_clear();
    result
}

/// The path of a set to evaluate on. The mannequin is rendered into the current folder; Ctrl-C ends the program
/// meanwhile, and the next command renders the set anew.
///
/// # Errors
/// The pictures cannot be written.
pub(super) fn path_to_evaluate_on(source: &SetSource) -> Result<PathBuf, DataError> {
    with_mannequin_sets(Path::new(""), &AtomicBool::new(false), |sets| sets.to_evaluate_on(source))
}

/// The path of a set to train on. The mannequin is rendered into the current folder.
///
/// # Errors
/// The pictures cannot be written, or `stop` was raised.
pub(super) fn path_to_train_on(source: &SetSource, stop: &AtomicBool) -> Result<PathBuf, DataError> {
    with_mannequin_sets(Path::new(""), stop, |sets| sets.to_train_on(source))
}
