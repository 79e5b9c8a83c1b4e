//! What the figure does when: a chain of actions of six seconds, each flowing into the next.

use super::actions::{self, Action};
use super::interpolate::{ease, lerp};
use super::random::SeededRng;
use super::rig::Stance;
use glam::{Vec3, vec3};
use std::f32::consts::{PI, TAU};

/// Seconds of one action.
pub(super) const ACTION: f64 = 6.0;
/// Seconds in which one action flows into the next.
const BLEND: f64 = 0.9;

/// Where and how the figure is at one moment.
pub(super) struct FigureState {
    pub stance: Stance,
    /// Turn about the vertical in radians; 0 faces the camera, more turns to the figure's left.
    pub heading: f32,
    /// On the ground, in metres from the middle of the floor.
    pub position: Vec3,
    /// Eyelids: 0 open, 1 closed.
    pub blink: f32,
}

/// One action of six seconds, with what its seed chooses about it.
struct ActionClip {
    action: Action,
    /// Heading at the beginning, in radians.
    facing: f32,
    /// Radius of a walk's circle in metres of the unscaled figure; negative walks the other way round.
    radius: f32,
    /// In [0, 1): chooses sides and styles.
    hand: f32,
    /// For actions that draw more random numbers.
    seed: u64,
}

/// The clip with this number.
fn clip(seed: u64, index: u64) -> ActionClip {
    let rng = &mut SeededRng::new(seed, 0xAC7_0000 + index);
    // Waving, walking and jumping come first and return, so that everybody sees them; the others lie between.
    let action = match index % 6 {
        0 => Action::Wave,
        1 | 4 => Action::Walk,
        2 => rng.pick(&[Action::Jump, Action::Jacks]),
        3 => rng.pick(&[Action::Free, Action::Stretch, Action::Box, Action::Talk]),
        _ => {
            rng.pick(&[Action::Squat, Action::Dance, Action::Free, Action::Kick, Action::Jacks, Action::Jump])
        }
    };
    let facing = match rng.below(8) {
        _ if index == 0 => rng.range(-0.3, 0.3),
        0 => rng.pick(&[-1.0, 1.0]) * rng.range(1.2, 1.7),
        1 => PI + rng.range(-0.8, 0.8),
        _ => rng.range(-0.75, 0.75),
    };
    let radius = rng.range(0.85, 1.05) * rng.pick(&[-1.0, 1.0]);
    ActionClip { action, facing, radius, hand: rng.unit(), seed: rng.below(1 << 20) as u64 + seed * 977 }
}

impl ActionClip {
    /// The figure `u` seconds after this clip began, eyes open.
    fn at(&self, u: f64, scale: f32) -> FigureState {
        if self.action != Action::Walk {
            let stance = actions::stance(self.action, u as f32, self.hand, self.seed);
            return FigureState { stance, heading: self.facing, position: Vec3::ZERO, blink: 0.0 };
        }
        // Once around a circle and back to where it began.
        let (gone, speed) = stroll(u as f32);
        let angle = TAU * gone * self.radius.signum();
        let heading = self.facing + angle;
        let (s0, c0) = self.facing.sin_cos();
        let (s1, c1) = heading.sin_cos();
        let position = vec3(c0 - c1, 0.0, s1 - s0) * self.radius * scale;
        let distance = TAU * gone * self.radius.abs();
        let stance = actions::walk(distance / 1.28, speed, self.radius.signum(), self.hand);
        FigureState { stance, heading, position, blink: 0.0 }
    }
}

/// Share of the way gone, and speed as a share of full speed, `u` seconds into a walk.
fn stroll(u: f32) -> (f32, f32) {
    let (start, ramp, end) = (0.35, 0.8, ACTION as f32 - 0.15);
    let whole = end - start - ramp;
    let eased = |x: f32| x * x * x - x * x * x * x / 2.0;
    let risen = |x: f32| if x < ramp { ramp * eased((x / ramp).max(0.0)) } else { x - ramp / 2.0 };
    let left = (end - u).max(0.0);
    let half = (start + end) / 2.0;
    if u < half {
        (risen(u - start) / whole, ease((u - start) / ramp))
    } else {
        (1.0 - risen(left) / whole, ease(left / ramp))
    }
}

/// The figure of `seed` at time `t` in seconds; `scale` is its size ([`Rig::scale`](super::rig::Rig::scale)).
pub(super) fn state_at(seed: u64, t: f64, scale: f32) -> FigureState {
    let t = t.max(0.0);
    let index = (t / ACTION).floor();
    let u = t - index * ACTION;
    let now = clip(seed, index as u64);
    let FigureState { mut stance, mut heading, mut position, .. } = now.at(u, scale);
    if index > 0.0 && u < BLEND {
        let before = clip(seed, index as u64 - 1);
        let old = before.at(u + ACTION, scale);
        let w = ease((u / BLEND) as f32);
        let turn = (heading - old.heading + PI).rem_euclid(TAU) - PI;
        // Small steps while the body turns on the spot.
        let steps =
            actions::walk((u / 0.8) as f32, 0.45 * (w * PI).sin() * (turn.abs() * 1.5).min(1.0), 0.0, 0.5);
        stance = old.stance.lerp(&stance, w);
        let treading = 0.75 * (w * PI).sin() * (turn.abs() * 1.5).min(1.0);
        for side in 0..2 {
            let legs = &mut stance.legs[side];
            let knee = (steps.legs[side].knee - 0.1).max(0.0) * treading;
            legs.knee += knee;
            legs.flex += knee * 0.5;
        }
        heading = old.heading + turn * w;
        position = old.position.lerp(position, w);
    }
    let s = (seed % 97) as f32;
    let time = (t % 3600.0) as f32;
    // Nobody stands perfectly still.
    stance.chest.x += 0.012 * (time * 1.5 + s).sin();
    stance.head.y += 0.1 * (time * 0.43 + s).sin() + 0.06 * (time * 0.91 + 2.0 * s).sin();
    stance.head.x += 0.04 * (time * 0.57 + 3.0 * s).sin();
    stance.pelvis.z += 0.012 * (time * 0.7 + s).sin();
    let beat = (t * 0.27 + f64::from(s) * 0.37).fract() as f32;
    let blink = 1.0 - ((beat - 0.5).abs() / 0.03).min(1.0);
    FigureState { stance, heading, position, blink: lerp(0.0, 1.0, ease(blink)) }
}
