//! Boxes, affine crops, colour, heatmap decoding and targets (docs/METHOD.md).
//!
//! Coordinates: a pixel's centre lies at whole numbers, so that the picture spans `0 ..= width - 1`.
//! All functions here run on the CPU and know nothing of networks.

mod affine;
mod bbox;
mod crop;
mod decode;
mod detection;
#[cfg(test)]
pub(crate) mod fixture_tests;
mod flatten;
mod half_body;
mod heat_layer;
mod heatmaps;
mod normalize;
mod resample;
mod targets;
mod warp;

pub use affine::Affine;
pub use bbox::BBox;
pub use crop::{BOX_PADDING, CropBox};
pub(crate) use decode::gaussian_kernel;
pub use decode::{Decoding, decode, keypoints_to_image};
pub use detection::Detection;
pub use flatten::flatten;
pub use half_body::{half_body_crop, upper_body};
pub use heat_layer::{HEAT_FLOOR, HEAT_SCALE, HEAT_STOPS, HEAT_WEAKEST, heat_layer};
pub use heatmaps::Heatmaps;
pub use normalize::{
    IMAGENET_MEAN, IMAGENET_STD, normalization_table, normalize_into, normalized_pixels, planes_to_pixels,
};
pub use resample::{ResampleWeights, resample_weights};
pub use targets::{Targets, gaussian_targets};
pub use warp::{SamplingGrid, warp};
