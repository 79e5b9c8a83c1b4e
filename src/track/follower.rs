//! Follows the people of a stream of frames.

use super::{FollowSettings, Moment, Person, SmoothingSettings, TrackId};
use crate::pose::Pose;
use crate::vision::{BBox, Detection};
use image::RgbImage;

/// Follows people from frame to frame. For each frame:
///
/// 1. [`begin`](Follower::begin); if that is true, [`detected`](Follower::detected) with what a detector
///    found, or [`undetected`](Follower::undetected) where there is none;
/// 2. poses are estimated in [`boxes`](Follower::boxes) and given to [`estimated`](Follower::estimated),
///    which answers with the people;
/// 3. while [`is_searching`](Follower::is_searching), step 2 may be done once more for the same frame: without a
///    detector a person is found by coming closer. A picture is worth it; the next frame of a video does as
///    well.
#[derive(Clone, Debug)]
pub struct Follower {
    sigmas: Vec<f64>,
    settings: FollowSettings,
    size: [u32; 2],
    looked_at: Vec<(BBox, f32)>,
}

impl Follower {
    /// Follows people whose joints have these OKS sigmas ([`Skeleton::sigmas`](crate::pose::Skeleton)).
    pub fn new<S: Into<f64>>(sigmas: impl IntoIterator<Item = S>) -> Follower {
        Follower {
            sigmas: sigmas.into_iter().map(Into::into).collect(),
            settings: FollowSettings::default(),
            size: [0; 2],
            looked_at: Vec::new(),
        }
    }

    /// Begins a frame. True when a person detection is wanted.
    pub fn begin(&mut self, img: &RgbImage, _moment: &Moment, settings: &FollowSettings) -> bool {
        self.size = [img.width(), img.height()];
        self.settings = *settings;
        true
    }

    /// Takes what the detector found in the frame.
    pub fn detected(&mut self, found: &[Detection]) {
        self.looked_at = found.iter().map(|d| (d.bbox, d.score)).collect();
    }

    /// There is no detector: while nobody is followed, the whole picture is looked at.
    pub fn undetected(&mut self) {
        self.looked_at = vec![(BBox::whole(self.size[0], self.size[1]), 1.0)];
    }

    /// The boxes to estimate poses in, in pixels of the picture; perhaps none.
    pub fn boxes(&self) -> Vec<BBox> {
        self.looked_at.iter().map(|(b, _)| *b).collect()
    }

    /// Takes the poses found in [`boxes`](Follower::boxes), in their order, and tells who is there.
    pub fn estimated(&mut self, poses: &[Pose]) -> Vec<Person> {
        self.again(poses)
    }

    /// True when [`boxes`](Follower::boxes) now has a closer look at the person that was just found without a
    /// detector.
    pub fn is_searching(&self) -> bool {
        false
    }

    /// The people of the same frame, estimated again in the same boxes with other network settings. Nobody
    /// moves on by it, and no filter does.
    pub fn again(&self, poses: &[Pose]) -> Vec<Person> {
        let found = self.looked_at.iter().zip(poses).enumerate();
        found
            .map(|(index, ((bbox, score), pose))| Person {
                id: TrackId(index as u32 + 1),
                index,
                bbox: *bbox,
                box_score: *score,
                pose: pose.clone(),
                raw: pose.clone(),
            })
            .collect()
    }

    /// Other smoothing from now on, also for [`again`](Follower::again): a slider moved while paused.
    pub fn set_smoothing(&mut self, smoothing: SmoothingSettings) {
        self.settings.smoothing = smoothing;
    }

    /// Forgets everybody. Their ids are not given again.
    pub fn reset(&mut self) {
        self.looked_at.clear();
    }
}
