//! Volumes of rounded shapes that hang on the bones and melt into each other: signed distances.

use super::rig::{BONES, HEAD};
use glam::{Affine3A, Vec3A};

#[derive(Clone, Copy, Debug)]
enum Shape {
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
pub(super) struct Part {
    shape: Shape,
    /// Squeezes the shape along the frame's axes.
    squeeze: Vec3A,
    /// How far it melts into what is there already; negative cuts it away instead.
    blend: f32,
}

pub(super) fn cone(a: [f32; 3], b: [f32; 3], ra: f32, rb: f32) -> Part {
    Part { shape: Shape::Cone { a: a.into(), b: b.into(), ra, rb }, squeeze: Vec3A::ONE, blend: 0.04 }
}

pub(super) fn ball(center: [f32; 3], radii: [f32; 3]) -> Part {
    Part {
        shape: Shape::Ball { center: center.into(), radii: radii.into() },
        squeeze: Vec3A::ONE,
        blend: 0.04,
    }
}

impl Part {
    pub(super) fn squeezed(mut self, x: f32, y: f32, z: f32) -> Part {
        self.squeeze = Vec3A::new(x, y, z);
        self
    }

    pub(super) fn blended(mut self, blend: f32) -> Part {
        self.blend = blend;
        self
    }

    /// Takes the shape away instead of adding it.
    pub(super) fn carved(mut self, blend: f32) -> Part {
        self.blend = -blend;
        self
    }

    fn distance(&self, p: Vec3A) -> f32 {
        let p = p / self.squeeze;
        let d = match self.shape {
            Shape::Cone { a, b, ra, rb } => {
                let (pa, ba) = (p - a, b - a);
                let h = (pa.dot(ba) / ba.length_squared()).clamp(0.0, 1.0);
                (pa - ba * h).length() - (ra + (rb - ra) * h)
            }
            Shape::Ball { center, radii } => {
                let q = p - center;
                let near = (q / radii).length();
                let grad = (q / (radii * radii)).length().max(1e-6);
                near * (near - 1.0) / grad
            }
        };
        d * self.squeeze.min_element()
    }

    fn reach(&self) -> f32 {
        match self.shape {
            Shape::Cone { a, b, ra, rb } => {
                let stretch = self.squeeze.max_element();
                ((a * self.squeeze).length() + ra * stretch).max((b * self.squeeze).length() + rb * stretch)
            }
            Shape::Ball { center, radii } => ((center.abs() + radii) * self.squeeze).length(),
        }
    }
}

/// The parts of one bone.
#[derive(Clone, Debug)]
struct Group {
    bone: usize,
    to_local: Affine3A,
    origin: Vec3A,
    unit: f32,
    reach: f32,
    grow: f32,
    parts: Vec<Part>,
}

/// Parts on bones, joined smoothly. Distances are metres of the scaled figure in the modelling stance.
#[derive(Clone, Debug, Default)]
pub(super) struct Solid {
    groups: Vec<Group>,
}

/// Smooth minimum: `k` is the width of the blend.
pub(super) fn melt(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0);
    a.min(b) - h * h / (4.0 * k)
}

impl Solid {
    /// `parts[bone]` on the bones at `frames`; `scale` and `head` size the figure.
    pub(super) fn new(
        parts: Vec<(usize, Vec<Part>)>,
        frames: &[Affine3A; BONES],
        scale: f32,
        head: f32,
    ) -> Solid {
        let groups = parts
            .into_iter()
            .map(|(bone, parts)| {
                let unit = if bone == HEAD { scale * head } else { scale };
                let reach = parts.iter().map(Part::reach).fold(0.0, f32::max) * unit;
                let origin = frames[bone].translation;
                Group { bone, to_local: frames[bone].inverse(), origin, unit, reach, grow: 0.0, parts }
            })
            .collect();
        Solid { groups }
    }

    /// The same shapes on the bones for which `grow` says by how much they swell (metres), melted
    /// `soften` times as widely: the start of a garment.
    pub(super) fn tailored(&self, grow: impl Fn(usize) -> Option<f32>, soften: f32) -> Solid {
        let groups = self
            .groups
            .iter()
            .filter_map(|g| {
                let mut g = g.clone();
                g.grow = grow(g.bone)?;
                g.reach += g.grow;
                for p in &mut g.parts {
                    p.blend *= soften;
                }
                Some(g)
            })
            .collect();
        Solid { groups }
    }

    pub(super) fn distance(&self, p: Vec3A) -> f32 {
        let mut d = 1.0f32;
        for g in &self.groups {
            if (p - g.origin).length() - g.reach > d + 0.12 {
                continue;
            }
            let local = g.to_local.transform_point3a(p) / g.unit;
            for part in &g.parts {
                let own = part.distance(local) * g.unit - g.grow;
                d = if part.blend > 0.0 { melt(d, own, part.blend) } else { -melt(-d, own, -part.blend) };
            }
        }
        d
    }

    /// Distance to the nearest part of each bone, for the skin's weights.
    pub(super) fn bone_distances(&self, p: Vec3A) -> [f32; BONES] {
        let mut nearest = [f32::INFINITY; BONES];
        for g in &self.groups {
            let local = g.to_local.transform_point3a(p) / g.unit;
            for part in g.parts.iter().filter(|part| part.blend > 0.0) {
                nearest[g.bone] = nearest[g.bone].min(part.distance(local) * g.unit);
            }
        }
        nearest
    }
}
