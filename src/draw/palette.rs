//! The colours of a skeleton: warm for the person's left, cool for the right, pale for the middle.
//!
//! Orange against blue stays apart for the common colour blindnesses; arms are lighter than legs,
//! so that a wrist in front of a thigh can still be told. The window uses the same colours.

use crate::pose::{Side, Skeleton};

/// What a joint belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyPart {
    Head,
    Arm,
    Trunk,
    Leg,
}

/// Colour (R, G, B) of joint `j`. A joint whose name tells neither side nor body part gets a hue of
/// its own, so that every skeleton is drawn in distinct colours.
pub fn joint_color(skeleton: &Skeleton, j: usize) -> [u8; 3] {
    match skeleton.joints.get(j).map(|name| (side(name), part(name))) {
        Some((side, Some(part))) => color(side, part),
        Some((Side::Middle, None)) | None => hue_of(j),
        Some((side, None)) => color(side, BodyPart::Trunk),
    }
}

/// Colour (R, G, B) of a bone. A bone between a side and the middle belongs to the side.
pub fn edge_color(skeleton: &Skeleton, edge: [usize; 2]) -> [u8; 3] {
    let [Some(a), Some(b)] = edge.map(|j| skeleton.joints.get(j)) else {
        return hue_of(edge[1]);
    };
    let (Some(part_a), Some(part_b)) = (part(a), part(b)) else {
        return joint_color(skeleton, edge[1]);
    };
    let part = match (part_a, part_b) {
        (x, y) if x == y => x,
        (BodyPart::Head, _) | (_, BodyPart::Head) => BodyPart::Head,
        (BodyPart::Trunk, x) | (x, BodyPart::Trunk) => x,
        _ => BodyPart::Trunk,
    };
    color(edge_side(a, b), part)
}

fn edge_side(a: &str, b: &str) -> Side {
    match (side(a), side(b)) {
        (x, y) if x == y => x,
        (Side::Middle, x) | (x, Side::Middle) => x,
        _ => Side::Middle,
    }
}

/// Colours of people, far apart also beside each other.
const PEOPLE: [[u8; 3]; 10] = [
    [255, 168, 38],
    [64, 190, 255],
    [92, 214, 110],
    [255, 112, 184],
    [246, 226, 84],
    [168, 132, 255],
    [52, 212, 194],
    [255, 98, 82],
    [184, 226, 80],
    [214, 222, 236],
];

/// Colour (R, G, B) of a person by its number, from 1: the same as long as the number is.
pub fn person_color(number: u32) -> [u8; 3] {
    PEOPLE[number.wrapping_sub(1) as usize % PEOPLE.len()]
}

/// A person's colour on joint `j`: lighter on the person's left, darker on the right.
pub fn person_joint_color(skeleton: &Skeleton, j: usize, number: u32) -> [u8; 3] {
    shaded(person_color(number), skeleton.joints.get(j).map_or(Side::Middle, |name| side(name)))
}

/// A person's colour on a bone, shaded as its joints are.
pub fn person_edge_color(skeleton: &Skeleton, edge: [usize; 2], number: u32) -> [u8; 3] {
    let side = match edge.map(|j| skeleton.joints.get(j)) {
        [Some(a), Some(b)] => edge_side(a, b),
        _ => Side::Middle,
    };
    shaded(person_color(number), side)
}

fn shaded(color: [u8; 3], side: Side) -> [u8; 3] {
    let toward = |goal: f32, part: f32| color.map(|c| (f32::from(c) + (goal - f32::from(c)) * part) as u8);
    match side {
        Side::Left => toward(255.0, 0.38),
        Side::Right => toward(0.0, 0.22),
        Side::Middle => color,
    }
}

/// Size of a joint's mark and of its bones relative to the rest: the face's joints lie close
/// together and would hide it.
pub fn joint_size(skeleton: &Skeleton, j: usize) -> f32 {
    let is_head = skeleton.joints.get(j).is_some_and(|name| part(name) == Some(BodyPart::Head));
    if is_head { 0.7 } else { 1.0 }
}

