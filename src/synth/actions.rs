//! Joint-angle curves of each action. Time `u` in seconds since the action began.

use super::interpolate::{ease, lerp};
use super::random::SeededRng;
use super::rig::{Arm, Leg, Stance};
use glam::vec3;
use std::f32::consts::{PI, TAU};

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Action {
    Walk,
    Wave,
    Jump,
    Jacks,
    Squat,
    Stretch,
    Box,
    Kick,
    Talk,
    Dance,
    /// One random stance after another.
    Free,
}

/// Standing at ease.
fn rest() -> Stance {
    let arm = Arm { abduct: 0.13, flex: 0.04, elbow: 0.2, pronate: 0.25, ..Arm::default() };
    let leg = Leg { abduct: 0.045, twist: 0.14, knee: 0.03, flex: 0.015, ankle: 0.015 };
    Stance { plant: 1.0, arms: [arm; 2], legs: [leg; 2], ..Stance::default() }
}

/// Eased interpolation through (time, value) keys.
fn keys(x: f32, keys: &[(f32, f32)]) -> f32 {
    for pair in keys.windows(2) {
        let ((t0, a), (t1, b)) = (pair[0], pair[1]);
        if x <= t1 {
            return lerp(a, b, ease((x - t0) / (t1 - t0)));
        }
    }
    keys.last().map_or(0.0, |k| k.1)
}

/// A bump of the given width around `middle` of a cycle of length 1.
fn bump(phase: f32, middle: f32, width: f32) -> f32 {
    let x = (phase - middle + 0.5).rem_euclid(1.0) - 0.5;
    (-(x / width).powi(2)).exp()
}

/// Gait: `cycles` strides gone, `pace` 0 (standing) to 1, curving to the side `bend` (-1, 0, 1).
/// Hip, knee and ankle follow the textbook curves of level walking from one heel strike to the next.
pub(super) fn walk(cycles: f32, pace: f32, bend: f32, swing: f32) -> Stance {
    let mut s = rest();
    let lively = lerp(0.8, 1.15, swing);
    for side in 0..2 {
        let phase = (cycles + 0.5 * side as f32).rem_euclid(1.0);
        let wave = (TAU * phase).cos();
        let leg = &mut s.legs[side];
        leg.flex = lerp(leg.flex, 0.16 + 0.40 * wave + 0.06 * bump(phase, 0.85, 0.12), pace);
        leg.knee =
            lerp(leg.knee, 0.08 + 0.26 * bump(phase, 0.13, 0.09) + 1.02 * bump(phase, 0.72, 0.115), pace);
        let ankle = -0.10 * bump(phase, 0.06, 0.06) + 0.17 * bump(phase, 0.42, 0.13)
            - 0.34 * bump(phase, 0.63, 0.075);
        leg.ankle = lerp(leg.ankle, ankle + 0.05, pace);
        leg.abduct = lerp(leg.abduct, 0.015, pace);
        leg.twist = lerp(leg.twist, 0.08, pace);
        // Arms swing against the legs.
        let arm = &mut s.arms[side];
        arm.flex = lerp(arm.flex, 0.05 - 0.42 * lively * wave, pace);
        arm.elbow = lerp(arm.elbow, 0.42 - 0.22 * wave * lively, pace);
        arm.twist = lerp(arm.twist, 0.15, pace);
    }
    let (sin, cos) = (TAU * cycles).sin_cos();
    s.plant = 1.0 - pace;
    s.pelvis = vec3(0.03, -0.09 * cos, -0.05 * sin) * pace;
    s.shift.x = 0.022 * sin * pace;
    s.spine = vec3(0.03, 0.07 * cos, 0.03 * sin + 0.03 * bend) * pace;
    s.chest = vec3(0.0, 0.12 * cos, 0.02 * sin) * pace;
    s.head = vec3(-0.02, -0.10 * cos + 0.12 * bend, 0.0) * pace;
    s
}

/// Hips and knees bent by `depth` (1 = thighs level), the trunk balancing it; below 0 stretched to
/// the tips of the toes.
fn crouch(s: &mut Stance, depth: f32) {
    let bent = depth.max(0.0);
    for leg in &mut s.legs {
        leg.flex += 1.42 * bent;
        leg.knee += 1.95 * bent;
        leg.ankle += 0.53 * bent + 0.7 * depth.min(0.0);
        leg.abduct += 0.12 * bent;
        // Feet that are turned out would meet under a bent knee.
        leg.twist -= 0.9 * leg.twist * bent.min(1.0);
    }
    s.pelvis.x += 0.42 * bent;
    s.spine.x += 0.15 * bent;
    s.neck.x -= 0.2 * bent;
    s.head.x -= 0.22 * bent;
    // The pelvis goes back over the heels.
    s.pelvis.x -= 0.03 * depth.min(0.0);
    for leg in &mut s.legs {
        leg.flex += 0.42 * bent;
    }
}

