//! A small world of standing people with a detector and a network that see only who is not hidden.

use super::*;
use crate::pose::{Keypoint, Pose, Size, Skeleton};
use crate::vision::{BBox, Detection};
use image::RgbImage;
use proptest::prelude::*;
use std::time::Duration;

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;

/// Joints of a standing person as (sideways, down) in terms of its height, in COCO's order.
const STANDING: [(f32, f32); 17] = [
    (0.0, 0.08),
    (0.02, 0.06),
    (-0.02, 0.06),
    (0.04, 0.07),
    (-0.04, 0.07),
    (0.12, 0.2),
    (-0.12, 0.2),
    (0.16, 0.36),
    (-0.16, 0.36),
    (0.17, 0.5),
    (-0.17, 0.5),
    (0.08, 0.53),
    (-0.08, 0.53),
    (0.08, 0.75),
    (-0.08, 0.75),
    (0.08, 0.97),
    (-0.08, 0.97),
];

/// Somebody whose feet stand at y 220.
#[derive(Clone, Copy, Debug)]
struct Someone {
    x: f32,
    height: f32,
}

const fn at(x: f32) -> Someone {
    Someone { x, height: 160.0 }
}

impl Someone {
    fn pose(&self) -> Pose {
        let top = 220.0 - self.height;
        let joint = |&(dx, dy): &(f32, f32)| Keypoint {
            x: self.x + dx * self.height,
            y: top + dy * self.height,
            score: 0.9,
        };
        Pose { keypoints: STANDING.iter().map(joint).collect(), score: 0.9 }
    }

    fn bbox(&self) -> BBox {
        let (w, h) = (0.42 * self.height, self.height);
        BBox { x: self.x - w / 2.0, y: 220.0 - h, w, h }
    }
}

fn nobody_there() -> Pose {
    Pose { keypoints: vec![Keypoint { x: 5.0, y: 5.0, score: 0.05 }; 17], score: 0.0 }
}

/// Those of `people`, the foremost first, whom nobody in front hides.
fn visible(people: &[Someone]) -> Vec<Someone> {
    let hides = |front: &Someone, back: &Someone| (front.x - back.x).abs() < 0.2 * front.height;
    let seen = |(i, p): (usize, &Someone)| (!people[..i].iter().any(|front| hides(front, p))).then_some(*p);
    people.iter().enumerate().filter_map(seen).collect()
}

/// The pose of who fills the box best.
fn network(look: &BBox, people: &[Someone]) -> Pose {
    let best = people.iter().max_by(|a, b| a.bbox().iou(look).total_cmp(&b.bbox().iou(look)));
    best.filter(|p| p.bbox().iou(look) > 0.1).map_or_else(nobody_there, Someone::pose)
}

struct World {
    tracker: Tracker,
    settings: TrackSettings,
    frame: u32,
    /// Seconds from a frame to the next.
    apart: f64,
    /// Frames in which a detection was wanted.
    asked: Vec<u32>,
}

impl World {
    fn new(settings: TrackSettings) -> World {
        let tracker = Tracker::new(Skeleton::coco17().sigmas.clone());
        World { tracker, settings, frame: 0, apart: 1.0 / 30.0, asked: Vec::new() }
    }

    fn of(mode: FollowMode) -> World {
        World::new(TrackSettings { mode, ..TrackSettings::default() })
    }

    /// The next frame.
    fn step(&mut self, people: &[Someone]) -> Vec<TrackedPerson> {
        let timestamp = Duration::from_secs_f64(f64::from(self.frame) * self.apart);
        let frame_info = FrameInfo { timestamp, ..FrameInfo::default() };
        let seen = visible(people);
        if self.tracker.predict(&RgbImage::new(WIDTH, HEIGHT), &frame_info, &self.settings) {
            self.asked.push(self.frame);
            let found: Vec<Detection> =
                seen.iter().map(|p| Detection { bbox: p.bbox(), score: 0.8 }).collect();
            self.tracker.associate_detections(&found);
        }
        self.frame += 1;
        let poses: Vec<Pose> = self.tracker.boxes().iter().map(|b| network(b, &seen)).collect();
        self.tracker.update(&poses)
    }

    fn ids(&mut self, people: &[Someone]) -> Vec<u32> {
        self.step(people).iter().map(|p| p.id.0).collect()
    }

