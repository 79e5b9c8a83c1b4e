//! Why data cannot be used.

use crate::pose::SkeletonError;
use crate::synth::SetError;

/// Why a set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path} is not in {layout}: {source}")]
    Parse { path: String, layout: &'static str, source: serde_json::Error },
    #[error(
        "{path} is a MATLAB file, which is not read; write MPII's as JSON with scripts/mpii_from_mat.py (docs/DATA.md)"
    )]
    Matlab { path: String },
    #[error("no {what} for {wanted}; give an annotation file, or a folder that has {files}")]
    NotFound { what: &'static str, wanted: String, files: String },
    #[error("{path} has no usable picture{left_out}")]
    NoPictures { path: String, left_out: String },
    #[error(
        "{path} has no usable person with {joints} joints{left_out}; `tmpose data check` shows what is in it"
    )]
    Empty { path: String, joints: usize, left_out: String },
    #[error(
        "mannequin is no folder: its pictures are drawn for pose networks only; name a folder of pictures"
    )]
    NotDrawn,
    #[error("stopped while the mannequin was drawn; start again to go on")]
    DrawingStopped,
    #[error(transparent)]
    Draw(#[from] SetError),
    #[error(transparent)]
    Skeleton(#[from] SkeletonError),
    #[error(
        "{path} and the skeleton {wanted} have no joint in common; its joints are {joints} (name them like those of {wanted}, in a skeleton.json beside the set or in the file's categories)"
    )]
    NoCommonJoint { path: String, wanted: String, joints: String },
    #[error("{bad} of {all} annotations cannot be used ({names}); repair them or raise data.bad_limit")]
    BadAnnotations { bad: usize, all: usize, names: String },
    #[error("cannot decode the picture {path}: {reason}; remove it from the annotations or replace it")]
    Image { path: String, reason: String },
    #[error("cannot write {path}: {source}")]
    Write { path: String, source: std::io::Error },
    #[error(
        "the disk is full: the feature cache {path} needs {needed_gb:.1} GB and got {written_gb:.1}; make room and start again, or choose another folder with --cache"
    )]
    NoRoom { path: String, needed_gb: f64, written_gb: f64 },
}
