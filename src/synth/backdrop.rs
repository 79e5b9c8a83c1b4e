//! Places to be in: what a ray sees that misses the figure.

use super::dice::{Dice, lerp, noise2, noise3, rgb, step};
use super::furniture::{Thing, furnish};
use glam::Vec3A;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Room,
    Park,
    Studio,
    Street,
    Gym,
    Blur,
}

impl Kind {
    pub(super) const ALL: [Kind; 6] =
        [Kind::Room, Kind::Park, Kind::Studio, Kind::Street, Kind::Gym, Kind::Blur];

    pub(super) fn outdoors(self) -> bool {
        matches!(self, Kind::Park | Kind::Street)
    }
}

#[derive(Clone, Copy, Debug)]
enum Floor {
    Planks,
    Tiles,
    Carpet,
    Grass,
    Paving,
    Smooth,
}

/// A window, picture, door or shelf on one of the four walls.
#[derive(Clone, Copy, Debug)]
struct Hanging {
    wall: u8,
    left: f32,
    right: f32,
    low: f32,
    high: f32,
    what: Deco,
    color: Vec3A,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Deco {
    Window,
    Picture,
    Door,
    Shelf,
    Bars,
    Mirror,
}

pub(super) struct Backdrop {
    pub kind: Kind,
    pub things: Vec<Thing>,
    floor: Floor,
    /// Wall or sky, second wall colour or horizon, floor, floor's second colour.
    colors: [Vec3A; 4],
    half: [f32; 2],
    height: f32,
    hangings: Vec<Hanging>,
    sun: Vec3A,
    shift: f32,
    grain: f32,
}

const WALLS: [u32; 10] =
    [0xe8e2d6, 0xcfd8d3, 0xb8c4cc, 0xd8c3a5, 0xa9b59a, 0x8fa3b0, 0xe3d0c5, 0x6f8190, 0xc9a58b, 0xf1eee8];
const WOODS: [u32; 6] = [0xb58a5e, 0x8a6240, 0x6b4a32, 0xc9a678, 0x9a7b5b, 0x584436];
const ACCENTS: [u32; 8] = [0x2f6f8f, 0xb8523c, 0x4a7a4f, 0xd6a23f, 0x5c4a72, 0x27303b, 0xa34a5e, 0x7aa0b5];

impl Backdrop {
    pub(super) fn new(kind: Kind, d: &mut Dice, sun: Vec3A) -> Backdrop {
        let (wall, accent) = (rgb(d.pick(&WALLS)), rgb(d.pick(&ACCENTS)));
        let (floor, colors) = match kind {
            Kind::Room => {
                let wood = rgb(d.pick(&WOODS));
                let floor = d.pick(&[Floor::Planks, Floor::Planks, Floor::Tiles, Floor::Carpet]);
                let ground = if matches!(floor, Floor::Planks) {
                    wood
                } else {
                    rgb(d.pick(&[0xb9b2a5, 0x8c8f94, 0x6d6a75, 0xa38f7c]))
                };
                (floor, [wall, wall.lerp(accent, d.range(0.0, 0.5)), ground, ground * d.range(0.6, 0.85)])
            }
            Kind::Gym => {
                let wood = rgb(d.pick(&[0xc79a63, 0xb98a58, 0x3a3d42, 0x47525e]));
                (Floor::Planks, [wall * 0.9, accent, wood, wood * 0.8])
            }
            Kind::Studio => {
                let c = if d.chance(0.5) { wall } else { accent.lerp(wall, 0.35) };
                (Floor::Smooth, [c, c * 0.45, c * 0.85, c * 0.7])
            }
            Kind::Park => {
                let grass = rgb(d.pick(&[0x6f8f45, 0x86a04e, 0x5c7a3d, 0x9a9a58]));
                (
                    Floor::Grass,
                    [rgb(d.pick(&[0x5f93d0, 0x7fb0e0, 0x9fb4c8])), rgb(0xdfe9ee), grass, grass * 0.6],
                )
            }
            Kind::Street => {
                let stone = rgb(d.pick(&[0x9a978f, 0x7f8083, 0xb0a594]));
                (
                    Floor::Paving,
                    [rgb(d.pick(&[0x6fa0d8, 0xa9bac9, 0x8db4da])), rgb(d.pick(&WALLS)), stone, stone * 0.78],
                )
            }
            Kind::Blur => (Floor::Smooth, [wall, accent, rgb(d.pick(&WOODS)), rgb(d.pick(&ACCENTS))]),
        };
        let half = match kind {
            Kind::Street => [d.range(9.0, 13.0), d.range(9.0, 13.0)],
            Kind::Gym => [d.range(6.5, 9.0), d.range(6.5, 8.0)],
            _ => [d.range(3.6, 5.0), d.range(3.4, 4.6)],
        };
        let height = match kind {
            Kind::Street => d.range(7.0, 12.0),
            Kind::Gym => d.range(4.5, 6.5),
            _ => d.range(2.6, 3.2),
        };
        let hangings = hang(kind, half, height, d);
        let things = furnish(kind, half, d);
        Backdrop {
            kind,
            things,
            floor,
            colors,
            half,
            height,
            hangings,
            sun,
            shift: d.range(0.0, 30.0),
            grain: d.range(0.5, 1.0),
        }
    }

