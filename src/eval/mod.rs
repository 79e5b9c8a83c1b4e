//! How good poses are: OKS, COCO's AP and AR, suppression of doubles, PCK and PCKh (docs/METHOD.md,
//! "Evaluation"), for lists of persons and for whole sets.

pub mod ablation;
mod accuracy;
mod boxes;
mod coco_ap;
mod detection;
pub mod detector;
mod error;
#[cfg(test)]
mod fixture_tests;
mod matching;
mod nms;
mod oks;
mod order;
mod pass;
mod pck;
mod seen;
pub mod set;
mod task;

pub use accuracy::{JointAccuracy, PoseAccuracy, Suppression, measure, suppressed};
pub use boxes::{DetectedBoxes, ImageDetection};
pub use coco_ap::{CocoStats, keypoint_ap};
pub use detection::{
    BoxResult, BoxStats, GroundTruthBox, MOST_BOXES, OperatingPoint, TallRecall, box_ap, tall_recall,
};
pub use error::EvalError;
pub use matching::THRESHOLDS;
pub use nms::{NMS_THRESHOLD, RESCORE_MIN, oks_nms, rescore, soft_oks_nms};
pub use oks::{GroundTruth, ScoredPose, oks};
pub use pass::{PersonCrop, estimate_crops};
pub use pck::{PCKH_COLUMNS, Pck, PckSample, Pckh, head_size, pck, pckh};
pub use seen::{TrainingOverlap, box_training_overlap, training_overlap};
pub use task::{EvalTask, KeypointResult, ground_truth, spread};
