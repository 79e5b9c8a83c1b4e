//! Where the figure is: an environment, its light and its camera. Another scene follows every twelve seconds.

use super::camera::Camera;
use super::color::rgb;
use super::environment::Environment;
use super::environment_kind::EnvironmentKind;
use super::interpolate::{ease, lerp};
use super::random::SeededRng;
use crate::pose::Size;
use glam::{Vec3A, vec3a};
use std::f32::consts::TAU;

/// Seconds from one scene to the next.
const LENGTH: f64 = 12.0;
/// Seconds in which one scene is cross-faded into the next, at its end.
const CROSS_FADE: f64 = 1.2;

/// The key light (sun or lamp), and what sky and ground throw back (linear light).
#[derive(Clone, Copy, Debug)]
pub(super) struct Light {
    /// Unit vector towards the lamp.
    pub toward: Vec3A,
    /// Key light.
    pub key: Vec3A,
    /// Ambient light from above.
    pub sky: Vec3A,
    /// Ambient light from below.
    pub ground: Vec3A,
    /// 0 hard to 1 soft shadow.
    pub softness: f32,
}

/// Lens and place of the camera.
#[derive(Clone, Copy, Debug)]
struct CameraPlacement {
    /// Mean direction from the figure, in radians from +z towards +x.
    azimuth: f32,
    /// How far it swings to both sides of that, in radians.
    orbit: f32,
    /// Above the ground, in metres.
    height: f32,
    /// Share of the picture's height that a standing figure takes.
    fill: f32,
    /// Vertical field of view in radians.
    view_angle: f32,
    /// Height of the point that it looks at, in metres.
    aim: f32,
}

/// An environment with its light and its camera; fixed by the seed and the scene's number.
pub(super) struct Scene {
    pub environment: Environment,
    pub light: Light,
    /// Factor from linear light to what the camera stores.
    pub exposure: f32,
    /// Strength of the sensor noise, about its standard deviation in steps of a byte.
    pub noise: f32,
    placement: CameraPlacement,
}

/// Which scenes are seen at a moment.
pub(super) struct SceneBlend {
    /// Number of the present scene.
    pub index: u64,
    /// How much of the next one is mixed in, 0 to 1.
    pub share: f32,
}

/// The scenes seen at time `t` in seconds.
pub(super) fn scene_blend(t: f64) -> SceneBlend {
    let t = t.max(0.0);
    let index = (t / LENGTH).floor();
    let left = LENGTH - (t - index * LENGTH);
    let share = ease((1.0 - left / CROSS_FADE).max(0.0) as f32);
    SceneBlend { index: index as u64, share }
}

impl Scene {
    /// Scene number `index` of `seed`.
    pub(super) fn new(seed: u64, index: u64) -> Scene {
        let rng = &mut SeededRng::new(seed, 0x5CE_4E00 + index);
        let offset = seed % EnvironmentKind::ALL.len() as u64;
        let kind = EnvironmentKind::ALL[((index + offset) % EnvironmentKind::ALL.len() as u64) as usize];
        let view_angle = rng.range(0.5, 0.85);
        // Now and then close enough that the legs leave the picture.
        let close = index > 1 && rng.chance(0.15);
        let fill = if close { rng.range(1.0, 1.5) } else { rng.range(0.54, 0.7) };
        let placement = CameraPlacement {
            azimuth: rng.range(-0.45, 0.45),
            orbit: rng.range(0.12, 0.4),
            height: if rng.chance(0.25) { rng.range(0.5, 0.9) } else { rng.range(1.0, 1.75) },
            fill,
            view_angle,
            aim: if close { rng.range(1.15, 1.35) } else { rng.range(0.93, 1.02) },
        };
        let side = rng.range(0.35, 1.15) * rng.pick(&[-1.0, 1.0]);
        let rise = if kind.outdoors() { rng.range(0.6, 1.05) } else { rng.range(0.7, 1.15) };
        let toward = vec3a(side.sin() * rise.cos(), rise.sin(), side.cos() * rise.cos());
        let warmth = rng.unit();
        let (key, sky) = if kind.outdoors() {
            (
                rgb(0xffd9b0).lerp(rgb(0xfff6ea), warmth) * rng.range(1.25, 1.7),
                rgb(0xa8c4ea) * rng.range(0.55, 0.8),
            )
        } else {
            (
                rgb(0xffe2bd).lerp(rgb(0xeef3ff), warmth) * rng.range(0.95, 1.4),
                rgb(0xf0ede8) * rng.range(0.38, 0.6),
            )
        };
        let environment = Environment::new(kind, rng, toward);
        let ground = environment.floor_color() * (0.35 * key.x + 0.4 * sky.x);
        let softness = if kind.outdoors() { rng.range(0.0, 0.4) } else { rng.range(0.4, 1.0) };
        Scene {
            light: Light { toward, key, sky, ground, softness },
            exposure: rng.range(0.85, 1.12),
            noise: rng.range(0.4, 2.6),
            placement,
            environment,
        }
    }
}

impl Light {
    /// From `self` (w = 0) to `o` (w = 1).
    pub(super) fn lerp(&self, o: &Light, w: f32) -> Light {
        Light {
            toward: self.toward.lerp(o.toward, w).normalize(),
            key: self.key.lerp(o.key, w),
            sky: self.sky.lerp(o.sky, w),
            ground: self.ground.lerp(o.ground, w),
            softness: lerp(self.softness, o.softness, w),
        }
    }
}

/// The camera at time `t`, following a figure at `position` on the ground, for pictures of `size` in pixels. `next` is
/// the scene that is mixed in, with its share.
pub(super) fn camera(
    now: &Scene,
    next: Option<(&Scene, f32)>,
    t: f64,
    position: Vec3A,
    size: Size,
) -> Camera {
    let at = |s: &CameraPlacement| {
        let slow = (t / 19.0).fract() as f32 * TAU;
        [s.azimuth + s.orbit * slow.sin(), s.height, s.fill, s.view_angle, s.aim]
    };
    let mut v = at(&now.placement);
    if let Some((next, w)) = next {
        let o = at(&next.placement);
        for (a, b) in v.iter_mut().zip(o) {
            *a = lerp(*a, b, w);
        }
    }
    let [azimuth, height, fill, view_angle, aim] = v;
    // In an upright picture the width limits the figure, not the height.
    let narrow = (size.width as f32 / size.height as f32 / 0.75).min(1.0);
    let distance = 1.75 / (2.0 * (view_angle * 0.5).tan() * fill * narrow);
    let target = position * 0.85 + vec3a(0.0, aim, 0.0);
    let eye = position * 0.8 + vec3a(azimuth.sin(), 0.0, azimuth.cos()) * distance + vec3a(0.0, height, 0.0);
    Camera::new(eye, target, view_angle, size)
}
