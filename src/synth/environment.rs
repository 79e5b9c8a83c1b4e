//! The place around the figure: what a ray sees that misses the figure.
//!
//! An environment is a flat floor inside four walls, or under a sky. World axes: x to the right of a camera in front,
//! y up, z towards that camera; metres, from the middle of the floor.

use super::color::{ACCENTS, WALLS, WOODS, rgb};
use super::environment_kind::EnvironmentKind;
use super::furnishing::furnish;
use super::interpolate::{lerp, smoothstep};
use super::noise::{noise2, noise3};
use super::prop::Prop;
use super::random::SeededRng;
use super::wall_fixtures::{WallFixture, wall_fixtures};
use glam::Vec3A;

/// What the floor is covered with, which decides its pattern.
#[derive(Clone, Copy, Debug)]
enum FloorCovering {
    Planks,
    Tiles,
    Carpet,
    Grass,
    Paving,
    Smooth,
}

/// The colours of an environment (linear light).
struct Palette {
    /// Walls and ceiling; outdoors the sky.
    wall: Vec3A,
    /// Second colour of the walls; in a park the horizon, in a street the houses.
    accent: Vec3A,
    floor: Vec3A,
    /// Second colour of the floor; in a park also the trees on the horizon.
    floor_accent: Vec3A,
}

impl Palette {
    fn new(wall: Vec3A, accent: Vec3A, floor: Vec3A, floor_accent: Vec3A) -> Palette {
        Palette { wall, accent, floor, floor_accent }
    }
}

/// A place with its colours, fixtures and props.
pub(super) struct Environment {
    kind: EnvironmentKind,
    /// Things that stand about on the floor.
    pub props: Vec<Prop>,
    floor: FloorCovering,
    colors: Palette,
    /// Distance of the walls from the middle along x and z, in metres.
    half: [f32; 2],
    /// Height of the walls in metres.
    height: f32,
    fixtures: Vec<WallFixture>,
    /// Unit vector towards the sun or lamp.
    sun: Vec3A,
    /// Where the patterns' noise is read, 0 to 30, so that no two environments have the same.
    shift: f32,
    /// Strength of the stains on walls, 0.5 to 1.
    grain: f32,
}

impl Environment {
    /// Draws the random numbers of an environment of this kind; `sun` is the unit vector towards the lamp.
    pub(super) fn new(kind: EnvironmentKind, rng: &mut SeededRng, sun: Vec3A) -> Environment {
        let (floor, colors) = floor_and_colors(kind, rng);
        let half = match kind {
            EnvironmentKind::Street => [rng.range(9.0, 13.0), rng.range(9.0, 13.0)],
            EnvironmentKind::Gym => [rng.range(6.5, 9.0), rng.range(6.5, 8.0)],
            _ => [rng.range(3.6, 5.0), rng.range(3.4, 4.6)],
        };
        let height = match kind {
            EnvironmentKind::Street => rng.range(7.0, 12.0),
            EnvironmentKind::Gym => rng.range(4.5, 6.5),
            _ => rng.range(2.6, 3.2),
        };
        let fixtures = wall_fixtures(kind, half, height, rng);
        let props = furnish(kind, half, rng);
        Environment {
            kind,
            props,
            floor,
            colors,
            half,
            height,
            fixtures,
            sun,
            shift: rng.range(0.0, 30.0),
            grain: rng.range(0.5, 1.0),
        }
    }

    /// Mean colour of the floor (linear light).
    pub(super) fn floor_color(&self) -> Vec3A {
        self.colors.floor.lerp(self.colors.floor_accent, 0.5)
    }

    /// Colour (linear light) seen from `eye` along `ray`, and how far along the ray it is. The light
    /// on the ground is the caller's, who knows the figure's shadow: `shade` says how much reaches a
    /// point there.
    pub(super) fn trace(&self, eye: Vec3A, ray: Vec3A, shade: impl Fn(Vec3A) -> f32) -> (Vec3A, f32) {
        let down = if ray.y < -1e-4 { -eye.y / ray.y } else { f32::INFINITY };
        let (side, wall) = self.wall(eye, ray);
        if matches!(self.kind, EnvironmentKind::Room | EnvironmentKind::Gym | EnvironmentKind::Street)
            && side < down
        {
            let p = eye + ray * side;
            if p.y < self.height {
                return (self.wall_color(p, wall), side);
            }
            return (self.above(ray), 60.0);
        }
        if down < 40.0 {
            let p = eye + ray * down;
            let lit = lerp(0.42, 1.0, shade(p));
            let mut c = self.ground(p, down) * lit;
            if matches!(self.kind, EnvironmentKind::Room | EnvironmentKind::Gym) {
                c *= self.corner(p);
            }
            return (self.fade(c, ray, down), down);
        }
        (self.above(ray), 60.0)
    }