    /// The ids after that many frames.
    fn ids_after(&mut self, frames: u32, people: &[Someone]) -> Vec<u32> {
        for _ in 1..frames {
            self.step(people);
        }
        self.ids(people)
    }

    /// The id of whoever stands nearest to x.
    fn id_at(&mut self, people: &[Someone], x: f32) -> Option<u32> {
        let found = self.step(people);
        let far = |p: &TrackedPerson| (p.raw.keypoints[0].x - x).abs();
        found.iter().filter(|p| far(p) < 20.0).min_by(|a, b| far(a).total_cmp(&far(b))).map(|p| p.id.0)
    }
}

#[test]
fn people_who_pass_each_other_keep_their_ids() {
    for speed in [2.0, 4.0, 7.0] {
        let mut world = World::of(FollowMode::All);
        let frames = (220.0 / speed) as i32;
        let walk = |i: i32| [at(50.0 + speed * i as f32), at(270.0 - speed * i as f32)];
        let first = [world.id_at(&walk(0), 50.0), world.id_at(&walk(0), 270.0)];
        let mut hidden = 0;
        for i in 1..frames {
            hidden += i32::from(world.ids(&walk(i)).len() == 1);
        }
        let last = walk(frames);
        assert!(hidden > 3, "nobody was hidden at {speed} pixels a frame");
        assert_eq!(
            [world.id_at(&last, last[0].x), world.id_at(&last, last[1].x)],
            first,
            "{speed} pixels a frame"
        );
    }
}

#[test]
fn who_comes_back_soon_has_the_old_id_and_later_a_new_one() {
    let mut world = World::of(FollowMode::All);
    for _ in 0..12 {
        assert_eq!(world.ids(&[at(100.0), at(220.0)]), [1, 2]);
    }
    for _ in 0..20 {
        assert_eq!(world.ids(&[at(100.0)]), [1]);
    }
    assert_eq!(world.ids_after(6, &[at(100.0), at(226.0)]), [1, 2]);
    assert_eq!(world.ids_after(50, &[at(100.0)]), [1]);
    assert_eq!(world.ids_after(12, &[at(100.0), at(220.0)]), [1, 3]);
    world.tracker.reset();
    assert_eq!(world.ids(&[at(100.0)]), [4], "ids are never given twice");
}

#[test]
fn where_a_slow_machine_sees_few_frames_people_keep_their_ids() {
    for apart in [0.5, 1.5, 4.0] {
        let mut world = World { apart, ..World::of(FollowMode::All) };
        let sway = |i: u32| if i.is_multiple_of(2) { 40.0 } else { -40.0 };
        for i in 0..10 {
            let people = [at(70.0 + 0.3 * sway(i)), at(250.0 - sway(i))];
            assert_eq!(world.ids(&people), [1, 2], "frame {i}, {apart} s apart");
        }
        assert_eq!(world.asked, (0..10).collect::<Vec<_>>(), "old boxes are not trusted");
        // Missed once.
        assert_eq!(world.ids(&[at(70.0)]), [1]);
        assert_eq!(world.ids(&[at(70.0), at(220.0)]), [1, 2], "{apart} s apart");
    }
}

#[test]
fn one_person_in_two_boxes_is_one_person() {
    let mut world = World::of(FollowMode::All);
    let person = at(150.0);
    let shifted = BBox { x: person.bbox().x + 15.0, ..person.bbox() };
    for i in 0..20 {
        let frame_info = FrameInfo { timestamp: Duration::from_millis(33 * i), ..FrameInfo::default() };
        if world.tracker.predict(&RgbImage::new(WIDTH, HEIGHT), &frame_info, &world.settings) {
            let twice = [person.bbox(), shifted].map(|bbox| Detection { bbox, score: 0.7 });
            world.tracker.associate_detections(&twice);
        }
        let poses = vec![person.pose(); world.tracker.boxes().len()];
        let people = world.tracker.update(&poses);
        assert_eq!(people.iter().map(|p| p.id.0).collect::<Vec<_>>(), [1]);
    }
}

#[test]
fn of_two_tracks_that_run_into_one_person_the_younger_ends() {
    let mut world = World::new(TrackSettings { detect_every: 5, ..TrackSettings::default() });
    for _ in 0..30 {
        world.ids(&[at(100.0)]);
    }
    // For a few frames the detector sees a second person, who then turns out to be the first.
    for i in 0..4 {
        world.ids(&[at(100.0), at(170.0 - 5.0 * i as f32)]);
    }
    let ids: Vec<Vec<u32>> = (0..40).map(|_| world.ids(&[at(100.0)])).collect();
    assert!(ids.iter().all(|ids| *ids == [1]), "{ids:?}");
}