/// The stance of any action but [`Action::Walk`]. `hand` in [0, 1) chooses sides and styles.
pub(super) fn stance(action: Action, u: f32, hand: f32, seed: u64) -> Stance {
    let side = usize::from(hand < 0.65);
    match action {
        Action::Walk => walk(u / 1.1, 1.0, 0.0, hand),
        Action::Wave => wave(u, side, hand),
        Action::Jump => jump(u),
        Action::Jacks => jacks(u),
        Action::Squat => squat(u),
        Action::Stretch => stretch(u),
        Action::Box => boxing(u, side),
        Action::Kick => kick(u),
        Action::Talk => talk(u, seed),
        Action::Dance => dance(u),
        Action::Free => free(u, seed),
    }
}

fn wave(u: f32, side: usize, hand: f32) -> Stance {
    let mut s = rest();
    let beat = (u * TAU * 1.25).sin();
    let raised = &mut s.arms[side];
    raised.abduct = 1.25 + 0.06 * beat;
    raised.flex = 0.25;
    raised.twist = -1.35;
    raised.elbow = 1.25 + 0.36 * beat;
    raised.pronate = -0.15;
    raised.wrist = 0.12 * beat;
    if (hand * 10.0).fract() < 0.5 {
        // The other hand on the hip.
        s.arms[1 - side] =
            Arm { abduct: 0.78, flex: -0.32, twist: 0.95, elbow: 1.72, pronate: 0.5, ..Arm::default() };
    }
    let lean = if side == 0 { 1.0 } else { -1.0 };
    s.pelvis.z = 0.035 * lean;
    s.spine.z = -0.04 * lean;
    s.head.z = -0.05 * lean;
    s.legs[side].knee += 0.12;
    s.legs[side].flex += 0.07;
    s.legs[side].ankle += 0.04;
    s
}

fn jump(u: f32) -> Stance {
    let x = (u / 2.0).fract();
    let mut s = rest();
    let depth = keys(
        x,
        &[
            (0.0, 0.0),
            (0.06, 0.0),
            (0.30, 0.72),
            (0.43, -0.75),
            (0.55, 0.12),
            (0.66, -0.5),
            (0.79, 0.6),
            (0.97, 0.0),
            (1.0, 0.0),
        ],
    );
    crouch(&mut s, depth);
    let flight = ((x - 0.43) / 0.25).clamp(0.0, 1.0);
    s.shift.y = 0.3 * 4.0 * flight * (1.0 - flight);
    let swing = keys(
        x,
        &[(0.0, 0.04), (0.05, 0.04), (0.27, -0.85), (0.48, 2.45), (0.62, 2.0), (0.8, 0.3), (1.0, 0.04)],
    );
    for arm in &mut s.arms {
        arm.flex = swing;
        arm.elbow = 0.25 + 0.2 * (swing * 1.3).sin().abs();
        arm.abduct = 0.15 + 0.1 * swing.max(0.0);
    }
    s
}

fn jacks(u: f32) -> Stance {
    let mut s = rest();
    let x = (u / 1.05).fract();
    let open = 0.5 - 0.5 * (TAU * x).cos();
    for arm in &mut s.arms {
        arm.abduct = lerp(0.12, 2.72, open);
        arm.elbow = lerp(0.15, 0.3, open);
        arm.twist = lerp(0.0, -0.5, open);
        arm.flex = 0.05;
    }
    for leg in &mut s.legs {
        leg.abduct = lerp(0.03, 0.42, open);
        leg.twist = lerp(0.1, 0.25, open);
    }
    let bounce = 0.5 - 0.5 * (2.0 * TAU * x).cos();
    crouch(&mut s, 0.14 * (1.0 - bounce));
    s.shift.y = 0.10 * bounce * bounce;
    for leg in &mut s.legs {
        leg.ankle -= 0.45 * bounce;
    }
    s
}

