//! The images that annotations name: which are there, and how large they are.

use super::lenient::Number;
use crate::data::error::DataError;
use crate::data::set::DatasetImage;
use crate::pose::Size;
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// An image as COCO's files list it.
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

/// The images of an annotation file, sorted by what became of them.
pub struct ImageList {
    /// Those that are there.
    pub images: Vec<DatasetImage>,
    /// Their indices in `images` by id.
    pub index: HashMap<u64, usize>,
    /// Names of those that are not there, by id.
    pub absent: HashMap<u64, String>,
    /// What is wrong with those whose size is neither stated nor readable, by index.
    pub unreadable: HashMap<usize, String>,
    /// A sentence on each entry without an id.
    pub without_id: Vec<String>,
}

impl ImageList {
    /// Looks for the images that `entries` name in the folder `root`.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn find(entries: Vec<CocoImage>, root: &Path) -> Result<ImageList, DataError> {
        let mut folder = ImageFolder::open(root)?;
        let mut images = Vec::with_capacity(entries.len());
        let mut index = HashMap::with_capacity(entries.len());
        let (mut absent, mut without_id) = (HashMap::new(), Vec::new());
        for entry in entries {
            let Some(id) = entry.id.id() else {
                without_id.push(format!("{}: the picture has no id", entry.file_name));
                continue;
            };
            match folder.find(&entry.file_name) {
                Some(path) => {
                    index.insert(id, images.len());
                    let size = Size::new(entry.width.pixels(), entry.height.pixels());
                    images.push(DatasetImage { id, path, size });
                }
                None => {
                    absent.insert(id, entry.file_name);
                }
            }
        }
        let unreadable = read_sizes(&mut images);
        Ok(ImageList { images, index, absent, unreadable, without_id })
    }
}

/// A folder of images and its subfolders, each listed once. 150,000 persons must load in seconds, on network disks
/// too, so the file system is not asked about each image.
pub struct ImageFolder {
    root: PathBuf,
    listed: HashMap<PathBuf, HashSet<OsString>>,
}

impl ImageFolder {
    /// Lists the folder `root`.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn open(root: &Path) -> Result<ImageFolder, DataError> {
        let entries = std::fs::read_dir(root)
            .map_err(|source| DataError::Read { path: root.display().to_string(), source })?;
        let listed = HashMap::from([(PathBuf::new(), names(entries))]);
        Ok(ImageFolder { root: root.into(), listed })
    }

    /// The path of an image that is there.
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
