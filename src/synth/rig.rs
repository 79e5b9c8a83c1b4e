//! The bones: how they hang together, how joint angles turn them, where the COCO joints sit.
//!
//! Metres; x to the figure's own left, y up, z the way it faces. Every bone's frame is parallel to
//! the body in the neutral stance (arms hanging), with its origin at the joint it turns about.

use super::appearance::Appearance;
use glam::{Affine3A, Quat, Vec3, vec3};

pub(super) const BONES: usize = 19;
pub(super) const PELVIS: usize = 0;
pub(super) const SPINE: usize = 1;
pub(super) const CHEST: usize = 2;
pub(super) const NECK: usize = 3;
pub(super) const HEAD: usize = 4;
/// Limb bones of side 0 (left) or 1 (right).
pub(super) const fn clavicle(side: usize) -> usize {
    5 + 7 * side
}
pub(super) const fn upper_arm(side: usize) -> usize {
    6 + 7 * side
}
pub(super) const fn forearm(side: usize) -> usize {
    7 + 7 * side
}
pub(super) const fn hand(side: usize) -> usize {
    8 + 7 * side
}
pub(super) const fn thigh(side: usize) -> usize {
    9 + 7 * side
}
pub(super) const fn shin(side: usize) -> usize {
    10 + 7 * side
}
pub(super) const fn foot(side: usize) -> usize {
    11 + 7 * side
}
/// +1 on the left, -1 on the right.
pub(super) fn sign(side: usize) -> f32 {
    if side == 0 { 1.0 } else { -1.0 }
}

/// Joint angles of an arm in radians; 0 everywhere = hanging straight down.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arm {
    /// Forward and up.
    pub flex: f32,
    /// Sideways and up.
    pub abduct: f32,
    /// About its own axis, inward.
    pub twist: f32,
    pub elbow: f32,
    /// Palm turned backward.
    pub pronate: f32,
    pub wrist: f32,
    /// Shoulder girdle lifted.
    pub shrug: f32,
}

/// Joint angles of a leg in radians; 0 everywhere = standing straight.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leg {
    pub flex: f32,
    pub abduct: f32,
    /// Toes turned outward.
    pub twist: f32,
    pub knee: f32,
    /// Toes lifted.
    pub ankle: f32,
}

/// The angles of all joints. ("Pose" means keypoints in this program.) Trunk angles are (lean forward, turn left, tilt to the right).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stance {
    /// Shift of the pelvis along the figure's own axes; y lifts the lowest sole off the ground.
    pub shift: Vec3,
    /// 1 keeps the supporting foot where it is while the body moves over it; 0 lets the feet follow.
    pub plant: f32,
    pub pelvis: Vec3,
    pub spine: Vec3,
    pub chest: Vec3,
    pub neck: Vec3,
    pub head: Vec3,
    pub arms: [Arm; 2],
    pub legs: [Leg; 2],
}

impl Arm {
    /// How far the shoulder girdle turns up with the arm.
    fn girdle_lift(&self) -> f32 {
        let raised = self.abduct.max(0.0) + self.flex.max(0.0);
        self.shrug + 0.22 * (raised - 0.6).clamp(0.0, 2.0)
    }

    /// From `self` (w = 0) to `o` (w = 1).
    fn lerp(&self, o: &Arm, w: f32) -> Arm {
        let m = |a: f32, b: f32| a + (b - a) * w;
        Arm {
            flex: m(self.flex, o.flex),
            abduct: m(self.abduct, o.abduct),
            twist: m(self.twist, o.twist),
            elbow: m(self.elbow, o.elbow),
            pronate: m(self.pronate, o.pronate),
            wrist: m(self.wrist, o.wrist),
            shrug: m(self.shrug, o.shrug),
        }
    }
}

impl Leg {
    /// From `self` (w = 0) to `o` (w = 1).
    fn lerp(&self, o: &Leg, w: f32) -> Leg {
        let m = |a: f32, b: f32| a + (b - a) * w;
        Leg {
            flex: m(self.flex, o.flex),
            abduct: m(self.abduct, o.abduct),
            twist: m(self.twist, o.twist),
            knee: m(self.knee, o.knee),
            ankle: m(self.ankle, o.ankle),
        }
    }
}