fn squat(u: f32) -> Stance {
    let mut s = rest();
    let depth =
        keys((u / 3.0).fract(), &[(0.0, 0.0), (0.12, 0.0), (0.45, 1.0), (0.6, 1.0), (0.92, 0.0), (1.0, 0.0)]);
    for leg in &mut s.legs {
        leg.abduct += 0.1;
    }
    crouch(&mut s, depth);
    for arm in &mut s.arms {
        arm.flex = lerp(0.04, 1.35, depth);
        arm.abduct = lerp(0.13, 0.05, depth);
        arm.elbow = lerp(0.2, 0.35, depth);
    }
    s
}

fn stretch(u: f32) -> Stance {
    let mut s = rest();
    let bend = (u * TAU / 4.0).sin();
    for arm in &mut s.arms {
        arm.abduct = 2.75;
        arm.elbow = 0.35;
        arm.twist = -0.3;
        arm.flex = 0.1;
    }
    for leg in &mut s.legs {
        leg.abduct = 0.16;
    }
    s.spine.z = 0.26 * bend;
    s.chest.z = 0.22 * bend;
    s.head.z = 0.1 * bend;
    s.pelvis.z = -0.05 * bend;
    s
}

fn boxing(u: f32, side: usize) -> Stance {
    let mut s = rest();
    let turn = if side == 0 { 1.0 } else { -1.0 };
    s.pelvis = vec3(0.06, 0.45 * turn, 0.0);
    s.head.y = -0.45 * turn;
    s.legs[side].flex = -0.12;
    s.legs[1 - side].flex = 0.38;
    for leg in &mut s.legs {
        leg.abduct += 0.09;
        leg.knee += 0.36;
        leg.ankle += 0.1;
    }
    let x = (u / 1.3).fract();
    let punches = [
        keys(x, &[(0.0, 0.0), (0.12, 1.0), (0.2, 1.0), (0.42, 0.0), (1.0, 0.0)]),
        keys(x, &[(0.0, 0.0), (0.45, 0.0), (0.58, 1.0), (0.66, 1.0), (0.9, 0.0), (1.0, 0.0)]),
    ];
    for (arm, out) in s.arms.iter_mut().zip(punches) {
        arm.flex = lerp(0.75, 1.5, out);
        arm.abduct = lerp(0.12, 0.05, out);
        arm.twist = lerp(0.35, 0.5, out);
        arm.elbow = lerp(2.05, 0.2, out);
    }
    s.chest.y = 0.35 * (punches[1] - punches[0]);
    s.spine.y = 0.2 * (punches[1] - punches[0]);
    s.shift.y = 0.0;
    s
}

fn kick(u: f32) -> Stance {
    let mut s = rest();
    let x = (u / 3.0).fract() * 2.0;
    let (side, x) = (usize::from(x < 1.0), x.fract());
    let up = keys(x, &[(0.0, 0.0), (0.2, -0.35), (0.48, 1.0), (0.55, 1.0), (0.85, 0.0), (1.0, 0.0)]);
    let leg = &mut s.legs[side];
    leg.flex += if up > 0.0 { 1.35 * up } else { 0.9 * up };
    leg.knee +=
        keys(x, &[(0.0, 0.0), (0.25, 1.0), (0.48, 0.12), (0.58, 0.2), (0.75, 0.5), (0.95, 0.0), (1.0, 0.0)]);
    s.legs[1 - side].knee += 0.15;
    s.legs[1 - side].flex += 0.08;
    s.legs[1 - side].ankle += 0.08;
    s.pelvis.x = -0.14 * up;
    s.spine.x = 0.1 * up;
    s.arms[1 - side].flex = 0.9 * up;
    s.arms[side].flex = -0.5 * up;
    for arm in &mut s.arms {
        arm.abduct = 0.2 + 0.35 * up.max(0.0);
        arm.elbow = 0.5;
    }
    s
}

fn talk(u: f32, seed: u64) -> Stance {
    let mut s = rest();
    let rng = &mut SeededRng::new(seed, 0x7A1C);
    for arm in &mut s.arms {
        let (a, b, c) = (rng.range(0.0, TAU), rng.range(0.0, TAU), rng.range(0.0, TAU));
        arm.flex = 0.55 + 0.3 * (u * 2.3 + a).sin();
        arm.abduct = 0.25 + 0.16 * (u * 1.7 + b).sin();
        arm.twist = 0.1 + 0.4 * (u * 1.3 + c).sin();
        arm.elbow = 1.45 + 0.35 * (u * 2.9 + b).sin();
        arm.pronate = -0.5 + 0.4 * (u * 1.9 + c).sin();
    }
    s.chest.y = 0.12 * (u * 1.1).sin();
    s.head.z = 0.06 * (u * 1.9).sin();
    s
}

