//! The mannequin's pictures where a command names `mannequin:N` as its set.

use crate::data::{DataError, MannequinSets, SetSource};
use indicatif::ProgressBar;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Calls `work` with what draws the mannequin's sets into `folder`, beside a progress bar on stderr.
pub(super) fn with_mannequin_sets<T>(
    folder: &Path,
    stop: &AtomicBool,
    work: impl FnOnce(&MannequinSets) -> Result<T, DataError>,
) -> Result<T, DataError> {
    let bar = ProgressBar::new(0).with_message("drawing the mannequin");
    let progress = |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let result = work(&MannequinSets { folder: folder.into(), progress: &progress, stop });
    bar.finish_and_clear();
    result
}

/// The path of a set to evaluate on; the mannequin is drawn into the current folder. Ctrl-C ends the program, and the
/// next one draws the set again.
pub(super) fn path_to_evaluate_on(source: &SetSource) -> Result<PathBuf, DataError> {
    with_mannequin_sets(Path::new(""), &AtomicBool::new(false), |sets| sets.to_evaluate_on(source))
}

/// The path of a set as a training sees it; the mannequin is drawn into the current folder.
pub(super) fn path_to_train_on(source: &SetSource, stop: &AtomicBool) -> Result<PathBuf, DataError> {
    with_mannequin_sets(Path::new(""), stop, |sets| sets.to_train_on(source))
}
