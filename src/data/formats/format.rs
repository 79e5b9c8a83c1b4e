//! What a format of annotation files must do.

use super::files::DatasetFiles;
use crate::data::boxes::BoxSet;
use crate::data::error::DataError;
use crate::data::set::PoseSet;
use crate::pose::Skeleton;
use std::path::Path;

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
}

/// A format of files with boxes around people.
pub trait BoxFormat: Format {
    /// Reads the annotation file `files.file`.
    ///
    /// # Errors
    /// The file cannot be read or has another format, or its folder of images cannot be listed.
    fn read(&self, files: &DatasetFiles) -> Result<BoxSet, DataError>;
}
