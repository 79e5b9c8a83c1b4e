//! What passes written by hand for the CPU are made of: the training of the transformer, the detector's network.

mod matrix;
mod vector;

pub use matrix::{Into, Mat, multiply};
pub use vector::exp;
pub(crate) use vector::kernels;
