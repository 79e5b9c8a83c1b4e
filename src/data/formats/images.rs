//! The images that annotations name: which are there, and how large they are.

use super::files::DatasetFiles;
use crate::data::error::DataError;
use crate::data::lenient::{Id, Number, text};
use crate::data::set::DatasetImage;
use crate::pose::Size;
use percent_encoding::percent_decode_str;
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use unicode_normalization::UnicodeNormalization;

/// An image as COCO's files list it.
#[derive(Default, Deserialize)]
pub struct CocoImage {
    #[serde(default)]
    id: Id,
    #[serde(default, deserialize_with = "text")]
    file_name: Option<String>,
    #[serde(default)]
    width: Number,
    #[serde(default)]
    height: Number,
    #[serde(default)]
    frame: Id,
}

impl CocoImage {
    /// Its id, its name, and the number of the frame where it is one of a video; none without id or name.
    pub fn named(self) -> Option<(u64, String, Option<u64>)> {
        Some((self.id.0?, self.file_name?, self.frame.0))
    }
}

/// The images of an annotation file, sorted by what became of them.
pub struct ImageList {
    /// Those that are there.
    pub images: Vec<DatasetImage>,
    /// Their indices in `images` by id.
    pub index: HashMap<u64, usize>,
    /// Names of those that are not there, by id.
    pub absent: HashMap<u64, String>,
    /// Ids of those without a file name.
    pub nameless: HashSet<u64>,
    /// What is wrong with those whose size is neither stated nor readable, by index.
    pub unreadable: HashMap<usize, String>,
    /// A sentence on each entry without an id.
    pub without_id: Vec<String>,
}

impl ImageList {
    /// Looks for the images that `entries` name.
    ///
    /// # Errors
    /// The folder of images cannot be listed.
    pub fn find(entries: Vec<CocoImage>, files: &DatasetFiles) -> Result<ImageList, DataError> {
        let mut folders = ImageFolders::open(files)?;
        let mut found = Vec::with_capacity(entries.len());
        let (mut absent, mut nameless) = (HashMap::new(), HashSet::new());
        let mut without_id = Vec::new();
        for (number, entry) in entries.into_iter().enumerate() {
            let Some(id) = entry.id.0 else {
                let name = entry.file_name.unwrap_or_else(|| format!("picture number {}", number + 1));
                without_id.push(format!("{name}: the picture has no id"));
                continue;
            };
            let Some(name) = entry.file_name else {
                nameless.insert(id);
                continue;
            };
            match folders.find(&name) {
                Some(path) => {
                    let size = Size::new(entry.width.pixels(), entry.height.pixels());
                    found.push((name, DatasetImage { id, path, size }));
                }
                None => {
                    absent.insert(id, name);
                }
            }
        }
        let doubtful = found_under_two_names(&found);
        let (mut images, mut index) = (Vec::with_capacity(found.len()), HashMap::with_capacity(found.len()));
        for (name, image) in found {
            if doubtful.contains(&image.path) && !image.path.ends_with(&name) {
                absent.insert(image.id, name);
            } else {
                index.insert(image.id, images.len());
                images.push(image);
            }
        }
        let unreadable = read_sizes(&mut images);
        Ok(ImageList { images, index, absent, nameless, unreadable, without_id })
    }
}

/// Files that were found for two names: in different folders of which one is not there, say.
fn found_under_two_names(found: &[(String, DatasetImage)]) -> HashSet<PathBuf> {
    let mut names: HashMap<&Path, &str> = HashMap::with_capacity(found.len());
    let mut doubtful = HashSet::new();
    for (name, image) in found {
        if *names.entry(&image.path).or_insert(name) != name {
            doubtful.insert(image.path.clone());
        }
    }
    doubtful
}

/// The folders that the names of a set's images may count from: that of its images, its own, and that of the annotation
/// file.
pub struct ImageFolders(Vec<ImageFolder>);

impl ImageFolders {
    /// Lists the folders.
    ///
    /// # Errors
    /// The folder of images cannot be listed.
    pub fn open(files: &DatasetFiles) -> Result<ImageFolders, DataError> {
        let mut folders = vec![ImageFolder::open(&files.images)?];
        let file = std::path::absolute(&files.file).unwrap_or_else(|_| files.file.clone());
        let beside = file.parent();
        for other in [beside.and_then(Path::parent), beside].into_iter().flatten() {
            // It is another place to look, no more.
            folders.extend(ImageFolder::open(other).ok());
        }
        Ok(ImageFolders(folders))
    }

    /// The path of an image that is there. Names with backslashes, names that count from another folder or another
    /// machine's root, other letter case and other Unicode forms are found as well, the exact name first.
    pub fn find(&mut self, name: &str) -> Option<PathBuf> {
        let found = self.find_plain(name);
        // Some programs write names as in an address.
        found.or_else(|| {
            let decoded = percent_decode_str(name).decode_utf8().ok().filter(|decoded| *decoded != name)?;
            self.find_plain(&decoded)
        })
    }

