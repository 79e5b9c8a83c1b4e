//! Who of those who could be looked at is looked at.

use super::person_track::{distance, longer};
use super::tracked_person::TrackId;
use super::{FollowMode, TrackSettings};
use crate::vision::BBox;

/// A box to look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub bbox: BBox,
    pub score: f32,
    /// Whose box it is; none for somebody new.
    pub owner: Option<TrackId>,
    /// The owner was found in the last frame.
    pub active: bool,
}

/// Whom [`FollowMode::Point`] means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PointTarget {
    /// Whoever is here.
    At([f32; 2]),
    /// This person.
    On(TrackId),
    /// Whoever appears near the place where the person was lost: its centre, and its size in pixels.
    Near([f32; 2], f32),
}

/// Another person must be this much larger, or nearer to the middle, than the followed one to be followed
/// instead. Without it two people of one size would take turns.
const CLEARLY: f32 = 1.3;
/// How far beside a box a click may be, as a part of its longer side.
const BESIDE: f32 = 0.1;
/// How far from where it was lost a person is taken up again, in its sizes.
const NEAR: f32 = 0.75;

/// Those of `options` that the settings ask for, in a picture of `size`.
pub(super) fn choose(
    options: Vec<Candidate>,
    settings: &TrackSettings,
    aim: PointTarget,
    size: [u32; 2],
) -> Vec<Candidate> {
    let one = |best: Option<Candidate>| best.into_iter().collect();
    match settings.mode {
        FollowMode::All => {
            let mut looks = options;
            // Those who are followed stay, the longest first; then the largest.
            let rank = |l: &Candidate| (!l.active, l.owner.is_none(), l.owner);
            looks.sort_by(|a, b| rank(a).cmp(&rank(b)).then(b.bbox.area().total_cmp(&a.bbox.area())));
            looks.truncate(settings.most_people);
            looks
        }
        FollowMode::Largest => {
            let worth = |l: &Candidate| l.bbox.area() * if l.active { CLEARLY } else { 1.0 };
            one(options.into_iter().max_by(|a, b| worth(a).total_cmp(&worth(b))))
        }
        FollowMode::Centre => {
            let [width, height] = size;
            let middle = BBox::whole(width, height).center();
            let far =
                |l: &Candidate| distance(l.bbox.center(), middle) / if l.active { CLEARLY } else { 1.0 };
            one(options.into_iter().min_by(|a, b| far(a).total_cmp(&far(b))))
        }
        FollowMode::Point(_) => one(aimed(options, aim)),
        FollowMode::Drawn(_) => options,
    }
}

fn aimed(options: Vec<Candidate>, aim: PointTarget) -> Option<Candidate> {
    let nearest = |at: [f32; 2], within: &dyn Fn(&Candidate) -> bool| {
        let far = |l: &Candidate| distance(l.bbox.center(), at);
        options.iter().filter(|l| within(l)).min_by(|a, b| far(a).total_cmp(&far(b))).copied()
    };
    match aim {
        PointTarget::On(id) => options.iter().find(|l| l.owner == Some(id)).copied(),
        PointTarget::At(at) => nearest(at, &|l| beside(&l.bbox, at) <= BESIDE * longer(&l.bbox)),
        PointTarget::Near(at, size) => nearest(at, &|l| distance(l.bbox.center(), at) <= NEAR * size),
    }
}

/// Pixels from a place to a box; 0 inside.
fn beside(b: &BBox, [x, y]: [f32; 2]) -> f32 {
    let out = |at: f32, first: f32, side: f32| (first - at).max(at - first - side).max(0.0);
    out(x, b.x, b.w).hypot(out(y, b.y, b.h))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(x: f32, side: f32, owner: Option<u32>) -> Candidate {
        let bbox = BBox { x, y: 50.0, w: side / 2.0, h: side };
        Candidate { bbox, score: 0.9, owner: owner.map(TrackId), active: owner.is_some() }
    }

    fn chosen(options: &[Candidate], mode: FollowMode, aim: PointTarget, most_people: usize) -> Vec<f32> {
        let settings = TrackSettings { mode, most_people, ..TrackSettings::default() };
        choose(options.to_vec(), &settings, aim, [320, 200]).iter().map(|l| l.bbox.x).collect()
    }

    const NOWHERE: PointTarget = PointTarget::At([-1e4, -1e4]);

    #[test]
    fn those_who_are_followed_stay_and_then_come_the_largest() {
        let options = [
            look(0.0, 90.0, None),
            look(1.0, 30.0, Some(5)),
            look(2.0, 99.0, None),
            look(3.0, 20.0, Some(2)),
        ];
        assert_eq!(chosen(&options, FollowMode::All, NOWHERE, 3), [3.0, 1.0, 2.0]);
        assert_eq!(chosen(&options, FollowMode::All, NOWHERE, 10), [3.0, 1.0, 2.0, 0.0]);
    }

    #[test]
    fn only_a_clearly_better_one_replaces_the_followed_one() {
        let followed = look(0.0, 100.0, Some(1));
        assert_eq!(chosen(&[followed, look(1.0, 110.0, None)], FollowMode::Largest, NOWHERE, 9), [0.0]);
        assert_eq!(chosen(&[followed, look(1.0, 120.0, None)], FollowMode::Largest, NOWHERE, 9), [1.0]);
        let aside = look(180.0, 60.0, Some(1));
        assert_eq!(chosen(&[aside, look(115.0, 60.0, None)], FollowMode::Centre, NOWHERE, 9), [180.0]);
        assert_eq!(chosen(&[aside, look(130.0, 60.0, None)], FollowMode::Centre, NOWHERE, 9), [130.0]);
        assert_eq!(chosen(&[], FollowMode::Centre, NOWHERE, 9), [] as [f32; 0]);
    }

    #[test]
    fn a_click_means_who_is_there_and_then_nobody_else() {
        let options = [look(10.0, 100.0, Some(1)), look(40.0, 100.0, Some(2)), look(200.0, 60.0, None)];
        let point = FollowMode::Point([0.0, 0.0]);
        assert_eq!(chosen(&options, point, PointTarget::At([60.0, 90.0]), 9), [40.0], "the nearer of two");
        assert_eq!(chosen(&options, point, PointTarget::At([197.0, 60.0]), 9), [200.0], "a little beside");
        assert!(chosen(&options, point, PointTarget::At([300.0, 10.0]), 9).is_empty());
        assert_eq!(chosen(&options, point, PointTarget::On(TrackId(2)), 9), [40.0]);
        assert!(chosen(&options, point, PointTarget::On(TrackId(7)), 9).is_empty());
        assert_eq!(chosen(&options, point, PointTarget::Near([170.0, 90.0], 80.0), 9), [200.0]);
    }
}
