//! Networks that learn: the forward pass with all that its gradient needs, and the gradient itself.
//!
//! [`program`] takes a [`Net`](super::Net) apart into steps with a gradient each, of which none writes what another has
//! written; [`weights`] reads the network's numbers from the flat vector that the optimiser changes, and adds gradients to
//! another; [`plan`] places maps and their gradients in memory and says who writes a gradient first; [`forward`] and
//! [`backward`] run one person on one thread; [`batch`] runs a batch, whose persons meet at batch norms alone. Sums over
//! persons are made in an order that does not depend on the number of threads.

mod backward;
pub mod batch;
mod dense;
mod forward;
pub mod plan;
mod program;
#[cfg(test)]
mod tests;
mod weights;
pub mod workspace;

pub use batch::NormStatistics;
pub use plan::TrainPlan;
pub use weights::StepWeights;
pub use workspace::TrainWorkspace;
