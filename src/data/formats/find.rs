//! Where a data set's annotations and images lie, and which format its file has.

use super::files::{DatasetFiles, image_folder};
use super::{BOX_FORMATS, BoxFormat, Format, POSE_FORMATS, PoseFormat};
use crate::data::error::DataError;
use std::io::Read;
use std::path::{Path, PathBuf};

/// So many bytes of a file tell its format.
const HEAD: u64 = 256;

/// Finds the annotation file and the images of `wanted`: an annotation file, a data set's folder (then `split`,
/// "train" or "val", is meant), or `FOLDER/train`, `FOLDER/val`, which name the split themselves.
///
/// # Errors
/// There is no such data set.
pub fn find_poses(wanted: &Path, split: &str) -> Result<(DatasetFiles, &'static dyn PoseFormat), DataError> {
    find_in(&POSE_FORMATS, wanted, split).ok_or_else(|| DataError::NotFound {
        what: "annotations",
        wanted: wanted.display().to_string(),
        files: expected_files(&POSE_FORMATS, split),
    })
}

/// As [`find_poses`] for boxes around people.
///
/// # Errors
/// There is no such data set.
pub fn find_boxes(wanted: &Path, split: &str) -> Result<(DatasetFiles, &'static dyn BoxFormat), DataError> {
    find_in(&BOX_FORMATS, wanted, split).ok_or_else(|| DataError::NotFound {
        what: "boxes",
        wanted: wanted.display().to_string(),
        files: expected_files(&BOX_FORMATS, split),
    })
}

/// The parts of the data set that `wanted` means, each to be opened by itself: those of a folder, "train"
/// before "val", or the one that `wanted` names.
pub fn splits(wanted: &Path) -> Vec<PathBuf> {
    let is_there = |split: &&str| POSE_FORMATS.iter().any(|format| format.find(wanted, split).is_some());
    let parts: Vec<PathBuf> =
        ["train", "val"].into_iter().filter(is_there).map(|split| wanted.join(split)).collect();
    if parts.is_empty() { vec![wanted.into()] } else { parts }
}

fn find_in<F: Format + ?Sized>(
    formats: &[&'static F],
    wanted: &Path,
    split: &str,
) -> Option<(DatasetFiles, &'static F)> {
    if wanted.is_file() {
        let stem = wanted.file_stem()?.to_string_lossy().into_owned();
        let split = stem.rsplit('_').next().unwrap_or(split).to_string();
        // A bare name has no folders above it.
        let file = std::path::absolute(wanted).ok()?;
        let (beside, above) = (file.parent()?, file.parent().and_then(Path::parent));
        let images = Some(beside.join("images"))
            .filter(|images| images.is_dir())
            .or_else(|| image_folder(above?, &split))
            .unwrap_or_else(|| beside.into());
        let files = DatasetFiles { file: wanted.into(), images };
        let format = format_of(formats, &files.file, formats.first().copied()?);
        return Some((files, format));
    }
    let of_split = |root: &Path, split: &str| {
        let found = formats.iter().find_map(|format| Some((format.find(root, split)?, *format)));
        found.map(|(files, named)| {
            let format = format_of(formats, &files.file, named);
            (files, format)
        })
    };
    if wanted.is_dir()
        && let Some(found) = of_split(wanted, split)
    {
        return Some(found);
    }
    // FOLDER/val names the split itself.
    let named = wanted.file_name()?.to_string_lossy().into_owned();
    of_split(wanted.parent()?, &named)
}

/// The format of a file: the `likely` one if it accepts how the file begins, else the first that does. A file that
/// none accepts counts as the likely one, whose reader then says what is wrong.
fn format_of<F: Format + ?Sized>(formats: &[&'static F], file: &Path, likely: &'static F) -> &'static F {
    let mut head = Vec::new();
    // A file that cannot be read is named when its annotations are.
    let _ = std::fs::File::open(file).and_then(|f| f.take(HEAD).read_to_end(&mut head));
    let candidates = std::iter::once(likely).chain(formats.iter().copied());
    candidates.into_iter().find(|format| format.accepts(&head)).unwrap_or(likely)
}

fn expected_files<F: Format + ?Sized>(formats: &[&'static F], split: &str) -> String {
    let files: Vec<String> = formats.iter().map(|format| format.expected_files(split)).collect();
    files.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(root: &Path, wanted: &str, split: &str) -> Option<String> {
        let (files, _) = find_poses(&root.join(wanted), split).ok()?;
        Some(files.file.strip_prefix(root).unwrap().display().to_string().replace('\\', "/"))
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
        let files = find_poses(&root.join("annot/valid_pckh.json"), "train").unwrap().0;
        assert_eq!(files.images, root.join("images"));
        assert_eq!(found(root, "test", "train"), None);
        assert_eq!(splits(root), [root.join("train"), root.join("val")]);
        assert_eq!(splits(&root.join("val")), [root.join("val")]);
    }

    #[test]
    fn a_file_under_any_name_has_the_format_that_accepts_how_it_begins() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine.json");
        let name_of = |text: &str| {
            std::fs::write(&file, text).unwrap();
            find_poses(&file, "val").unwrap().1.name()
        };
        assert_eq!(name_of("{\"images\": []}"), "COCO's keypoint layout");
        assert_eq!(name_of("\n [{\"image\": \"a.jpg\"}]"), "the layout of HRNet's MPII files");
        assert_eq!(name_of("MATLAB 5.0 MAT-file"), "the layout of HRNet's MPII files");
        assert_eq!(name_of("no format at all"), "COCO's keypoint layout");
        assert_eq!(find_boxes(&file, "val").unwrap().1.name(), "COCO's layout of boxes");
    }

    #[test]
    fn exports_of_other_programs_are_found() {
        let file = |path: &Path, text: &str| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let coco = "{\"images\": [], \"annotations\": []}";
        let files_of = |names: &[&str], wanted: &str, split: &str| {
            let dir = tempfile::tempdir().unwrap();
            names.iter().for_each(|name| file(&dir.path().join(name), coco));
            let found = find_poses(&dir.path().join(wanted), split).ok()?.0;
            let inside =
                |path: &Path| path.strip_prefix(dir.path()).unwrap().to_str().unwrap().replace('\\', "/");
            Some((inside(&found.file), inside(&found.images)))
        };
        let pair = |file: &str, images: &str| Some((file.to_owned(), images.to_owned()));
        let roboflow = ["train/_annotations.coco.json", "valid/_annotations.coco.json"];
        assert_eq!(files_of(&roboflow, "", "val"), pair(roboflow[1], "valid"));
        assert_eq!(files_of(&roboflow, "train", "val"), pair(roboflow[0], "train"));
        let cvat = ["annotations/person_keypoints_default.json", "images/default/a.jpg"];
        assert_eq!(files_of(&cvat, "", "val"), pair(cvat[0], "images/default"));
        let label_studio = ["result.json", "images/a.jpg"];
        assert_eq!(files_of(&label_studio, "", "train"), pair("result.json", "images"));
        assert_eq!(files_of(&label_studio, "result.json", "train"), pair("result.json", "images"));
        assert_eq!(files_of(&["people-3.json", "a.jpg"], "", "val"), pair("people-3.json", ""));
        assert_eq!(files_of(&["one.json", "two.json"], "", "val"), None, "which of them is not known");
        assert_eq!(files_of(&["one.json", "sub/a.jpg"], "sub", "val"), None, "another folder's file");
    }
}
