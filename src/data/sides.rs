//! Whether somebody's left and right look exchanged in a set's labels.

use super::set::PersonAnnotation;
use super::teacher::TeacherJoint;
use crate::pose::{JointName, Keypoint, Side, Skeleton};

/// A teacher's joint counts when its score is above this and its two models agree this well (relative to the
/// box's longer side).
const TEACHER_SCORE: f32 = 0.35;
const TEACHER_DISAGREEMENT: f32 = 0.04;
/// Labels must be this far away from the teacher's joints, relative to the box's longer side ...
const FAR: f32 = 0.1;
/// ... and come this much nearer when left and right change places.
const NEARER: f32 = 0.5;
/// Widths (relative to the trunk's length) from which on a side view cannot explain a wrong order.
const SHOULDERS: f32 = 0.3;
const HIPS: f32 = 0.15;
const EYES: f32 = 0.06;
/// A trunk shorter than this part of the box's longer side is seen from above or below.
const TRUNK: f32 = 0.12;

/// Sides that look exchanged.
#[derive(Clone, Debug, PartialEq)]
pub struct SidesSwapped {
    /// What looks exchanged, as a sentence.
    pub what: String,
    /// How clearly: a distance relative to the longer side of the box or to the trunk; larger is clearer.
    pub severity: f32,
}

/// The paired body parts of a skeleton.
pub struct SidePairs {
    pairs: Vec<SidePair>,
}

/// A body part with two joints.
struct SidePair {
    part: String,
    /// Index of the left joint.
    left: usize,
    /// Index of the right joint.
    right: usize,
}

impl SidePairs {
    /// Those of a skeleton, by its joints' names.
    pub fn of(skeleton: &Skeleton) -> SidePairs {
        let names: Vec<JointName> = skeleton.joints.iter().map(|j| JointName::parse(j)).collect();
        let pair = |(left, name): (usize, &JointName)| {
            (name.side == Side::Left).then_some(())?;
            let right = names.iter().position(|n| *n == name.mirrored())?;
            Some(SidePair { part: name.part.clone(), left, right })
        };
        SidePairs { pairs: names.iter().enumerate().filter_map(pair).collect() }
    }

    fn joints(&self, part: &str) -> Option<&SidePair> {
        self.pairs.iter().find(|pair| pair.part == part)
    }

    /// The left and right joint of a part, if both are labelled.
    fn pair(&self, part: &str, person: &PersonAnnotation) -> Option<[Keypoint; 2]> {
        let pair = self.joints(part)?;
        let both = [pair.left, pair.right].map(|j| person.keypoints[j]);
        both.iter().all(|k| k.score > 0.0).then_some(both)
    }

    /// Compares arms and legs with a teacher's joints: exchanged when they lie far away as they are and
    /// near when left and right change places.
    pub fn against_teacher(
        &self,
        person: &PersonAnnotation,
        teacher: &[TeacherJoint],
    ) -> Option<SidesSwapped> {
        let side = person.bbox.w.max(person.bbox.h).max(1.0);
        let trusted = |j: usize| {
            let t = teacher.get(j)?;
            (t.score > TEACHER_SCORE && t.disagreement < TEACHER_DISAGREEMENT).then_some([t.x, t.y])
        };
        let limbs = [("arms", ["shoulder", "elbow", "wrist"]), ("legs", ["hip", "knee", "ankle"])];
        let mut found: Vec<(&str, f32)> = Vec::new();
        for (limb, parts) in limbs {
            let (mut as_is, mut exchanged, mut count) = (0.0, 0.0, 0);
            for part in parts {
                let Some([left, right]) = self.pair(part, person) else { continue };
                let Some(joints) = self.joints(part) else { continue };
                let (Some(teacher_left), Some(teacher_right)) = (trusted(joints.left), trusted(joints.right))
                else {
                    continue;
                };
                let apart = |k: Keypoint, [x, y]: [f32; 2]| (k.x - x).hypot(k.y - y);
                as_is += apart(left, teacher_left) + apart(right, teacher_right);
                exchanged += apart(left, teacher_right) + apart(right, teacher_left);
                count += 2;
            }
            let mean = as_is / count.max(1) as f32 / side;
            if count >= 4 && mean > FAR && exchanged < NEARER * as_is {
                found.push((limb, mean));
            }
        }
        let severity = found.iter().map(|f| f.1).fold(0.0, f32::max);
        let what = found.iter().map(|f| f.0).collect::<Vec<_>>().join(" and ");
        (!found.is_empty()).then(|| SidesSwapped {
            what: format!("left and right {what} look exchanged: two public models see them the other way"),
            severity,
        })
    }