impl Stance {
    /// From `self` (w = 0) to `o` (w = 1).
    pub(super) fn lerp(&self, o: &Stance, w: f32) -> Stance {
        Stance {
            shift: self.shift.lerp(o.shift, w),
            plant: self.plant + (o.plant - self.plant) * w,
            pelvis: self.pelvis.lerp(o.pelvis, w),
            spine: self.spine.lerp(o.spine, w),
            chest: self.chest.lerp(o.chest, w),
            neck: self.neck.lerp(o.neck, w),
            head: self.head.lerp(o.head, w),
            arms: std::array::from_fn(|s| self.arms[s].lerp(&o.arms[s], w)),
            legs: std::array::from_fn(|s| self.legs[s].lerp(&o.legs[s], w)),
        }
    }

    /// The bind pose, in which the mesh is made: arms held out, so that no limb touches another.
    pub(super) fn bind() -> Stance {
        let arm = Arm { abduct: 0.95, ..Arm::default() };
        let leg = Leg { abduct: 0.10, ..Leg::default() };
        Stance { arms: [arm; 2], legs: [leg; 2], ..Stance::default() }
    }
}

/// Bone lengths of one figure.
#[derive(Clone, Debug)]
pub(super) struct Rig {
    /// From a bone's parent to it, in the parent's frame, in metres.
    offsets: [Vec3; BONES],
    /// Factor on all lengths of a figure of 1.75 m.
    pub scale: f32,
    /// Factor on the size of the head.
    head_size: f32,
}

/// Height of the ankle joint above the sole.
pub(super) const ANKLE: f32 = 0.09;

fn parent(bone: usize) -> usize {
    match bone {
        PELVIS..=HEAD => bone.saturating_sub(1),
        _ => match (bone - 5) % 7 {
            0 => CHEST,
            4 => PELVIS,
            _ => bone - 1,
        },
    }
}

fn turn(v: Vec3) -> Quat {
    Quat::from_rotation_y(v.y) * Quat::from_rotation_x(v.x) * Quat::from_rotation_z(v.z)
}

impl Rig {
    pub(super) fn new(appearance: &Appearance) -> Rig {
        let k = appearance.scale;
        let (thigh_length, shin_length) = (0.43 * appearance.legs, 0.41 * appearance.legs);
        let mut offsets = [Vec3::ZERO; BONES];
        offsets[SPINE] = vec3(0.0, 0.10, -0.012);
        offsets[CHEST] = vec3(0.0, 0.14, 0.0);
        offsets[NECK] = vec3(0.0, 0.305, -0.02);
        offsets[HEAD] = vec3(0.0, 0.094, 0.020);
        for side in 0..2 {
            let s = sign(side);
            offsets[clavicle(side)] = vec3(s * 0.03, 0.255, 0.01);
            offsets[upper_arm(side)] = vec3(s * (0.166 * appearance.shoulders - 0.03), 0.0, -0.015);
            offsets[forearm(side)] = vec3(0.0, -0.285, 0.0);
            offsets[hand(side)] = vec3(0.0, -0.25, 0.0);
            offsets[thigh(side)] = vec3(s * 0.092 * appearance.hips, 0.0, 0.0);
            offsets[shin(side)] = vec3(0.0, -thigh_length, 0.0);
            offsets[foot(side)] = vec3(0.0, -shin_length, 0.0);
        }
        for o in &mut offsets {
            *o *= k;
        }
        Rig { offsets, scale: k, head_size: appearance.head }
    }

    fn local_turn(stance: &Stance, bone: usize) -> Quat {
        let (side, segment) = if bone >= 5 { ((bone - 5) / 7, (bone - 5) % 7) } else { (0, 99) };
        let s = sign(side);
        let (arm, leg) = (&stance.arms[side], &stance.legs[side]);
        match (bone, segment) {
            (PELVIS, _) => turn(stance.pelvis),
            (SPINE, _) => turn(stance.spine),
            (CHEST, _) => turn(stance.chest),
            (NECK, _) => turn(stance.neck),
            (HEAD, _) => turn(stance.head),
            // The girdle follows a raised arm: about a third of the way above the horizontal.
            (_, 0) => Quat::from_rotation_z(s * arm.girdle_lift()),
            (_, 1) => {
                Quat::from_rotation_z(-s * arm.girdle_lift())
                    * Quat::from_rotation_x(-arm.flex)
                    * Quat::from_rotation_z(s * arm.abduct)
                    * Quat::from_rotation_y(-s * arm.twist)
            }
            (_, 2) => Quat::from_rotation_x(-arm.elbow),
            (_, 3) => Quat::from_rotation_y(-s * arm.pronate) * Quat::from_rotation_z(-s * arm.wrist),
            (_, 4) => {
                Quat::from_rotation_x(-leg.flex)
                    * Quat::from_rotation_z(s * leg.abduct)
                    * Quat::from_rotation_y(s * leg.twist)
            }
            (_, 5) => Quat::from_rotation_x(leg.knee),
            _ => Quat::from_rotation_x(-leg.ankle) * Quat::from_rotation_z(-s * leg.abduct * 0.7),
        }
    }

