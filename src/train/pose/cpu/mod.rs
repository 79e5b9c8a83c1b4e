//! Training of the transformer part on the CPU without recording: forward and backward pass written
//! out by hand.
//!
//! Burn's autodiff records every operation as a tensor of its own; on a CPU most of a step then goes
//! into memory traffic of softmax, layer norm and GELU. Here a person passes through the network on
//! one thread with everything it needs in the core's cache, and the passes of a batch share the cores.
//! `tests` compares all gradients with autodiff's.

mod attention;
mod input;
#[allow(clippy::too_many_arguments)] // Kernels take plain slices; a struct would hide what they write.
mod kernels;
mod layers;
mod loss;
mod network;
mod pass;
mod workspace;

pub use input::{DistillTargets, LossFactors, PassInput};
pub use network::CpuNetwork;
pub use workspace::Workspace;
