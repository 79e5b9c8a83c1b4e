//! Which props stand where in an environment.

use super::color::rgb;
use super::environment_kind::EnvironmentKind;
use super::prop::{Prop, PropShape};
use super::random::SeededRng;
use glam::Vec3A;

/// Covers of furniture, as 0xRRGGBB.
const CLOTHS: [u32; 6] = [0x4b5d73, 0x7b4b43, 0x8a8577, 0x3f5a50, 0xb08a5a, 0x6f6278];
/// Wood of furniture, as 0xRRGGBB.
const TIMBERS: [u32; 4] = [0x8a6240, 0xb58a5e, 0x6b4a32, 0xd8d2c6];

/// Places props, which it draws from one sequence of random numbers.
struct Furnisher<'a> {
    props: Vec<Prop>,
    rng: &'a mut SeededRng,
}

impl Furnisher<'_> {
    /// A place behind or beside the ground that the figure needs: x and z in metres.
    fn free_spot(&mut self, half: [f32; 2]) -> [f32; 2] {
        let rng = &mut *self.rng;
        if rng.chance(0.55) {
            [
                rng.range(-half[0] + 0.4, half[0] - 0.4),
                rng.range(-half[1] + 0.35, (-half[1] + 1.0).max(-2.6 - half[1] * 0.1)),
            ]
        } else {
            [
                rng.pick(&[-1.0, 1.0]) * rng.range(half[0] - 0.9, half[0] - 0.4).max(2.6),
                rng.range(-half[1] + 0.4, 0.6),
            ]
        }
    }

    fn boxed(&mut self, centre: [f32; 3], half: [f32; 3], turn: f32, color: Vec3A) {
        let (s, c) = turn.sin_cos();
        let shape = PropShape::Box { half: half.into(), turn: [s, c] };
        self.props.push(Prop { shape, centre: centre.into(), color, leafy: false });
    }

    fn ball(&mut self, centre: [f32; 3], radii: [f32; 3], color: Vec3A, leafy: bool) {
        self.props.push(Prop {
            shape: PropShape::Ball { radii: radii.into() },
            centre: centre.into(),
            color,
            leafy,
        });
    }

    fn post(&mut self, centre: [f32; 3], radius: f32, half: f32, color: Vec3A) {
        self.props.push(Prop {
            shape: PropShape::Post { radius, half },
            centre: centre.into(),
            color,
            leafy: false,
        });
    }

    fn table(&mut self, [x, z]: [f32; 2], color: Vec3A) {
        let (w, l) = (self.rng.range(0.45, 0.8), self.rng.range(0.3, 0.45));
        self.boxed([x, 0.72, z], [w, 0.025, l], 0.0, color);
        for (sx, sz) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
            self.post([x + sx * (w - 0.06), 0.36, z + sz * (l - 0.06)], 0.028, 0.36, color * 0.7);
        }
        let c = rgb(self.rng.pick(&[0xc8553d, 0x2d7d9a, 0xf0e6d2, 0x5b8e55]));
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
        let pot = rgb(self.rng.pick(&[0xa8583a, 0xe7e2d8, 0x46505c]));
        self.post([x, 0.18, z], 0.17, 0.18, pot);
        let green = rgb(self.rng.pick(&[0x3f6e3a, 0x5a8a44, 0x2f5a3f]));
        for _ in 0..4 {
            let rng = &mut *self.rng;
            let (dx, dz, y, r) =
                (rng.range(-0.2, 0.2), rng.range(-0.2, 0.2), rng.range(0.55, 1.15), rng.range(0.16, 0.3));
            self.ball([x + dx, y, z + dz], [r, r * 1.2, r], green, true);
        }
    }

    fn lamp(&mut self, [x, z]: [f32; 2]) {
        self.post([x, 0.75, z], 0.018, 0.75, rgb(0x333333));
        self.post([x, 0.02, z], 0.16, 0.02, rgb(0x333333));
        self.post([x, 1.6, z], 0.19, 0.16, rgb(0xffe9bf) * 1.2);
    }

    fn tree(&mut self, [x, z]: [f32; 2]) {
        let tall = self.rng.range(2.4, 4.2);
        self.post([x, tall * 0.3, z], 0.07 + tall * 0.025, tall * 0.3, rgb(0x5b4534));
        let green = rgb(self.rng.pick(&[0x4f7a35, 0x6c9440, 0x3c6132, 0x8a8a3a]));
        for _ in 0..6 {
            let rng = &mut *self.rng;
            let (dx, dz, y, r) = (
                rng.range(-0.8, 0.8),
                rng.range(-0.8, 0.8),
                tall * rng.range(0.6, 1.05),
                rng.range(0.5, 0.95),
            );
            let tone = rng.range(0.8, 1.15);
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

    fn furnish_room(&mut self, half: [f32; 2], cloth: Vec3A, timber: Vec3A) {
        let at = self.free_spot(half);
        match self.rng.below(5) {
            0 => self.table(at, timber),
            1 => self.sofa(at, cloth),
            2 => self.plant(at),
            3 => self.lamp(at),
            _ => self.boxed([at[0], 0.45, at[1]], [0.5, 0.45, 0.25], 0.0, timber),
        }
    }

    fn furnish_gym(&mut self, half: [f32; 2], cloth: Vec3A, timber: Vec3A) {
        let at = self.free_spot(half);
        match self.rng.below(3) {
            0 => self.weights(at),
            1 => self.bench(at, timber),
            _ => {
                let r = self.rng.range(0.25, 0.4);
                self.ball([at[0], r, at[1]], [r, r, r], cloth * 1.6, false);
            }
        }
    }

    fn furnish_park(&mut self, timber: Vec3A) {
        let at = [self.rng.range(-6.0, 6.0), self.rng.range(-9.0, -4.0)];
        match self.rng.below(4) {
            0 => self.bench([at[0] * 0.5, -3.2], timber),
            _ => self.tree(at),
        }
    }

    fn furnish_street(&mut self, cloth: Vec3A, timber: Vec3A) {
        let at = [self.rng.range(-5.0, 5.0), self.rng.range(-6.5, -3.8)];
        match self.rng.below(4) {
            0 => self.car([at[0], -5.5], cloth * 1.4),
            1 => self.tree(at),
            2 => self.bench([at[0], -3.4], timber),
            _ => {
                self.post([at[0], 1.9, at[1]], 0.05, 1.9, rgb(0x3a3f44));
                self.ball([at[0], 3.85, at[1]], [0.2, 0.2, 0.2], rgb(0xf3ecd8), false);
            }
        }
    }

    fn furnish_blur(&mut self, cloth: Vec3A) {
        let at = self.free_spot([4.5, 5.0]);
        let (w, h) = (self.rng.range(0.15, 0.6), self.rng.range(0.2, 1.1));
        let turn = self.rng.range(0.0, 3.0);
        if self.rng.chance(0.5) {
            self.boxed([at[0], h, at[1]], [w, h, w], turn, cloth);
        } else {
            self.ball([at[0], h, at[1]], [w, h, w], cloth, true);
        }
    }
}

/// What stands in a place of this kind, whose walls are `half` away from the middle along x and z, in metres.
pub(super) fn furnish(kind: EnvironmentKind, half: [f32; 2], rng: &mut SeededRng) -> Vec<Prop> {
    let mut furnisher = Furnisher { props: Vec::new(), rng };
    let count = 2 + furnisher.rng.below(3);
    for _ in 0..count {
        let cloth = rgb(furnisher.rng.pick(&CLOTHS));
        let timber = rgb(furnisher.rng.pick(&TIMBERS));
        match kind {
            EnvironmentKind::Room => furnisher.furnish_room(half, cloth, timber),
            EnvironmentKind::Gym => furnisher.furnish_gym(half, cloth, timber),
            EnvironmentKind::Park => furnisher.furnish_park(timber),
            EnvironmentKind::Street => furnisher.furnish_street(cloth, timber),
            EnvironmentKind::Blur => furnisher.furnish_blur(cloth),
            EnvironmentKind::Studio => {}
        }
    }
    furnisher.props
}
