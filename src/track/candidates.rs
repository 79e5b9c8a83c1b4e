//! The boxes in which poses may be estimated, and the choice among them.

use super::person_track::{distance, longer_side};
use super::tracked_person::TrackId;
use super::{FollowMode, TrackSettings};
use crate::pose::Size;
use crate::vision::BBox;

/// A box in which a pose may be estimated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// In pixels of the picture.
    pub bbox: BBox,
    /// The detector's confidence, 0 to 1.
    pub score: f32,
    /// The track whose box it is; none for somebody new.
    pub owner: Option<TrackId>,
    /// The owner was found in the last frame.
    pub active: bool,
}

/// Whom [`FollowMode::Point`] means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PointTarget {
    /// Whoever is at this point (x, y in pixels).
    Point([f32; 2]),
    /// This person.
    Track(TrackId),
    /// Whoever appears near the place where the person was lost.
    LostNear {
        /// The person's centre in pixels.
        at: [f32; 2],
        /// The person's size in pixels.
        size: f32,
    },
}

/// Another person must be this much larger, or nearer to the middle, than the tracked one to be tracked
/// instead. Without it tracking would alternate between two people of one size.
const HYSTERESIS: f32 = 1.3;
/// How far outside a box a click may be, as a part of its longer side.
const CLICK_MARGIN: f32 = 0.1;
/// How far from where they were lost a person is found again, in their sizes.
const REACQUIRE_RADIUS: f32 = 0.75;

/// Those of `candidates` that the settings ask for, in a picture of `size`.
pub(super) fn choose(
    candidates: Vec<Candidate>,
    settings: &TrackSettings,
    target: PointTarget,
    size: Size,
) -> Vec<Candidate> {
    let one = |best: Option<Candidate>| best.into_iter().collect();
    match settings.mode {
        FollowMode::All => {
            let mut chosen = candidates;
            // Those who are followed stay, the longest first; then the largest.
            let rank = |l: &Candidate| (!l.active, l.owner.is_none(), l.owner);
            chosen.sort_by(|a, b| rank(a).cmp(&rank(b)).then(b.bbox.area().total_cmp(&a.bbox.area())));
            chosen.truncate(settings.most_people);
            chosen
        }
        FollowMode::Largest => {
            let worth = |l: &Candidate| l.bbox.area() * if l.active { HYSTERESIS } else { 1.0 };
            one(candidates.into_iter().max_by(|a, b| worth(a).total_cmp(&worth(b))))
        }
        FollowMode::Centre => {
            let middle = BBox::whole(size).center();
            let far =
                |l: &Candidate| distance(l.bbox.center(), middle) / if l.active { HYSTERESIS } else { 1.0 };
            one(candidates.into_iter().min_by(|a, b| far(a).total_cmp(&far(b))))
        }
        FollowMode::Point(_) => one(nearest_to_target(candidates, target)),
        FollowMode::Drawn(_) => candidates,
    }
}

fn nearest_to_target(candidates: Vec<Candidate>, target: PointTarget) -> Option<Candidate> {
    let nearest = |at: [f32; 2], within: &dyn Fn(&Candidate) -> bool| {
        let far = |l: &Candidate| distance(l.bbox.center(), at);
        candidates.iter().filter(|l| within(l)).min_by(|a, b| far(a).total_cmp(&far(b))).copied()
    };
    match target {
        PointTarget::Track(id) => candidates.iter().find(|l| l.owner == Some(id)).copied(),
        PointTarget::Point(at) => {
            nearest(at, &|l| distance_to_box(&l.bbox, at) <= CLICK_MARGIN * longer_side(&l.bbox))
        }
        PointTarget::LostNear { at, size } => {
            nearest(at, &|l| distance(l.bbox.center(), at) <= REACQUIRE_RADIUS * size)
        }
    }
}

/// Pixels from a place to a box; 0 inside.
fn distance_to_box(b: &BBox, [x, y]: [f32; 2]) -> f32 {
    let out = |at: f32, first: f32, side: f32| (first - at).max(at - first - side).max(0.0);
    out(x, b.x, b.w).hypot(out(y, b.y, b.h))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(x: f32, side: f32, owner: Option<u32>) -> Candidate {
        let bbox = BBox { x, y: 50.0, w: side / 2.0, h: side };
        Candidate { bbox, score: 0.9, owner: owner.map(TrackId), active: owner.is_some() }
    }

    fn chosen(
        candidates: &[Candidate],
        mode: FollowMode,
        target: PointTarget,
        most_people: usize,
    ) -> Vec<f32> {
        let settings = TrackSettings { mode, most_people, ..TrackSettings::default() };
        choose(candidates.to_vec(), &settings, target, Size::new(320, 200)).iter().map(|l| l.bbox.x).collect()
    }

    const NOWHERE: PointTarget = PointTarget::Point([-1e4, -1e4]);

    #[test]
    fn those_who_are_followed_stay_and_then_come_the_largest() {
        let candidates = [
            candidate(0.0, 90.0, None),
            candidate(1.0, 30.0, Some(5)),
            candidate(2.0, 99.0, None),
            candidate(3.0, 20.0, Some(2)),
        ];
        assert_eq!(chosen(&candidates, FollowMode::All, NOWHERE, 3), [3.0, 1.0, 2.0]);
        assert_eq!(chosen(&candidates, FollowMode::All, NOWHERE, 10), [3.0, 1.0, 2.0, 0.0]);
    }

    #[test]
    fn only_a_clearly_better_one_replaces_the_followed_one() {
        let followed = candidate(0.0, 100.0, Some(1));
        assert_eq!(chosen(&[followed, candidate(1.0, 110.0, None)], FollowMode::Largest, NOWHERE, 9), [0.0]);
        assert_eq!(chosen(&[followed, candidate(1.0, 120.0, None)], FollowMode::Largest, NOWHERE, 9), [1.0]);
        let aside = candidate(180.0, 60.0, Some(1));
        assert_eq!(chosen(&[aside, candidate(115.0, 60.0, None)], FollowMode::Centre, NOWHERE, 9), [180.0]);
        assert_eq!(chosen(&[aside, candidate(130.0, 60.0, None)], FollowMode::Centre, NOWHERE, 9), [130.0]);
        assert_eq!(chosen(&[], FollowMode::Centre, NOWHERE, 9), [] as [f32; 0]);
    }

    #[test]
    fn a_click_means_who_is_there_and_then_nobody_else() {
        let candidates =
            [candidate(10.0, 100.0, Some(1)), candidate(40.0, 100.0, Some(2)), candidate(200.0, 60.0, None)];
        let point = FollowMode::Point([0.0, 0.0]);
        assert_eq!(
            chosen(&candidates, point, PointTarget::Point([60.0, 90.0]), 9),
            [40.0],
            "the nearer of two"
        );
        assert_eq!(
            chosen(&candidates, point, PointTarget::Point([197.0, 60.0]), 9),
            [200.0],
            "a little beside"
        );
        assert!(chosen(&candidates, point, PointTarget::Point([300.0, 10.0]), 9).is_empty());
        assert_eq!(chosen(&candidates, point, PointTarget::Track(TrackId(2)), 9), [40.0]);
        assert!(chosen(&candidates, point, PointTarget::Track(TrackId(7)), 9).is_empty());
        assert_eq!(
            chosen(&candidates, point, PointTarget::LostNear { at: [170.0, 90.0], size: 80.0 }, 9),
            [200.0]
        );
    }
}