fn side(joint: &str) -> Side {
    if joint.starts_with("left") {
        Side::Left
    } else if joint.starts_with("right") {
        Side::Right
    } else {
        Side::Middle
    }
}

fn part(joint: &str) -> Option<BodyPart> {
    const NAMES: [(BodyPart, &[&str]); 4] = [
        (BodyPart::Arm, &["shoulder", "elbow", "wrist", "arm", "hand", "thumb", "finger"]),
        (BodyPart::Head, &["nose", "eye", "ear", "head", "neck", "mouth", "chin"]),
        (BodyPart::Leg, &["hip", "knee", "ankle", "foot", "toe", "heel"]),
        (BodyPart::Trunk, &["thorax", "pelvis", "spine", "chest", "torso"]),
    ];
    NAMES.iter().find(|(_, words)| words.iter().any(|w| joint.contains(w))).map(|(part, _)| *part)
}

fn color(side: Side, part: BodyPart) -> [u8; 3] {
    match (side, part) {
        (Side::Left, BodyPart::Head) => [255, 214, 120],
        (Side::Left, BodyPart::Arm) => [255, 176, 32],
        (Side::Left, BodyPart::Trunk) => [255, 143, 46],
        (Side::Left, BodyPart::Leg) => [255, 98, 48],
        (Side::Right, BodyPart::Head) => [150, 226, 255],
        (Side::Right, BodyPart::Arm) => [46, 196, 255],
        (Side::Right, BodyPart::Trunk) => [52, 156, 255],
        (Side::Right, BodyPart::Leg) => [72, 112, 255],
        (Side::Middle, _) => [236, 240, 232],
    }
}

/// Hues a golden angle apart: any number of them stay distinct.
fn hue_of(j: usize) -> [u8; 3] {
    let hue = (j as f32 * 0.618_034).fract() * 6.0;
    let channel = |offset: f32| {
        let d = ((hue + offset).rem_euclid(6.0) - 3.0).abs() - 1.0;
        (90.0 + 165.0 * d.clamp(0.0, 1.0)) as u8
    };
    [channel(0.0), channel(4.0), channel(2.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_is_warm_and_right_is_cool() {
        for s in [Skeleton::coco17(), Skeleton::mpii16()] {
            for (j, name) in s.joints.iter().enumerate() {
                let [r, _, b] = joint_color(s, j);
                match side(name) {
                    Side::Left => assert!(r > b, "{name}"),
                    Side::Right => assert!(b > r, "{name}"),
                    Side::Middle => assert!(r.abs_diff(b) < 10, "{name}"),
                }
            }
        }
    }

    #[test]
    fn a_bone_across_the_body_belongs_to_neither_side() {
        let s = Skeleton::coco17();
        assert_eq!(edge_color(s, [5, 6]), joint_color(s, 0));
        assert_eq!(edge_color(s, [7, 9]), joint_color(s, 9));
        assert_eq!(edge_color(s, [0, 1]), joint_color(s, 1));
    }

    #[test]
    fn a_person_has_one_colour_whose_left_is_lighter() {
        let s = Skeleton::coco17();
        let colors: std::collections::BTreeSet<_> = (1..=10).map(person_color).collect();
        assert_eq!(colors.len(), 10);
        assert_eq!(person_color(3), person_color(13));
        for number in 0..=10 {
            let sum = |c: [u8; 3]| c.iter().map(|&v| u32::from(v)).sum::<u32>();
            let (left, right) = (person_edge_color(s, [5, 7], number), person_edge_color(s, [6, 8], number));
            assert!(sum(left) > sum(person_color(number)) && sum(person_color(number)) > sum(right));
            assert_eq!(person_joint_color(s, 9, number), left);
        }
    }

    #[test]
    fn unknown_joints_are_told_apart() {
        let mut s = Skeleton::coco17().clone();
        s.joints = (0..17).map(|j| format!("point {j}")).collect();
        let colors: std::collections::BTreeSet<_> = (0..17).map(|j| joint_color(&s, j)).collect();
        assert_eq!(colors.len(), 17);
        assert_eq!(edge_color(&s, [1, 2]), joint_color(&s, 2));
        assert_eq!(joint_color(&s, 99).len(), 3);
    }
}
