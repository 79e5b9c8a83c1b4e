//! One tracked person: where they were, and where they are predicted.

use super::SmoothingSettings;
use super::confidence::{MIN_SCORE, is_confident};
use super::smoothing::PoseFilter;
use super::tracked_person::TrackId;
use crate::pose::{Keypoint, Pose, oks_of_confident};
use crate::vision::BBox;

/// Time constant in seconds of the velocity's low-pass: the swing of a stride is no walk.
const VELOCITY_TIME_CONSTANT: f64 = 0.15;
/// Sizes a second that nobody exceeds; a pose that seems to is wrong.
const MAX_SPEED: f32 = 3.0;
/// A person who comes back is searched for within this part of their size around where they would be by now, ...
const SEARCH_RADIUS: f32 = 0.5;
/// ... and this part of their size further for each second that they were missing.
const SEARCH_RADIUS_PER_SECOND: f32 = 0.7;
/// The longer sides of two boxes of one person differ by less than this factor.
const MAX_SIZE_RATIO: f32 = 1.7;
/// Similarity of a person who comes back exactly where they were, against 1 for the same box and pose.
const PROXIMITY_WEIGHT: f64 = 0.4;
/// A position older than this many seconds says only roughly where somebody is by now: of somebody who was lost, or of
/// anybody where a slow machine processes few frames.
const STALE_AFTER: f64 = 0.3;
/// A track younger than this many seconds is tentative: it has yet to prove that there is such a person.
const TENTATIVE_SECONDS: f64 = 0.5;
/// Factor of a tentative track's similarity: where two tracks claim one person, the older gets them.
const TENTATIVE_WEIGHT: f64 = 0.8;

/// The track of one person.
#[derive(Clone, Debug)]
pub(super) struct PersonTrack {
    pub id: TrackId,
    /// The detector's confidence when it found the person last, 0 to 1; 1 where there is no detector.
    pub box_score: f32,
    /// Frames in a row in which the person was not found: they are hidden, or gone.
    frames_missing: u32,
    /// When the person was found first, in seconds of media time.
    first_seen: f64,
    /// When the person was found last, in seconds of media time.
    last_seen: f64,
    /// Of the last pose, in pixels of the picture.
    keypoints: Vec<Keypoint>,
    /// The box around the last pose.
    body: BBox,
    /// Pixels a second.
    velocity: [f32; 2],
    filter: PoseFilter,
    /// The filter as it was before the present frame, to smooth that frame's pose again.
    filter_before: PoseFilter,
}

impl PersonTrack {
    /// A person found for the first time.
    pub fn new(id: TrackId, box_score: f32, pose: &Pose, body: BBox, now: f64) -> PersonTrack {
        PersonTrack {
            id,
            box_score,
            frames_missing: 0,
            first_seen: now,
            last_seen: now,
            keypoints: pose.keypoints.clone(),
            body,
            velocity: [0.0; 2],
            filter: PoseFilter::default(),
            filter_before: PoseFilter::default(),
        }
    }

    /// Takes the pose that was estimated in the present frame.
    pub fn update(&mut self, pose: &Pose, body: BBox, now: f64) {
        let passed = now - self.last_seen;
        if self.is_missing() {
            // What happened in between is unknown.
            self.filter = PoseFilter::default();
        }
        if passed > 0.0
            && let Some(moved) = mean_displacement(&self.keypoints, &pose.keypoints)
        {
            let max_speed = MAX_SPEED * longer_side(&body);
            let share = 1.0 - (-passed / VELOCITY_TIME_CONSTANT).exp() as f32;
            // Over a longer time people turn round: how far they came says less and less about where they go.
            let persistence = (STALE_AFTER / passed).min(1.0) as f32;
            for (v, moved) in self.velocity.iter_mut().zip(moved) {
                *v = (*v + share * (persistence * moved / passed as f32 - *v)).clamp(-max_speed, max_speed);
            }
        }
        self.keypoints.clone_from(&pose.keypoints);
        (self.body, self.last_seen, self.frames_missing) = (body, now, 0);
    }

    /// Takes a refined pose of the frame in which the person was found, in place of the coarse one.
    pub fn restart(&mut self, pose: &Pose, body: BBox, now: f64) {
        *self = PersonTrack {
            first_seen: self.first_seen,
            ..PersonTrack::new(self.id, self.box_score, pose, body, now)
        };
    }

    /// The present pose smoothed; the filters advance.
    pub fn smooth(&mut self, pose: &Pose, now: f64, settings: &SmoothingSettings) -> Pose {
        self.filter_before = self.filter.clone();
        self.filter.smooth(pose, now, f64::from(longer_side(&self.body)), settings)
    }

