//! Why a set cannot be measured, each as one sentence.

use crate::data::DataError;
use crate::detect::DetectError;
use crate::infer::InferError;

/// Why a set cannot be measured.
// The fields are the words of the messages.
#[allow(missing_docs)]
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The set cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The pose network fails.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// The person detector fails.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// A file of boxes cannot be read.
    #[error("cannot read the boxes {path}: {source}")]
    ReadBoxes { path: String, source: std::io::Error },
    /// A file of boxes has another format.
    #[error(
        "{path} is no list of boxes in COCO's results format ({source}); it must hold entries like \
         {{\"image_id\": 1, \"category_id\": 1, \"bbox\": [x, y, width, height], \"score\": 0.9}}"
    )]
    ParseBoxes { path: String, source: serde_json::Error },
    /// A file of boxes has none of this set.
    #[error(
        "{path} has no usable box for a picture of {set}{left_out}; give the boxes of this set's pictures"
    )]
    NoBoxes { path: String, set: String, left_out: String },
}
