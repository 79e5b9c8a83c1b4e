//! Where results go: never onto an input of the run, nor onto a file that neither this run nor an earlier one made.

use crate::files::{FileId, numbered};
use anyhow::bail;
use serde::Deserialize;
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The poses of a run.
pub const KEYPOINTS: &str = "keypoints.json";
/// The pictures and frames of a run.
pub const IMAGES: &str = "images.json";

/// The folder for results.
#[derive(Debug)]
pub struct OutputFolder {
    dir: PathBuf,
    inputs: HashSet<FileId>,
    /// Names of annotated files that an earlier run made here.
    earlier: HashSet<String>,
    /// Other files may be replaced, too.
    overwrite: bool,
    /// Names given to results of this run, in lower case, since disks may not tell case.
    used: HashSet<OsString>,
}

/// What an earlier run's list of images says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)] // An annotation file has more.
struct EarlierImages {
    images: Vec<EarlierImage>,
}

#[derive(Deserialize)]
struct EarlierImage {
    output: Option<String>,
}

impl OutputFolder {
    /// For results in `dir`, which need not exist, of a run that reads the files `inputs`.
    ///
    /// # Errors
    /// The lists of the run would replace an input or somebody else's file.
    pub fn new<'a>(
        dir: &Path,
        inputs: impl Iterator<Item = &'a Path>,
        overwrite: bool,
    ) -> anyhow::Result<OutputFolder> {
        let inputs: HashSet<FileId> = inputs.filter_map(FileId::of).collect();
        if dir.exists() && !dir.is_dir() {
            bail!("{} is a file and no folder: choose another folder with --out", dir.display());
        }
        let images = std::fs::read(dir.join(IMAGES)).ok();
        let images = images.and_then(|bytes| serde_json::from_slice::<EarlierImages>(&bytes).ok());
        for name in [KEYPOINTS, IMAGES] {
            let path = dir.join(name);
            if FileId::of(&path).is_some_and(|id| inputs.contains(&id)) {
                bail!(
                    "{} would be overwritten, and is an input: choose another folder with --out",
                    path.display()
                );
            }
            let ours = images.is_some() && path.symlink_metadata().is_ok_and(|m| m.is_file());
            if !ours && !overwrite && path.symlink_metadata().is_ok() {
                bail!(
                    "{} is there, and not from an earlier run: choose another folder with --out, or replace it with \
                     --overwrite",
                    path.display()
                );
            }
        }
        let earlier =
            images.into_iter().flat_map(|list| list.images).filter_map(|image| image.output).collect();
        Ok(OutputFolder { dir: dir.to_owned(), inputs, earlier, overwrite, used: HashSet::new() })
    }

    /// Where the annotated version of `input` goes, with `extension` in place of its own if given: its own name, or one
    /// with a number where that is taken.
    pub fn path_for(&mut self, input: &Path, extension: Option<&str>) -> PathBuf {
        let mut name = PathBuf::from(input.file_name().unwrap_or(input.as_os_str()));
        if let Some(extension) = extension {
            name.set_extension(extension);
        }
        let mut number = 1;
        loop {
            let name = numbered(name.as_os_str(), number);
            let path = self.dir.join(&name);
            if !self.used.contains(&name.to_ascii_lowercase()) && self.is_free(&path) {
                self.used.insert(name.to_ascii_lowercase());
                return path;
            }
            number += 1;
        }
    }

    /// Whether a result may have this path.
    fn is_free(&self, path: &Path) -> bool {
        let Ok(there) = path.symlink_metadata() else { return true };
        let is_input = FileId::of(path).is_some_and(|id| self.inputs.contains(&id));
        let of_earlier_run = || {
            let name = path.file_name().map(|name| name.to_string_lossy());
            there.is_file() && name.is_some_and(|name| self.earlier.contains(name.as_ref()))
        };
        !is_input && !there.is_dir() && (self.overwrite || of_earlier_run())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in ["in.png", "other.png"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        dir
    }

    fn name(path: &Path) -> &str {
        path.file_name().unwrap().to_str().unwrap()
    }

    #[test]
    fn equal_names_from_different_folders_stay_apart() {
        let mut outputs = OutputFolder::new(Path::new("/nowhere"), std::iter::empty(), false).unwrap();
        let mut path = |input: &str, e| outputs.path_for(Path::new(input), e).display().to_string();
        assert_eq!(path("a/1.jpg", None), "/nowhere/1.jpg");
        assert_eq!(path("b/1.jpg", None), "/nowhere/1-2.jpg");
        assert_eq!(path("b/1.JPG", None), "/nowhere/1-3.JPG");
        assert_eq!(path("clip.avi", Some("mp4")), "/nowhere/clip.mp4");
        assert_eq!(path("noext", None), "/nowhere/noext");
    }

    #[test]
    fn neither_inputs_nor_other_files_are_overwritten() {
        let dir = folder();
        let (input, elsewhere) = (dir.path().join("in.png"), Path::new("/a/other.png"));
        let inputs = || std::iter::once(input.as_path());
        let mut outputs = OutputFolder::new(dir.path(), inputs(), false).unwrap();
        assert_eq!(name(&outputs.path_for(&input, None)), "in-2.png");
        assert_eq!(name(&outputs.path_for(elsewhere, None)), "other-2.png");
        let mut outputs = OutputFolder::new(dir.path(), inputs(), true).unwrap();
        assert_eq!(name(&outputs.path_for(&input, None)), "in-2.png", "an input is never overwritten");
        assert_eq!(name(&outputs.path_for(elsewhere, None)), "other.png");
    }

    #[cfg(unix)]
    #[test]
    fn links_to_inputs_are_left_alone() {
        let dir = folder();
        let input = dir.path().join("in.png");
        std::os::unix::fs::symlink(&input, dir.path().join("soft.png")).unwrap();
        std::fs::hard_link(&input, dir.path().join("hard.png")).unwrap();
        std::os::unix::fs::symlink("/nowhere/else", dir.path().join("gone.png")).unwrap();
        let mut outputs = OutputFolder::new(dir.path(), std::iter::once(input.as_path()), false).unwrap();
        for taken in ["soft", "hard", "gone"] {
            let path = outputs.path_for(Path::new(&format!("/a/{taken}.png")), None);
            assert_eq!(name(&path), format!("{taken}-2.png"));
        }
    }

    #[test]
    fn results_of_an_earlier_run_are_replaced() {
        let dir = folder();
        let list = r#"{"images": [{"id": 1, "file_name": "x.png", "output": "other.png"}, {"id": 2}]}"#;
        std::fs::write(dir.path().join(IMAGES), list).unwrap();
        std::fs::write(dir.path().join(KEYPOINTS), "[]").unwrap();
        let mut outputs = OutputFolder::new(dir.path(), std::iter::empty(), false).unwrap();
        assert_eq!(name(&outputs.path_for(Path::new("/a/other.png"), None)), "other.png");
        assert_eq!(name(&outputs.path_for(Path::new("/a/in.png"), None)), "in-2.png");
    }

    #[test]
    fn lists_that_are_inputs_or_not_ours_are_refused() {
        let dir = folder();
        let keypoints = dir.path().join(KEYPOINTS);
        std::fs::write(&keypoints, "{\"people\": []}").unwrap();
        let refused = |inputs: &[&Path], overwrite| {
            OutputFolder::new(dir.path(), inputs.iter().copied(), overwrite).unwrap_err().to_string()
        };
        assert!(refused(&[], false).contains("--overwrite"));
        assert!(refused(&[&keypoints], true).contains("is an input"));
        assert!(OutputFolder::new(dir.path(), std::iter::empty(), true).is_ok());
        let file = dir.path().join("in.png");
        assert!(
            OutputFolder::new(&file, std::iter::empty(), true).unwrap_err().to_string().contains("no folder")
        );
    }
}
