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

pub use accuracy::{Accuracy, Found, JointAccuracy, Suppression, TruePerson, measure, suppressed};
pub use boxes::{Boxes, DetectedBox};
pub use coco_ap::{CocoStats, keypoint_ap};
pub use detection::{BoxStats, FoundBox, MOST_BOXES, Operating, TallRecall, TrueBox, box_ap, tall_recall};
pub use error::EvalError;
pub use matching::THRESHOLDS;
pub use nms::{NMS_THRESHOLD, NmsCandidate, RESCORE_MIN, oks_nms, rescore, soft_oks_nms};
pub use oks::{DtPerson, GtPerson, oks};
pub use pass::{Subject, estimate_subjects};
pub use pck::{PCKH_COLUMNS, Pck, PckPerson, Pckh, head_size, pck, pckh};
pub use seen::{Seen, boxes_seen_in_training, seen_in_training};
pub use task::{CocoResult, Task, ground_truth, spread};
