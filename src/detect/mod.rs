//! The person detector: a picture to boxes around the people in it.
//!
//! Anchor-free and of one stage: at strides 8, 16 and 32 every cell of a map has the confidence that it lies on a
//! person, and how far that person's box reaches from it to the left, up, right and down. Architecture: RTMDet-nano
//! (arXiv 2212.07784; OpenMMLab, Apache-2.0) with one class, whose public weights are where training may start.

mod choice;
mod config;
mod cpu_net;
mod decode;
mod detector;
mod error;
mod file;
mod import;
mod letterbox;
pub mod net;
mod nms;
mod open;
mod settings;
mod squares;
mod times;

pub use choice::DetectorChoice;
pub use config::{BadDetectorConfig, DetectorConfig};
pub use cpu_net::{describe, profile};
pub use detector::Detector;
pub use error::DetectError;
pub use file::{DetectorInfo, load, read_info, save};
pub use import::{fits, import};
pub use letterbox::{Letterbox, PADDING};
pub use net::{DetectorNet, Level, STRIDES};
pub use nms::suppress;
pub use open::open;
pub use settings::DetectSettings;
pub use times::DetectTimes;
