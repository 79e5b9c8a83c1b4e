//! The list of inputs.

use super::ids::number_in_name;
use crate::source::{FolderPictures, PictureFile, SourceSpec, pages_of, pictures_in, spec_from_path};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// One picture or video whose poses are to be estimated.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    /// A picture, and which of the folders it is from.
    Picture(PictureFile, Option<usize>),
    /// A video.
    Video(PathBuf),
}

impl Job {
    /// Its file.
    pub fn path(&self) -> &Path {
        match self {
            Job::Picture(picture, _) => &picture.path,
            Job::Video(path) => path,
        }
    }

    /// The number in a picture's name, which becomes its image id. The frames of a video have none.
    pub fn number(&self) -> Option<u64> {
        match self {
            Job::Picture(picture, _) => number_in_name(&file_name(&picture.path)),
            Job::Video(_) => None,
        }
    }
}

/// A path's last part, for people and for JSON.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// All that the inputs stand for.
#[derive(Debug, Default)]
pub struct Jobs {
    /// In the inputs' order.
    pub jobs: Vec<Job>,
    /// The folders among the inputs, and what is in them.
    pub folders: Vec<(PathBuf, FolderPictures)>,
}

/// Makes jobs of the inputs: a folder stands for its pictures, a file of several pages for each of them. Wrong paths are
/// found here, before any work.
///
/// # Errors
/// An input is not there, or is neither picture, folder nor video.
pub fn collect(inputs: &[PathBuf], recursive: bool) -> anyhow::Result<Jobs> {
    let Jobs { mut jobs, mut folders } = Jobs::default();
    for input in inputs {
        let mut add = |path: &Path, folder| {
            jobs.extend(pages_of(path).into_iter().map(|picture| Job::Picture(picture, folder)));
        };
        match spec_from_path(input)? {
            SourceSpec::Video(path) => jobs.push(Job::Video(path)),
            _ if input.is_dir() => {
                let found = pictures_in(input, recursive)?;
                found.pictures.iter().for_each(|path| add(path, Some(folders.len())));
                folders.push((input.clone(), found));
            }
            _ => add(input, None),
        }
    }
    Ok(Jobs { jobs, folders })
}

/// For each path what tells it from the others: its name, with so many of its folders as paths of the same name need.
pub fn distinct_names<'a>(paths: impl Iterator<Item = &'a Path>) -> HashMap<PathBuf, String> {
    let mut by_name: HashMap<OsString, Vec<&Path>> = HashMap::new();
    for path in paths {
        let same = by_name.entry(path.file_name().unwrap_or(path.as_os_str()).to_owned()).or_default();
        if !same.contains(&path) {
            same.push(path);
        }
    }
    let last = |path: &Path, parts: usize| -> PathBuf {
        let all: Vec<_> = path.components().collect();
        all[all.len().saturating_sub(parts)..].iter().collect()
    };
    let mut names = HashMap::new();
    for same in by_name.into_values() {
        let longest = same.iter().map(|path| path.components().count()).max().unwrap_or(1);
        let differ = |parts: &usize| {
            let mut seen = std::collections::HashSet::new();
            same.iter().all(|path| seen.insert(last(path, *parts)))
        };
        let parts = (1..=longest).find(differ).unwrap_or(longest);
        for path in same {
            // With the slashes of every other system's JSON.
            let name = last(path, parts).to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
            names.insert(path.to_owned(), name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_pictures_and_the_rest_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.png", "a.png"] {
            image::RgbImage::new(2, 2).save(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join("notes.txt"), "no picture").unwrap();
        let Jobs { jobs, folders } = collect(&[dir.path().into()], false).unwrap();
        let names: Vec<String> = jobs.iter().map(|job| file_name(job.path())).collect();
        assert_eq!(names, ["a.png", "b.png"]);
        assert_eq!((folders.len(), folders[0].1.other_files), (1, 1));
    }

    #[test]
    fn equal_names_are_told_apart_by_their_folders() {
        let paths = ["x/A/1.jpg", "x/B/1.jpg", "x/B/2.jpg", "/y/B/1.jpg"].map(PathBuf::from);
        let names = distinct_names(paths.iter().map(PathBuf::as_path));
        let of: Vec<&str> = paths.iter().map(|path| names[path].as_str()).collect();
        assert_eq!(of, ["x/A/1.jpg", "x/B/1.jpg", "2.jpg", "y/B/1.jpg"]);
        let alone = distinct_names([Path::new("a.jpg"), Path::new("a.jpg")].into_iter());
        assert_eq!(alone[Path::new("a.jpg")], "a.jpg");
    }
}
