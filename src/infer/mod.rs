//! From a picture and person boxes to poses: crop, network, decode, with the persons of a frame as one
//! batch.

mod cpu_encoder;
mod drawn;
mod error;
mod estimator;
mod network;
mod settings;
mod times;

pub use cpu_encoder::CpuEncoder;
pub use drawn::{DrawnMaps, Found, WantedMaps};
pub use error::InferError;
pub use estimator::{Estimate, Estimator, pose_score};
pub use network::{Features, Network};
pub use settings::Settings;
pub use times::{StageTimes, Timing};

#[cfg(test)]
mod tests;
