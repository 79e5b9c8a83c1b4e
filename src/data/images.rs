//! The pictures that a set's annotations name: which are there, and how large they are.

use super::error::DataError;
use super::lenient::Number;
use super::set::DatasetImage;
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A picture as COCO's layout lists it.
#[derive(Deserialize)]
pub struct CocoImage {
    #[serde(default)]
    id: Number,
    file_name: String,
    #[serde(default)]
    width: Number,
    #[serde(default)]
    height: Number,
}

/// The pictures of an annotation file, sorted by what became of them.
pub struct Listed {
    /// Those that are there.
    pub images: Vec<DatasetImage>,
    /// Their indices in `images` by id.
    pub index: HashMap<u64, usize>,
    /// Names of those that are not there, by id.
    pub absent: HashMap<u64, String>,
    /// What is wrong with those whose size is neither stated nor readable, by index.
    pub unreadable: HashMap<usize, String>,
    /// A sentence on each entry without an id.
    pub nameless: Vec<String>,
}

/// Looks for the images that `entries` list in the folder `root`.
///
/// # Errors
/// The folder cannot be listed.
pub fn list(entries: Vec<CocoImage>, root: &Path) -> Result<Listed, DataError> {
    let mut folder = ImageFolder::open(root)?;
    let mut images = Vec::with_capacity(entries.len());
    let mut index = HashMap::with_capacity(entries.len());
    let (mut absent, mut nameless) = (HashMap::new(), Vec::new());
    for entry in entries {
        let Some(id) = entry.id.id() else {
            nameless.push(format!("{}: the picture has no id", entry.file_name));
            continue;
        };
        match folder.find(&entry.file_name) {
            Some(path) => {
                index.insert(id, images.len());
                images.push(DatasetImage { id, path, size: [entry.width.pixels(), entry.height.pixels()] });
            }
            None => {
                absent.insert(id, entry.file_name);
            }
        }
    }
    let unreadable = read_sizes(&mut images).into_iter().collect();
    Ok(Listed { images, index, absent, unreadable, nameless })
}

/// A picture folder and its subfolders, each listed once. 150,000 persons must load in seconds, on
/// network disks too, so there is no question to the file system for each picture.
pub struct ImageFolder {
    root: PathBuf,
    listed: HashMap<PathBuf, HashSet<OsString>>,
}

impl ImageFolder {
    /// # Errors
    /// The folder cannot be listed.
    pub fn open(root: &Path) -> Result<ImageFolder, DataError> {
        let entries = std::fs::read_dir(root)
            .map_err(|source| DataError::Read { path: root.display().to_string(), source })?;
        let listed = HashMap::from([(PathBuf::new(), names(entries))]);
        Ok(ImageFolder { root: root.into(), listed })
    }

    /// The path of a picture that is there.
    pub fn find(&mut self, name: &str) -> Option<PathBuf> {
        let name = Path::new(name);
        let (folder, file) = (name.parent()?, name.file_name()?);
        if !self.listed.contains_key(folder) {
            let inside = std::fs::read_dir(self.root.join(folder)).map(names).unwrap_or_default();
            self.listed.insert(folder.into(), inside);
        }
        self.listed.get(folder)?.contains(file).then(|| self.root.join(name))
    }
}

fn names(entries: std::fs::ReadDir) -> HashSet<OsString> {
    entries.filter_map(|e| e.ok().map(|e| e.file_name())).collect()
}

/// Reads the size of every picture whose `size` is not known from its own header: the mirror image and
/// the box's limits need it. The size of a picture without a readable header stays 0; what is wrong
/// with it is returned with its index.
pub fn read_sizes(images: &mut [DatasetImage]) -> Vec<(usize, String)> {
    let read = |(index, image): (usize, &mut DatasetImage)| {
        if !image.size.contains(&0) {
            return None;
        }
        let name = || image.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match image::ImageReader::open(&image.path)
            .and_then(|r| r.with_guessed_format())
            .map_err(|e| e.to_string())
            .and_then(|r| r.into_dimensions().map_err(|e| e.to_string()))
        {
            Ok((width, height)) if width > 0 && height > 0 => {
                image.size = [width, height];
                None
            }
            Ok(_) => Some((index, format!("{}: the picture is empty", name()))),
            Err(e) => Some((index, format!("{}: {e}", name()))),
        }
    };
    images.par_iter_mut().enumerate().filter_map(read).collect()
}
