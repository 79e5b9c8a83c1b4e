//! The files of a data set: where they lie, and how their names are read.

use crate::data::error::DataError;
use std::path::{Path, PathBuf};

/// An annotation file and the images that it names.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetFiles {
    /// The annotation file.
    pub file: PathBuf,
    /// The folder that the names of its images count from.
    pub images: PathBuf,
}

/// The first of the files `candidates` below `root` that is there and has a folder of images. Each comes with the
/// name of its split.
pub(super) fn first_of(
    root: &Path,
    candidates: impl IntoIterator<Item = (String, String)>,
) -> Option<DatasetFiles> {
    candidates.into_iter().find_map(|(name, split)| {
        let file = root.join(name);
        file.is_file().then_some(())?;
        Some(DatasetFiles { images: image_folder(root, &split)?, file })
    })
}

/// The folder of images of `split` in the folder `root`, as COCO and this program lay them out.
pub(super) fn image_folder(root: &Path, split: &str) -> Option<PathBuf> {
    [root.join("images").join(split), root.join(split), root.join("images")].into_iter().find(|p| p.is_dir())
}

/// Reads an annotation file as it stands.
pub(super) fn read_file(file: &Path) -> Result<Vec<u8>, DataError> {
    std::fs::read(file).map_err(|source| DataError::Read { path: file.display().to_string(), source })
}

/// A short name for tables: the data set's folder and what `split` makes of the file's name.
pub(super) fn title_of(file: &Path, split: impl Fn(&str) -> String) -> String {
    let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = file.parent().and_then(Path::parent).and_then(Path::file_name);
    match folder {
        Some(folder) => format!("{}/{}", folder.to_string_lossy(), split(&stem)),
        None => stem,
    }
}

/// Whether the first character of a JSON file is `wanted`.
pub(super) fn begins_with(head: &[u8], wanted: u8) -> bool {
    head.iter().find(|b| !b.is_ascii_whitespace()) == Some(&wanted)
}
