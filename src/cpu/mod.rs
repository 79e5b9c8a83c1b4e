//! The CPU's engine: networks as lists of fused operations on maps that lie pixel by pixel, all channels together.
//!
//! From the bottom up: [`lanes`] are vectors of one instruction set; the kernels (`tile`, `convolution`, `winograd`,
//! `depthwise`, `combine`) are written once over them and compiled for each set, of which [`simd`] picks one when the
//! program runs; [`net`] is how a network is written down; a [`plan`] divides it into waves of items and places its
//! maps; a [`team`] of threads runs it ([`run`]).
//!
//! `unsafe` code of the CPU's networks stands here alone. Kernels are compared with sums in f64 and with each other to
//! the bit, networks with a plain f64 program, and every plan is audited cell by cell (`audit`).
//!
//! [`train`] takes a network apart into steps with gradients. `vector` compiles plain loops for AVX2: rows of numbers that
//! stand outside of networks.

mod activation;
#[allow(clippy::needless_range_loop)] // Constant loops over arrays of vectors stay in registers.
mod attention;
#[cfg(test)]
pub mod audit;
mod batch_norm;
pub mod buffer;
mod channel_gate;
mod combine;
#[allow(clippy::needless_range_loop)] // Constant loops over arrays of vectors stay in registers.
mod convolution;
#[allow(clippy::needless_range_loop)] // Constant loops over arrays of vectors stay in registers.
mod depthwise;
mod execute;
#[allow(clippy::needless_range_loop)] // Constant loops over arrays of vectors stay in registers.
mod input_gradient;
#[cfg(test)]
mod kernel_tests;
pub mod lanes;
mod memory;
pub mod net;
#[cfg(test)]
mod net_tests;
pub mod operation;
mod pack;
mod peak;
pub mod plan;
pub mod profile;
#[cfg(test)]
pub mod reference;
mod rows;
pub mod run;
pub mod simd;
mod slope;
mod step;
pub mod team;
#[allow(clippy::needless_range_loop)] // Constant loops over arrays of vectors stay in registers.
mod tile;
pub mod train;
mod vector;
mod view;
#[allow(clippy::needless_range_loop)] // Constant loops over arrays of vectors stay in registers.
mod weight_gradient;
#[allow(clippy::needless_range_loop)] // Constant loops over arrays of vectors stay in registers.
mod winograd;

pub use net::{Net, NetBuilder};
pub use operation::{Epilogue, Filter, NormOrigin, Origin, OriginBlock, Part, Term, WeightOrder};
pub use plan::Plan;
pub use rows::Norm;
pub use run::{Workspace, Workspaces};
pub use step::Packs;
pub use vector::exp;
pub(crate) use vector::kernels;
pub use view::Activation;
