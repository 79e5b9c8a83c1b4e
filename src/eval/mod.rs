//! How good poses are: OKS, COCO's AP and AR, suppression of doubles, PCK and PCKh (METHOD 5, 6).

mod coco_ap;
#[cfg(test)]
mod fixture_tests;
mod nms;
mod oks;
mod order;
mod pck;
pub mod set;

pub use coco_ap::{CocoStats, THRESHOLDS, keypoint_ap};
pub use nms::{NMS_THRESHOLD, NmsCandidate, RESCORE_MIN, oks_nms, rescore, soft_oks_nms};
pub use oks::{DtPerson, GtPerson, oks, oks_between};
pub use pck::{PCKH_COLUMNS, Pck, PckPerson, Pckh, head_size, pck, pckh};
