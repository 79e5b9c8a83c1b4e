//! One followed person: where it was, and where it will be.

use super::SmoothingSettings;
use super::confidence::{MIN_SCORE, is_confident};
use super::smoothing::PoseFilter;
use super::tracked_person::TrackId;
use crate::pose::{Keypoint, Pose, oks_of_confident};
use crate::vision::BBox;

/// The velocity follows the measured one with this time constant in seconds: a stride's to and fro is no walk.
const VELOCITY_TIME: f64 = 0.15;
/// Nobody is faster than this many times the own size in a second; what seems to be is a wrong pose.
const FASTEST: f32 = 3.0;
/// A person who comes back is looked for within this part of its size of where it would be by now, ...
const REACH: f32 = 0.5;
/// ... and this part of its size further for each second that it was gone.
const REACH_A_SECOND: f32 = 0.7;
/// Boxes of one person differ less than this factor in their longer side.
const SAME_SIZE: f32 = 1.7;
/// How much being near counts for a person who comes back, against 1 for the very same box and pose.
const NEARNESS: f64 = 0.4;
/// A place that was seen longer than this many seconds ago says only roughly where somebody is by now: a lost
/// person's, or anybody's where a slow machine sees few frames.
const STALE: f64 = 0.3;
/// A track younger than this many seconds has yet to prove that there is such a person.
const YOUNG: f64 = 0.5;
/// What a young track's likeness counts: where two claim one person, the older has it.
const YOUNG_LIKENESS: f64 = 0.8;

/// A followed person.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub id: TrackId,
    /// How sure the detector was when it saw the person last; 1 where none was asked.
    pub box_score: f32,
    /// Frames in a row in which it was not found: it is hidden, or gone.
    missed: u32,
    /// When it was found first and last, in seconds.
    born: f64,
    seen: f64,
    /// As it was last seen.
    keypoints: Vec<Keypoint>,
    body: BBox,
    /// Pixels a second.
    velocity: [f32; 2],
    filter: PoseFilter,
    /// The filter as it was before the present frame, to estimate that again.
    before: PoseFilter,
}

impl Track {
    /// A person found for the first time.
    pub fn new(id: TrackId, box_score: f32, pose: &Pose, body: BBox, now: f64) -> Track {
        Track {
            id,
            box_score,
            missed: 0,
            born: now,
            seen: now,
            keypoints: pose.keypoints.clone(),
            body,
            velocity: [0.0; 2],
            filter: PoseFilter::default(),
            before: PoseFilter::default(),
        }
    }

    /// Takes the pose that was found in the present frame.
    pub fn move_on(&mut self, pose: &Pose, body: BBox, now: f64) {
        let passed = now - self.seen;
        if self.is_missing() {
            // What lies in between was not seen.
            self.filter = PoseFilter::default();
        }
        if passed > 0.0
            && let Some(moved) = moved(&self.keypoints, &pose.keypoints)
        {
            let fastest = FASTEST * longer(&body);
            let share = 1.0 - (-passed / VELOCITY_TIME).exp() as f32;
            // Over a longer time people turn round: how far they came says less and less of where they go.
            let lasting = (STALE / passed).min(1.0) as f32;
            for (v, moved) in self.velocity.iter_mut().zip(moved) {
                *v = (*v + share * (lasting * moved / passed as f32 - *v)).clamp(-fastest, fastest);
            }
        }
        self.keypoints.clone_from(&pose.keypoints);
        (self.body, self.seen, self.missed) = (body, now, 0);
    }

    /// Takes a closer look's pose of the frame in which the person was found: what was seen from further away
    /// never happened.
    pub fn restart(&mut self, pose: &Pose, body: BBox, now: f64) {
        *self = Track { born: self.born, ..Track::new(self.id, self.box_score, pose, body, now) };
    }

