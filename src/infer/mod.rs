//! From a picture and person boxes to poses: crop, network, decode, with the persons of a frame as one
//! batch.

mod cpu_model;
mod cpu_transformer;
mod error;
mod estimator;
mod heatmap_buffer;
mod network;
mod settings;
mod times;

pub use cpu_model::{CpuHeatmaps, CpuModel, CpuTimes};
pub use cpu_transformer::{EnteringTokens, TransformerWeights};
pub use error::InferError;
pub use estimator::{Estimator, EstimatorOutput, PoseEstimate, pose_score};
pub use heatmap_buffer::{DecodedHeatmaps, HeatmapBuffer, HeatmapRequest};
pub use network::{BackboneFeatures, BatchKeypoints, BatchMaps, Network};
pub use settings::Settings;
pub use times::{StageTimes, Timing};

#[cfg(test)]
mod tests;
