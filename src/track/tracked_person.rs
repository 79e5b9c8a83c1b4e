//! A tracked person, as the rest of the program sees it.

use crate::pose::Pose;
use crate::vision::BBox;

/// Tells people apart. Counts from 1; a [`Tracker`](super::Tracker) never gives the same number to two people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TrackId(pub u32);

/// One person in a frame, with an id that lasts from frame to frame.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackedPerson {
    /// Who it is.
    pub id: TrackId,
    /// In which of [`Tracker::boxes`](super::Tracker::boxes) the person was found.
    pub index: usize,
    /// That box, in pixels of the picture.
    pub bbox: BBox,
    /// The detector's confidence when it found the person last, 0 to 1; 1 where there is no detector.
    pub box_score: f32,
    /// In pixels of the picture; smoothed, if smoothing is on.
    pub pose: Pose,
    /// As the network estimated it, in pixels of the picture.
    pub raw: Pose,
}