    /// Distance and number of the wall that a ray meets.
    fn wall(&self, eye: Vec3A, ray: Vec3A) -> (f32, u8) {
        let tx =
            if ray.x.abs() < 1e-5 { f32::INFINITY } else { (self.half[0] * ray.x.signum() - eye.x) / ray.x };
        let tz =
            if ray.z.abs() < 1e-5 { f32::INFINITY } else { (self.half[1] * ray.z.signum() - eye.z) / ray.z };
        // The camera may stand behind the near wall: that one is not there.
        let (tx, tz) = (if tx < 0.3 { f32::INFINITY } else { tx }, if tz < 0.3 { f32::INFINITY } else { tz });
        if tx < tz { (tx, u8::from(ray.x > 0.0)) } else { (tz, 2 + u8::from(ray.z > 0.0)) }
    }

    /// Share of the light that reaches a point of the floor near a wall: 0.6 to 1.
    fn corner(&self, p: Vec3A) -> f32 {
        let gap = (self.half[0] - p.x.abs()).abs().min((self.half[1] - p.z.abs()).abs());
        1.0 - 0.4 * (-gap * 3.0).exp()
    }

    /// Colour of the floor at a point that is `away` from the camera, before light.
    fn ground(&self, p: Vec3A, away: f32) -> Vec3A {
        let (a, b) = (self.colors.floor, self.colors.floor_accent);
        let s = self.shift;
        match self.floor {
            FloorCovering::Planks => {
                let row = (p.x / 0.14).floor();
                let tone = noise2(row * 0.77 + s, (p.z / 1.1 + row * 0.37).floor() * 1.3);
                let vein = noise2(p.x * 60.0 + 500.0, p.z * 3.0 + s + 200.0);
                let seam = smoothstep(0.0, 0.035, (p.x / 0.14 - row).min(1.0 - (p.x / 0.14 - row)));
                let blur = (1.0 - away / 9.0).max(0.0);
                let mut c =
                    a.lerp(b, 0.75 * tone + 0.3 * vein * blur) * lerp(1.0, lerp(0.6, 1.0, seam), blur);
                if self.kind == EnvironmentKind::Gym {
                    let line = (p.x - 1.3)
                        .abs()
                        .min((p.z + 1.1).abs())
                        .min(((p.x * p.x + p.z * p.z).sqrt() - 2.6).abs());
                    c = c.lerp(self.colors.accent.lerp(Vec3A::ONE, 0.4), 1.0 - smoothstep(0.02, 0.035, line));
                }
                c
            }
            FloorCovering::Tiles => {
                let (u, v) = (p.x / 0.45, p.z / 0.45);
                let odd = ((u.floor() + v.floor()) as i32).rem_euclid(2) as f32;
                let edge = (u - u.floor() - 0.5).abs().max((v - v.floor() - 0.5).abs());
                a.lerp(b, odd * 0.7) * lerp(1.0, 0.72, smoothstep(0.47, 0.49, edge))
            }
            FloorCovering::Carpet => {
                a.lerp(b, 0.8 * noise2(p.x * 30.0 + 900.0, p.z * 30.0 + 900.0))
                    * (0.8 + 0.4 * noise2(p.x + 70.0, p.z + s + 70.0))
            }
            FloorCovering::Grass => {
                let fine = noise2(p.x * 26.0 + 900.0, p.z * 26.0 + 900.0);
                let broad = noise2(p.x * 0.8 + 90.0, p.z * 0.8 + s + 90.0);
                let path =
                    smoothstep(0.9, 1.5, (p.x - 0.35 * p.z + 1.2 * noise2(p.z * 0.3 + 64.0, s) - 1.5).abs());
                let c = b.lerp(a, 0.25 + 0.5 * fine + 0.4 * broad);
                rgb(0xa8977c).lerp(c, path) * (0.85 + 0.25 * fine)
            }
            FloorCovering::Paving => {
                let row = (p.z / 0.5).floor();
                let u = p.x / 0.8 + 0.5 * row.rem_euclid(2.0);
                let edge = ((u - u.floor() - 0.5).abs() * 1.0).max(((p.z / 0.5 - row) - 0.5).abs());
                let tone = noise2(u.floor() * 1.7 + 100.0, row * 1.3 + 100.0 + s);
                let speck = noise2(p.x * 40.0 + 900.0, p.z * 40.0 + 900.0);
                a.lerp(b, 0.6 * tone + 0.5 * speck) * lerp(1.0, 0.72, smoothstep(0.46, 0.49, edge))
            }
            FloorCovering::Smooth => {
                if self.kind == EnvironmentKind::Blur {
                    a.lerp(b, noise2(p.x * 1.3 + 60.0, p.z * 1.3 + s + 60.0))
                } else {
                    a * (0.9 + 0.1 * noise2(p.x * 2.0 + 60.0, p.z * 2.0 + 60.0))
                }
            }
        }
    }

