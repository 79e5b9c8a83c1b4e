//! The run's folder: it can be written to and has room for what a training leaves there.

use super::TrainError;
use super::checkpoint;
use super::config::TrainConfig;
use crate::model::{TmPose, list_params};
use burn::module::Module;
use std::path::{Path, PathBuf};

/// NoSpace for the log, the pictures and the model card.
const SMALL_FILES: u64 = 8 << 20;

/// Creates the run's folder and proves that it can be written to, before anything is computed.
pub fn prepare(folder: &Path) -> Result<(), TrainError> {
    let failed = |source| TrainError::Write { path: folder.display().to_string(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    Ok(())
}

/// What a training will write to a folder, and the flag that chooses the folder.
struct Need {
    folder: PathBuf,
    bytes: u64,
    what: String,
    flag: &'static str,
}

/// A disk: what tells it from others, and the bytes that are free on it.
type Disk = (u64, u64);

/// The folder of what is computed once of the crops of one draw; the first draw's has no number.
pub fn draw_folder(part: &str, draw: u64) -> String {
    if draw == 0 { part.into() } else { format!("{part}-{draw}") }
}

/// Refuses a training whose files have no room, before anything is computed. `train` and `val` are
/// persons, `lesson` is how many numbers of a teacher are kept of each crop. A system that does not tell how much is free counts as having
/// enough.
pub fn check_space(
    config: &TrainConfig,
    model: &TmPose,
    [train, val]: [usize; 2],
    lesson: usize,
) -> Result<(), TrainError> {
    let run = &config.run.out;
    let mut needs = vec![weights_need(run, model)];
    if config.model.freeze_backbone {
        let shape = model.config();
        let record = (shape.tokens() * shape.patch_values() * 2) as u64;
        let folder = config.data.cache.clone().unwrap_or_else(|| run.join("features"));
        let draws = config.data.draws.max(1);
        let parts = std::iter::once("val".to_owned())
            .chain((0..draws).flat_map(|draw| [draw_folder("train", draw), draw_folder("teacher", draw)]));
        let there: u64 = parts.map(|part| held(&folder.join(part).join("features.bin"))).sum();
        let all = record * (train as u64 * draws + val as u64) + 2 * lesson as u64 * train as u64 * draws;
        let bytes = all.saturating_sub(there);
        let what = match lesson {
            0 => format!("{} for cached features", shown(all)),
            _ => format!("{} for cached features and the teacher's outputs", shown(all)),
        };
        needs.push(Need { folder, bytes, what, flag: "--cache" });
    }
    compare(&needs, disk)
}

/// As [`check_space`] for a training that keeps nothing but its checkpoints and weights.
pub fn check_space_for_weights(run: &Path, model: &impl Module) -> Result<(), TrainError> {
    compare(&[weights_need(run, model)], disk)
}

fn weights_need(run: &Path, model: &impl Module) -> Need {
    let numbers: u64 = list_params(model).iter().map(|p| p.shape.iter().product::<usize>() as u64).sum();
    let files = [checkpoint::FILE, "best.safetensors", "last.safetensors"];
    let there: u64 = files.map(|name| held(&run.join(name))).into_iter().sum();
    // Four numbers a weight in the checkpoint, two bytes in each of two files of weights; while one is
    // written the old one is still there.
    let weights = 2 * 16 * numbers + 3 * 2 * numbers + SMALL_FILES;
    let what = format!("{} for checkpoints and weights", shown(weights));
    Need { folder: run.into(), bytes: weights.saturating_sub(there), what, flag: "--out" }
}

/// Bytes of a file; 0 when it is not there.
fn held(path: &Path) -> u64 {
    path.metadata().map_or(0, |m| m.len())
}

fn compare(needs: &[Need], disk: impl Fn(&Path) -> Option<Disk>) -> Result<(), TrainError> {
    for need in needs {
        let Some((id, free)) = disk(&need.folder) else { continue };
        let beside: Vec<&Need> =
            needs.iter().filter(|n| disk(&n.folder).is_some_and(|(other, _)| other == id)).collect();
        let needed: u64 = beside.iter().map(|n| n.bytes).sum();
        if needed > free {
            let what = beside.iter().map(|n| n.what.as_str()).collect::<Vec<_>>().join(", ");
            let flags = if beside.len() > 1 { "--out or --cache" } else { need.flag };
            let folder = need.folder.display().to_string();
            let (free, needed) = (shown(free), shown(needed));
            return Err(TrainError::NoSpace { folder, free, needed, what, flags });
        }
    }
    Ok(())
}

/// The disk that a folder lies on, or will lie on when it is made.
#[cfg(unix)]
fn disk(folder: &Path) -> Option<Disk> {
    use std::os::unix::fs::MetadataExt;
    let absolute = std::path::absolute(folder).ok()?;
    let there = absolute.ancestors().find(|f| f.exists())?;
    let about = rustix::fs::statvfs(there).ok()?;
    Some((there.metadata().ok()?.dev(), about.f_bavail.saturating_mul(about.f_frsize)))
}

/// Elsewhere the standard library does not tell; writing then fails with a message of its own.
#[cfg(not(unix))]
fn disk(_: &Path) -> Option<Disk> {
    None
}

fn shown(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 1e9 => format!("{:.0} MB", b / 1e6),
        b => format!("{:.1} GB", b / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs() -> [Need; 2] {
        let need = |folder: &str, bytes, what: &str, flag| Need {
            folder: folder.into(),
            bytes,
            what: what.into(),
            flag,
        };
        [need("run", 40_000_000, "weights", "--out"), need("cache", 3_000_000_000, "features", "--cache")]
    }

    #[test]
    fn two_folders_on_one_disk_need_room_together() {
        let same = |free: u64| compare(&needs(), move |_| Some((1, free)));
        assert!(same(3_040_000_000).is_ok());
        let text = same(2_500_000_000).unwrap_err().to_string();
        for part in ["run has 2.5 GB", "needs about 3.0 GB", "weights, features", "--out or --cache"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn on_two_disks_each_has_to_hold_its_own() {
        let disks = |cache: u64| {
            move |folder: &Path| Some(if folder == Path::new("run") { (1, 41_000_000) } else { (2, cache) })
        };
        assert!(compare(&needs(), disks(3_000_000_000)).is_ok());
        let text = compare(&needs(), disks(5_000_000)).unwrap_err().to_string();
        assert!(text.starts_with("cache has 5 MB") && text.ends_with("--cache"), "{text}");
    }

    #[test]
    fn an_unknown_disk_is_taken_to_be_large_enough() {
        assert!(compare(&needs(), |_| None).is_ok());
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_that_is_not_there_yet_lies_on_its_parents_disk() {
        let dir = tempfile::tempdir().unwrap();
        let (made, missing) = (disk(dir.path()).unwrap(), disk(&dir.path().join("a/b")).unwrap());
        assert_eq!(made.0, missing.0);
        assert!(made.1 > 0);
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
