//! What the whole figure promises, over seeds and moments.

use super::figure::Figure;
use super::motion::{self, ACTION};
use super::*;
use crate::pose::{Size, Skeleton};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const LEFT_RIGHT: [(usize, usize); 4] = [(5, 6), (11, 12), (1, 2), (3, 4)];

fn person(m: &Mannequin, t: f64) -> TruePerson {
    m.render_with_truth(t).truth.person.unwrap()
}

#[test]
fn a_picture_is_a_function_of_seed_size_and_time() {
    let (one, two) = (Mannequin::new(5, Size::new(96, 72)), Mannequin::new(5, Size::new(96, 72)));
    // The second visits other moments in between: no state may leak from them.
    for t in [12.9, 0.4, 11.5, 12.9] {
        let _ = two.render(t + 40.0);
        assert_eq!(one.render(t), two.render(t), "at {t} s");
    }
    assert_ne!(one.render(0.4).0, one.render(0.5).0);
    assert_ne!(one.render(0.4).0, Mannequin::new(6, Size::new(96, 72)).render(0.4).0);
}

/// FNV-1a, 64 bits: a short name for what a picture and its annotation hold.
fn fingerprint(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// Sets that were drawn before are drawn again from their seeds, so a seed keeps its pictures. Only where these
/// values were computed: another system's mathematical functions may round another way.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn a_seed_keeps_its_pictures_and_joints() {
    // One seed for each kind of environment; at 11.4 s the first scene is cross-faded into the second.
    let expected: [[u64; 2]; 6] = [
        [0x79c7ecb82f37dd91, 0x80453294a0f9dd82],
        [0x92838ffdcab3cb1e, 0x5b4123fd4bab594c],
        [0xd372ed785d0493f9, 0x2cdb44842ac0ddf8],
        [0xcc0e75c02775dee4, 0x1cc5e3ca7b42448d],
        [0xa900e10edff2c67c, 0x47ebbb122864d368],
        [0x25e6df0c198276cd, 0xca435f3fe61f5981],
    ];
    for (seed, expected) in (0..).zip(expected) {
        let mannequin = Mannequin::new(seed, Size::new(160, 120));
        let found = [2.0, 11.4].map(|t| {
            let drawn = mannequin.render_with_truth(t);
            let person = drawn.truth.person.expect("the camera follows the figure");
            let b = person.bbox;
            let joints = person.keypoints.iter().flat_map(|k| [k.x, k.y, k.score]);
            let numbers = [b.x, b.y, b.w, b.h, drawn.truth.area].into_iter().chain(joints);
            let silhouette = drawn.truth.silhouette.into_iter().map(u8::from);
            fingerprint(
                drawn
                    .pixels
                    .into_raw()
                    .into_iter()
                    .chain(silhouette)
                    .chain(numbers.flat_map(f32::to_le_bytes)),
            )
        });
        assert_eq!(found, expected, "seed {seed}: {found:#x?}");
    }
}

#[test]
fn the_left_hand_is_on_the_right_of_a_picture_of_someone_who_faces_the_camera() {
    for seed in 0..4 {
        // The first action faces the camera within 45 degrees.
        let p = person(&Mannequin::new(seed, Size::new(320, 240)), 2.0);
        for (left, right) in LEFT_RIGHT {
            assert!(p.keypoints[left].x > p.keypoints[right].x, "seed {seed}, joint {left}");
        }
        let names = &Skeleton::coco17().joints;
        assert!(
            LEFT_RIGHT.iter().all(|(l, r)| names[*l].starts_with("left") && names[*r].starts_with("right"))
        );
        // Head above shoulders above hips above ankles.
        let y = |j: usize| p.keypoints[j].y;
        assert!(y(1) < y(5) && y(5) < y(11) && y(11) < y(13) && y(13) < y(15), "seed {seed}");
    }
}

#[test]
fn joints_move_without_jumps() {
    for seed in [1, 2, 9] {
        let figure = Figure::new(seed);
        let joints = |i: i32| {
            let p = motion::state_at(seed, f64::from(i) / 30.0, figure.rig.scale);
            figure.rig.joints(&figure.rig.grounded(&p.stance, p.heading, p.position))
        };
        let mut before = joints(0);
        for i in 1..(60.0 * 30.0) as i32 {
            let now = joints(i);
            for (j, (a, b)) in before.iter().zip(&now).enumerate() {
                // A fast punch or kick is about 8 m/s.
                assert!(a.distance(*b) < 0.4, "seed {seed}, joint {j}, frame {i}: {} m", a.distance(*b));
            }
            before = now;
        }
    }
}

