//! The person detector: a picture to boxes around the people in it.
//!
//! Anchor-free and of one stage: at strides 8, 16 and 32 every cell of a map says how sure it is that it lies on a
//! person, and how far that person's box reaches from it to the left, up, right and down. Architecture: RTMDet-nano
//! (arXiv 2212.07784; OpenMMLab, Apache-2.0) with one class, whose public weights are where training may start.

mod config;
mod net;

pub use config::{BadDetectorConfig, DetectorConfig};
pub use net::{DetectorNet, Level, STRIDES};
