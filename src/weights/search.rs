//! Where the shipped weights are looked for when none are named.

use std::path::{Path, PathBuf};

/// The pose network that the program ships with.
pub const DEFAULT_FILE: &str = "tmpose-t-coco17.safetensors";
/// The person detector that the program ships with.
pub const DETECTOR_FILE: &str = "tmpose-detect.safetensors";

/// The first place that has [`DEFAULT_FILE`]: `$TMPOSE_WEIGHTS` (a file, or a folder with it), beside the
/// program, in `weights` beside the program, in `./weights`, in the source's `weights`.
///
/// A file named by `$TMPOSE_WEIGHTS` is returned even when it is missing: loading it then says so, which is
/// better than silently taking another one.
pub fn default_weights() -> Option<PathBuf> {
    named_by("TMPOSE_WEIGHTS", DEFAULT_FILE).or_else(|| shipped(DEFAULT_FILE))
}

/// The first place that has [`DETECTOR_FILE`]: `$TMPOSE_DETECTOR` (a file, or a folder with it; returned even when
/// it is missing), `$TMPOSE_WEIGHTS` where that is a folder with it, then as [`default_weights`].
pub fn default_detector() -> Option<PathBuf> {
    let beside_pose =
        || named_by("TMPOSE_WEIGHTS", DETECTOR_FILE).filter(|file| file.ends_with(DETECTOR_FILE));
    named_by("TMPOSE_DETECTOR", DETECTOR_FILE)
        .or_else(|| beside_pose().filter(|file| file.is_file()))
        .or_else(|| shipped(DETECTOR_FILE))
}

/// The file that an environment variable names, or `file` in the folder that it names.
fn named_by(variable: &str, file: &str) -> Option<PathBuf> {
    let named = PathBuf::from(std::env::var_os(variable).filter(|value| !value.is_empty())?);
    Some(if named.is_dir() { named.join(file) } else { named })
}

fn shipped(file: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent);
    let folders = [
        beside.map(Path::to_owned),
        beside.map(|folder| folder.join("weights")),
        Some(PathBuf::from("weights")),
        Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("weights")),
    ];
    folders.into_iter().flatten().map(|folder| folder.join(file)).find(|file| file.is_file())
}
