//! The detector's training on the CPU without recording: forward and backward pass of one picture, written out by hand.
//!
//! Burn's autodiff walks over every map many times, and it finds the weights' gradient of a depthwise convolution by a
//! convolution for each channel. Here a picture passes through the network on one thread, channels of a pixel together;
//! the pictures of a batch share the cores. The tests of `gradient.rs` compare all gradients with autodiff's.

#[allow(clippy::too_many_arguments)] // Kernels take plain slices; a struct would hide what they write.
mod kernels;
mod map;
mod pass;
mod program;

pub use map::FeatureMap;
pub use program::{DetectorProgram, HeadMaps};