#[test]
fn people_are_looked_for_when_there_is_a_reason() {
    let mut world = World::new(TrackSettings { detect_every: 8, ..TrackSettings::default() });
    let here = [at(100.0)];
    for _ in 0..20 {
        world.step(&here);
    }
    assert_eq!(world.asked, [0, 8, 16], "every so many frames");
    world.asked.clear();
    for _ in 20..34 {
        world.step(&[]);
    }
    assert_eq!(world.asked, [21, 26, 31], "at once after a loss, then now and then");
    let mut empty = World::of(FollowMode::All);
    for _ in 0..12 {
        empty.step(&[]);
    }
    assert_eq!(empty.asked, [0, 5, 10], "the first frame, then now and then");

    let mut world = World::of(FollowMode::All);
    world.step(&here);
    world.step(&here);
    world.settings.mode = FollowMode::Largest;
    world.step(&here);
    assert_eq!(world.asked, [0, 2], "another mode");
    let img = RgbImage::new(WIDTH, HEIGHT);
    let later = FrameInfo { timestamp: Duration::from_millis(200), ..FrameInfo::default() };
    assert!(!world.tracker.predict(&img, &later, &world.settings));
    assert!(
        world.tracker.predict(&img, &FrameInfo { discontinuous: true, ..later }, &world.settings),
        "a jump"
    );
    world.tracker.associate_detections(&[]);
    let white = RgbImage::from_pixel(WIDTH, HEIGHT, image::Rgb([255; 3]));
    assert!(world.tracker.predict(&white, &later, &world.settings), "a scene cut");
    world.tracker.associate_detections(&[]);
    assert!(world.tracker.predict(&white, &FrameInfo::default(), &world.settings), "back in time");
}

#[test]
fn a_scene_cut_ends_everybody() {
    let mut world = World::of(FollowMode::All);
    assert_eq!(world.ids(&[at(100.0)]), [1]);
    let white = RgbImage::from_pixel(WIDTH, HEIGHT, image::Rgb([255; 3]));
    let frame_info = FrameInfo { timestamp: Duration::from_millis(33), ..FrameInfo::default() };
    assert!(world.tracker.predict(&white, &frame_info, &world.settings));
    assert!(world.tracker.boxes().is_empty());
    world.tracker.associate_detections(&[Detection { bbox: at(100.0).bbox(), score: 0.9 }]);
    assert_eq!(world.tracker.update(&[at(100.0).pose()])[0].id, TrackId(2));
}

#[test]
fn limits_hold() {
    let people = [at(40.0), Someone { x: 120.0, height: 40.0 }, at(200.0), at(280.0)];
    let mut world = World::new(TrackSettings { most_people: 2, min_size: 0.3, ..TrackSettings::default() });
    assert_eq!(world.step(&people).len(), 2);
    world.settings.most_people = 9;
    world.ids_after(12, &people);
    let found = world.step(&people);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|p| p.bbox.h > 100.0));
    world.settings.most_people = 1;
    assert_eq!(world.ids(&people), [1], "who is followed longest stays");
}

#[test]
fn the_largest_and_the_middle_one_are_followed_alone() {
    let people = [at(60.0), Someone { x: 250.0, height: 200.0 }, at(165.0)];
    let one = |mode, people: &[Someone]| {
        let found = World::of(mode).step(people);
        assert_eq!(found.len(), 1);
        found[0].raw.keypoints[0].x
    };
    assert_eq!(one(FollowMode::Largest, &people), 250.0);
    assert_eq!(one(FollowMode::Centre, &people), 165.0);

    let mut world = World::of(FollowMode::Largest);
    for i in 0..60 {
        // The other one is now and then a little larger.
        let other = Someone { x: 220.0, height: 165.0 + 6.0 * (i % 3) as f32 };
        let ids = world.ids(&[Someone { x: 80.0, height: 170.0 }, other]);
        assert_eq!(ids, [1], "frame {i}");
    }
}

