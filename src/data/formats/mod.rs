//! Formats of annotation files.
//!
//! A format is a file of this folder that implements [`PoseFormat`] or [`BoxFormat`], and a line in
//! [`POSE_FORMATS`] or [`BOX_FORMATS`]: nothing else names it. Which format a file has is decided once, when it is
//! found; readers never guess.

mod categories;
mod coco;
mod coco_boxes;
mod coco_keypoints;
mod detections;
mod files;
mod find;
mod format;
mod images;
mod mpii;
mod named_boxes;

pub use categories::PersonCategories;
#[cfg(test)]
pub(crate) use coco_keypoints::CocoKeypoints;
pub use detections::{DetectionList, ListedDetection, usable_box};
pub use files::DatasetFiles;
pub use find::{find_boxes, find_poses, splits};
pub use format::{BoxFormat, Format, PoseFormat};
pub use named_boxes::{NamedBoxes, NamedImage};

/// Formats with keypoints. In a folder that has files of several formats the first one is read: a folder with
/// both COCO's and MPII's files is a COCO data set that was converted.
pub const POSE_FORMATS: [&dyn PoseFormat; 2] = [&coco_keypoints::CocoKeypoints, &mpii::Mpii];

/// Formats with boxes around people.
pub const BOX_FORMATS: [&dyn BoxFormat; 1] = [&coco_boxes::CocoBoxes];