    /// A pose of the present frame that was estimated again, smoothed; the filters stay as they are.
    pub fn smooth_without_advancing(&self, pose: &Pose, now: f64, settings: &SmoothingSettings) -> Pose {
        self.filter_before.clone().smooth(pose, now, f64::from(longer_side(&self.body)), settings)
    }

    /// Smoothing starts anew.
    pub fn reset_filter(&mut self) {
        (self.filter, self.filter_before) = (PoseFilter::default(), PoseFilter::default());
    }

    /// The person was not found in the present frame.
    pub fn mark_missed(&mut self) {
        self.frames_missing = self.frames_missing.saturating_add(1);
    }

    /// Whether the person was not found in the last frame.
    pub fn is_missing(&self) -> bool {
        self.frames_missing > 0
    }

    /// Frames in a row in which the person was not found.
    pub fn frames_missing(&self) -> u32 {
        self.frames_missing
    }

    /// Whether the last position is too old to rely on.
    pub fn is_stale(&self, now: f64) -> bool {
        self.seconds_missing(now) > STALE_AFTER
    }

    /// Seconds since the person was found last.
    pub fn seconds_missing(&self, now: f64) -> f64 {
        now - self.last_seen
    }

    /// Whether the track is so young that the person may not exist.
    pub fn is_tentative(&self, now: f64) -> bool {
        now - self.first_seen < TENTATIVE_SECONDS
    }

    /// The person's box at `now`, moved at constant velocity from where they were found last.
    pub fn predicted_box(&self, now: f64) -> BBox {
        let [dx, dy] = self.displacement(now);
        BBox { x: self.body.x + dx, y: self.body.y + dy, ..self.body }
    }

    /// The person's box where they were found last.
    pub fn last_box(&self) -> BBox {
        self.body
    }

    /// Similarity of a detector's box to this person's, 0 to 1.
    pub fn box_similarity(&self, bbox: &BBox, now: f64) -> f64 {
        let overlap = f64::from(self.predicted_box(now).iou(bbox));
        if self.is_position_uncertain(now) { overlap.max(self.proximity(bbox, now)) } else { overlap }
    }

    /// Similarity of a pose and its box to this person's, 0 to 1. Overlap still works where all joints of a fast person
    /// are elsewhere already; OKS tells people apart whose boxes overlap.
    pub fn pose_similarity(&self, pose: &Pose, body: &BBox, now: f64, sigmas: &[f64]) -> f64 {
        let overlap = f64::from(self.predicted_box(now).iou(body));
        let [dx, dy] = self.displacement(now);
        let expected: Vec<Keypoint> =
            self.keypoints.iter().map(|k| Keypoint { x: k.x + dx, y: k.y + dy, ..*k }).collect();
        let areas = [self.body, *body].map(|b| f64::from(b.area()));
        let oks = oks_of_confident(&expected, &pose.keypoints, areas, sigmas, MIN_SCORE);
        let mut alike = (overlap + oks.unwrap_or(overlap)) / 2.0;
        if self.is_position_uncertain(now) {
            alike = alike.max(self.proximity(body, now));
        }
        if self.is_tentative(now) { alike * TENTATIVE_WEIGHT } else { alike }
    }

    /// Whether the person may be elsewhere than predicted: they were lost, or not looked for in a while.
    fn is_position_uncertain(&self, now: f64) -> bool {
        self.is_missing() || self.is_stale(now)
    }

    /// How near a box is to where the person could be by now, anywhere from where they were to where they are predicted;
    /// 0 beyond the search radius and for another size.
    fn proximity(&self, bbox: &BBox, now: f64) -> f64 {
        let (size, other) = (longer_side(&self.body), longer_side(bbox));
        if size.max(other) > MAX_SIZE_RATIO * size.min(other) {
            return 0.0;
        }
        let radius = size * (SEARCH_RADIUS + SEARCH_RADIUS_PER_SECOND * self.seconds_missing(now) as f32);
        let distance = distance_to_segment(self.body.center(), self.displacement(now), bbox.center());
        PROXIMITY_WEIGHT * f64::from(1.0 - distance / radius).max(0.0)
    }

    fn displacement(&self, now: f64) -> [f32; 2] {
        self.velocity.map(|v| v * self.seconds_missing(now).max(0.0) as f32)
    }
}

/// The longer side of a box in pixels: a person's size.
pub(super) fn longer_side(b: &BBox) -> f32 {
    b.w.max(b.h)
}