    /// The present pose with steady keypoints; the filters move on.
    pub fn smooth(&mut self, pose: &Pose, now: f64, settings: &SmoothingSettings) -> Pose {
        self.before = self.filter.clone();
        self.filter.smooth(pose, now, f64::from(longer(&self.body)), settings)
    }

    /// The present pose estimated again, with steady keypoints; the filters stay as they are.
    pub fn smooth_again(&self, pose: &Pose, now: f64, settings: &SmoothingSettings) -> Pose {
        self.before.clone().smooth(pose, now, f64::from(longer(&self.body)), settings)
    }

    /// What is smoothed from now on knows no past.
    pub fn forget_filter(&mut self) {
        (self.filter, self.before) = (PoseFilter::default(), PoseFilter::default());
    }

    /// The person was looked for in the present frame, and not found.
    pub fn miss(&mut self) {
        self.missed = self.missed.saturating_add(1);
    }

    /// Not found in the last frame.
    pub fn is_missing(&self) -> bool {
        self.missed > 0
    }

    /// Frames in a row in which the person was not found.
    pub fn missed(&self) -> u32 {
        self.missed
    }

    /// The person may have moved on from where it was seen last.
    pub fn is_stale(&self, now: f64) -> bool {
        self.gone_for(now) > STALE
    }

    /// Seconds since the person was seen.
    pub fn gone_for(&self, now: f64) -> f64 {
        now - self.seen
    }

    pub fn is_young(&self, now: f64) -> bool {
        now - self.born < YOUNG
    }

    /// The person's box, moved on with its velocity since it was last seen.
    pub fn expected(&self, now: f64) -> BBox {
        let [dx, dy] = self.drift(now);
        BBox { x: self.body.x + dx, y: self.body.y + dy, ..self.body }
    }

    /// The person's box as it was last seen.
    pub fn last_body(&self) -> BBox {
        self.body
    }

    /// How much a detector's box is like this person's, 0 to 1.
    pub fn like_box(&self, bbox: &BBox, now: f64) -> f64 {
        let overlap = f64::from(self.expected(now).iou(bbox));
        if self.may_be_beside(now) { overlap.max(self.nearness(bbox, now)) } else { overlap }
    }

    /// How much a pose and its box are like this person's, 0 to 1. Overlap holds where a fast person's joints
    /// are all elsewhere already; OKS tells people apart whose boxes overlap.
    pub fn like_pose(&self, pose: &Pose, body: &BBox, now: f64, sigmas: &[f64]) -> f64 {
        let overlap = f64::from(self.expected(now).iou(body));
        let [dx, dy] = self.drift(now);
        let expected: Vec<Keypoint> =
            self.keypoints.iter().map(|k| Keypoint { x: k.x + dx, y: k.y + dy, ..*k }).collect();
        let areas = [self.body, *body].map(|b| f64::from(b.area()));
        let oks = oks_of_confident(&expected, &pose.keypoints, areas, sigmas, MIN_SCORE);
        let mut alike = (overlap + oks.unwrap_or(overlap)) / 2.0;
        if self.may_be_beside(now) {
            alike = alike.max(self.nearness(body, now));
        }
        if self.is_young(now) { alike * YOUNG_LIKENESS } else { alike }
    }

    /// The person need not be where its way led it: it was lost, or not looked for in a while.
    fn may_be_beside(&self, now: f64) -> bool {
        self.is_missing() || self.is_stale(now)
    }

    /// How near a box is to where such a person could be by now, anywhere from where it was to where its way leads;
    /// 0 beyond its reach or of another size.
    fn nearness(&self, bbox: &BBox, now: f64) -> f64 {
        let (size, other) = (longer(&self.body), longer(bbox));
        if size.max(other) > SAME_SIZE * size.min(other) {
            return 0.0;
        }
        let reach = size * (REACH + REACH_A_SECOND * self.gone_for(now) as f32);
        let off = off_the_way(self.body.center(), self.drift(now), bbox.center());
        NEARNESS * f64::from(1.0 - off / reach).max(0.0)
    }