#[test]
fn a_clicked_person_is_followed_while_others_pass_and_taken_up_again_where_it_was_lost() {
    let mut world = World::of(FollowMode::All);
    world.step(&[at(80.0), at(240.0)]);
    world.settings.mode = FollowMode::Point([240.0, 150.0]);
    for i in 0..40 {
        // The other one passes behind.
        let found = world.ids(&[at(240.0), at(80.0 + 6.0 * i as f32)]);
        assert_eq!(found, [2], "frame {i}");
    }
    for _ in 0..60 {
        assert!(world.ids(&[at(60.0)]).is_empty(), "nobody else is followed instead");
    }
    assert_eq!(
        world.ids_after(6, &[at(60.0), at(250.0)]),
        [3],
        "after so long it is a new one, but it is followed"
    );
    world.settings.mode = FollowMode::All;
    assert_eq!(world.ids(&[at(60.0), at(250.0)]), [3, 4]);
}

#[test]
fn a_drawn_box_needs_no_detector() {
    let mut world = World::of(FollowMode::Drawn(at(100.0).bbox()));
    for i in 0..40 {
        assert_eq!(world.ids(&[at(100.0 + 3.0 * i as f32), at(300.0)]), [1], "frame {i}");
    }
    for _ in 0..40 {
        world.step(&[]);
    }
    let boxes = world.tracker.boxes();
    assert!(boxes[0].iou(&at(100.0).bbox()) > 0.99, "lost for good, the drawn place is watched: {boxes:?}");
    assert!(world.asked.is_empty());
}

/// One frame without a detector; the boxes that were looked at.
fn search(
    tracker: &mut Tracker,
    frame_info: &FrameInfo,
    mut look: impl FnMut(usize) -> Pose,
) -> (Vec<BBox>, Vec<TrackedPerson>) {
    let img = RgbImage::new(WIDTH, HEIGHT);
    if tracker.predict(&img, frame_info, &TrackSettings::default()) {
        tracker.search_without_detector();
    }
    let mut looks = Vec::new();
    loop {
        let boxes = tracker.boxes();
        let poses: Vec<Pose> = (0..boxes.len()).map(|i| look(looks.len() + i)).collect();
        looks.extend(boxes);
        let people = tracker.update(&poses);
        if !tracker.is_refining() {
            return (looks, people);
        }
    }
}

#[test]
fn without_a_detector_a_person_is_found_by_coming_closer_and_no_box_is_looked_at_twice() {
    let still = FrameInfo { still: true, ..FrameInfo::default() };
    let mut tracker = Tracker::new(Skeleton::coco17().sigmas.clone());
    // From far away the network spreads the joints too wide.
    let (looks, people) = search(&mut tracker, &still, |n| {
        let mut pose = at(160.0).pose();
        let spread = if n == 0 { 2.0 } else { 1.0 };
        pose.keypoints.iter_mut().for_each(|k| k.x = 160.0 + (k.x - 160.0) * spread);
        pose
    });
    assert_eq!(looks.len(), 3);
    assert_eq!(looks[0], BBox::whole(Size::new(WIDTH, HEIGHT)));
    assert!(looks[2].w < looks[1].w);
    assert_eq!((people.len(), people[0].bbox), (1, looks[2]));
    assert_eq!(people[0].pose, at(160.0).pose(), "the closest look counts");

    let (looks, people) = search(&mut tracker, &still, |_| nobody_there());
    assert_eq!((looks.len(), people.len()), (1, 0), "an empty picture is looked at once");
}

#[test]
fn without_a_detector_one_person_is_followed_and_looked_for_again_when_it_is_lost() {
    let mut tracker = Tracker::new(Skeleton::coco17().sigmas.clone());
    let frame_info = |i: u64| FrameInfo { timestamp: Duration::from_millis(33 * i), ..FrameInfo::default() };
    let (_, first) = search(&mut tracker, &frame_info(0), |_| at(160.0).pose());
    let (looks, people) = search(&mut tracker, &frame_info(1), |_| at(162.0).pose());
    assert_eq!((looks.len(), people[0].id), (1, first[0].id));
    search(&mut tracker, &frame_info(2), |_| nobody_there());
    let (looks, people) = search(&mut tracker, &frame_info(3), |_| at(164.0).pose());
    assert_eq!(looks[0], BBox::whole(Size::new(WIDTH, HEIGHT)));
    assert_eq!(people[0].id, first[0].id, "it is the same person");
}