    /// Mixes the floor into what lies behind it, more with the distance.
    fn fade(&self, c: Vec3A, ray: Vec3A, away: f32) -> Vec3A {
        match self.kind {
            EnvironmentKind::Studio => {
                // A paper roll: floor and wall are one.
                c.lerp(self.above(ray), smoothstep(2.6, 7.5, away))
            }
            EnvironmentKind::Blur => c.lerp(self.above(ray), smoothstep(3.0, 9.0, away)),
            EnvironmentKind::Park => {
                c.lerp(self.colors.accent.lerp(self.colors.floor, 0.5), smoothstep(8.0, 40.0, away) * 0.7)
            }
            _ => c,
        }
    }

    /// Sky, ceiling, paper.
    fn above(&self, ray: Vec3A) -> Vec3A {
        let d = ray.normalize();
        let s = self.shift;
        match self.kind {
            EnvironmentKind::Studio => {
                let glow = (-((d.x * 1.4 - 0.2 * s.sin()).powi(2) + (d.y - 0.02).powi(2)) * 5.0).exp();
                self.colors.accent.lerp(self.colors.wall, 0.25 + 0.75 * glow)
            }
            EnvironmentKind::Blur => {
                let q = d * 3.0 + Vec3A::splat(40.0 + s);
                let (n, m) = (noise3(q), noise3(q * 2.3));
                let c = self.colors.wall.lerp(self.colors.accent, smoothstep(0.25, 0.75, n));
                let c = c.lerp(self.colors.floor_accent, smoothstep(0.55, 0.8, m));
                // Lights out of focus.
                let cell = (d.x.atan2(-d.z) * 7.0, d.y * 7.0);
                let (i, j) = (cell.0.floor(), cell.1.floor());
                let (ox, oy) = (
                    noise2(i * 3.3 + 500.0, j * 2.1 + s + 500.0) - 0.5,
                    noise2(i * 1.7 + 300.0, j * 5.1 + 300.0) - 0.5,
                );
                let r =
                    ((cell.0 - i - 0.5 - 0.4 * ox).powi(2) + (cell.1 - j - 0.5 - 0.4 * oy).powi(2)).sqrt();
                let lamp = smoothstep(0.34, 0.28, r)
                    * smoothstep(0.62, 0.8, noise2(i * 9.1 + 700.0, j * 7.7 + 700.0));
                c + lamp * rgb(0xffd59a) * 0.5
            }
            EnvironmentKind::Room | EnvironmentKind::Gym => {
                // The ceiling, with a lamp over the middle.
                self.colors.wall.lerp(Vec3A::ONE, 0.4) * (0.75 - 0.2 * d.y)
            }
            EnvironmentKind::Park | EnvironmentKind::Street => self.sky(d),
        }
    }

