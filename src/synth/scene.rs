//! Where the figure is: a place, its light and its camera, changing every twelve seconds.

use super::backdrop::{Backdrop, Kind};
use super::camera::Camera;
use super::dice::{Dice, ease, lerp, rgb};
use crate::pose::Size;
use glam::{Vec3A, vec3a};
use std::f32::consts::TAU;

/// Seconds in one place.
const STAY: f64 = 12.0;
/// Seconds in which one place dissolves into the next.
const DISSOLVE: f64 = 1.2;

/// Sunlight or lamp, and what sky and ground throw back (linear light).
#[derive(Clone, Copy, Debug)]
pub(super) struct Light {
    /// Unit vector towards the lamp.
    pub toward: Vec3A,
    pub key: Vec3A,
    pub sky: Vec3A,
    pub ground: Vec3A,
    /// 0 hard to 1 soft shadow.
    pub softness: f32,
}

/// Lens and stand of the camera.
#[derive(Clone, Copy, Debug)]
struct Stand {
    azimuth: f32,
    orbit: f32,
    height: f32,
    /// Share of the picture's height that a standing figure takes.
    fill: f32,
    view_angle: f32,
    aim: f32,
}

pub(super) struct Scene {
    pub backdrop: Backdrop,
    pub light: Light,
    pub exposure: f32,
    pub noise: f32,
    stand: Stand,
}

/// The places at a moment: the present one, and while dissolving the next with its share.
pub(super) struct Moment {
    pub index: u64,
    pub share: f32,
}

pub(super) fn moment(t: f64) -> Moment {
    let t = t.max(0.0);
    let index = (t / STAY).floor();
    let left = STAY - (t - index * STAY);
    let share = ease((1.0 - left / DISSOLVE).max(0.0) as f32);
    Moment { index: index as u64, share }
}

impl Scene {
    pub(super) fn new(seed: u64, index: u64) -> Scene {
        let d = &mut Dice::new(seed, 0x5CE_4E00 + index);
        let offset = seed % Kind::ALL.len() as u64;
        let kind = Kind::ALL[((index + offset) % Kind::ALL.len() as u64) as usize];
        let view_angle = d.range(0.5, 0.85);
        // Now and then close enough that the legs leave the picture.
        let close = index > 1 && d.chance(0.15);
        let fill = if close { d.range(1.0, 1.5) } else { d.range(0.54, 0.7) };
        let stand = Stand {
            azimuth: d.range(-0.45, 0.45),
            orbit: d.range(0.12, 0.4),
            height: if d.chance(0.25) { d.range(0.5, 0.9) } else { d.range(1.0, 1.75) },
            fill,
            view_angle,
            aim: if close { d.range(1.15, 1.35) } else { d.range(0.93, 1.02) },
        };
        let side = d.range(0.35, 1.15) * d.pick(&[-1.0, 1.0]);
        let rise = if kind.outdoors() { d.range(0.6, 1.05) } else { d.range(0.7, 1.15) };
        let toward = vec3a(side.sin() * rise.cos(), rise.sin(), side.cos() * rise.cos());
        let warmth = d.unit();
        let (key, sky) = if kind.outdoors() {
            (
                rgb(0xffd9b0).lerp(rgb(0xfff6ea), warmth) * d.range(1.25, 1.7),
                rgb(0xa8c4ea) * d.range(0.55, 0.8),
            )
        } else {
            (
                rgb(0xffe2bd).lerp(rgb(0xeef3ff), warmth) * d.range(0.95, 1.4),
                rgb(0xf0ede8) * d.range(0.38, 0.6),
            )
        };
        let backdrop = Backdrop::new(kind, d, toward);
        let ground = backdrop.floor_color() * (0.35 * key.x + 0.4 * sky.x);
        let softness = if kind.outdoors() { d.range(0.0, 0.4) } else { d.range(0.4, 1.0) };
        Scene {
            light: Light { toward, key, sky, ground, softness },
            exposure: d.range(0.85, 1.12),
            noise: d.range(0.4, 2.6),
            stand,
            backdrop,
        }
    }
}

impl Light {
    pub(super) fn mix(&self, o: &Light, w: f32) -> Light {
        Light {
            toward: self.toward.lerp(o.toward, w).normalize(),
            key: self.key.lerp(o.key, w),
            sky: self.sky.lerp(o.sky, w),
            ground: self.ground.lerp(o.ground, w),
            softness: lerp(self.softness, o.softness, w),
        }
    }
}

/// The camera at time `t`, following a figure at `place` on the ground.
pub(super) fn camera(now: &Scene, next: Option<(&Scene, f32)>, t: f64, place: Vec3A, size: Size) -> Camera {
    let at = |s: &Stand| {
        let slow = (t / 19.0).fract() as f32 * TAU;
        [s.azimuth + s.orbit * slow.sin(), s.height, s.fill, s.view_angle, s.aim]
    };
    let mut v = at(&now.stand);
    if let Some((next, w)) = next {
        let o = at(&next.stand);
        for (a, b) in v.iter_mut().zip(o) {
            *a = lerp(*a, b, w);
        }
    }
    let [azimuth, height, fill, view_angle, aim] = v;
    // In an upright picture the width limits the figure, not the height.
    let narrow = (size.width as f32 / size.height as f32 / 0.75).min(1.0);
    let distance = 1.75 / (2.0 * (view_angle * 0.5).tan() * fill * narrow);
    let target = place * 0.85 + vec3a(0.0, aim, 0.0);
    let eye = place * 0.8 + vec3a(azimuth.sin(), 0.0, azimuth.cos()) * distance + vec3a(0.0, height, 0.0);
    Camera::new(eye, target, view_angle, size)
}
