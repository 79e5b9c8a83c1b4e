//! When a keypoint, and a pose, is confident enough to say where a person is.

use crate::pose::{Keypoint, Pose, Size};
use crate::vision::BBox;

/// Keypoints below this score say nothing about where the person is.
pub(super) const MIN_SCORE: f32 = 0.2;
/// A box smaller than this share of the picture's shorter side is an error of the network, not a person.
const MIN_SIDE: f32 = 0.05;

/// A person with fewer confident keypoints than this counts as not found: a third of the joints, 5 of COCO's 17.
fn min_keypoints(joints: usize) -> usize {
    (joints / 3).max(1)
}

pub(super) fn is_confident(k: &Keypoint) -> bool {
    k.score >= MIN_SCORE && k.x.is_finite() && k.y.is_finite()
}

/// The person's box by its confident keypoints, in a picture of `size`; none when too few of them are confident, or
/// the pose is implausibly small or outside of the picture.
pub(super) fn body(pose: &Pose, size: Size) -> Option<BBox> {
    let confident: Vec<Keypoint> = pose.keypoints.iter().filter(|k| is_confident(k)).copied().collect();
    (confident.len() >= min_keypoints(pose.keypoints.len()))
        .then(|| BBox::around_body(&confident, f32::NEG_INFINITY))
        .flatten()
        .filter(|b| b.w.max(b.h) >= MIN_SIDE * size.width.min(size.height) as f32)
        .filter(|b| b.intersected(size).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pose(points: &[(f32, f32)], score: f32) -> Pose {
        let mut keypoints = vec![Keypoint::default(); 17];
        for (k, &(x, y)) in keypoints.iter_mut().zip(points) {
            *k = Keypoint { x, y, score };
        }
        Pose { keypoints, score }
    }

    const BODY: [(f32, f32); 5] = [(100.0, 50.0), (90.0, 80.0), (110.0, 80.0), (95.0, 150.0), (105.0, 150.0)];

    #[test]
    fn the_box_surrounds_the_joints() {
        let b = body(&pose(&BODY, 0.9), Size::new(320, 240)).unwrap();
        assert!(b.x < 90.0 && b.x + b.w > 110.0 && b.y < 50.0 && b.y + b.h > 150.0);
        assert!(b.w < 60.0 && b.h < 160.0);
    }

    #[test]
    fn a_pose_of_low_confidence_a_tiny_or_an_outside_one_shows_nobody() {
        for nobody in [
            pose(&BODY, 0.1),
            pose(&BODY[..4], 0.9),
            pose(&[(100.0, 50.0); 5], 0.9),
            pose(&[(f32::NAN, 50.0); 5], 0.9),
            pose(&BODY.map(|(x, y)| (x + 1000.0, y)), 0.9),
            Pose::default(),
        ] {
            assert_eq!(body(&nobody, Size::new(320, 240)), None, "{nobody:?}");
        }
    }
}
