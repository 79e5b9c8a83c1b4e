//! How long the stages of a detection took.

use std::time::Duration;

/// Durations of one call of [`super::Detector::detect`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetectTimes {
    /// Shrinking the picture into the network's square, normalising and the upload. A GPU that shrinks is not waited
    /// for: what it needs for that counts as `network`.
    pub prepare: Duration,
    /// The network, to numbers in the CPU's memory.
    pub network: Duration,
    /// Numbers to boxes.
    pub decode: Duration,
    /// The whole call.
    pub whole: Duration,
}
