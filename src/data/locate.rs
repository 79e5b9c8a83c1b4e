//! Where a set's annotations and pictures lie.

use std::path::{Path, PathBuf};

/// The two files of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetFiles {
    /// The annotation file.
    pub file: PathBuf,
    /// The folder that its picture names count from.
    pub images: PathBuf,
}

/// Finds the annotation file and the pictures of `wanted`: an annotation file, a set's folder (then
/// `split`, "train" or "val", is meant), or `FOLDER/train`, `FOLDER/val`, which name the split
/// themselves.
pub fn locate(wanted: &Path, split: &str) -> Option<DatasetFiles> {
    locate_by(wanted, split, split_of)
}

/// As [`locate`] for sets of boxes, `annotations/instances_{split}.json`.
pub fn locate_boxes(wanted: &Path, split: &str) -> Option<DatasetFiles> {
    locate_by(wanted, split, |root, split| coco_split(root, "instances", split))
}

fn locate_by(
    wanted: &Path,
    split: &str,
    split_of: fn(&Path, &str) -> Option<DatasetFiles>,
) -> Option<DatasetFiles> {
    if wanted.is_file() {
        let stem = wanted.file_stem()?.to_string_lossy().into_owned();
        let split = stem.rsplit('_').next().unwrap_or(split).to_string();
        let root = wanted.parent()?.parent().unwrap_or(Path::new("."));
        let images = image_folder(root, &split).or_else(|| wanted.parent().map(Path::to_path_buf))?;
        return Some(DatasetFiles { file: wanted.into(), images });
    }
    if wanted.is_dir()
        && let Some(found) = split_of(wanted, split)
    {
        return Some(found);
    }
    // FOLDER/val names the split itself.
    let named = wanted.file_name()?.to_string_lossy().into_owned();
    split_of(wanted.parent()?, &named)
}

/// The parts of the set that `wanted` means, each to be opened by itself: those of a folder, "train"
/// before "val", or the one that `wanted` names.
pub fn splits(wanted: &Path) -> Vec<PathBuf> {
    let parts = ["train", "val"].into_iter().filter(|split| split_of(wanted, split).is_some());
    let parts: Vec<PathBuf> = parts.map(|split| wanted.join(split)).collect();
    if parts.is_empty() { vec![wanted.into()] } else { parts }
}

/// COCO's names before MPII's: a folder that has both is a COCO set that was converted.
fn split_of(root: &Path, split: &str) -> Option<DatasetFiles> {
    if let Some(coco) = coco_split(root, "person_keypoints", split) {
        return Some(coco);
    }
    let mpii_name = if split == "val" { "valid" } else { split };
    let mpii = [format!("annot/{mpii_name}.json"), format!("annotations/mpii_{split}.json")];
    place(root, mpii.into_iter().map(|file| (root.join(file), mpii_name.to_string())))
}

/// COCO's files: `annotations/{kind}_train.json`, or with the year.
fn coco_split(root: &Path, kind: &str, split: &str) -> Option<DatasetFiles> {
    let names = [split.to_string(), format!("{split}2017")].into_iter();
    place(root, names.map(|name| (root.join("annotations").join(format!("{kind}_{name}.json")), name)))
}

/// The first file that is there and has a folder of pictures.
fn place(root: &Path, mut files: impl Iterator<Item = (PathBuf, String)>) -> Option<DatasetFiles> {
    files.find_map(|(file, name)| {
        file.is_file().then_some(())?;
        Some(DatasetFiles { images: image_folder(root, &name)?, file })
    })
}

fn image_folder(root: &Path, split: &str) -> Option<PathBuf> {
    [root.join("images").join(split), root.join(split), root.join("images")].into_iter().find(|p| p.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(root: &Path, wanted: &str, split: &str) -> Option<String> {
        let place = locate(&root.join(wanted), split)?;
        Some(place.file.strip_prefix(root).unwrap().display().to_string().replace('\\', "/"))
    }

    #[test]
    fn mpii_calls_its_validation_part_valid() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in ["annot", "images"] {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        for file in ["train", "valid", "valid_pckh"] {
            std::fs::write(root.join(format!("annot/{file}.json")), "[]").unwrap();
        }
        assert_eq!(found(root, "", "train").unwrap(), "annot/train.json");
        assert_eq!(found(root, "", "val").unwrap(), "annot/valid.json");
        assert_eq!(found(root, "val", "train").unwrap(), "annot/valid.json");
        assert_eq!(found(root, "valid", "train").unwrap(), "annot/valid.json");
        assert_eq!(found(root, "annot/valid_pckh.json", "train").unwrap(), "annot/valid_pckh.json");
        assert_eq!(locate(&root.join("annot/valid_pckh.json"), "train").unwrap().images, root.join("images"));
        assert_eq!(found(root, "test", "train"), None);
        assert_eq!(splits(root), [root.join("train"), root.join("val")]);
        assert_eq!(splits(&root.join("val")), [root.join("val")]);
    }
}