    fn drift(&self, now: f64) -> [f32; 2] {
        self.velocity.map(|v| v * self.gone_for(now).max(0.0) as f32)
    }
}

/// The longer side of a box in pixels: a person's size.
pub(super) fn longer(b: &BBox) -> f32 {
    b.w.max(b.h)
}

pub(super) fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The distance of `place` from the nearest point of the way that `drift` leads from `start`.
fn off_the_way(start: [f32; 2], drift: [f32; 2], place: [f32; 2]) -> f32 {
    let [dx, dy] = drift;
    let along = dx * (place[0] - start[0]) + dy * (place[1] - start[1]);
    let part = (along / (dx * dx + dy * dy).max(f32::EPSILON)).clamp(0.0, 1.0);
    distance([start[0] + part * dx, start[1] + part * dy], place)
}

/// How far the joints that are sure in both poses moved on average.
fn moved(from: &[Keypoint], to: &[Keypoint]) -> Option<[f32; 2]> {
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

    fn walker() -> Track {
        let (first, body) = pose(0.0);
        let mut track = Track::new(TrackId(1), 1.0, &first, body, 0.0);
        for i in 1..=30 {
            let (pose, body) = pose(4.0 * i as f32);
            track.move_on(&pose, body, f64::from(i) / 30.0);
        }
        track
    }

    #[test]
    fn a_walker_is_expected_where_its_walk_leads() {
        let track = walker();
        let expected = track.expected(1.5).center()[0];
        let there = pose(180.0).1.center()[0];
        assert!((expected - there).abs() < 2.0, "{expected} instead of {there}");
        assert_eq!(track.expected(1.0), pose(120.0).1, "now it is where it was seen");
    }

    #[test]
    fn the_same_pose_is_more_alike_than_the_same_box() {
        let (track, sigmas) = (walker(), &crate::pose::Skeleton::coco17().sigmas);
        let (same, body) = pose(120.0);
        let mut other = same.clone();
        other.keypoints.reverse();
        let alike = |p: &Pose| track.like_pose(p, &body, 1.0, sigmas);
        assert!(alike(&same) > 0.99 && (0.4..0.8).contains(&alike(&other)), "{}", alike(&other));
    }

    #[test]
    fn a_little_further_off_is_somebody_who_was_missed_or_not_looked_for_in_a_while() {
        let mut track = walker();
        let beside = |x: f32| pose(x).1;
        assert_eq!(track.like_box(&beside(220.0), 1.2), 0.0);
        assert!(track.like_box(&beside(320.0), 1.8) > 0.1, "0.8 s later");
        track.miss();
        assert!(track.like_box(&beside(220.0), 1.2) > 0.1, "lost");
        assert_eq!(track.like_box(&beside(700.0), 1.8), 0.0);
        let child = BBox { w: 20.0, h: 80.0, ..track.expected(1.8) };
        assert!(track.like_box(&child, 1.8) < 0.3, "of another size");
    }

    #[test]
    fn a_way_is_as_near_as_its_nearest_point() {
        let from = [10.0, 10.0];
        assert_eq!(off_the_way(from, [10.0, 0.0], [15.0, 13.0]), 3.0, "beside it");
        assert_eq!(off_the_way(from, [10.0, 0.0], [24.0, 13.0]), 5.0, "beyond its end");
        assert_eq!(off_the_way(from, [10.0, 0.0], [6.0, 7.0]), 5.0, "behind its beginning");
        assert_eq!(off_the_way(from, [0.0, 0.0], [13.0, 14.0]), 5.0, "no way at all");
    }

    #[test]
    fn nobody_is_expected_beyond_any_speed() {
        let mut track = walker();
        let (leap, body) = pose(5000.0);
        track.move_on(&leap, body, 1.01);
        assert!(track.expected(1.1).x < 5000.0 + 0.1 * 3.0 * 210.0);
    }
}
