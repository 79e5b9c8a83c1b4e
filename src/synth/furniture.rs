//! Solid things that stand about: boxes, balls and posts, met by rays.

use super::backdrop::Kind;
use super::dice::{Dice, noise3, rgb};
use glam::{Vec3A, vec3a};

#[derive(Clone, Copy, Debug)]
enum Shape {
    Box {
        half: Vec3A,
        turn: [f32; 2],
    },
    Ball {
        radii: Vec3A,
    },
    /// Upright cylinder of a radius and half a height.
    Post {
        radius: f32,
        half: f32,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Thing {
    shape: Shape,
    pub centre: Vec3A,
    color: Vec3A,
    /// Leaves: mottled.
    leafy: bool,
}

impl Thing {
    pub(super) fn reach(&self) -> f32 {
        match self.shape {
            Shape::Box { half, .. } => half.length(),
            Shape::Ball { radii } => radii.max_element(),
            Shape::Post { radius, half } => radius.hypot(half),
        }
    }

    /// Distance along the ray and the normal there.
    pub(super) fn meet(&self, eye: Vec3A, ray: Vec3A) -> Option<(f32, Vec3A)> {
        let o = eye - self.centre;
        match self.shape {
            Shape::Box { half, turn: [s, c] } => {
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
            Shape::Ball { radii } => {
                let (o, r) = (o / radii, ray / radii);
                let (a, b) = (r.length_squared(), o.dot(r));
                let d = b * b - a * (o.length_squared() - 1.0);
                if d < 0.0 {
                    return None;
                }
                let t = (-b - d.sqrt()) / a;
                (t > 0.1).then(|| (t, ((o + r * t) / radii).normalize()))
            }
            Shape::Post { radius, half } => {
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

    pub(super) fn color_at(&self, p: Vec3A) -> Vec3A {
        let grain = if self.leafy {
            0.45 + 0.9 * noise3(p * 9.0 + 200.0) * (0.6 + 0.6 * noise3(p * 31.0 + 400.0))
        } else {
            0.88 + 0.2 * noise3(p * vec3a(7.0, 23.0, 7.0) + 200.0)
        };
        self.color * grain * (1.0 - 0.35 * (-p.y * 9.0).exp())
    }
}

struct Yard<'a> {
    things: Vec<Thing>,
    dice: &'a mut Dice,
}

impl Yard<'_> {
    /// A free spot behind or beside the figure's ground.
    fn spot(&mut self, half: [f32; 2]) -> [f32; 2] {
        let d = &mut *self.dice;
        if d.chance(0.55) {
            [
                d.range(-half[0] + 0.4, half[0] - 0.4),
                d.range(-half[1] + 0.35, (-half[1] + 1.0).max(-2.6 - half[1] * 0.1)),
            ]
        } else {
            [
                d.pick(&[-1.0, 1.0]) * d.range(half[0] - 0.9, half[0] - 0.4).max(2.6),
                d.range(-half[1] + 0.4, 0.6),
            ]
        }
    }

    fn boxed(&mut self, centre: [f32; 3], half: [f32; 3], turn: f32, color: Vec3A) {
        let (s, c) = turn.sin_cos();
        let shape = Shape::Box { half: half.into(), turn: [s, c] };
        self.things.push(Thing { shape, centre: centre.into(), color, leafy: false });
    }

    fn ball(&mut self, centre: [f32; 3], radii: [f32; 3], color: Vec3A, leafy: bool) {
        self.things.push(Thing {
            shape: Shape::Ball { radii: radii.into() },
            centre: centre.into(),
            color,
            leafy,
        });
    }

    fn post(&mut self, centre: [f32; 3], radius: f32, half: f32, color: Vec3A) {
        self.things.push(Thing {
            shape: Shape::Post { radius, half },
            centre: centre.into(),
            color,
            leafy: false,
        });
    }

    fn table(&mut self, [x, z]: [f32; 2], color: Vec3A) {
        let (w, l) = (self.dice.range(0.45, 0.8), self.dice.range(0.3, 0.45));
        self.boxed([x, 0.72, z], [w, 0.025, l], 0.0, color);
        for (sx, sz) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
            self.post([x + sx * (w - 0.06), 0.36, z + sz * (l - 0.06)], 0.028, 0.36, color * 0.7);
        }
        let c = rgb(self.dice.pick(&[0xc8553d, 0x2d7d9a, 0xf0e6d2, 0x5b8e55]));
        self.ball([x + 0.15, 0.82, z], [0.09, 0.085, 0.09], c, false);
    }

    fn sofa(&mut self, [x, z]: [f32; 2], color: Vec3A) {
        self.boxed([x, 0.24, z], [0.8, 0.2, 0.36], 0.0, color);
        self.boxed([x, 0.55, z - 0.28], [0.8, 0.3, 0.1], 0.0, color * 0.9);
        for s in [-1.0, 1.0] {
            self.boxed([x + s * 0.8, 0.36, z], [0.1, 0.28, 0.38], 0.0, color * 0.82);
        }
    }

    fn plant(&mut self, [x, z]: [f32; 2]) {
        let pot = rgb(self.dice.pick(&[0xa8583a, 0xe7e2d8, 0x46505c]));
        self.post([x, 0.18, z], 0.17, 0.18, pot);
        let green = rgb(self.dice.pick(&[0x3f6e3a, 0x5a8a44, 0x2f5a3f]));
        for _ in 0..4 {
            let d = &mut *self.dice;
            let (dx, dz, y, r) =
                (d.range(-0.2, 0.2), d.range(-0.2, 0.2), d.range(0.55, 1.15), d.range(0.16, 0.3));
            self.ball([x + dx, y, z + dz], [r, r * 1.2, r], green, true);
        }
    }

    fn lamp(&mut self, [x, z]: [f32; 2]) {
        self.post([x, 0.75, z], 0.018, 0.75, rgb(0x333333));
        self.post([x, 0.02, z], 0.16, 0.02, rgb(0x333333));
        self.post([x, 1.6, z], 0.19, 0.16, rgb(0xffe9bf) * 1.2);
    }

    fn tree(&mut self, [x, z]: [f32; 2]) {
        let tall = self.dice.range(2.4, 4.2);
        self.post([x, tall * 0.3, z], 0.07 + tall * 0.025, tall * 0.3, rgb(0x5b4534));
        let green = rgb(self.dice.pick(&[0x4f7a35, 0x6c9440, 0x3c6132, 0x8a8a3a]));
        for _ in 0..6 {
            let d = &mut *self.dice;
            let (dx, dz, y, r) =
                (d.range(-0.8, 0.8), d.range(-0.8, 0.8), tall * d.range(0.6, 1.05), d.range(0.5, 0.95));
            let tone = d.range(0.8, 1.15);
            self.ball([x + dx, y, z + dz], [r, r * 0.85, r], green * tone, true);
        }
    }

    fn bench(&mut self, [x, z]: [f32; 2], color: Vec3A) {
        self.boxed([x, 0.45, z], [0.75, 0.03, 0.2], 0.0, color);
        self.boxed([x, 0.75, z - 0.2], [0.75, 0.16, 0.02], 0.0, color);
        for s in [-0.6, 0.6] {
            self.boxed([x + s, 0.22, z], [0.04, 0.22, 0.18], 0.0, color * 0.4);
        }
    }

    fn car(&mut self, [x, z]: [f32; 2], color: Vec3A) {
        self.boxed([x, 0.58, z], [2.0, 0.28, 0.8], 0.0, color);
        self.ball([x - 0.1, 0.85, z], [1.35, 0.55, 0.72], rgb(0x26313b), false);
        self.boxed([x - 0.1, 1.36, z], [0.75, 0.03, 0.6], 0.0, color);
        for s in [-1.25, 1.25] {
            self.ball([x + s, 0.32, z + 0.72], [0.32, 0.32, 0.12], rgb(0x17181a), false);
            self.ball([x + s, 0.32, z + 0.8], [0.17, 0.17, 0.06], rgb(0x9a9da0), false);
        }
    }

    fn weights(&mut self, [x, z]: [f32; 2]) {
        let dark = rgb(0x25272b);
        for i in 0..3 {
            let y = 0.25 + 0.35 * i as f32;
            self.boxed([x, y, z], [0.7, 0.02, 0.18], 0.0, rgb(0x555a60));
            for j in 0..4 {
                let c = if (i + j) % 3 == 0 { rgb(0x9b2f2f) } else { dark };
                self.ball([x - 0.52 + 0.35 * j as f32, y + 0.09, z + 0.06], [0.11, 0.075, 0.075], c, false);
            }
        }
        for s in [-0.7, 0.7] {
            self.boxed([x + s, 0.55, z], [0.03, 0.55, 0.2], 0.0, rgb(0x3a3d42));
        }
    }
}

/// What stands in a place of this kind, whose walls are `half` away from the middle.
pub(super) fn furnish(kind: Kind, half: [f32; 2], dice: &mut Dice) -> Vec<Thing> {
    let mut yard = Yard { things: Vec::new(), dice };
    let y = &mut yard;
    let count = 2 + y.dice.below(3);
    let cloth = [0x4b5d73, 0x7b4b43, 0x8a8577, 0x3f5a50, 0xb08a5a, 0x6f6278];
    let wood = [0x8a6240, 0xb58a5e, 0x6b4a32, 0xd8d2c6];
    for _ in 0..count {
        let color = rgb(y.dice.pick(&cloth));
        let timber = rgb(y.dice.pick(&wood));
        match kind {
            Kind::Room => {
                let at = y.spot(half);
                match y.dice.below(5) {
                    0 => y.table(at, timber),
                    1 => y.sofa(at, color),
                    2 => y.plant(at),
                    3 => y.lamp(at),
                    _ => y.boxed([at[0], 0.45, at[1]], [0.5, 0.45, 0.25], 0.0, timber),
                }
            }
            Kind::Gym => {
                let at = y.spot(half);
                match y.dice.below(3) {
                    0 => y.weights(at),
                    1 => y.bench(at, timber),
                    _ => {
                        let r = y.dice.range(0.25, 0.4);
                        y.ball([at[0], r, at[1]], [r, r, r], color * 1.6, false);
                    }
                }
            }
            Kind::Park => {
                let at = [y.dice.range(-6.0, 6.0), y.dice.range(-9.0, -4.0)];
                match y.dice.below(4) {
                    0 => y.bench([at[0] * 0.5, -3.2], timber),
                    _ => y.tree(at),
                }
            }
            Kind::Street => {
                let at = [y.dice.range(-5.0, 5.0), y.dice.range(-6.5, -3.8)];
                match y.dice.below(4) {
                    0 => y.car([at[0], -5.5], color * 1.4),
                    1 => y.tree(at),
                    2 => y.bench([at[0], -3.4], timber),
                    _ => {
                        y.post([at[0], 1.9, at[1]], 0.05, 1.9, rgb(0x3a3f44));
                        y.ball([at[0], 3.85, at[1]], [0.2, 0.2, 0.2], rgb(0xf3ecd8), false);
                    }
                }
            }
            Kind::Blur => {
                let at = y.spot([4.5, 5.0]);
                let (w, h) = (y.dice.range(0.15, 0.6), y.dice.range(0.2, 1.1));
                let turn = y.dice.range(0.0, 3.0);
                if y.dice.chance(0.5) {
                    y.boxed([at[0], h, at[1]], [w, h, w], turn, color);
                } else {
                    y.ball([at[0], h, at[1]], [w, h, w], color, true);
                }
            }
            Kind::Studio => {}
        }
    }
    yard.things
}
