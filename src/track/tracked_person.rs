//! A followed person, as the rest of the program sees it.

use crate::pose::Pose;
use crate::vision::BBox;

/// Tells people apart. Counts from 1 and is never given to a second person while its
/// [`Tracker`](super::Tracker) lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TrackId(pub u32);

/// One person in a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackedPerson {
    pub id: TrackId,
    /// Which of [`Tracker::boxes`](super::Tracker::boxes) it was found in.
    pub index: usize,
    /// That box: what was looked at, in pixels of the picture.
    pub bbox: BBox,
    /// How sure the detector was of the person when it saw it last, 0 to 1; 1 where no detector was asked.
    pub box_score: f32,
    /// Smoothed, if smoothing is on.
    pub pose: Pose,
    /// As estimated.
    pub raw: Pose,
}
