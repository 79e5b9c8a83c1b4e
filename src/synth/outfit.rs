//! Clothes and hair: inflated, softened copies of the body cut at hems, and primitives on the skull.

use super::appearance::{Appearance, Hair, LowerGarment};
use super::interpolate::{lerp, smoothstep};
use super::noise::noise3;
use super::rig::*;
use super::solid::{Primitive, Solid, ball, cone, smooth_min};
use glam::{Affine3A, Vec3A, vec3a};

/// Signed distances of what the figure wears, in the bind pose.
pub(super) struct Outfit<'a> {
    appearance: &'a Appearance,
    scale: f32,
    to_local: [Affine3A; BONES],
    top: Solid,
    bottom: Solid,
    /// Straight trouser legs, which hide knees and calves.
    legs: Solid,
    hair: Solid,
}

impl<'a> Outfit<'a> {
    pub(super) fn new(
        appearance: &'a Appearance,
        rig: &Rig,
        body: &Solid,
        frames: &[Affine3A; BONES],
    ) -> Outfit<'a> {
        let slack = appearance.top_slack;
        let is_arm = |bone: usize| bone >= 5 && matches!((bone - 5) % 7, 1 | 2);
        let top = body.inflated(
            |bone| match bone {
                PELVIS => Some(0.012 + slack * 0.8),
                // A long top falls over the thighs.
                _ if bone >= 5 && (bone - 5) % 7 == 4 && appearance.hem < 0.02 => Some(0.010 + slack * 0.8),
                SPINE => Some(0.008 + slack * 1.1),
                CHEST => Some(0.004 + slack * 0.45),
                _ if bone >= 5 && (bone - 5) % 7 == 0 => Some(0.004 + slack * 0.4),
                _ if is_arm(bone) => {
                    let lower = (bone - 5) % 7 == 2;
                    (!lower || appearance.sleeve > 1.0)
                        .then_some(0.006 + slack * if appearance.sleeve > 1.0 { 0.5 } else { 0.75 })
                }
                _ => None,
            },
            1.6,
        );
        let slack = appearance.bottom_slack;
        let bottom = body.inflated(
            |bone| match bone {
                PELVIS => Some(0.007 + slack * 0.3),
                SPINE => Some(0.004),
                _ if bone >= 5 && (bone - 5) % 7 == 4 => Some(0.004 + slack * 0.8),
                _ if bone >= 5 && (bone - 5) % 7 == 5 => Some(0.005 + slack * 1.2),
                _ => None,
            },
            1.05,
        );
        Outfit {
            appearance,
            scale: rig.scale,
            to_local: std::array::from_fn(|b| frames[b].inverse()),
            top,
            bottom,
            legs: Solid::new(trouser_legs(appearance), frames, rig.scale, appearance.head),
            hair: Solid::new(vec![(HEAD, hair_primitives(appearance))], frames, rig.scale, appearance.head),
        }
    }

    fn local(&self, bone: usize, p: Vec3A) -> Vec3A {
        self.to_local[bone].transform_point3a(p) / self.scale
    }

    /// Shirt or jacket.
    pub(super) fn top(&self, p: Vec3A) -> f32 {
        let appearance = self.appearance;
        let mut d = self.top.distance(p);
        let pelvis = self.local(PELVIS, p);
        d = d.max((appearance.hem - pelvis.y) * self.scale);
        let side = usize::from(p.x < 0.0);
        // Sleeve: the arm's own length counts from the shoulder, so that the cut follows the arm.
        let arm = self.local(upper_arm(side), p);
        if arm.y < 0.0 && arm.x.hypot(arm.z) < 0.13 {
            let end = appearance.sleeve * if appearance.sleeve > 1.0 { 0.268 } else { 0.285 };
            d = d.max((-arm.y - end) * self.scale);
        }
        // Neck hole: round, or deeper in front.
        let chest = self.local(CHEST, p);
        let deep = 0.05 * appearance.neckline * appearance.neckline;
        let hole = (chest - vec3a(0.0, 0.358 - deep, 0.016 + deep)).length() - 0.084 - deep * 0.4;
        d.max(-hole * self.scale)
    }

    /// Trousers, shorts, leggings or a skirt.
    pub(super) fn bottom(&self, p: Vec3A) -> f32 {
        let appearance = self.appearance;
        let pelvis = self.local(PELVIS, p);
        let waist = (pelvis.y - 0.095) * self.scale;
        if appearance.lower == LowerGarment::Skirt {
            // The yoke follows the hips; the skirt hangs from it.
            let yoke = self.bottom.distance(p).max((-0.08 - pelvis.y) * self.scale);
            return smooth_min(self.skirt(pelvis), yoke, 0.02).max(waist);
        }
        let mut d = self.bottom.distance(p);
        if appearance.lower != LowerGarment::Leggings {
            d = smooth_min(d, self.legs.distance(p), 0.03);
        }
        d = d.max(waist);
        let side = usize::from(p.x < 0.0);
        let (thigh, shin) = (self.local(thigh(side), p), self.local(shin(side), p));
        let cut = if appearance.leg_end < 1.0 {
            -thigh.y - 0.43 * appearance.legs * appearance.leg_end
        } else {
            -shin.y - 0.41 * appearance.legs * (appearance.leg_end - 1.0)
        };
        if pelvis.y < -0.12 {
            d = d.max(cut * self.scale);
        }
        d
    }

    fn skirt(&self, q: Vec3A) -> f32 {
        let appearance = self.appearance;
        let length = self.skirt_length();
        let down = (0.09 - q.y).max(0.0);
        let hip = lerp(0.122, 0.178, smoothstep(0.0, 0.16, down))
            * appearance.hips
            * (0.55 + 0.45 * appearance.girth);
        let half = hip + 0.2 * (down - 0.16).max(0.0);
        let depth = half * lerp(0.78, 0.86, smoothstep(0.0, 0.4, down));
        let around = q.x.atan2(q.z);
        let pleat = 1.0 + 0.035 * (around * 13.0).sin() * smoothstep(0.12, 0.4, down);
        let radius = ((q.x / half).powi(2) + (q.z / depth).powi(2)).sqrt() / pleat;
        ((radius - 1.0) * depth).max(-q.y - length) * self.scale
    }

    /// From the hip joints down to the hem.
    pub(super) fn skirt_length(&self) -> f32 {
        0.43 * self.appearance.legs * self.appearance.leg_end
    }

    /// In the head's frame.
    pub(super) fn to_head(&self, p: Vec3A) -> Vec3A {
        self.local(HEAD, p) / self.appearance.head
    }

    pub(super) fn hair(&self, p: Vec3A) -> f32 {
        let q = self.to_head(p);
        let mut d = self.hair.distance(p);
        let (nape, ear, front) = match self.appearance.hair {
            Hair::Cap => (0.03, 0.075, 0.3),
            Hair::Long | Hair::Bob => (-0.3, 0.02, 0.146),
            Hair::Curls => (-0.02, 0.03, 0.14),
            _ => (0.0, 0.072, 0.15),
        };
        let mut line = lerp(nape, ear, smoothstep(-0.045, -0.015, q.z));
        line = lerp(line, front, smoothstep(0.012, 0.064, q.z));
        let lump = match self.appearance.hair {
            Hair::Curls => 0.012 * noise3(q * 55.0 + 40.0),
            _ => 0.004 * noise3(q * vec3a(60.0, 25.0, 60.0) + 40.0),
        };
        d = (d - lump * self.scale).max((line - q.y) * 0.7 * self.scale);
        // The face stays free of hanging hair.
        d.max((q.z - lerp(0.012, 0.2, smoothstep(0.05, 0.13, q.y))) * 0.8 * self.scale)
    }

    /// Crown and brim of a cap.
    pub(super) fn cap(&self, p: Vec3A) -> f32 {
        let q = self.to_head(p);
        let unit = self.scale * self.appearance.head;
        let dome = ball_distance(q - vec3a(0.0, 0.108, -0.008), vec3a(0.089, 0.104, 0.11));
        let dome = dome.max(0.118 + 0.22 * q.z - q.y);
        let b = q - vec3a(0.0, 0.142, 0.085);
        let curve = b.y + 4.0 * b.x * b.x + 0.25 * b.z;
        let brim = (curve.abs() - 0.005).max((b.x / 0.072).hypot(b.z / 0.085) * 0.07 - 0.07).max(-b.z - 0.03);
        dome.min(brim) * unit
    }
}

