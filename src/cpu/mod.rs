//! What passes written by hand for the CPU are made of: the transformer in training and
//! inference, the detector's network.

mod matrix;
pub mod transformer;
mod vector;

pub use matrix::{Mat, OutputMode, multiply};
pub use vector::exp;
pub(crate) use vector::kernels;