    /// Compares the order of left and right at shoulders, hips and eyes, across the trunk. Shoulders
    /// and hips cannot point opposite ways, and whoever shows both eyes and the nose is seen from the
    /// front, or nearly.
    pub fn against_itself(&self, person: &PersonAnnotation, skeleton: &Skeleton) -> Option<SidesSwapped> {
        let [shoulders, hips] = [self.pair("shoulder", person)?, self.pair("hip", person)?];
        let middle = |[a, b]: [Keypoint; 2]| [(a.x + b.x) / 2.0, (a.y + b.y) / 2.0];
        let (top, bottom) = (middle(shoulders), middle(hips));
        let up = [top[0] - bottom[0], top[1] - bottom[1]];
        let trunk = up[0].hypot(up[1]);
        if trunk < TRUNK * person.bbox.w.max(person.bbox.h) || trunk <= 0.0 {
            return None;
        }
        // How far left lies to the right of right on the picture of an upright person.
        let across = |[l, r]: [Keypoint; 2]| (-up[1] * (l.x - r.x) + up[0] * (l.y - r.y)) / (trunk * trunk);
        let (s, h) = (across(shoulders), across(hips));
        let opposite = |a: f32, a_least: f32, b: f32, b_least: f32| {
            (a * b < 0.0 && a.abs() > a_least && b.abs() > b_least).then(|| a.abs().min(b.abs()))
        };
        if let Some(severity) = opposite(s, SHOULDERS, h, HIPS) {
            let what = "shoulders and hips point opposite ways: left and right of one look exchanged".into();
            return Some(SidesSwapped { what, severity });
        }
        let nose = skeleton.joints.iter().position(|j| JointName::parse(j).part == "nose")?;
        let eyes = self.pair("eye", person)?;
        if person.keypoints[nose].score <= 0.0 {
            return None;
        }
        // The eyes are so near each other that their order counts more than their distance.
        let severity = opposite(s, SHOULDERS, across(eyes), EYES)?;
        let what = "the shoulders are seen from behind and the face from the front: left and right of one look \
                    exchanged";
        Some(SidesSwapped { what: what.into(), severity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::BBox;

    /// Somebody upright seen from the front: the left side is on the picture's right.
    fn person() -> PersonAnnotation {
        let mut keypoints = vec![Keypoint::default(); 17];
        let mut put = |j: usize, x: f32, y: f32| keypoints[j] = Keypoint { x, y, score: 2.0 };
        put(0, 50.0, 20.0);
        for (row, y, half) in
            [(1, 18.0, 3.0), (5, 35.0, 15.0), (7, 55.0, 20.0), (11, 80.0, 10.0), (13, 110.0, 11.0)]
        {
            put(row, 50.0 + half, y);
            put(row + 1, 50.0 - half, y);
        }
        PersonAnnotation::for_test(BBox { x: 20.0, y: 10.0, w: 60.0, h: 120.0 }, keypoints)
    }

    fn swapped(rows: &[usize]) -> PersonAnnotation {
        let mut p = person();
        for &row in rows {
            p.keypoints.swap(row, row + 1);
        }
        p
    }

    fn itself(p: &PersonAnnotation) -> Option<String> {
        SidePairs::of(Skeleton::coco17()).against_itself(p, Skeleton::coco17()).map(|e| e.what)
    }

    #[test]
    fn a_body_twisted_beyond_what_is_possible_is_found() {
        assert_eq!(itself(&person()), None);
        assert!(itself(&swapped(&[5])).unwrap().contains("opposite ways"));
        assert!(itself(&swapped(&[11])).unwrap().contains("opposite ways"));
        // Seen from behind, all joints of the body change places and the face is hidden.
        let mut behind = swapped(&[5, 7, 11, 13]);
        assert!(itself(&behind).unwrap().contains("from behind"));
        behind.keypoints[1].score = 0.0;
        assert_eq!(itself(&behind), None);
    }

    #[test]
    fn a_picture_turned_upside_down_changes_nothing() {
        let turned = |mut p: PersonAnnotation| {
            for k in &mut p.keypoints {
                (k.x, k.y) = (100.0 - k.x, 140.0 - k.y);
            }
            p
        };
        assert_eq!(itself(&turned(person())), None);
        assert!(itself(&turned(swapped(&[11]))).is_some());
    }

    #[test]
    fn a_teacher_tells_exchanged_limbs() {
        let sides = SidePairs::of(Skeleton::coco17());
        let mut teacher: Vec<TeacherJoint> =
            person().keypoints.iter().map(|k| [k.x, k.y, 0.9, 0.01].into()).collect();
        let told = |p: &PersonAnnotation, teacher: &[TeacherJoint]| {
            sides.against_teacher(p, teacher).map(|e| e.what)
        };
        assert_eq!(told(&person(), &teacher), None);
        let what = told(&swapped(&[5, 7]), &teacher).unwrap();
        assert!(what.starts_with("left and right arms look"), "{what}");
        let what = told(&swapped(&[5, 7, 11, 13]), &teacher).unwrap();
        assert!(what.starts_with("left and right arms and legs look"), "{what}");
        // A teacher of low confidence does not count.
        teacher.iter_mut().for_each(|t| t.disagreement = 0.2);
        assert_eq!(told(&swapped(&[5, 7]), &teacher), None);
    }
}