fn ball_distance(p: Vec3A, radii: Vec3A) -> f32 {
    let near = (p / radii).length();
    near * (near - 1.0) / (p / (radii * radii)).length().max(1e-6)
}

fn trouser_legs(appearance: &Appearance) -> Vec<(usize, Vec<Primitive>)> {
    let m = 0.5 + 0.5 * appearance.girth;
    let (thigh_length, shin_length) = (0.43 * appearance.legs, 0.41 * appearance.legs);
    let knee = 0.056 * m + appearance.bottom_slack * 0.7;
    let hem = 0.05 + appearance.bottom_slack * 0.9;
    (0..2)
        .flat_map(|side| {
            let above = cone(
                [0.0, -0.14, 0.004],
                [0.0, -thigh_length, 0.004],
                0.068 * m + appearance.bottom_slack,
                knee,
            );
            let below = cone([0.0, 0.0, 0.002], [0.0, -shin_length, -0.008], knee, hem);
            [(thigh(side), vec![above]), (shin(side), vec![below.blended(0.02)])]
        })
        .collect()
}

fn hair_primitives(appearance: &Appearance) -> Vec<Primitive> {
    let thick = match appearance.hair {
        Hair::Curls => 0.03,
        Hair::Cap => 0.006,
        Hair::Bob | Hair::Long => 0.014,
        _ => 0.01,
    };
    let mut primitives = vec![ball(
        [0.0, 0.108 + 0.3 * thick, -0.009 - 0.2 * thick],
        [0.075 + thick, 0.089 + thick, 0.096 + thick],
    )];
    // The back of the head down to the nape.
    primitives.push(ball([0.0, 0.055, -0.045], [0.06 + thick * 0.6, 0.07, 0.055]).blended(0.03));
    match appearance.hair {
        Hair::Short => primitives.push(ball([0.0, 0.19, 0.035], [0.055, 0.022, 0.05]).blended(0.03)),
        Hair::SideParting => {
            primitives.push(ball([-0.02, 0.193, 0.045], [0.055, 0.026, 0.045]).blended(0.025));
            primitives.push(ball([0.045, 0.175, 0.03], [0.03, 0.025, 0.05]).blended(0.02));
        }
        Hair::Bob => {
            primitives.push(
                cone([0.0, 0.06, -0.055], [0.0, -0.025, -0.06], 0.07, 0.058)
                    .scaled(1.15, 1.0, 0.75)
                    .blended(0.04),
            );
            for s in [1.0, -1.0] {
                primitives.push(
                    cone([s * 0.07, 0.1, -0.012], [s * 0.078, -0.02, -0.005], 0.026, 0.024).blended(0.04),
                );
            }
        }
        Hair::Long => {
            primitives.push(
                cone([0.0, 0.06, -0.055], [0.0, -0.2, -0.085], 0.07, 0.06)
                    .scaled(1.2, 1.0, 0.62)
                    .blended(0.04),
            );
            for s in [1.0, -1.0] {
                primitives.push(
                    cone([s * 0.07, 0.1, -0.012], [s * 0.082, -0.14, -0.03], 0.027, 0.022).blended(0.05),
                );
            }
        }
        Hair::Ponytail => {
            primitives.push(cone([0.0, 0.135, -0.1], [0.0, 0.135, -0.135], 0.022, 0.026).blended(0.015));
            primitives.push(cone([0.0, 0.135, -0.135], [0.0, -0.07, -0.135], 0.03, 0.012).blended(0.02));
        }
        Hair::Bun => primitives.push(ball([0.0, 0.195, -0.07], [0.042, 0.038, 0.042]).blended(0.015)),
        Hair::Bald | Hair::Curls | Hair::Cap => {}
    }
    primitives
}
