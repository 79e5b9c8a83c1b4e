//! Hand-written forward and backward passes of everything behind the backbone, for training on the CPU.
//!
//! Burn's autodiff keeps the result of every operation as a tensor of its own; on a CPU most of a step's time is then the
//! memory traffic of softmax, layer norm and GELU. Here one thread computes the passes of a person with everything in its
//! core's cache, and the persons of a batch are shared among the cores. Tests compare all gradients with autodiff's.

mod attention;
mod input;
#[allow(clippy::too_many_arguments)] // Kernels take plain slices, which show what they write.
mod kernels;
mod layers;
mod loss;
mod network;
mod pass;
mod workspace;

pub use input::{DistillTargets, LossFactors, PassInput};
pub use network::CpuNetwork;
pub use workspace::PassWorkspace;
