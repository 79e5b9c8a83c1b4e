//! Training on the CPU's engine: the backbone for a whole batch, since its persons meet at batch norms, and what follows it
//! for one person and one pass after the other.

mod input;
#[allow(clippy::too_many_arguments)] // Plain numbers, as the vector kernels want them.
mod kernels;
mod loss;
mod network;
mod pass;

pub use input::{DistillTargets, LossFactors, PassInput};
pub use network::{BackbonePlan, CpuNetwork, PassGradients, TeacherGradients};
pub use pass::{PassSums, PassWorkspace};