#[test]
fn feet_stay_on_the_ground_unless_it_jumps() {
    let figure = Figure::new(3);
    for i in 0..400 {
        let t = f64::from(i) * 0.15;
        let p = motion::state_at(3, t, figure.rig.scale);
        let joints = figure.rig.joints(&figure.rig.grounded(&p.stance, p.heading, p.position));
        let lowest = joints[15].y.min(joints[16].y);
        assert!(lowest > 0.02 && lowest < 0.6, "ankle at {lowest} m at {t} s");
    }
}

#[test]
fn one_walk_leads_back_to_where_it_began() {
    // The second action of every figure is a walk.
    let start = motion::state_at(8, ACTION + 1.0, 1.0);
    let middle = motion::state_at(8, ACTION * 1.5, 1.0);
    let end = motion::state_at(8, ACTION * 2.0 - 1e-3, 1.0);
    assert!(end.position.length() < 0.01, "{}", end.position);
    assert!(middle.position.length() > 1.0 && start.position.length() > 0.01);
}

/// From a place to the nearest pixel of the figure, in pixels; 10 if none is so near.
fn distance_to(figure: &FigureTruth, x: f32, y: f32) -> f32 {
    let steps = || (-9..=9).map(|d| d as f32);
    let covered = steps().flat_map(|dy| steps().map(move |dx| (dx, dy)));
    let distances = covered.filter(|(dx, dy)| figure.covers(x + dx, y + dy)).map(|(dx, dy)| dx.hypot(dy));
    distances.fold(10.0, f32::min)
}

/// The worst that random figures and moments have shown so far.
#[test]
fn a_deep_hip_stays_close_to_the_figure() {
    let drawn = Mannequin::new(272_714, Size::new(240, 200)).render_with_truth(97.48777673750587 + 2.0 * 3.7);
    let person = drawn.truth.person.as_ref().expect("the camera follows the figure");
    let hip = person.keypoints[12];
    let off = distance_to(&drawn.truth, hip.x, hip.y);
    assert!(off <= 0.03 * person.bbox.w.max(person.bbox.h), "{off} px of {:?}", person.bbox);
}

proptest! {
    // A fixed seed: of endless figures and moments some are always worse than any limit, and the same
    // program must pass the same tests twice.
    #![proptest_config(ProptestConfig {
        cases: 8, rng_seed: RngSeed::Fixed(11), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn every_joint_lies_on_the_drawn_figure_and_in_its_box(seed in 0u64..1_000_000, from in 0.0f64..3000.0) {
        let m = Mannequin::new(seed, Size::new(240, 200));
        for k in 0..4 {
            let t = from + f64::from(k) * 3.7;
            let drawn = m.render_with_truth(t);
            let p = drawn.truth.person.as_ref().expect("the camera follows the figure");
            prop_assert_eq!(p.keypoints.len(), 17);
            let b = p.bbox;
            prop_assert!(b.x >= 0.0 && b.y >= 0.0 && b.x + b.w <= 240.0 && b.y + b.h <= 200.0);
            prop_assert!(drawn.truth.area > 0.1 * b.w * b.h && drawn.truth.area <= b.w * b.h + 1.0);
            for (j, q) in p.keypoints.iter().enumerate() {
                let inside = q.x >= -0.5 && q.y >= -0.5 && q.x < 239.5 && q.y < 199.5;
                prop_assert_eq!(q.score > 0.0, inside, "joint {} at {} s", j, t);
                if !inside {
                    continue;
                }
                prop_assert!(q.x >= b.x - 0.6 && q.x <= b.x + b.w + 0.6, "joint {} at {} s", j, t);
                prop_assert!(q.y >= b.y - 0.6 && q.y <= b.y + b.h + 0.6, "joint {} at {} s", j, t);
                // Ears lie on the outline, and the skin of a strongly bent hip can leave the joint out a little.
                let limit = (0.03 * b.w.max(b.h)).max(2.0);
                let off = distance_to(&drawn.truth, q.x, q.y);
                prop_assert!(off <= limit, "joint {} ({:?}) of seed {} at {} s is {} px off", j, q, seed, t, off);
            }
            prop_assert!(p.keypoints.iter().filter(|q| q.score > 1.5).count() >= 3);
        }
    }
}
