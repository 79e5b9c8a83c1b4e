//! Training of the pose network: data, loss, gradients and validation behind the generic loop.

mod autodiff;
mod cached;
mod card;
mod cpu;
mod cpu_gradient;
mod events;
mod features;
mod frozen;
mod init;
mod loss;
mod loss_spec;
mod passes;
mod pictures;
mod plan;
mod run;
pub(super) mod session;
mod snapshot;
mod validate;

pub use events::{PoseEvent, PoseStep};
pub use run::run;
