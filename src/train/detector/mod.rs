//! Training of the person detector, after RTMDet (arXiv 2212.07784): which cell of the maps learns which person is
//! decided anew in every step from what the network says.

mod assign;
mod batch;
mod card;
pub mod config;
mod cpu;
mod events;
mod gradient;
mod init;
mod loss;
mod run;
pub(super) mod session;
mod sheet;

pub use config::{DetectorTrainConfig, Frozen, UnknownFrozen};
pub use events::{DetectorEvent, DetectorStep};
pub use run::run;