pub(super) fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The distance of `point` from the segment that `displacement` leads from `start`, in pixels.
fn distance_to_segment(start: [f32; 2], displacement: [f32; 2], point: [f32; 2]) -> f32 {
    let [dx, dy] = displacement;
    let along = dx * (point[0] - start[0]) + dy * (point[1] - start[1]);
    let part = (along / (dx * dx + dy * dy).max(f32::EPSILON)).clamp(0.0, 1.0);
    distance([start[0] + part * dx, start[1] + part * dy], point)
}

/// The mean displacement in pixels of the joints that are confident in both poses.
fn mean_displacement(from: &[Keypoint], to: &[Keypoint]) -> Option<[f32; 2]> {
    let (mut sum, mut joints) = ([0.0; 2], 0.0);
    for (a, b) in from.iter().zip(to).filter(|(a, b)| is_confident(a) && is_confident(b)) {
        sum = [sum[0] + b.x - a.x, sum[1] + b.y - a.y];
        joints += 1.0;
    }
    (joints > 0.0).then(|| sum.map(|s| s / joints))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A figure of 17 joints, 40 pixels wide and 160 high, from (x, 100) on.
    fn pose(x: f32) -> (Pose, BBox) {
        let joint =
            |j: usize| Keypoint { x: x + 40.0 * (j % 2) as f32, y: 100.0 + 10.0 * j as f32, score: 0.9 };
        let pose = Pose { keypoints: (0..17).map(joint).collect(), score: 0.9 };
        let body = BBox { x, y: 100.0, w: 41.0, h: 161.0 }.expanded(1.25);
        (pose, body)
    }

    fn walker() -> PersonTrack {
        let (first, body) = pose(0.0);
        let mut track = PersonTrack::new(TrackId(1), 1.0, &first, body, 0.0);
        for i in 1..=30 {
            let (pose, body) = pose(4.0 * i as f32);
            track.update(&pose, body, f64::from(i) / 30.0);
        }
        track
    }

    #[test]
    fn a_walker_is_expected_where_its_walk_leads() {
        let track = walker();
        let expected = track.predicted_box(1.5).center()[0];
        let there = pose(180.0).1.center()[0];
        assert!((expected - there).abs() < 2.0, "{expected} instead of {there}");
        assert_eq!(track.predicted_box(1.0), pose(120.0).1, "now it is where it was seen");
    }

    #[test]
    fn the_same_pose_is_more_alike_than_the_same_box() {
        let (track, sigmas) = (walker(), &crate::pose::Skeleton::coco17().sigmas);
        let (same, body) = pose(120.0);
        let mut other = same.clone();
        other.keypoints.reverse();
        let alike = |p: &Pose| track.pose_similarity(p, &body, 1.0, sigmas);
        assert!(alike(&same) > 0.99 && (0.4..0.8).contains(&alike(&other)), "{}", alike(&other));
    }

    #[test]
    fn a_little_further_off_is_somebody_who_was_missed_or_not_looked_for_in_a_while() {
        let mut track = walker();
        let beside = |x: f32| pose(x).1;
        assert_eq!(track.box_similarity(&beside(220.0), 1.2), 0.0);
        assert!(track.box_similarity(&beside(320.0), 1.8) > 0.1, "0.8 s later");
        track.mark_missed();
        assert!(track.box_similarity(&beside(220.0), 1.2) > 0.1, "lost");
        assert_eq!(track.box_similarity(&beside(700.0), 1.8), 0.0);
        let child = BBox { w: 20.0, h: 80.0, ..track.predicted_box(1.8) };
        assert!(track.box_similarity(&child, 1.8) < 0.3, "of another size");
    }

    #[test]
    fn a_way_is_as_near_as_its_nearest_point() {
        let from = [10.0, 10.0];
        assert_eq!(distance_to_segment(from, [10.0, 0.0], [15.0, 13.0]), 3.0, "beside it");
        assert_eq!(distance_to_segment(from, [10.0, 0.0], [24.0, 13.0]), 5.0, "beyond its end");
        assert_eq!(distance_to_segment(from, [10.0, 0.0], [6.0, 7.0]), 5.0, "behind its beginning");
        assert_eq!(distance_to_segment(from, [0.0, 0.0], [13.0, 14.0]), 5.0, "no way at all");
    }

    #[test]
    fn nobody_is_expected_beyond_any_speed() {
        let mut track = walker();
        let (leap, body) = pose(5000.0);
        track.update(&leap, body, 1.01);
        assert!(track.predicted_box(1.1).x < 5000.0 + 0.1 * 3.0 * 210.0);
    }
}
