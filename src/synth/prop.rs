//! Solid things that stand about in an environment: boxes, balls and posts, met by rays.

use super::noise::noise3;
use glam::{Vec3A, vec3a};

/// The shape of a prop around its centre, in metres.
#[derive(Clone, Copy, Debug)]
pub(super) enum PropShape {
    Box {
        /// Half of its width, height and depth.
        half: Vec3A,
        /// Sine and cosine of its turn about the vertical.
        turn: [f32; 2],
    },
    /// An ellipsoid.
    Ball { radii: Vec3A },
    /// Upright cylinder of a radius and half a height.
    Post { radius: f32, half: f32 },
}

/// One solid: a piece of furniture or a tree is made of several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prop {
    pub shape: PropShape,
    /// In the world, in metres.
    pub centre: Vec3A,
    /// Linear light.
    pub color: Vec3A,
    /// Leaves: mottled.
    pub leafy: bool,
}

impl Prop {
    /// Radius of a sphere around the centre that holds all of it.
    pub(super) fn bounding_radius(&self) -> f32 {
        match self.shape {
            PropShape::Box { half, .. } => half.length(),
            PropShape::Ball { radii } => radii.max_element(),
            PropShape::Post { radius, half } => radius.hypot(half),
        }
    }

    /// Distance along the ray, in lengths of it, at which it enters, and the normal there.
    pub(super) fn intersect(&self, eye: Vec3A, ray: Vec3A) -> Option<(f32, Vec3A)> {
        let o = eye - self.centre;
        match self.shape {
            PropShape::Box { half, turn: [s, c] } => {
                let spin = |v: Vec3A| vec3a(c * v.x - s * v.z, v.y, s * v.x + c * v.z);
                let (o, r) = (spin(o), spin(ray));
                let (a, b) = ((-half - o) / r, (half - o) / r);
                let (near, far) = (a.min(b), a.max(b));
                let t = near.max_element();
                if t > far.min_element() || t < 0.1 {
                    return None;
                }
                let n = if t == near.x {
                    vec3a(-r.x.signum(), 0.0, 0.0)
                } else if t == near.y {
                    vec3a(0.0, -r.y.signum(), 0.0)
                } else {
                    vec3a(0.0, 0.0, -r.z.signum())
                };
                Some((t, vec3a(c * n.x + s * n.z, n.y, -s * n.x + c * n.z)))
            }
            PropShape::Ball { radii } => {
                let (o, r) = (o / radii, ray / radii);
                let (a, b) = (r.length_squared(), o.dot(r));
                let d = b * b - a * (o.length_squared() - 1.0);
                if d < 0.0 {
                    return None;
                }
                let t = (-b - d.sqrt()) / a;
                (t > 0.1).then(|| (t, ((o + r * t) / radii).normalize()))
            }
            PropShape::Post { radius, half } => {
                let a = ray.x * ray.x + ray.z * ray.z;
                let b = o.x * ray.x + o.z * ray.z;
                let d = b * b - a * (o.x * o.x + o.z * o.z - radius * radius);
                if d < 0.0 {
                    return None;
                }
                let t = (-b - d.sqrt()) / a;
                let p = o + ray * t;
                if t > 0.1 && p.y.abs() < half {
                    return Some((t, vec3a(p.x, 0.0, p.z) / radius));
                }
                let t = (half - o.y) / ray.y;
                let p = o + ray * t;
                (t > 0.1 && p.x.hypot(p.z) < radius).then_some((t, Vec3A::Y))
            }
        }
    }

    /// Colour (linear light) at a point of its surface, before light.
    pub(super) fn color_at(&self, p: Vec3A) -> Vec3A {
        let grain = if self.leafy {
            0.45 + 0.9 * noise3(p * 9.0 + 200.0) * (0.6 + 0.6 * noise3(p * 31.0 + 400.0))
        } else {
            0.88 + 0.2 * noise3(p * vec3a(7.0, 23.0, 7.0) + 200.0)
        };
        self.color * grain * (1.0 - 0.35 * (-p.y * 9.0).exp())
    }
}
