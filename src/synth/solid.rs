//! Implicit solids: rounded primitives on bones, joined smoothly, given by their signed distance.

use super::rig::{BONES, HEAD};
use glam::{Affine3A, Vec3A};

#[derive(Clone, Copy, Debug)]
enum PrimitiveShape {
    /// From `a` to `b` with a radius at each end.
    Cone {
        a: Vec3A,
        b: Vec3A,
        ra: f32,
        rb: f32,
    },
    Ball {
        center: Vec3A,
        radii: Vec3A,
    },
}

/// One shape in its bone's frame, metres of the unscaled figure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Primitive {
    shape: PrimitiveShape,
    /// Factors along the frame's axes.
    scale: Vec3A,
    /// Width of the smooth union with what is there already, in metres; negative: it is subtracted instead.
    blend: f32,
}

/// From `a` to `b` with a radius at each end.
pub(super) fn cone(a: [f32; 3], b: [f32; 3], ra: f32, rb: f32) -> Primitive {
    Primitive {
        shape: PrimitiveShape::Cone { a: a.into(), b: b.into(), ra, rb },
        scale: Vec3A::ONE,
        blend: 0.04,
    }
}

/// An ellipsoid.
pub(super) fn ball(center: [f32; 3], radii: [f32; 3]) -> Primitive {
    Primitive {
        shape: PrimitiveShape::Ball { center: center.into(), radii: radii.into() },
        scale: Vec3A::ONE,
        blend: 0.04,
    }
}

impl Primitive {
    /// Scaled along the axes of the bone's frame.
    pub(super) fn scaled(mut self, x: f32, y: f32, z: f32) -> Primitive {
        self.scale = Vec3A::new(x, y, z);
        self
    }

    /// With another width of the union.
    pub(super) fn blended(mut self, blend: f32) -> Primitive {
        self.blend = blend;
        self
    }

    /// Subtracted instead of added, with a rim that is rounded by `blend`.
    pub(super) fn subtracted(mut self, blend: f32) -> Primitive {
        self.blend = -blend;
        self
    }

    /// Signed distance in its bone's frame; a bound of it where the shape is scaled or an ellipsoid.
    fn distance(&self, p: Vec3A) -> f32 {
        let p = p / self.scale;
        let d = match self.shape {
            PrimitiveShape::Cone { a, b, ra, rb } => {
                let (pa, ba) = (p - a, b - a);
                let h = (pa.dot(ba) / ba.length_squared()).clamp(0.0, 1.0);
                (pa - ba * h).length() - (ra + (rb - ra) * h)
            }
            PrimitiveShape::Ball { center, radii } => {
                let q = p - center;
                let near = (q / radii).length();
                let grad = (q / (radii * radii)).length().max(1e-6);
                near * (near - 1.0) / grad
            }
        };
        d * self.scale.min_element()
    }

    /// Distance of its farthest point from the bone's origin.
    fn reach(&self) -> f32 {
        match self.shape {
            PrimitiveShape::Cone { a, b, ra, rb } => {
                let stretch = self.scale.max_element();
                ((a * self.scale).length() + ra * stretch).max((b * self.scale).length() + rb * stretch)
            }
            PrimitiveShape::Ball { center, radii } => ((center.abs() + radii) * self.scale).length(),
        }
    }
}

/// The primitives of one bone.
#[derive(Clone, Debug)]
struct BonePrimitives {
    bone: usize,
    /// From the bind pose to the bone's frame.
    to_local: Affine3A,
    /// The bone's origin in the bind pose.
    origin: Vec3A,
    /// Metres of the scaled figure in one of the primitives' metres.
    unit: f32,
    /// No point of a primitive is farther from the origin, in metres.
    reach: f32,
    /// By how much all of them are inflated, in metres.
    grow: f32,
    primitives: Vec<Primitive>,
}

/// Primitives on bones, joined smoothly. Distances are metres of the scaled figure in the bind pose.
#[derive(Clone, Debug, Default)]
pub(super) struct Solid {
    bones: Vec<BonePrimitives>,
}

/// Smooth minimum: `k` is the width of the blend.
pub(super) fn smooth_min(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0);
    a.min(b) - h * h / (4.0 * k)
}

impl Solid {
    /// `primitives[bone]` on the bones at `frames`; `scale` and `head` size the figure.
    pub(super) fn new(
        primitives: Vec<(usize, Vec<Primitive>)>,
        frames: &[Affine3A; BONES],
        scale: f32,
        head: f32,
    ) -> Solid {
        let bones = primitives
            .into_iter()
            .map(|(bone, primitives)| {
                let unit = if bone == HEAD { scale * head } else { scale };
                let reach = primitives.iter().map(Primitive::reach).fold(0.0, f32::max) * unit;
                let origin = frames[bone].translation;
                BonePrimitives {
                    bone,
                    to_local: frames[bone].inverse(),
                    origin,
                    unit,
                    reach,
                    grow: 0.0,
                    primitives,
                }
            })
            .collect();
        Solid { bones }
    }

    /// The same primitives on the bones for which `grow` says by how many metres they are inflated, joined
    /// `soften` times as widely: the start of a garment.
    pub(super) fn inflated(&self, grow: impl Fn(usize) -> Option<f32>, soften: f32) -> Solid {
        let bones = self
            .bones
            .iter()
            .filter_map(|g| {
                let mut g = g.clone();
                g.grow = grow(g.bone)?;
                g.reach += g.grow;
                for p in &mut g.primitives {
                    p.blend *= soften;
                }
                Some(g)
            })
            .collect();
        Solid { bones }
    }

    /// Signed distance in metres, negative inside.
    pub(super) fn distance(&self, p: Vec3A) -> f32 {
        let mut d = 1.0f32;
        for g in &self.bones {
            if (p - g.origin).length() - g.reach > d + 0.12 {
                continue;
            }
            let local = g.to_local.transform_point3a(p) / g.unit;
            for primitive in &g.primitives {
                let own = primitive.distance(local) * g.unit - g.grow;
                d = if primitive.blend > 0.0 {
                    smooth_min(d, own, primitive.blend)
                } else {
                    -smooth_min(-d, own, -primitive.blend)
                };
            }
        }
        d
    }

    /// Distance to the nearest primitive of each bone, for the skin's weights.
    pub(super) fn bone_distances(&self, p: Vec3A) -> [f32; BONES] {
        let mut nearest = [f32::INFINITY; BONES];
        for g in &self.bones {
            let local = g.to_local.transform_point3a(p) / g.unit;
            for primitive in g.primitives.iter().filter(|primitive| primitive.blend > 0.0) {
                nearest[g.bone] = nearest[g.bone].min(primitive.distance(local) * g.unit);
            }
        }
        nearest
    }
}
