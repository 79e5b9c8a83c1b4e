//! Which files of a folder are pictures, and what else is in it.

use std::path::{Path, PathBuf};

use super::kind::{FileKind, quick_kind_of};
use super::{SourceError, natural_order};

/// The pictures of a folder, and how much of it is something else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderPictures {
    /// In natural order.
    pub pictures: Vec<PathBuf>,
    /// Videos and animations.
    pub videos: usize,
    /// Files that are neither picture nor video, or that are empty.
    pub other_files: usize,
    /// Pictures in formats that turned out not to be read.
    pub foreign: usize,
    /// Files and folders that cannot be read, links that lead nowhere.
    pub unreadable: usize,
    /// Folders in it whose pictures are not among these.
    pub subfolders: usize,
}

impl FolderPictures {
    /// What is left out, as a sentence about `folder`; none where nothing is.
    pub fn note(&self, folder: &Path) -> Option<String> {
        let parts = [
            (self.videos, "video", "videos"),
            (
                self.foreign,
                "picture of a format that this ffmpeg does not read",
                "pictures of formats that this ffmpeg does not read",
            ),
            (self.other_files, "other file", "other files"),
            (self.unreadable, "unreadable entry", "unreadable entries"),
            (self.subfolders, "subfolder", "subfolders"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, several)| format!("{count} {}", if count == 1 { one } else { several }))
            .collect();
        (!parts.is_empty())
            .then(|| format!("left out of the folder {}: {}", folder.display(), parts.join(", ")))
    }

    fn add(&mut self, folder: &Path, recursive: bool) -> Result<(), SourceError> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|e| SourceError::of_access(folder, &e))? {
            entries.push(entry.map_err(|e| SourceError::of_access(folder, &e))?);
        }
        entries.sort_by(|a, b| {
            natural_order::compare(&a.file_name().to_string_lossy(), &b.file_name().to_string_lossy())
        });
        for entry in entries {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            // Links to folders are not followed: they may lead back.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && recursive {
                self.unreadable += usize::from(self.add(&path, true).is_err());
            } else if path.is_dir() {
                self.subfolders += 1;
            } else {
                match quick_kind_of(&path) {
                    Ok(FileKind::Picture(_) | FileKind::ForeignPicture) => self.pictures.push(path),
                    Ok(FileKind::Video | FileKind::Animation(_)) => self.videos += 1,
                    Ok(FileKind::Other)
                    | Err(SourceError::EmptyFile { .. } | SourceError::NotAFile { .. }) => {
                        self.other_files += 1;
                    }
                    Err(_) => self.unreadable += 1,
                }
            }
        }
        Ok(())
    }
}

/// The pictures directly in `folder`, or in its subfolders too if it is `recursive`; hidden files are left out.
///
/// # Errors
/// [`SourceError::EmptyFolder`] without any picture, or [`SourceError::NotFound`], [`SourceError::Unreadable`].
pub fn pictures_in(folder: &Path, recursive: bool) -> Result<FolderPictures, SourceError> {
    let mut found = FolderPictures::default();
    found.add(folder, recursive)?;
    if found.pictures.is_empty() {
        return Err(SourceError::EmptyFolder { path: folder.to_owned() });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_told_by_content_and_the_rest_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        let png = b"\x89PNG\r\n\x1a\n0000";
        for name in ["b10.png", "b9.jpe", "no_ending", "more/c.png", "more/deep/d.png", ".hidden.png"] {
            write(name, png);
        }
        write("v.mp4", b"\0\0\0\x20ftypisom");
        write("notes.txt", b"hello");
        write("empty.jpg", b"");
        let found = pictures_in(dir.path(), false).unwrap();
        let names = |found: &FolderPictures| -> Vec<String> {
            let inside = found.pictures.iter().map(|path| path.strip_prefix(dir.path()).unwrap());
            inside.map(|path| path.to_str().unwrap().replace('\\', "/")).collect()
        };
        assert_eq!(names(&found), ["b9.jpe", "b10.png", "no_ending"]);
        let note = found.note(dir.path()).unwrap();
        assert!(note.ends_with(": 1 video, 2 other files, 1 subfolder"), "{note}");
        let all = pictures_in(dir.path(), true).unwrap();
        assert_eq!(names(&all), ["b9.jpe", "b10.png", "more/c.png", "more/deep/d.png", "no_ending"]);
        assert_eq!(all.subfolders, 0);
    }

    #[test]
    fn a_folder_without_pictures_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notes.txt"), "hello").unwrap();
        assert!(matches!(pictures_in(dir.path(), true), Err(SourceError::EmptyFolder { .. })));
    }
}
