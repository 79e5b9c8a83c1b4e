//! From a picture and person boxes to poses: crop, network, decode, with the persons of a frame as one
//! batch.

mod cpu_encoder;
mod heatmap_buffer;
mod error;
mod estimator;
mod network;
mod settings;
mod times;

pub use cpu_encoder::CpuEncoder;
pub use heatmap_buffer::{HeatmapBuffer, DecodedHeatmaps, HeatmapRequest};
pub use error::InferError;
pub use estimator::{PoseEstimate, Estimator, pose_score};
pub use network::{BackboneFeatures, Network};
pub use settings::Settings;
pub use times::{StageTimes, Timing};

#[cfg(test)]
mod tests;
