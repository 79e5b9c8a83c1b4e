//! The run's folder: names of its files, and checks before a training that it can be written to and has enough space.

use super::TrainError;
use super::checkpoint;
use super::config::RunSection;
use crate::model::list_params;
use burn::module::Module;
use std::path::{Path, PathBuf};

/// The weights with the best validation.
pub const BEST: &str = "best.safetensors";
/// The weights of the last step.
pub const LAST: &str = "last.safetensors";

/// Bytes for the log, the pictures and the model card.
const SMALL_FILES: u64 = 8 << 20;

impl RunSection {
    /// The file of the weights with the best validation; without a validation set, those of the last step.
    pub fn best_weights(&self) -> PathBuf {
        self.out.join(BEST)
    }
}

/// Whether `folder` is the folder of a training that can be resumed.
pub fn holds_training(folder: &Path) -> bool {
    folder.join(checkpoint::FILE).is_file()
}

/// Creates the run's folder and makes sure that it can be written to, before anything is computed.
///
/// # Errors
/// The folder cannot be made or written to.
pub fn prepare(folder: &Path) -> Result<(), TrainError> {
    let failed = |source| TrainError::Write { path: folder.display().to_string(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    Ok(())
}

/// What a training will write to a folder.
pub struct SpaceNeed {
    /// The folder, which need not exist yet.
    pub folder: PathBuf,
    /// Number of bytes that are still to be written.
    pub bytes: u64,
    /// What they are, in words.
    pub what: String,
    /// The flag that chooses the folder.
    pub flag: &'static str,
}

impl SpaceNeed {
    /// The space for checkpoints and weights of `model` in the folder `run`.
    pub fn of_weights(run: &Path, model: &impl Module) -> SpaceNeed {
        let numbers: u64 = list_params(model).iter().map(|p| p.shape.iter().product::<usize>() as u64).sum();
        let files = [checkpoint::FILE, BEST, LAST];
        let written: u64 = files.map(|name| file_size(&run.join(name))).into_iter().sum();
        // Four numbers a weight in the checkpoint, two bytes in each of two files of weights; while a file is
        // written, the one that it replaces still exists.
        let weights = 2 * 16 * numbers + 3 * 2 * numbers + SMALL_FILES;
        let what = format!("{} for checkpoints and weights", size_text(weights));
        SpaceNeed { folder: run.into(), bytes: weights.saturating_sub(written), what, flag: "--out" }
    }
}

/// Refuses a training whose files do not fit on their disks, before anything is computed. A disk whose free space is
/// unknown counts as large enough.
///
/// # Errors
/// A disk has too little free space.
pub fn check_space(needs: &[SpaceNeed]) -> Result<(), TrainError> {
    check_space_on(needs, disk)
}

/// Size of a file in bytes; 0 when it does not exist.
pub fn file_size(path: &Path) -> u64 {
    path.metadata().map_or(0, |m| m.len())
}

/// A number of bytes with a unit: MB or GB.
pub fn size_text(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 1e9 => format!("{:.0} MB", b / 1e6),
        b => format!("{:.1} GB", b / 1e9),
    }
}

/// A disk and its free space.
#[derive(Clone, Copy)]
struct Disk {
    /// The device number, which is different for each disk.
    id: u64,
    /// Number of free bytes.
    free: u64,
}

fn check_space_on(needs: &[SpaceNeed], disk: impl Fn(&Path) -> Option<Disk>) -> Result<(), TrainError> {
    for need in needs {
        let Some(Disk { id, free }) = disk(&need.folder) else { continue };
        let on_disk = |need: &&SpaceNeed| disk(&need.folder).is_some_and(|other| other.id == id);
        let together: Vec<&SpaceNeed> = needs.iter().filter(on_disk).collect();
        let needed: u64 = together.iter().map(|n| n.bytes).sum();
        if needed > free {
            let what = together.iter().map(|n| n.what.as_str()).collect::<Vec<_>>().join(", ");
            let flags = if together.len() > 1 { "--out or --cache" } else { need.flag };
            let folder = need.folder.display().to_string();
            let (free, needed) = (size_text(free), size_text(needed));
            return Err(TrainError::NoSpace { folder, free, needed, what, flags });
        }
    }
    Ok(())
}

/// The disk of a folder, which need not exist yet.
#[cfg(unix)]
fn disk(folder: &Path) -> Option<Disk> {
    use std::os::unix::fs::MetadataExt;
    let absolute = std::path::absolute(folder).ok()?;
    let existing = absolute.ancestors().find(|f| f.exists())?;
    let stats = rustix::fs::statvfs(existing).ok()?;
    let free = stats.f_bavail.saturating_mul(stats.f_frsize);
    Some(Disk { id: existing.metadata().ok()?.dev(), free })
}

/// The disk of a folder is unknown on other systems; a full one is reported when a file is written.
#[cfg(not(unix))]
fn disk(_: &Path) -> Option<Disk> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs() -> [SpaceNeed; 2] {
        let need = |folder: &str, bytes, what: &str, flag| SpaceNeed {
            folder: folder.into(),
            bytes,
            what: what.into(),
            flag,
        };
        [need("run", 40_000_000, "weights", "--out"), need("cache", 3_000_000_000, "features", "--cache")]
    }

    #[test]
    fn two_folders_on_one_disk_need_space_together() {
        let same = |free: u64| check_space_on(&needs(), move |_| Some(Disk { id: 1, free }));
        assert!(same(3_040_000_000).is_ok());
        let text = same(2_500_000_000).unwrap_err().to_string();
        for part in ["run has 2.5 GB", "needs about 3.0 GB", "weights, features", "--out or --cache"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn on_two_disks_each_has_to_hold_its_own() {
        let disks = |cache: u64| {
            move |folder: &Path| {
                let (id, free) = if folder == Path::new("run") { (1, 41_000_000) } else { (2, cache) };
                Some(Disk { id, free })
            }
        };
        assert!(check_space_on(&needs(), disks(3_000_000_000)).is_ok());
        let text = check_space_on(&needs(), disks(5_000_000)).unwrap_err().to_string();
        assert!(text.starts_with("cache has 5 MB") && text.ends_with("--cache"), "{text}");
    }

    #[test]
    fn an_unknown_disk_is_taken_to_be_large_enough() {
        assert!(check_space_on(&needs(), |_| None).is_ok());
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_that_does_not_exist_yet_lies_on_its_parents_disk() {
        let dir = tempfile::tempdir().unwrap();
        let (existing, missing) = (disk(dir.path()).unwrap(), disk(&dir.path().join("a/b")).unwrap());
        assert_eq!(existing.id, missing.id);
        assert!(existing.free > 0);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("taken");
        std::fs::write(&file, "").unwrap();
        let text = prepare(&file.join("run")).unwrap_err().to_string();
        assert!(text.contains("taken") && text.contains("--out"), "{text}");
    }
}