    /// The bones' frames with the pelvis at the origin, in metres.
    pub(super) fn forward_kinematics(&self, stance: &Stance) -> [Affine3A; BONES] {
        let mut frames = [Affine3A::IDENTITY; BONES];
        for bone in 0..BONES {
            let local =
                Affine3A::from_rotation_translation(Rig::local_turn(stance, bone), self.offsets[bone]);
            frames[bone] = if bone == PELVIS { local } else { frames[parent(bone)] * local };
        }
        frames
    }

    /// The bones' frames with the lower sole on the ground (y = 0) plus the stance's lift, turned by
    /// `heading` (radians) about the vertical and moved to `position` on the ground.
    pub(super) fn grounded(&self, stance: &Stance, heading: f32, position: Vec3) -> [Affine3A; BONES] {
        let mut frames = self.forward_kinematics(stance);
        let k = self.scale;
        // A soft minimum over heels and toes: a hard one would kick the body when support changes.
        const SHARPNESS: f32 = 140.0;
        let mut lowest = [0.0f32; 4];
        for side in 0..2 {
            for (i, z) in [-0.065, 0.125].into_iter().enumerate() {
                lowest[side * 2 + i] = frames[foot(side)].transform_point3(vec3(0.0, -ANKLE, z) * k).y;
            }
        }
        let floor = lowest.iter().copied().fold(f32::INFINITY, f32::min);
        let sum: f32 = lowest.iter().map(|y| (-(y - floor) * SHARPNESS).exp()).sum();
        let soft = floor - sum.ln() / SHARPNESS + 2f32.ln() / SHARPNESS;
        let mut shift = vec3(stance.shift.x, stance.shift.y - soft, stance.shift.z);
        // The foot that carries more (the lower one) holds its ground.
        let load = [0, 1].map(|s| (-(lowest[2 * s].min(lowest[2 * s + 1]) - floor) * 25.0).exp());
        for (side, load) in load.iter().zip([load[0] + load[1]; 2]).map(|(a, b)| a / b).enumerate() {
            let ankle = Vec3::from(frames[foot(side)].translation);
            let home = sign(side) * 0.13 * k;
            shift.x -= stance.plant * load * (ankle.x - home);
            shift.z -= stance.plant * load * ankle.z;
        }
        let body = Affine3A::from_rotation_translation(Quat::from_rotation_y(heading), position)
            * Affine3A::from_translation(shift);
        for f in &mut frames {
            *f = body * *f;
        }
        frames
    }

    /// The COCO-17 joints of a posed figure, in COCO's order.
    pub(super) fn joints(&self, frames: &[Affine3A; BONES]) -> [Vec3; 17] {
        let k = self.scale;
        let head = |p: Vec3| frames[HEAD].transform_point3(p * k * self.head_size);
        let at = |bone: usize| Vec3::from(frames[bone].translation);
        let mut joints = [Vec3::ZERO; 17];
        joints[0] = head(vec3(0.0, 0.038, 0.118));
        for side in 0..2 {
            let s = sign(side);
            joints[1 + side] = head(vec3(s * EYE.x, EYE.y, EYE.z + 0.008));
            joints[3 + side] = head(vec3(s * 0.078, 0.05, -0.008));
            joints[5 + side] = at(upper_arm(side));
            joints[7 + side] = at(forearm(side));
            joints[9 + side] = at(hand(side));
            joints[11 + side] = at(thigh(side));
            joints[13 + side] = at(shin(side));
            joints[15 + side] = at(foot(side));
        }
        joints
    }
}

/// Centre of the left eyeball in the head's frame (before the head's own size).
pub(super) const EYE: Vec3 = vec3(0.0315, 0.072, 0.078);
