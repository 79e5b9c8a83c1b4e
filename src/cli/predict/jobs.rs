//! The list of inputs, and the names of the annotated files.

use super::ids::number_in_name;
use crate::source::{SourceSpec, pictures_in, spec_from_path};
use anyhow::bail;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// One file whose poses are to be estimated.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    /// A picture.
    Picture(PathBuf),
    /// A video.
    Video(PathBuf),
}

impl Job {
    /// The number in a picture's name, which becomes its image id. The frames of a video have none.
    pub fn number(&self) -> Option<u64> {
        match self {
            Job::Picture(path) => number_in_name(&file_name(path)),
            Job::Video(_) => None,
        }
    }
}

/// A path's last part, for people and for JSON.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// All files that the inputs stand for, in their order: a folder stands for its pictures. Wrong paths are found here,
/// before any work.
///
/// # Errors
/// An input is not there, or is neither picture, folder nor video.
pub fn collect(inputs: &[PathBuf]) -> anyhow::Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for input in inputs {
        match spec_from_path(input)? {
            SourceSpec::Video(path) => jobs.push(Job::Video(path)),
            _ if input.is_dir() => jobs.extend(pictures_in(input)?.into_iter().map(Job::Picture)),
            _ => jobs.push(Job::Picture(input.clone())),
        }
    }
    Ok(jobs)
}

/// Gives each output the name of its input; a name that occurs again gets a number.
#[derive(Debug)]
pub struct OutputNames {
    dir: PathBuf,
    used: HashSet<String>,
}

impl OutputNames {
    /// Names in the folder `dir`.
    pub fn new(dir: PathBuf) -> OutputNames {
        OutputNames { dir, used: HashSet::new() }
    }

    /// The path of the annotated version of `input`, with `extension` in place of its own if given.
    ///
    /// # Errors
    /// That is the input itself.
    pub fn path_for(&mut self, input: &Path, extension: Option<&str>) -> anyhow::Result<PathBuf> {
        let mut name = PathBuf::from(input.file_name().unwrap_or(input.as_os_str()));
        if let Some(extension) = extension {
            name.set_extension(extension);
        }
        let stem = name.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let end = name.extension().map_or(String::new(), |e| format!(".{}", e.to_string_lossy()));
        let mut free = format!("{stem}{end}");
        let mut number = 2;
        while !self.used.insert(free.to_lowercase()) {
            free = format!("{stem}-{number}{end}");
            number += 1;
        }
        let path = self.dir.join(free);
        if let (Ok(a), Ok(b)) = (path.canonicalize(), input.canonicalize())
            && a == b
        {
            bail!("{} would be overwritten: choose another folder with --out", input.display());
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_from_different_folders_stay_apart() {
        let mut names = OutputNames::new("out".into());
        let mut path = |input: &str, e| names.path_for(Path::new(input), e).unwrap().display().to_string();
        assert_eq!(path("a/1.jpg", None), "out/1.jpg");
        assert_eq!(path("b/1.jpg", None), "out/1-2.jpg");
        assert_eq!(path("b/1.JPG", None), "out/1-3.JPG");
        assert_eq!(path("clip.avi", Some("mp4")), "out/clip.mp4");
        assert_eq!(path("noext", None), "out/noext");
    }

    #[test]
    fn the_input_itself_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("me.png");
        std::fs::write(&input, "x").unwrap();
        let error = OutputNames::new(dir.path().into()).path_for(&input, None).unwrap_err().to_string();
        assert!(error.contains("me.png") && error.contains("--out"), "{error}");
    }

    #[test]
    fn a_folder_is_its_pictures() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.png", "a.png"] {
            image::RgbImage::new(2, 2).save(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join("notes.txt"), "no picture").unwrap();
        let jobs = collect(&[dir.path().into()]).unwrap();
        let names: Vec<PathBuf> = jobs
            .into_iter()
            .map(|job| match job {
                Job::Picture(path) | Job::Video(path) => path.file_name().unwrap().into(),
            })
            .collect();
        assert_eq!(names, [PathBuf::from("a.png"), PathBuf::from("b.png")]);
    }
}
