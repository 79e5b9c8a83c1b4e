//! Keypoints, skeletons, poses and sizes: the terms that every other folder uses.

mod joint_map;
mod joint_name;
mod names;
mod oks;
pub mod size;
mod skeleton;

pub use joint_map::{DERIVED_WEIGHT, JointMap, JointSource};
pub use joint_name::{JointName, Side};
pub use names::{UnknownName, find_by_name};
pub use oks::{joint_similarity, oks_between, oks_of_confident};
pub use size::{Size, SizeError};
pub use skeleton::{BuiltinSkeleton, CropShape, Skeleton, SkeletonError};

/// One estimated or annotated joint, in pixels of the picture that the pose belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Keypoint {
    /// Column, 0 at the centre of the leftmost pixel.
    pub x: f32,
    /// Row, 0 at the centre of the top pixel.
    pub y: f32,
    /// Estimates: the heatmap's value at its maximum (about 0 to 1). Annotations: 0 not labelled,
    /// else above 0.
    pub score: f32,
}

/// The joints of one person, in the order of its [`Skeleton`].
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pose {
    /// One for each joint, J of them.
    pub keypoints: Vec<Keypoint>,
    /// Confidence of the whole person: the mean of the joint scores above 0.2 times the box score
    /// (docs/METHOD.md, "Rescoring and NMS").
    pub score: f32,
}
