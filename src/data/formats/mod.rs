//! Formats of annotation files.
//!
//! A format is a file of this folder that implements [`PoseFormat`] or [`BoxFormat`], and a line in
//! [`POSE_FORMATS`] or [`BOX_FORMATS`]: nothing else names it. Which format a file has is decided once, when it is
//! found; readers never guess.

mod coco;
mod coco_boxes;
mod coco_keypoints;
mod find;
mod images;
mod lenient;
mod mpii;

pub use coco::PERSON_CATEGORY;
#[cfg(test)]
pub(crate) use coco_keypoints::CocoKeypoints;
pub use find::{DatasetFiles, find_boxes, find_poses, splits};

use super::boxes::BoxSet;
use super::error::DataError;
use super::set::PoseSet;
use crate::pose::{Size, Skeleton};
use crate::vision::BBox;
use std::path::Path;

/// Formats with keypoints. In a folder that has files of several formats the first one is read: a folder with
/// both COCO's and MPII's files is a COCO data set that was converted.
pub const POSE_FORMATS: [&dyn PoseFormat; 2] = [&coco_keypoints::CocoKeypoints, &mpii::Mpii];

/// Formats with boxes around people.
pub const BOX_FORMATS: [&dyn BoxFormat; 1] = [&coco_boxes::CocoBoxes];

/// How annotation files of a format are found and named.
pub trait Format: Sync {
    /// What messages call the format, e.g. "COCO's keypoint layout".
    fn name(&self) -> &'static str;

    /// Looks for the annotation file and the images of `split` ("train" or "val") in the folder `root`.
    fn find(&self, root: &Path, split: &str) -> Option<DatasetFiles>;

    /// The files that [`Format::find`] looks for, for a message.
    fn expected_files(&self, split: &str) -> String;

    /// Whether a file that begins with `head` can have this format.
    fn accepts(&self, head: &[u8]) -> bool;

    /// A short name for tables: the data set's folder and the split, e.g. `people_coco/val`.
    fn title(&self, file: &Path) -> String;
}

/// A format of files with keypoints.
pub trait PoseFormat: Format {
    /// Reads the annotation file `files.file`. `expected` stands in for a skeleton that the file does not declare.
    ///
    /// # Errors
    /// The file cannot be read or has another format, or its folder of images cannot be listed.
    fn read(&self, files: &DatasetFiles, expected: Option<&Skeleton>) -> Result<PoseSet, DataError>;

    /// The share of a box, 0 to 1, that may lie outside of its image before `tmpose data check` names it.
    fn outside_limit(&self) -> f32;
}

/// A format of files with boxes around people.
pub trait BoxFormat: Format {
    /// Reads the annotation file `files.file`.
    ///
    /// # Errors
    /// The file cannot be read or has another format, or its folder of images cannot be listed.
    fn read(&self, files: &DatasetFiles) -> Result<BoxSet, DataError>;
}

impl std::fmt::Debug for dyn PoseFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::fmt::Debug for dyn BoxFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for dyn PoseFormat {
    fn eq(&self, other: &dyn PoseFormat) -> bool {
        self.name() == other.name()
    }
}

impl PartialEq for dyn BoxFormat {
    fn eq(&self, other: &dyn BoxFormat) -> bool {
        self.name() == other.name()
    }
}

/// Reads an annotation file as it stands.
fn read_file(file: &Path) -> Result<Vec<u8>, DataError> {
    std::fs::read(file).map_err(|source| DataError::Read { path: file.display().to_string(), source })
}

/// A short name for tables: the data set's folder and what `split` makes of the file's name.
fn title_of(file: &Path, split: impl Fn(&str) -> String) -> String {
    let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = file.parent().and_then(Path::parent).and_then(Path::file_name);
    match folder {
        Some(folder) => format!("{}/{}", folder.to_string_lossy(), split(&stem)),
        None => stem,
    }
}

/// Whether the first character of a JSON file is `wanted`.
fn begins_with(head: &[u8], wanted: u8) -> bool {
    head.iter().find(|b| !b.is_ascii_whitespace()) == Some(&wanted)
}

/// The share of the box, 0 to 1, that lies outside of an image of `size`.
fn outside_share(bbox: &BBox, size: Size) -> f32 {
    let inside = bbox.intersected(size).map_or(0.0, |b| b.area());
    1.0 - inside / bbox.area()
}
