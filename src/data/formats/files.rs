//! The files of a data set: where they lie, and how their names are read.

use crate::data::error::DataError;
use crate::data::lenient::first_character;
use std::io::Read;
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

/// Files of one part of a data set as programs export them, in the format whose files begin with `kind`: Roboflow keeps
/// `_annotations.coco.json` beside each part's images, CVAT names a task's only part `default`, Label Studio writes
/// `result.json` beside `images/`, COCO Annotator one file beside the images. The last three have no parts, so that any
/// `split` is the whole set.
pub(super) fn exported(root: &Path, kind: &str, split: &str) -> Option<DatasetFiles> {
    let parts: &[&str] = if split == "val" { &["valid", "val", "validation"] } else { &[split] };
    let roboflow = parts.iter().map(|part| root.join(part)).find(|folder| folder.join(ROBOFLOW).is_file());
    if let Some(folder) = roboflow {
        return Some(DatasetFiles { file: folder.join(ROBOFLOW), images: folder });
    }
    if !["train", "val"].contains(&split) {
        // Not a part of a set, but the name of some folder.
        return None;
    }
    for name in [ROBOFLOW, "result.json"] {
        if root.join(name).is_file() {
            let images = root.join("images");
            let images = if images.is_dir() { images } else { root.into() };
            return Some(DatasetFiles { file: root.join(name), images });
        }
    }
    let file = root.join(format!("annotations/{kind}_default.json"));
    if file.is_file() {
        return Some(DatasetFiles {
            images: image_folder(root, "default").unwrap_or_else(|| root.into()),
            file,
        });
    }
    only_coco_file(root).map(|file| DatasetFiles { file, images: root.into() })
}

/// Roboflow's name of an annotation file.
const ROBOFLOW: &str = "_annotations.coco.json";

/// The only JSON file in the folder `root` that begins like one of COCO's.
fn only_coco_file(root: &Path) -> Option<PathBuf> {
    let is_coco = |path: &PathBuf| {
        let mut head = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(COCO_HEAD).read_to_end(&mut head));
        let keys: [&[u8]; 2] = [b"\"images\"", b"\"annotations\""];
        let has = |key: &[u8]| head.windows(key.len()).any(|window| window == key);
        read.is_ok() && begins_with(&head, b'{') && keys.into_iter().any(has)
    };
    let entries = std::fs::read_dir(root).ok()?;
    let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut found = files.filter(|path| path.extension().is_some_and(|e| e == "json")).filter(is_coco);
    found.next().filter(|_| found.next().is_none())
}

/// So many bytes of a COCO file name one of its lists.
const COCO_HEAD: u64 = 4096;

/// Reads an annotation file as it stands.
pub(super) fn read_file(file: &Path) -> Result<Vec<u8>, DataError> {
    std::fs::read(file).map_err(|source| DataError::Read { path: file.display().to_string(), source })
}

/// A short name for tables: the data set's folder and what `split` makes of the file's name.
pub(super) fn title_of(file: &Path, split: impl Fn(&str) -> String) -> String {
    let file = &std::path::absolute(file).unwrap_or_else(|_| file.into());
    let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    if name(file).as_deref() == Some(ROBOFLOW) {
        // The part's folder, in the set's.
        let part = file.parent().and_then(name).unwrap_or_default();
        return file
            .parent()
            .and_then(Path::parent)
            .and_then(name)
            .map_or(part.clone(), |set| format!("{set}/{part}"));
    }
    let folder = file.parent().and_then(Path::parent).and_then(Path::file_name);
    match folder {
        Some(folder) => format!("{}/{}", folder.to_string_lossy(), split(&stem)),
        None => stem,
    }
}

/// Whether the first character of a JSON file is `wanted`.
pub(super) fn begins_with(head: &[u8], wanted: u8) -> bool {
    first_character(head) == Some(wanted)
}
