//! Boxes, affine crops, colour, heatmap decoding and targets (docs/METHOD.md), and drawing.
//!
//! Coordinates: a pixel's centre lies at whole numbers, so that the picture spans `0 ..= width - 1`.
//! All functions here run on the CPU and know nothing of networks.

mod affine;
mod bbox;
mod chart;
mod crop;
mod decode;
mod detection;
mod draw;
#[cfg(test)]
pub(crate) mod fixture_tests;
mod half_body;
mod heat_layer;
mod heatmaps;
mod montage;
mod normalize;
mod palette;
mod resample;
mod targets;
mod text;
mod typeface;
mod warp;

pub use affine::Affine;
pub use bbox::BBox;
pub use chart::{Chart, Curve};
pub use crop::{BOX_PADDING, CropBox};
pub(crate) use decode::gaussian_kernel;
pub use decode::{Decoding, decode, keypoints_to_image};
pub use detection::Detection;
pub use draw::{PoseColors, bone_width, draw_box, draw_person, draw_pose};
pub use half_body::{half_body_crop, upper_body};
pub use heat_layer::{HEAT_FLOOR, HEAT_SCALE, HEAT_STOPS, HEAT_WEAKEST, heat_layer};
pub use heatmaps::Heatmaps;
pub use montage::{Tile, contact_sheet};
pub use normalize::{IMAGENET_MEAN, IMAGENET_STD, normalization_table, normalize_into};
pub use palette::{edge_color, joint_color, joint_size, person_color, person_edge_color, person_joint_color};
pub use resample::{Share, shares};
pub use targets::{Targets, gaussian_targets};
pub use text::{draw_text, text_size};
pub use warp::{SamplingGrid, warp};
