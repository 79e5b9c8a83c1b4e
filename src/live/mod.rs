//! The live pipeline: a source thread and an inference thread, joined by latest-value slots.
//!
//! ```text
//! source -> [capture thread] -> frames slot -> [inference thread] -> results slot -> window
//!                                    window -> settings slot ----^
//! ```
//! Nothing queues: whatever a slow reader did not take is replaced and counted, so that the age of
//! what is on screen stays at one frame of the slowest stage.
//!
//! For each frame the [`PeopleTracker`] asks the tracker whether a detection is wanted, estimates the poses of everybody
//! as one batch, and hands them back to the tracker, which says who is who. It needs no threads and serves other
//! programs too. A frame that stands still is processed again when settings change; nobody moves on by that.
//!
//! A camera that goes away is opened again by the capture thread until it is back. A source that sends nothing
//! is noticed from outside, since its thread waits inside a driver.

mod capture;
mod capture_context;
mod detector;
mod estimator;
mod guard;
mod inference;
mod inference_state;
mod inference_thread;
mod join;
mod outage;
mod people_tracker;
mod people_tracker_settings;
mod person_detector;
mod pipeline;
mod playback;
mod rate;
mod slot;
mod times;

pub use capture::Opener;
pub use capture_context::{LiveFrame, SourceStatus, Transport};
pub use detector::{detector_loader, is_detector};
pub use estimator::{EstimatorError, LoadedModel, ModelLoader, ModelStatus, ModelSummary, PoseEstimator};
pub use guard::DevicePanic;
pub use inference_state::{LiveMeasurements, LiveResult};
pub use outage::Outage;
pub use people_tracker::{PeopleError, PeopleResult, PeopleTracker};
pub use people_tracker_settings::PeopleTrackerSettings;
pub use person_detector::{
    DetectorError, DetectorLoader, DetectorStatus, DetectorSummary, LoadedDetector, PersonDetector,
};
pub use pipeline::Pipeline;
pub use rate::{Rate, RecentValues};
pub use slot::{Notifier, Slot};
pub use times::{FrameTimes, Percentiles, skipped_share};

#[cfg(test)]
pub(crate) mod fakes;
#[cfg(test)]
mod people_tracker_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upload_tests;
