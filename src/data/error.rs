//! Why data cannot be used.

use crate::pose::SkeletonError;
use crate::synth::SetError;

/// Why a set cannot be used. Each message is one sentence that says what to do.
// The fields are the words of the messages.
#[allow(missing_docs)]
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    /// A file contradicts its format.
    #[error("{path} is not in {layout}: {source}")]
    Parse { path: String, layout: &'static str, source: serde_json::Error },
    /// An annotation file in MATLAB's format.
    #[error(
        "{path} is a MATLAB file, which is not read; write MPII's as JSON with scripts/mpii_from_mat.py (docs/DATA.md)"
    )]
    Matlab { path: String },
    /// There is no such set.
    #[error("no {what} for {wanted}; give an annotation file, or a folder that has {files}")]
    NotFound { what: &'static str, wanted: String, files: String },
    /// A set of boxes none of whose pictures can be used.
    #[error("{path} has no usable picture{left_out}")]
    NoPictures { path: String, left_out: String },
    /// A set nobody of whom can be used.
    #[error(
        "{path} has no usable person with {joints} joints{left_out}; `tmpose data check` shows what is in it"
    )]
    Empty { path: String, joints: usize, left_out: String },
    /// The mannequin where a folder is needed ([`MannequinSets`](super::MannequinSets) renders one).
    #[error(
        "mannequin is no folder: its pictures are rendered for pose networks only; name a folder of pictures"
    )]
    NotRendered,
    /// The rendering of the mannequin's pictures was stopped.
    #[error("stopped while the mannequin was rendered; start again to go on")]
    RenderingStopped,
    /// The mannequin's pictures cannot be written.
    #[error(transparent)]
    Draw(#[from] SetError),
    /// The set's skeleton cannot be used.
    #[error(transparent)]
    Skeleton(#[from] SkeletonError),
    /// The set's joints and those that were asked for differ in every name.
    #[error(
        "{path} and the skeleton {wanted} have no joint in common; its joints are {joints} (name them like those of {wanted}, in a skeleton.json beside the set or in the file's categories)"
    )]
    NoCommonJoint { path: String, wanted: String, joints: String },
    /// Too many annotations contradict their format.
    #[error("{bad} of {all} annotations cannot be used ({names}); repair them or raise data.bad_limit")]
    BadAnnotations { bad: usize, all: usize, names: String },
    /// A picture cannot be decoded.
    #[error("cannot decode the picture {path}: {reason}; remove it from the annotations or replace it")]
    Image { path: String, reason: String },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write { path: String, source: std::io::Error },
    /// The feature cache needs more free space than there is.
    #[error(
        "the disk is full: the feature cache {path} needs {needed_gb:.1} GB and got {written_gb:.1}; free some space and start again, or choose another folder with --cache"
    )]
    DiskFull { path: String, needed_gb: f64, written_gb: f64 },
}
