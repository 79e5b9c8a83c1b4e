//! A person box without a person detector: the whole picture, then around the last keypoints.

use crate::pose::Pose;
use crate::vision::BBox;

/// Keypoints below this score say nothing about where the person is.
const MIN_SCORE: f32 = 0.2;
/// With fewer sure keypoints than this the person counts as lost.
const MIN_KEYPOINTS: usize = 5;
/// A person's box is larger than that of the joints: the head's top, the hands and the feet stick out.
const AROUND_JOINTS: f32 = 1.25;
/// A box smaller than this share of the picture's shorter side is an error of the network, not a person.
const MIN_SIDE: f32 = 0.05;
/// How often one picture is looked at to find the person in it.
const LOOKS: usize = 3;
/// A look that moves the box less than this (overlap of old and new) ends the search.
const SETTLED: f32 = 0.8;

/// Follows one person from frame to frame.
#[derive(Clone, Debug, Default)]
pub struct BoxTracker {
    last: Option<BBox>,
}

impl BoxTracker {
    pub fn new() -> BoxTracker {
        BoxTracker::default()
    }

    /// The box to look at in the next frame of this size: around the person, or the whole picture while
    /// nobody is followed.
    pub fn next_box(&self, width: u32, height: u32) -> BBox {
        self.last.and_then(|b| b.intersected(width, height)).unwrap_or(BBox::whole(width, height))
    }

    /// True while a person is followed.
    pub fn is_following(&self) -> bool {
        self.last.is_some()
    }

    /// Takes the pose found in the box; an unsure one means that the person is lost.
    pub fn update(&mut self, pose: &Pose, width: u32, height: u32) {
        let sure = pose.keypoints.iter().filter(|k| k.score >= MIN_SCORE).count();
        self.last = (sure >= MIN_KEYPOINTS)
            .then(|| BBox::around(&pose.keypoints, MIN_SCORE))
            .flatten()
            .map(|joints| joints.expanded(AROUND_JOINTS))
            .filter(|b| b.w.max(b.h) >= MIN_SIDE * width.min(height) as f32)
            .filter(|b| b.intersected(width, height).is_some());
    }

    /// Finds the person in a picture that comes after no other: the whole of it first, then around what was
    /// found there, since a person who fills the box is seen best. [`BoxTracker::next_box`] then is the box.
    ///
    /// `look` estimates the pose in a box.
    ///
    /// # Errors
    /// Those of `look`.
    pub fn search<E>(
        &mut self,
        width: u32,
        height: u32,
        mut look: impl FnMut(BBox) -> Result<Option<Pose>, E>,
    ) -> Result<(), E> {
        self.reset();
        for _ in 0..LOOKS {
            let at = self.next_box(width, height);
            let Some(pose) = look(at)? else { break };
            self.update(&pose, width, height);
            if !self.is_following() || self.next_box(width, height).iou(&at) >= SETTLED {
                break;
            }
        }
        Ok(())
    }

    /// Forgets the person: after a seek or a change of source.
    pub fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Keypoint;

    fn pose(points: &[(f32, f32)], score: f32) -> Pose {
        let keypoints = points.iter().map(|&(x, y)| Keypoint { x, y, score }).collect();
        Pose { keypoints, score }
    }

    const BODY: [(f32, f32); 5] = [(100.0, 50.0), (90.0, 80.0), (110.0, 80.0), (95.0, 150.0), (105.0, 150.0)];

    #[test]
    fn the_first_box_is_the_whole_picture_and_the_next_one_surrounds_the_joints() {
        let mut tracker = BoxTracker::new();
        let first = tracker.next_box(320, 240);
        assert_eq!((first.x, first.y, first.w, first.h), (0.0, 0.0, 320.0, 240.0));

        tracker.update(&pose(&BODY, 0.9), 320, 240);
        let next = tracker.next_box(320, 240);
        assert!(next.x < 90.0 && next.x + next.w > 110.0 && next.y < 50.0 && next.y + next.h > 150.0);
        assert!(next.w < 60.0 && next.h < 160.0);
    }

    /// A "network" that sees the middle of the person only when the box is not much larger than the person.
    #[test]
    fn a_search_comes_closer_until_the_box_stays() {
        let mut looks = Vec::new();
        let mut tracker = BoxTracker::new();
        let outcome: Result<(), ()> = tracker.search(320, 240, |at| {
            looks.push(at);
            let spread = if looks.len() == 1 { 3.0 } else { 1.0 };
            Ok(Some(pose(&BODY.map(|(x, y)| (100.0 + (x - 100.0) * spread, y)), 0.9)))
        });
        assert_eq!(outcome, Ok(()));
        assert_eq!(looks.len(), 3);
        assert_eq!(looks[0].w, 320.0, "the whole picture first");
        assert!(looks[2].w < looks[1].w && tracker.is_following());
    }

    #[test]
    fn a_search_that_finds_nobody_looks_once() {
        let mut looks = 0;
        let mut tracker = BoxTracker::new();
        let outcome: Result<(), ()> = tracker.search(320, 240, |_| {
            looks += 1;
            Ok(Some(pose(&BODY, 0.1)))
        });
        assert_eq!((outcome, looks, tracker.is_following()), (Ok(()), 1, false));
    }

    #[test]
    fn an_unsure_a_tiny_or_an_outside_pose_loses_the_person() {
        for lost in [
            pose(&BODY, 0.1),
            pose(&BODY[..4], 0.9),
            pose(&[(100.0, 50.0); 5], 0.9),
            pose(&BODY.map(|(x, y)| (x + 1000.0, y)), 0.9),
        ] {
            let mut tracker = BoxTracker::new();
            tracker.update(&pose(&BODY, 0.9), 320, 240);
            assert!(tracker.is_following());
            tracker.update(&lost, 320, 240);
            assert!(!tracker.is_following(), "{lost:?}");
        }
    }
}