    /// Colour of the sky, and of the hills and trees on the horizon, in the direction `d`.
    fn sky(&self, d: Vec3A) -> Vec3A {
        let s = self.shift;
        let mut c = self.colors.wall;
        if self.kind == EnvironmentKind::Park {
            c = self.colors.accent.lerp(self.colors.wall, smoothstep(-0.02, 0.45, d.y));
        } else {
            c = c.lerp(Vec3A::ONE, 0.3 * smoothstep(0.6, 0.0, d.y));
        }
        let q = d / (d.y.abs() + 0.12);
        let cloud = 0.65 * noise2(q.x * 1.1 + s + 60.0, q.z * 1.1 + 60.0)
            + 0.35 * noise2(q.x * 2.9 + 60.0, q.z * 2.9 + s + 60.0);
        c = c.lerp(Vec3A::splat(0.92), 0.75 * smoothstep(0.5, 0.78, cloud) * smoothstep(0.0, 0.12, d.y));
        c += rgb(0xffe8c0) * 0.5 * d.dot(self.sun).max(0.0).powi(12);
        if self.kind == EnvironmentKind::Park {
            let azimuth = d.x.atan2(-d.z);
            let hill = 0.05 + 0.10 * noise2(azimuth * 2.2 + 60.0, s + 60.0);
            let far = self.colors.floor.lerp(self.colors.accent, 0.55);
            c = c.lerp(far * 0.85, smoothstep(hill + 0.004, hill - 0.004, d.y));
            // A line of trees, and the light between their leaves.
            let crown = 0.03
                + 0.11 * noise2(azimuth * 6.0 + 160.0, s + 40.0)
                + 0.03 * noise2(azimuth * 31.0 + 200.0, 60.0);
            let leaf = noise2(azimuth * 60.0 + 400.0, d.y * 60.0 + 90.0);
            let tree = self.colors.floor_accent.lerp(self.colors.floor, leaf) * (0.5 + 3.5 * d.y.max(0.0));
            c = c.lerp(
                tree,
                smoothstep(crown + 0.006, crown - 0.006, d.y)
                    * smoothstep(0.3, 0.5, noise2(azimuth * 3.1 + 260.0, s + 20.0)),
            );
        }
        c
    }

    /// Colour of a wall at a point on it, with its fixtures and its light.
    fn wall_color(&self, p: Vec3A, wall: u8) -> Vec3A {
        let u = if wall < 2 { p.z } else { p.x };
        let (base, accent) = (self.colors.wall, self.colors.accent);
        if self.kind == EnvironmentKind::Street {
            return self.facade(u, p.y, wall);
        }
        let mut c = base;
        let low = if self.kind == EnvironmentKind::Gym { 1.3 } else { 0.95 };
        match (self.shift as i32) % 4 {
            0 => c = c.lerp(accent, if (u / 0.22).rem_euclid(1.0) < 0.5 { 0.35 } else { 0.0 }),
            1 => c = if p.y < low { accent } else { c },
            2 => {
                // Bricks.
                let row = (p.y / 0.09).floor();
                let v = u / 0.26 + 0.5 * row.rem_euclid(2.0);
                let edge = (v - v.floor() - 0.5).abs().max((p.y / 0.09 - row - 0.5).abs());
                c = c.lerp(accent, 0.3 + 0.5 * noise2(v.floor() * 1.9 + 300.0, row * 1.1 + 300.0))
                    * lerp(1.0, 0.85, smoothstep(0.4, 0.46, edge));
            }
            _ => c = c.lerp(accent, 0.25 * noise2(u * 1.5 + 60.0, p.y * 1.5 + 60.0)),
        }
        c *= 0.92 + 0.16 * noise2(u * 0.9 + 90.0, p.y * 0.9 + 90.0) * self.grain;
        for fixture in self.fixtures.iter().filter(|fixture| fixture.covers(wall, u, p.y)) {
            c = fixture.color_at(u, p.y, self.shift);
        }
        if p.y < 0.1 {
            c = base * 0.55;
        }
        // Lamp light falls off towards the ceiling and into the corners.
        let facing = 0.72
            + 0.28
                * if wall < 2 {
                    (self.sun.x * -p.x.signum()).max(0.0)
                } else {
                    (self.sun.z * -p.z.signum()).max(0.0)
                };
        let edge = if wall < 2 { self.half[1] - p.z.abs() } else { self.half[0] - p.x.abs() };
        let corner = 1.0 - 0.35 * (-edge.abs() * 3.5).exp() - 0.3 * (-p.y * 5.0).exp();
        c * facing * corner * (1.0 - 0.12 * p.y / self.height)
    }

