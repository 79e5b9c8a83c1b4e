//! The half-body augmentation: training on the upper or lower half of a person.

use super::CropBox;
use crate::pose::Skeleton;

/// Enlargement of a half body's box (docs/METHOD.md, "Augmentation").
const HALF_BODY_PADDING: f64 = 1.5;

/// For each joint of a skeleton whether it belongs to the upper body, by the joint's name:
/// everything but hips, pelvis, knees, ankles and feet (COCO 0-10, MPII 7-15).
pub fn upper_body(skeleton: &Skeleton) -> Vec<bool> {
    const LOWER: [&str; 8] = ["hip", "pelvis", "knee", "ankle", "foot", "toe", "heel", "leg"];
    skeleton.joints.iter().map(|name| !LOWER.iter().any(|part| name.contains(part))).collect()
}

/// The crop about the upper or lower half of a person (docs/METHOD.md, "Augmentation"). `joints` holds
/// x, y in image pixels and visibility; `upper` is [`upper_body`]; `normal` is one draw of a
/// standard normal variable, which picks the upper half below 0.5 (69 % of the time: the reference
/// draws from a normal where a uniform draw was meant). None when the half has fewer than two
/// joints. When to do this at all (more than 8 visible joints, 30 %) is the caller's matter.
pub fn half_body_crop(joints: &[[f32; 3]], upper: &[bool], aspect: f64, normal: f64) -> Option<CropBox> {
    let half = |wanted: bool| -> Vec<[f64; 2]> {
        let visible = joints.iter().zip(upper).filter(|(j, is_upper)| j[2] > 0.0 && **is_upper == wanted);
        visible.map(|(j, _)| [f64::from(j[0]), f64::from(j[1])]).collect()
    };
    let (above, below) = (half(true), half(false));
    let chosen = if normal < 0.5 && above.len() > 2 {
        above
    } else if below.len() > 2 {
        below
    } else {
        above
    };
    if chosen.len() < 2 {
        return None;
    }
    let mut center = [0.0; 2];
    let mut size = [0.0; 2];
    for axis in 0..2 {
        let along = chosen.iter().map(|p| p[axis]);
        let low = along.clone().fold(f64::INFINITY, f64::min);
        let high = along.clone().fold(f64::NEG_INFINITY, f64::max);
        center[axis] = along.sum::<f64>() / chosen.len() as f64;
        size[axis] = high - low + 1.0;
    }
    Some(CropBox::around(center, size, aspect, HALF_BODY_PADDING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_body_ends_above_the_hips() {
        let ids = |s: &Skeleton| -> Vec<usize> {
            upper_body(s).iter().enumerate().filter(|(_, u)| **u).map(|(j, _)| j).collect()
        };
        assert_eq!(ids(Skeleton::coco17()), (0..=10).collect::<Vec<_>>());
        assert_eq!(ids(Skeleton::mpii16()), (7..=15).collect::<Vec<_>>());
    }

    #[test]
    fn one_joint_is_no_half() {
        let mut joints = [[0.0f32; 3]; 17];
        joints[3] = [5.0, 6.0, 2.0];
        assert_eq!(half_body_crop(&joints, &upper_body(Skeleton::coco17()), 0.75, 0.0), None);
    }
}
