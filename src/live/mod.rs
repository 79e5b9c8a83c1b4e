//! The live pipeline: a source thread and an inference thread, joined by latest-value slots.
//!
//! ```text
//! source -> [capture thread] -> frames slot -> [inference thread] -> results slot -> window
//!                                    window -> settings slot ----^
//! ```
//! Nothing queues: whatever a slow reader did not take is replaced and counted, so that the age of
//! what is on screen stays at one frame of the slowest stage.

mod capture;
mod ending;
mod estimator;
mod pipeline;
mod playback;
mod rate;
mod slot;
mod worker;

pub use capture::{LiveFrame, Opener, SourceStatus, Transport};
pub use estimator::{Estimated, Loaded, Loader, ModelStatus, ModelSummary, PoseEstimator};
pub use pipeline::Pipeline;
pub use rate::{History, Rate};
pub use slot::{Bell, Slot};
pub use worker::{LiveResult, LiveSettings, Measured};

#[cfg(test)]
pub(crate) mod fakes;
#[cfg(test)]
mod tests;