    pub(super) fn floor_color(&self) -> Vec3A {
        self.colors[2].lerp(self.colors[3], 0.5)
    }

    /// Colour (linear light) seen from `eye` along `ray`, and how far along the ray it is. The light
    /// on the ground is the caller's, who knows the figure's shadow: `shade` says how much reaches a
    /// point there.
    pub(super) fn look(&self, eye: Vec3A, ray: Vec3A, shade: impl Fn(Vec3A) -> f32) -> (Vec3A, f32) {
        let down = if ray.y < -1e-4 { -eye.y / ray.y } else { f32::INFINITY };
        let (side, wall) = self.wall(eye, ray);
        if matches!(self.kind, Kind::Room | Kind::Gym | Kind::Street) && side < down {
            let p = eye + ray * side;
            if p.y < self.height {
                return (self.wall_color(p, wall), side);
            }
            return (self.above(eye, ray), 60.0);
        }
        if down < 40.0 {
            let p = eye + ray * down;
            let lit = lerp(0.42, 1.0, shade(p));
            let mut c = self.ground(p, down) * lit;
            if matches!(self.kind, Kind::Room | Kind::Gym) {
                c *= self.corner(p);
            }
            return (self.fade(c, ray, down), down);
        }
        (self.above(eye, ray), 60.0)
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

    fn corner(&self, p: Vec3A) -> f32 {
        let gap = (self.half[0] - p.x.abs()).abs().min((self.half[1] - p.z.abs()).abs());
        1.0 - 0.4 * (-gap * 3.0).exp()
    }

    fn ground(&self, p: Vec3A, away: f32) -> Vec3A {
        let (a, b) = (self.colors[2], self.colors[3]);
        let s = self.shift;
        match self.floor {
            Floor::Planks => {
                let row = (p.x / 0.14).floor();
                let tone = noise2(row * 0.77 + s, (p.z / 1.1 + row * 0.37).floor() * 1.3);
                let vein = noise2(p.x * 60.0 + 500.0, p.z * 3.0 + s + 200.0);
                let seam = step(0.0, 0.035, (p.x / 0.14 - row).min(1.0 - (p.x / 0.14 - row)));
                let blur = (1.0 - away / 9.0).max(0.0);
                let mut c =
                    a.lerp(b, 0.75 * tone + 0.3 * vein * blur) * lerp(1.0, lerp(0.6, 1.0, seam), blur);
                if self.kind == Kind::Gym {
                    let line = (p.x - 1.3)
                        .abs()
                        .min((p.z + 1.1).abs())
                        .min(((p.x * p.x + p.z * p.z).sqrt() - 2.6).abs());
                    c = c.lerp(self.colors[1].lerp(Vec3A::ONE, 0.4), 1.0 - step(0.02, 0.035, line));
                }
                c
            }
            Floor::Tiles => {
                let (u, v) = (p.x / 0.45, p.z / 0.45);
                let odd = ((u.floor() + v.floor()) as i32).rem_euclid(2) as f32;
                let edge = (u - u.floor() - 0.5).abs().max((v - v.floor() - 0.5).abs());
                a.lerp(b, odd * 0.7) * lerp(1.0, 0.72, step(0.47, 0.49, edge))
            }
            Floor::Carpet => {
                a.lerp(b, 0.8 * noise2(p.x * 30.0 + 900.0, p.z * 30.0 + 900.0))
                    * (0.8 + 0.4 * noise2(p.x + 70.0, p.z + s + 70.0))
            }
            Floor::Grass => {
                let fine = noise2(p.x * 26.0 + 900.0, p.z * 26.0 + 900.0);
                let broad = noise2(p.x * 0.8 + 90.0, p.z * 0.8 + s + 90.0);
                let path = step(0.9, 1.5, (p.x - 0.35 * p.z + 1.2 * noise2(p.z * 0.3 + 64.0, s) - 1.5).abs());
                let c = b.lerp(a, 0.25 + 0.5 * fine + 0.4 * broad);
                rgb(0xa8977c).lerp(c, path) * (0.85 + 0.25 * fine)
            }
            Floor::Paving => {
                let row = (p.z / 0.5).floor();
                let u = p.x / 0.8 + 0.5 * row.rem_euclid(2.0);
                let edge = ((u - u.floor() - 0.5).abs() * 1.0).max(((p.z / 0.5 - row) - 0.5).abs());
                let tone = noise2(u.floor() * 1.7 + 100.0, row * 1.3 + 100.0 + s);
                let speck = noise2(p.x * 40.0 + 900.0, p.z * 40.0 + 900.0);
                a.lerp(b, 0.6 * tone + 0.5 * speck) * lerp(1.0, 0.72, step(0.46, 0.49, edge))
            }
            Floor::Smooth => {
                if self.kind == Kind::Blur {
                    a.lerp(b, noise2(p.x * 1.3 + 60.0, p.z * 1.3 + s + 60.0))
                } else {
                    a * (0.9 + 0.1 * noise2(p.x * 2.0 + 60.0, p.z * 2.0 + 60.0))
                }
            }
        }
    }

    /// Distance takes the ground into what lies behind it.
    fn fade(&self, c: Vec3A, ray: Vec3A, away: f32) -> Vec3A {
        match self.kind {
            Kind::Studio => {
                // A paper roll: floor and wall are one.
                c.lerp(self.above(Vec3A::ZERO, ray), step(2.6, 7.5, away))
            }
            Kind::Blur => c.lerp(self.above(Vec3A::ZERO, ray), step(3.0, 9.0, away)),
            Kind::Park => c.lerp(self.colors[1].lerp(self.colors[2], 0.5), step(8.0, 40.0, away) * 0.7),
            _ => c,
        }
    }

    /// Sky, ceiling, paper.
    fn above(&self, _eye: Vec3A, ray: Vec3A) -> Vec3A {
        let d = ray.normalize();
        let s = self.shift;
        match self.kind {
            Kind::Studio => {
                let glow = (-((d.x * 1.4 - 0.2 * s.sin()).powi(2) + (d.y - 0.02).powi(2)) * 5.0).exp();
                self.colors[1].lerp(self.colors[0], 0.25 + 0.75 * glow)
            }
            Kind::Blur => {
                let q = d * 3.0 + Vec3A::splat(40.0 + s);
                let (n, m) = (noise3(q), noise3(q * 2.3));
                let c = self.colors[0].lerp(self.colors[1], step(0.25, 0.75, n));
                let c = c.lerp(self.colors[3], step(0.55, 0.8, m));
                // Lights out of focus.
                let cell = (d.x.atan2(-d.z) * 7.0, d.y * 7.0);
                let (i, j) = (cell.0.floor(), cell.1.floor());
                let (ox, oy) = (
                    noise2(i * 3.3 + 500.0, j * 2.1 + s + 500.0) - 0.5,
                    noise2(i * 1.7 + 300.0, j * 5.1 + 300.0) - 0.5,
                );
                let r =
                    ((cell.0 - i - 0.5 - 0.4 * ox).powi(2) + (cell.1 - j - 0.5 - 0.4 * oy).powi(2)).sqrt();
                let lamp = step(0.34, 0.28, r) * step(0.62, 0.8, noise2(i * 9.1 + 700.0, j * 7.7 + 700.0));
                c + lamp * rgb(0xffd59a) * 0.5
            }
            Kind::Room | Kind::Gym => {
                // The ceiling, with a lamp over the middle.
                self.colors[0].lerp(Vec3A::ONE, 0.4) * (0.75 - 0.2 * d.y)
            }
            Kind::Park | Kind::Street => self.sky(d),
        }
    }

    fn sky(&self, d: Vec3A) -> Vec3A {
        let s = self.shift;
        let mut c = self.colors[0];
        if self.kind == Kind::Park {
            c = self.colors[1].lerp(self.colors[0], step(-0.02, 0.45, d.y));
        } else {
            c = c.lerp(Vec3A::ONE, 0.3 * step(0.6, 0.0, d.y));
        }
        let q = d / (d.y.abs() + 0.12);
        let cloud = 0.65 * noise2(q.x * 1.1 + s + 60.0, q.z * 1.1 + 60.0)
            + 0.35 * noise2(q.x * 2.9 + 60.0, q.z * 2.9 + s + 60.0);
        c = c.lerp(Vec3A::splat(0.92), 0.75 * step(0.5, 0.78, cloud) * step(0.0, 0.12, d.y));
        c += rgb(0xffe8c0) * 0.5 * d.dot(self.sun).max(0.0).powi(12);
        if self.kind == Kind::Park {
            let azimuth = d.x.atan2(-d.z);
            let hill = 0.05 + 0.10 * noise2(azimuth * 2.2 + 60.0, s + 60.0);
            let far = self.colors[2].lerp(self.colors[1], 0.55);
            c = c.lerp(far * 0.85, step(hill + 0.004, hill - 0.004, d.y));
            // A line of trees, and the light between their leaves.
            let crown = 0.03
                + 0.11 * noise2(azimuth * 6.0 + 160.0, s + 40.0)
                + 0.03 * noise2(azimuth * 31.0 + 200.0, 60.0);
            let leaf = noise2(azimuth * 60.0 + 400.0, d.y * 60.0 + 90.0);
            let tree = self.colors[3].lerp(self.colors[2], leaf) * (0.5 + 3.5 * d.y.max(0.0));
            c = c.lerp(
                tree,
                step(crown + 0.006, crown - 0.006, d.y)
                    * step(0.3, 0.5, noise2(azimuth * 3.1 + 260.0, s + 20.0)),
            );
        }
        c
    }

    fn wall_color(&self, p: Vec3A, wall: u8) -> Vec3A {
        let u = if wall < 2 { p.z } else { p.x };
        let (base, accent) = (self.colors[0], self.colors[1]);
        if self.kind == Kind::Street {
            return self.facade(u, p.y, wall);
        }
        let mut c = base;
        let low = if self.kind == Kind::Gym { 1.3 } else { 0.95 };
        match (self.shift as i32) % 4 {
            0 => c = c.lerp(accent, if (u / 0.22).rem_euclid(1.0) < 0.5 { 0.35 } else { 0.0 }),
            1 => c = if p.y < low { accent } else { c },
            2 => {
                // Bricks.
                let row = (p.y / 0.09).floor();
                let v = u / 0.26 + 0.5 * row.rem_euclid(2.0);
                let edge = (v - v.floor() - 0.5).abs().max((p.y / 0.09 - row - 0.5).abs());
                c = c.lerp(accent, 0.3 + 0.5 * noise2(v.floor() * 1.9 + 300.0, row * 1.1 + 300.0))
                    * lerp(1.0, 0.85, step(0.4, 0.46, edge));
            }
            _ => c = c.lerp(accent, 0.25 * noise2(u * 1.5 + 60.0, p.y * 1.5 + 60.0)),
        }
        c *= 0.92 + 0.16 * noise2(u * 0.9 + 90.0, p.y * 0.9 + 90.0) * self.grain;
        for h in self
            .hangings
            .iter()
            .filter(|h| h.wall == wall && u > h.left && u < h.right && p.y > h.low && p.y < h.high)
        {
            c = h.color_at(u, p.y, self.shift);
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

    fn facade(&self, u: f32, y: f32, wall: u8) -> Vec3A {
        let house = (u / 5.2 + f32::from(wall) * 3.0).floor();
        let tone = noise2(house * 1.7 + 100.0, self.shift + 100.0);
        let top = self.height * (0.6 + 0.4 * noise2(house * 2.3 + 300.0, self.shift + 60.0));
        if y > top {
            return self.colors[0].lerp(Vec3A::ONE, 0.25);
        }
        let mut c = self.colors[1].lerp(rgb(ACCENTS[(tone * 7.9) as usize % 8]), 0.2 + 0.35 * tone)
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

fn hang(kind: Kind, half: [f32; 2], height: f32, d: &mut Dice) -> Vec<Hanging> {
    let mut all = Vec::new();
    if !matches!(kind, Kind::Room | Kind::Gym) {
        return all;
    }
    for wall in 0..4u8 {
        let reach = if wall < 2 { half[1] } else { half[0] };
        let mut at = -reach + d.range(0.3, 0.9);
        while at < reach - 1.0 {
            let what = if kind == Kind::Gym {
                d.pick(&[Deco::Window, Deco::Bars, Deco::Mirror, Deco::Picture, Deco::Door])
            } else {
                d.pick(&[Deco::Window, Deco::Picture, Deco::Picture, Deco::Shelf, Deco::Door, Deco::Window])
            };
            let (width, low, high) = match what {
                Deco::Window => (d.range(0.9, 1.7), d.range(0.75, 1.0), height - 0.4),
                Deco::Picture => {
                    let low = d.range(1.2, 1.5);
                    (d.range(0.4, 0.9), low, low + d.range(0.45, 0.8))
                }
                Deco::Door => (0.95, 0.0, 2.1),
                Deco::Shelf => (d.range(0.8, 1.4), 0.0, d.range(1.6, 2.2)),
                Deco::Bars => (1.2, 0.1, 2.7),
                Deco::Mirror => (d.range(1.2, 2.4), 0.3, 2.2),
            };
            let color =
                rgb(d.pick(&ACCENTS)).lerp(rgb(d.pick(&WOODS)), if what == Deco::Shelf { 0.9 } else { 0.3 });
            let right = (at + width).min(reach - 0.1);
            all.push(Hanging { wall, left: at, right, low, high, what, color });
            at = right + d.range(0.3, 1.3);
        }
    }
    all
}

impl Hanging {
    fn color_at(&self, u: f32, y: f32, shift: f32) -> Vec3A {
        let (x, v) = ((u - self.left) / (self.right - self.left), (y - self.low) / (self.high - self.low));
        let rim = (u - self.left).min(self.right - u).min(y - self.low).min(self.high - y);
        match self.what {
            Deco::Window => {
                if rim < 0.05 || (x - 0.5).abs() < 0.02 || (v - 0.5).abs() < 0.015 {
                    return Vec3A::splat(0.75);
                }
                let green = rgb(0x66824f) * (0.6 + 0.6 * noise2(u * 9.0 + 100.0, y * 9.0 + 100.0));
                let sky =
                    rgb(0xbfd9f2).lerp(Vec3A::ONE, 0.6 * noise2(u * 1.5 + shift + 60.0, y * 2.0 + 60.0));
                sky.lerp(green, step(0.34, 0.3, v + 0.12 * noise2(u * 4.0 + 60.0, 60.0))) * 1.1
            }
            Deco::Picture => {
                if rim < 0.03 {
                    return self.color * 0.35;
                }
                if rim < 0.08 {
                    return Vec3A::splat(0.8);
                }
                let n = noise2(u * 4.0 + 60.0 + shift, y * 4.0 + 60.0);
                self.color.lerp(rgb(ACCENTS[(n * 7.99) as usize % 8]), step(0.35, 0.6, n))
            }
            Deco::Door => {
                let panel = (x - 0.5).abs() < 0.32 && (v.rem_euclid(0.5) - 0.25).abs() < 0.17;
                let knob = ((u - self.right + 0.1).powi(2) + (y - 1.02).powi(2)).sqrt() < 0.03;
                if knob {
                    Vec3A::splat(0.6)
                } else {
                    self.color
                        * if rim < 0.04 {
                            0.5
                        } else if panel {
                            0.85
                        } else {
                            1.0
                        }
                }
            }
            Deco::Shelf => {
                let row = y / 0.36;
                if rim < 0.035 || row.fract() < 0.08 {
                    return self.color * 0.8;
                }
                let book = (u / 0.055 + 3.0 * noise2(row.floor() * 5.1 + 60.0, shift)).floor();
                let tall = 0.5 + 0.45 * noise2(book * 3.7 + 500.0, row.floor() * 2.9 + 100.0);
                if row.fract() > tall || noise2(book * 0.13 + 900.0, row.floor() * 7.0 + 100.0) > 0.7 {
                    return self.color * 0.25;
                }
                rgb(ACCENTS[(noise2(book * 7.3 + 300.0, row.floor() * 3.3 + 300.0) * 7.99) as usize % 8])
                    * (0.6 + 0.5 * tall)
            }
            Deco::Bars => {
                if rim < 0.06 || (y / 0.16).fract() < 0.22 {
                    rgb(0xb98d5b) * (0.8 + 0.3 * (y / 0.16).fract())
                } else {
                    self.color * 0.3
                }
            }
            Deco::Mirror => {
                if rim < 0.03 {
                    return Vec3A::splat(0.35);
                }
                rgb(0xa9b7bd) * (0.6 + 0.5 * noise2((u + y) * 1.6 + 60.0, shift + 60.0))
            }
        }
    }
}