    /// Colour of a row of houses, `u` metres along the wall and `y` metres up.
    fn facade(&self, u: f32, y: f32, wall: u8) -> Vec3A {
        let house = (u / 5.2 + f32::from(wall) * 3.0).floor();
        let tone = noise2(house * 1.7 + 100.0, self.shift + 100.0);
        let top = self.height * (0.6 + 0.4 * noise2(house * 2.3 + 300.0, self.shift + 60.0));
        if y > top {
            return self.colors.wall.lerp(Vec3A::ONE, 0.25);
        }
        let mut c = self.colors.accent.lerp(rgb(ACCENTS[(tone * 7.9) as usize % 8]), 0.2 + 0.35 * tone)
            * (0.85 + 0.2 * noise2(u * 3.0 + 90.0, y * 3.0 + 90.0));
        let (cell_u, cell_y) = ((u / 1.3).rem_euclid(1.0), ((y - 0.4) / 1.5).rem_euclid(1.0));
        if y > 0.4 && cell_u > 0.25 && cell_u < 0.75 && cell_y > 0.2 && cell_y < 0.8 {
            let pane = noise2((u / 1.3).floor() * 3.1 + 300.0, (y / 1.5).floor() * 2.7 + 300.0);
            c = rgb(0x2a3744).lerp(rgb(0x9fb6c6), pane * 0.8 * cell_y);
            if (cell_u - 0.5).abs() < 0.015 || (cell_y - 0.5).abs() < 0.02 {
                c = Vec3A::splat(0.6);
            }
        }
        if y < 0.35 {
            c *= 0.6;
        }
        c * (0.75 + 0.35 * if wall < 2 { self.sun.x.abs() } else { self.sun.z.abs() })
    }
}

/// What covers the floor, and the colours of an environment of this kind.
fn floor_and_colors(kind: EnvironmentKind, rng: &mut SeededRng) -> (FloorCovering, Palette) {
    let (wall, accent) = (rgb(rng.pick(&WALLS)), rgb(rng.pick(&ACCENTS)));
    match kind {
        EnvironmentKind::Room => {
            let wood = rgb(rng.pick(&WOODS));
            let floor = rng.pick(&[
                FloorCovering::Planks,
                FloorCovering::Planks,
                FloorCovering::Tiles,
                FloorCovering::Carpet,
            ]);
            let ground = if matches!(floor, FloorCovering::Planks) {
                wood
            } else {
                rgb(rng.pick(&[0xb9b2a5, 0x8c8f94, 0x6d6a75, 0xa38f7c]))
            };
            let second = wall.lerp(accent, rng.range(0.0, 0.5));
            (floor, Palette::new(wall, second, ground, ground * rng.range(0.6, 0.85)))
        }
        EnvironmentKind::Gym => {
            let wood = rgb(rng.pick(&[0xc79a63, 0xb98a58, 0x3a3d42, 0x47525e]));
            (FloorCovering::Planks, Palette::new(wall * 0.9, accent, wood, wood * 0.8))
        }
        EnvironmentKind::Studio => {
            let c = if rng.chance(0.5) { wall } else { accent.lerp(wall, 0.35) };
            (FloorCovering::Smooth, Palette::new(c, c * 0.45, c * 0.85, c * 0.7))
        }
        EnvironmentKind::Park => {
            let grass = rgb(rng.pick(&[0x6f8f45, 0x86a04e, 0x5c7a3d, 0x9a9a58]));
            let sky = rgb(rng.pick(&[0x5f93d0, 0x7fb0e0, 0x9fb4c8]));
            (FloorCovering::Grass, Palette::new(sky, rgb(0xdfe9ee), grass, grass * 0.6))
        }
        EnvironmentKind::Street => {
            let stone = rgb(rng.pick(&[0x9a978f, 0x7f8083, 0xb0a594]));
            let sky = rgb(rng.pick(&[0x6fa0d8, 0xa9bac9, 0x8db4da]));
            let houses = rgb(rng.pick(&WALLS));
            (FloorCovering::Paving, Palette::new(sky, houses, stone, stone * 0.78))
        }
        EnvironmentKind::Blur => {
            let floor = rgb(rng.pick(&WOODS));
            (FloorCovering::Smooth, Palette::new(wall, accent, floor, rgb(rng.pick(&ACCENTS))))
        }
    }
}