#[test]
fn estimating_a_frame_again_moves_nobody() {
    let mut world = World::of(FollowMode::All);
    let mut last = Vec::new();
    for i in 0..10 {
        last = world.step(&[at(100.0 + 4.0 * i as f32), at(250.0)]);
    }
    let raw: Vec<Pose> = last.iter().map(|p| p.raw.clone()).collect();
    assert_ne!(last[0].pose, last[0].raw, "somebody who walks is smoothed");
    for _ in 0..3 {
        assert_eq!(world.tracker.replace_poses(&raw), last);
    }
    world.tracker.set_smoothing(SmoothingSettings { on: false, ..SmoothingSettings::default() });
    assert_eq!(world.tracker.replace_poses(&raw)[0].pose, raw[0]);
}

#[test]
fn pictures_are_never_smoothed_and_follow_nobody() {
    let mut tracker = Tracker::new(Skeleton::coco17().sigmas.clone());
    for i in 0..5 {
        let person = at(100.0 + 3.0 * i as f32);
        let frame_info = FrameInfo { still: true, ..FrameInfo::default() };
        assert!(tracker.predict(&RgbImage::new(WIDTH, HEIGHT), &frame_info, &TrackSettings::default()));
        tracker.associate_detections(&[Detection { bbox: person.bbox(), score: 0.6 }]);
        let people = tracker.update(&[person.pose()]);
        assert_eq!(people[0].pose, person.pose());
        assert_eq!((people[0].id, people[0].box_score), (TrackId(i + 1), 0.6));
    }
}

proptest! {
    #[test]
    fn whatever_is_seen_the_answer_is_in_order(
        frames in proptest::collection::vec((
            0u64..400,
            any::<[bool; 3]>(),
            proptest::collection::vec((-100f32..400.0, -100f32..300.0, -5f32..300.0, -5f32..300.0, 0f32..1.0), 0..6),
            proptest::collection::vec((-200f32..600.0, 0f32..1.0), 17),
        ), 1..12),
        most_people in 0usize..4,
        mode in prop_oneof![
            Just(FollowMode::All), Just(FollowMode::Largest), Just(FollowMode::Centre),
            Just(FollowMode::Point([50.0, 60.0])), Just(FollowMode::Point([f32::NAN, 0.0])),
            Just(FollowMode::Drawn(BBox { x: -900.0, y: 3.0, w: 5.0, h: f32::NAN })),
        ],
    ) {
        let settings = TrackSettings { mode, most_people, detect_every: 0, ..TrackSettings::default() };
        let mut tracker = Tracker::new(Skeleton::coco17().sigmas.clone());
        let mut time = 0;
        for (passed, [discontinuous, still, detector], boxes, joints) in frames {
            time += passed;
            let frame_info = FrameInfo {
                timestamp: Duration::from_millis(time),
                discontinuous: discontinuous && still,
                still: still && !discontinuous,
            };
            if tracker.predict(&RgbImage::new(WIDTH, HEIGHT), &frame_info, &settings) {
                if detector {
                    let found: Vec<Detection> = boxes
                        .iter()
                        .map(|&(x, y, w, h, score)| Detection { bbox: BBox { x, y, w, h }, score })
                        .collect();
                    tracker.associate_detections(&found);
                } else {
                    tracker.search_without_detector();
                }
            }
            loop {
                let looks = tracker.boxes();
                prop_assert!(looks.iter().all(|b| b.w >= 1.0 && b.h >= 1.0 && b.x >= 0.0 && b.x + b.w <= 320.5));
                let poses: Vec<Pose> = looks
                    .iter()
                    .map(|b| Pose {
                        keypoints: joints
                            .iter()
                            .map(|&(v, score)| Keypoint { x: b.x + v, y: b.y + 0.7 * v, score })
                            .collect(),
                        score: 0.5,
                    })
                    .collect();
                let people = tracker.update(&poses);
                prop_assert!(people.len() <= most_people.max(1));
                prop_assert!(people.windows(2).all(|p| p[0].index < p[1].index));
                let mut ids: Vec<TrackId> = people.iter().map(|p| p.id).collect();
                ids.sort_unstable();
                ids.dedup();
                prop_assert_eq!(ids.len(), people.len());
                prop_assert!(people.iter().all(|p| p.bbox == looks[p.index] && p.raw == poses[p.index]));
                prop_assert_eq!(tracker.replace_poses(&poses), people);
                if !tracker.is_refining() {
                    break;
                }
            }
        }
    }
}