fn dance(u: f32) -> Stance {
    let mut s = rest();
    let (sin, cos) = (u * TAU / 1.2).sin_cos();
    s.plant = 0.6;
    s.shift.x = 0.09 * sin;
    s.pelvis = vec3(0.05, 0.2 * sin, 0.09 * sin);
    s.spine.z = -0.1 * sin;
    s.chest = vec3(0.0, -0.25 * sin, -0.06 * sin);
    s.head.z = 0.12 * sin;
    for side in 0..2 {
        let w = if side == 0 { sin } else { -sin };
        let leg = &mut s.legs[side];
        let bent = 0.35 - 0.3 * w;
        leg.knee += bent;
        leg.flex += bent * 0.55;
        leg.ankle += bent * 0.4;
        leg.abduct += 0.1;
        let arm = &mut s.arms[side];
        arm.abduct = 0.75 + 0.45 * w;
        arm.flex = 0.5 + 0.25 * cos;
        arm.twist = -0.5 + 0.5 * w;
        arm.elbow = 1.3 + 0.35 * cos;
    }
    s
}

/// A random stance within what joints allow.
fn any_stance(seed: u64, index: u64) -> Stance {
    let rng = &mut SeededRng::new(seed, 0xF4EE + index);
    let mut s = rest();
    for arm in &mut s.arms {
        match rng.below(4) {
            0 => {
                arm.abduct = rng.range(0.05, 0.5);
                arm.flex = rng.range(-0.6, 0.9);
                arm.elbow = rng.range(0.0, 1.9);
                arm.twist = rng.range(-0.3, 0.6);
            }
            1 => {
                arm.abduct = rng.range(0.7, 2.8);
                arm.flex = rng.range(0.0, 0.3);
                arm.elbow = rng.range(0.0, 1.6);
                arm.twist = rng.range(-1.5, -0.2);
            }
            2 => {
                arm.abduct = rng.range(0.0, 0.5);
                arm.flex = rng.range(0.9, 2.7);
                arm.elbow = rng.range(0.0, 1.7);
                arm.twist = rng.range(-0.4, 0.5);
            }
            _ => {
                arm.abduct = rng.range(0.5, 1.3);
                arm.flex = rng.range(-0.2, 0.8);
                arm.elbow = rng.range(0.2, 2.0);
                arm.twist = rng.range(-1.3, 0.6);
            }
        }
        arm.pronate = rng.range(-0.8, 0.8);
    }
    s.spine = vec3(rng.range(-0.12, 0.35), rng.range(-0.3, 0.3), rng.range(-0.2, 0.2));
    s.chest = vec3(rng.range(-0.08, 0.2), rng.range(-0.25, 0.25), rng.range(-0.12, 0.12));
    s.head = vec3(rng.range(-0.25, 0.3), rng.range(-0.6, 0.6), rng.range(-0.2, 0.2));
    s.pelvis = vec3(rng.range(-0.05, 0.25), 0.0, rng.range(-0.06, 0.06));
    if rng.chance(0.45) {
        // On one leg.
        let lifted = rng.below(2);
        let leg = &mut s.legs[lifted];
        leg.flex = rng.range(-0.3, 1.35);
        leg.abduct = rng.range(0.0, 0.55);
        leg.knee = rng.range(0.1, 1.5);
    } else {
        let depth = rng.unit() * rng.unit();
        let (spread, stride) = (rng.range(0.0, 0.28), rng.range(-0.25, 0.4));
        crouch(&mut s, depth);
        for (leg, way) in s.legs.iter_mut().zip([1.0, -1.0]) {
            leg.abduct += spread;
            leg.flex += stride * way;
            leg.knee += 0.1;
        }
    }
    s
}

fn free(u: f32, seed: u64) -> Stance {
    const HOLD: f32 = 1.5;
    let index = (u / HOLD).floor();
    let w = ease(((u / HOLD - index) * 1.25).min(1.0));
    // Half a period of a cosine: each movement begins and ends slowly.
    any_stance(seed, index as u64).lerp(&any_stance(seed, index as u64 + 1), 0.5 - 0.5 * (PI * w).cos())
}
