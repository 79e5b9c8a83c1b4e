//! Why a set cannot be measured, each as one sentence.

use crate::data::DataError;
use crate::detect::DetectError;
use crate::infer::InferError;

#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Infer(#[from] InferError),
    #[error(transparent)]
    Detect(#[from] DetectError),
    #[error("cannot read the boxes {path}: {source}")]
    ReadBoxes { path: String, source: std::io::Error },
    #[error(
        "{path} is no list of boxes in COCO's results format ({source}); it must hold entries like \
         {{\"image_id\": 1, \"category_id\": 1, \"bbox\": [x, y, width, height], \"score\": 0.9}}"
    )]
    ParseBoxes { path: String, source: serde_json::Error },
    #[error(
        "{path} has no usable box for a picture of {set}{left_out}; give the boxes of this set's pictures"
    )]
    NoBoxes { path: String, set: String, left_out: String },
}
