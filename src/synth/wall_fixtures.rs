//! What hangs on walls or stands flat against them: windows, pictures, doors, shelves.

use super::color::{ACCENTS, WOODS, rgb};
use super::environment_kind::EnvironmentKind;
use super::interpolate::smoothstep;
use super::noise::noise2;
use super::random::SeededRng;
use glam::Vec3A;

/// A window, picture, door or shelf on one of the four walls.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallFixture {
    /// Number of the wall: towards -x, +x, -z, +z.
    wall: u8,
    /// Both ends along the wall, in metres from its middle.
    left: f32,
    right: f32,
    /// Both ends above the floor, in metres.
    low: f32,
    high: f32,
    kind: FixtureKind,
    /// Linear light.
    color: Vec3A,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum FixtureKind {
    Window,
    Picture,
    Door,
    Shelf,
    /// Wall bars of a gym.
    Bars,
    Mirror,
}

/// What is on the walls of a place of this kind, whose walls are `half` away from the middle and `height` high, in
/// metres; nothing but in rooms and gyms.
pub(super) fn wall_fixtures(
    kind: EnvironmentKind,
    half: [f32; 2],
    height: f32,
    rng: &mut SeededRng,
) -> Vec<WallFixture> {
    let mut all = Vec::new();
    if !matches!(kind, EnvironmentKind::Room | EnvironmentKind::Gym) {
        return all;
    }
    for wall in 0..4u8 {
        let reach = if wall < 2 { half[1] } else { half[0] };
        let mut at = -reach + rng.range(0.3, 0.9);
        while at < reach - 1.0 {
            let kind = if kind == EnvironmentKind::Gym {
                rng.pick(&[
                    FixtureKind::Window,
                    FixtureKind::Bars,
                    FixtureKind::Mirror,
                    FixtureKind::Picture,
                    FixtureKind::Door,
                ])
            } else {
                rng.pick(&[
                    FixtureKind::Window,
                    FixtureKind::Picture,
                    FixtureKind::Picture,
                    FixtureKind::Shelf,
                    FixtureKind::Door,
                    FixtureKind::Window,
                ])
            };
            let (width, low, high) = match kind {
                FixtureKind::Window => (rng.range(0.9, 1.7), rng.range(0.75, 1.0), height - 0.4),
                FixtureKind::Picture => {
                    let low = rng.range(1.2, 1.5);
                    (rng.range(0.4, 0.9), low, low + rng.range(0.45, 0.8))
                }
                FixtureKind::Door => (0.95, 0.0, 2.1),
                FixtureKind::Shelf => (rng.range(0.8, 1.4), 0.0, rng.range(1.6, 2.2)),
                FixtureKind::Bars => (1.2, 0.1, 2.7),
                FixtureKind::Mirror => (rng.range(1.2, 2.4), 0.3, 2.2),
            };
            let color = rgb(rng.pick(&ACCENTS))
                .lerp(rgb(rng.pick(&WOODS)), if kind == FixtureKind::Shelf { 0.9 } else { 0.3 });
            let right = (at + width).min(reach - 0.1);
            all.push(WallFixture { wall, left: at, right, low, high, kind, color });
            at = right + rng.range(0.3, 1.3);
        }
    }
    all
}

impl WallFixture {
    /// Whether it covers the place `u` metres along a wall and `y` metres above the floor.
    pub(super) fn covers(&self, wall: u8, u: f32, y: f32) -> bool {
        self.wall == wall && u > self.left && u < self.right && y > self.low && y < self.high
    }

    /// Colour (linear light) at a place that it covers. `shift` is where the noise is read.
    pub(super) fn color_at(&self, u: f32, y: f32, shift: f32) -> Vec3A {
        let rim = (u - self.left).min(self.right - u).min(y - self.low).min(self.high - y);
        match self.kind {
            FixtureKind::Window => self.window(u, y, rim, shift),
            FixtureKind::Picture => self.picture(u, y, rim, shift),
            FixtureKind::Door => self.door(u, y, rim),
            FixtureKind::Shelf => self.shelf(u, y, rim, shift),
            FixtureKind::Bars => self.bars(y, rim),
            FixtureKind::Mirror => mirror(u, y, rim, shift),
        }
    }

    /// Shares of the width and height at which a place lies, from the lower left corner.
    fn shares(&self, u: f32, y: f32) -> (f32, f32) {
        ((u - self.left) / (self.right - self.left), (y - self.low) / (self.high - self.low))
    }

    fn window(&self, u: f32, y: f32, rim: f32, shift: f32) -> Vec3A {
        let (x, v) = self.shares(u, y);
        if rim < 0.05 || (x - 0.5).abs() < 0.02 || (v - 0.5).abs() < 0.015 {
            return Vec3A::splat(0.75);
        }
        let green = rgb(0x66824f) * (0.6 + 0.6 * noise2(u * 9.0 + 100.0, y * 9.0 + 100.0));
        let sky = rgb(0xbfd9f2).lerp(Vec3A::ONE, 0.6 * noise2(u * 1.5 + shift + 60.0, y * 2.0 + 60.0));
        sky.lerp(green, smoothstep(0.34, 0.3, v + 0.12 * noise2(u * 4.0 + 60.0, 60.0))) * 1.1
    }

    fn picture(&self, u: f32, y: f32, rim: f32, shift: f32) -> Vec3A {
        if rim < 0.03 {
            return self.color * 0.35;
        }
        if rim < 0.08 {
            return Vec3A::splat(0.8);
        }
        let n = noise2(u * 4.0 + 60.0 + shift, y * 4.0 + 60.0);
        self.color.lerp(rgb(ACCENTS[(n * 7.99) as usize % 8]), smoothstep(0.35, 0.6, n))
    }

    fn door(&self, u: f32, y: f32, rim: f32) -> Vec3A {
        let (x, v) = self.shares(u, y);
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

    fn shelf(&self, u: f32, y: f32, rim: f32, shift: f32) -> Vec3A {
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

    fn bars(&self, y: f32, rim: f32) -> Vec3A {
        if rim < 0.06 || (y / 0.16).fract() < 0.22 {
            rgb(0xb98d5b) * (0.8 + 0.3 * (y / 0.16).fract())
        } else {
            self.color * 0.3
        }
    }
}

fn mirror(u: f32, y: f32, rim: f32, shift: f32) -> Vec3A {
    if rim < 0.03 {
        return Vec3A::splat(0.35);
    }
    rgb(0xa9b7bd) * (0.6 + 0.5 * noise2((u + y) * 1.6 + 60.0, shift + 60.0))
}
