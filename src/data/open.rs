//! Opening a data set: its annotation file and its format are found, then it is read.

use super::boxes::BoxSet;
use super::error::DataError;
use super::formats::{find_boxes, find_poses};
use super::set::PoseSet;
use crate::pose::Skeleton;
use std::path::Path;

impl PoseSet {
    /// Finds the annotation file and the pictures of `wanted` and reads them, with the joints of
    /// `skeleton`: those that the set knows by name, some middles of two, and the others without
    /// labels.
    ///
    /// `wanted` is an annotation file, a set's folder (then `split`, "train" or "val", is read), or
    /// `FOLDER/train`, `FOLDER/val`, which name the split themselves. COCO's own names
    /// (`person_keypoints_val2017.json`, `val2017/`) and MPII's (`annot/valid.json`) are found too.
    ///
    /// # Errors
    /// There is no such set, its file cannot be read, or nobody in it can be used.
    pub fn open(wanted: &Path, split: &str, skeleton: &Skeleton) -> Result<PoseSet, DataError> {
        PoseSet::open_as_declared(wanted, split, Some(skeleton))?.with_joints_of(skeleton)
    }

    /// As [`PoseSet::open`], with the joints that the set itself declares. `expected` is believed to
    /// be the skeleton of a set that declares none and has as many joints.
    ///
    /// # Errors
    /// There is no such set, its file cannot be read, or nobody in it can be used.
    pub fn open_as_declared(
        wanted: &Path,
        split: &str,
        expected: Option<&Skeleton>,
    ) -> Result<PoseSet, DataError> {
        let (files, format) = find_poses(wanted, split)?;
        format.read(&files, expected)?.unless_empty()
    }
}

impl BoxSet {
    /// Finds the annotation file and the pictures of `wanted` and reads them. `wanted` is an annotation file, a
    /// set's folder (then `split`, "train" or "val", is read), or `FOLDER/train`, `FOLDER/val`, which name the
    /// split themselves. COCO's own names (`instances_val2017.json`, `val2017/`) are found too.
    ///
    /// # Errors
    /// There is no such set, its file cannot be read, or it has no usable picture.
    pub fn open(wanted: &Path, split: &str) -> Result<BoxSet, DataError> {
        let (files, format) = find_boxes(wanted, split)?;
        let set = format.read(&files)?;
        if set.images.is_empty() {
            let left_out = set.report.summary();
            let left_out = if left_out.is_empty() { left_out } else { format!(" ({left_out})") };
            return Err(DataError::NoPictures { path: set.file.display().to_string(), left_out });
        }
        Ok(set)
    }
}