    fn find_plain(&mut self, name: &str) -> Option<PathBuf> {
        let name = name.replace('\\', "/");
        let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
        for same in [ImageFolder::exact as SameName, ImageFolder::similar] {
            for first in 0..parts.len() {
                let found = self.0.iter_mut().find_map(|folder| folder.find(&parts[first..], same));
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }
}

/// A folder of images and its subfolders, each listed once. 150,000 persons must load in seconds, on network disks
/// too, so the file system is not asked about each image.
struct ImageFolder {
    root: PathBuf,
    listed: HashMap<PathBuf, Listing>,
}

/// How a name is found in a listed folder.
type SameName = fn(&ImageFolder, &Path, &str) -> Option<OsString>;

/// What is in a folder.
#[derive(Default)]
struct Listing {
    names: HashSet<OsString>,
    /// The names by how they are compared without regard to case and Unicode form; none where two are the same then.
    similar: HashMap<String, Option<OsString>>,
}

impl ImageFolder {
    fn open(root: &Path) -> Result<ImageFolder, DataError> {
        let entries = std::fs::read_dir(root)
            .map_err(|source| DataError::Read { path: root.display().to_string(), source })?;
        let listed = HashMap::from([(PathBuf::new(), Listing::of(entries))]);
        Ok(ImageFolder { root: root.into(), listed })
    }

    /// The path whose parts are those given, as `same` finds each in its folder.
    fn find(&mut self, parts: &[&str], same: SameName) -> Option<PathBuf> {
        let (file, folders) = parts.split_last()?;
        let mut path = PathBuf::new();
        for part in folders {
            let inside = same(self, &path, part)?;
            path.push(inside);
            if !self.listed.contains_key(&path) {
                let listing = std::fs::read_dir(self.root.join(&path)).map(Listing::of).unwrap_or_default();
                self.listed.insert(path.clone(), listing);
            }
        }
        let file = same(self, &path, file)?;
        Some(self.root.join(path).join(file))
    }

    fn exact(&self, folder: &Path, name: &str) -> Option<OsString> {
        self.listed.get(folder)?.names.get(OsStr::new(name)).cloned()
    }

    fn similar(&self, folder: &Path, name: &str) -> Option<OsString> {
        self.listed.get(folder)?.similar.get(&folded(name)).cloned().flatten()
    }
}

impl Listing {
    fn of(entries: std::fs::ReadDir) -> Listing {
        let names: HashSet<OsString> = entries.filter_map(|e| e.ok().map(|e| e.file_name())).collect();
        let mut similar: HashMap<String, Option<OsString>> = HashMap::with_capacity(names.len());
        for name in &names {
            let key = folded(&name.to_string_lossy());
            similar.entry(key).and_modify(|other| *other = None).or_insert_with(|| Some(name.clone()));
        }
        Listing { names, similar }
    }
}

/// A name as it is compared without regard to case and Unicode form.
fn folded(name: &str) -> String {
    if name.is_ascii() { name.to_ascii_lowercase() } else { name.nfc().collect::<String>().to_lowercase() }
}

/// Reads the size of every image whose `size` is not stated from its own header: the mirror image and the box's
/// limits need it. The size of an image without a readable header stays empty; what is wrong with it is returned by
/// its index.
pub fn read_sizes(images: &mut [DatasetImage]) -> HashMap<usize, String> {
    let read = |(index, entry): (usize, &mut DatasetImage)| {
        if !entry.size.is_empty() {
            return None;
        }
        let name = || entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match image::ImageReader::open(&entry.path)
            .and_then(|r| r.with_guessed_format())
            .map_err(|e| e.to_string())
            .and_then(|r| r.into_dimensions().map_err(|e| e.to_string()))
        {
            Ok(size) if !Size::from(size).is_empty() => {
                entry.size = size.into();
                None
            }
            Ok(_) => Some((index, format!("{}: the picture is empty", name()))),
            Err(e) => Some((index, format!("{}: {e}", name()))),
        }
    };
    images.par_iter_mut().enumerate().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A set's folder with these files, and what is found there by names of the annotation file.
    fn found(there: &[&str], names: &[&str]) -> Vec<Option<String>> {
        let dir = tempfile::tempdir().unwrap();
        for file in there {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        let files =
            DatasetFiles { file: dir.path().join("annotations/a.json"), images: dir.path().join("images") };
        let mut folders = ImageFolders::open(&files).unwrap();
        let inside = |path: PathBuf| path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned();
        names.iter().map(|name| folders.find(name).map(inside)).collect()
    }

    #[test]
    fn images_are_found_however_their_names_are_written() {
        let there = ["images/a.jpg", "images/train/b.JPG", "images/la\u{308}ufer.jpg", "extra/c.jpg"];
        let names = [
            "a.jpg",
            "images/a.jpg",
            "images\\a.jpg",
            "./images//a.jpg",
            "C:\\Users\\me\\set\\images\\a.jpg",
            "/home/me/set/images/a.jpg",
            "A.JPG",
            "Train/b.jpg",
            "l\u{e4}ufer.jpg",
            "extra/c.jpg",
            "../extra/c.jpg",
            "file:///home/me/images/%61.jpg",
            "c.jpg",
            "",
            "/",
        ];
        let (a, b) = (Some("images/a.jpg"), Some("images/train/b.JPG"));
        let (umlaut, c) = (Some("images/la\u{308}ufer.jpg"), Some("extra/c.jpg"));
        let expected = [a, a, a, a, a, a, a, b, umlaut, c, c, a, None, None, None];
        assert_eq!(found(&there, &names), expected.map(|path| path.map(str::to_owned)));
    }

    #[test]
    fn of_names_that_differ_in_case_the_exact_one_is_meant() {
        let there = ["images/a.jpg", "images/A.jpg"];
        let names = |found: &Option<String>| found.clone().unwrap_or_default();
        let found = found(&there, &["a.jpg", "A.jpg", "a.JPG"]);
        assert_eq!(found.iter().map(names).collect::<Vec<_>>(), ["images/a.jpg", "images/A.jpg", ""]);
    }
}
