//! Where the shipped weights are looked for when none are named.

use std::path::{Path, PathBuf};

/// The weights that the program ships with.
pub const DEFAULT_FILE: &str = "tmpose-t-coco17.safetensors";
/// The person detector that the program ships with.
pub const DETECTOR_FILE: &str = "tmpose-detect.safetensors";

/// The first place that has [`DEFAULT_FILE`]: `$TMPOSE_WEIGHTS` (a file, or a folder with it), beside the
/// program, in `weights` beside the program, in `./weights`, in the source's `weights`.
///
/// A file named by `$TMPOSE_WEIGHTS` is returned even when it is missing: loading it then says so, which is
/// better than silently taking another one.
pub fn default_weights() -> Option<PathBuf> {
    if let Some(named) = named() {
        return Some(if named.is_dir() { named.join(DEFAULT_FILE) } else { named });
    }
    beside(DEFAULT_FILE)
}

/// The first place that has [`DETECTOR_FILE`]: the folder of `$TMPOSE_WEIGHTS` (or of the file it names), else
/// the places of [`default_weights`]. Without it the program works, with one person at a time.
pub fn default_detector() -> Option<PathBuf> {
    let folder = named()
        .and_then(|named| if named.is_dir() { Some(named) } else { named.parent().map(Path::to_owned) });
    folder
        .map(|folder| folder.join(DETECTOR_FILE))
        .filter(|file| file.is_file())
        .or_else(|| beside(DETECTOR_FILE))
}

fn named() -> Option<PathBuf> {
    std::env::var_os("TMPOSE_WEIGHTS").filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn beside(name: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent);
    let folders = [
        beside.map(Path::to_owned),
        beside.map(|folder| folder.join("weights")),
        Some(PathBuf::from("weights")),
        Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("weights")),
    ];
    folders.into_iter().flatten().map(|folder| folder.join(name)).find(|file| file.is_file())
}
