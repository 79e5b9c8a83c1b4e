//! The unclothed body: skull, rib cage, muscles, fingers, as primitives on bones.
//!
//! The numbers are metres on a figure of 1.75 m, from anthropometric tables where there are any and
//! by eye where there are none.

use super::appearance::Appearance;
use super::interpolate::lerp;
use super::rig::*;
use super::solid::{Primitive, ball, cone};

/// Primitives of every bone but the feet, which are always in shoes.
pub(super) fn body(appearance: &Appearance) -> Vec<(usize, Vec<Primitive>)> {
    let mut all = vec![
        (PELVIS, pelvis(appearance)),
        (SPINE, waist(appearance)),
        (CHEST, chest(appearance)),
        (NECK, neck(appearance)),
        (HEAD, head(appearance)),
    ];
    for side in 0..2 {
        let s = sign(side);
        all.push((clavicle(side), shoulder(appearance, s)));
        all.push((upper_arm(side), upper(appearance, s)));
        all.push((forearm(side), fore(appearance)));
        all.push((hand(side), fingers(s)));
        all.push((thigh(side), leg_upper(appearance, s)));
        all.push((shin(side), leg_lower(appearance)));
    }
    all
}

fn pelvis(appearance: &Appearance) -> Vec<Primitive> {
    let (w, g) = (appearance.hips, appearance.girth);
    let back = lerp(0.062, 0.075, appearance.feminine);
    vec![
        cone([-0.075 * w, 0.035, -0.008], [0.075 * w, 0.035, -0.008], 0.09 * g, 0.09 * g),
        ball([0.0, -0.01, 0.0], [0.125 * w, 0.08, 0.088 * g]),
        ball([0.068 * w, -0.035, -back], [0.078 * g, 0.085, 0.068 * g]).blended(0.05),
        ball([-0.068 * w, -0.035, -back], [0.078 * g, 0.085, 0.068 * g]).blended(0.05),
    ]
}

fn waist(appearance: &Appearance) -> Vec<Primitive> {
    let half = lerp(0.141, 0.112, appearance.feminine) * appearance.girth;
    let belly = (appearance.girth - 0.95).max(0.0) * 0.35;
    vec![
        ball([0.0, 0.05, 0.004], [half, 0.17, 0.094 * appearance.girth]).blended(0.05),
        ball([0.0, 0.02, 0.035 + belly * 0.3], [half * 0.8, 0.12, 0.06 + belly]).blended(0.05),
    ]
}

fn chest(appearance: &Appearance) -> Vec<Primitive> {
    let (f, m, g) = (appearance.feminine, appearance.muscle, appearance.girth);
    let w = appearance.shoulders * lerp(1.0, 0.98, f);
    let mut primitives = vec![
        ball([0.0, 0.11, -0.005], [0.146 * w * (0.5 + 0.5 * g), 0.21, 0.105 * (0.6 + 0.4 * g)]).blended(0.05),
        cone([-0.1 * w, 0.24, -0.012], [0.1 * w, 0.24, -0.012], 0.052 * m, 0.052 * m).blended(0.05),
        // Slopes from the neck to the shoulders.
        cone([0.02, 0.315, -0.028], [0.12 * w, 0.262, -0.022], 0.038, 0.032).blended(0.05),
        cone([-0.02, 0.315, -0.028], [-0.12 * w, 0.262, -0.022], 0.038, 0.032).blended(0.05),
    ];
    for s in [1.0, -1.0] {
        primitives.push(ball([s * 0.098 * w, 0.13, -0.04], [0.055 * m, 0.13, 0.056 * m]).blended(0.04));
        if f > 0.5 {
            primitives.push(ball([s * 0.072, 0.125, 0.078], [0.062, 0.06, 0.058]).blended(0.035));
        } else {
            primitives.push(ball([s * 0.072 * w, 0.165, 0.062], [0.085, 0.07 * m, 0.04 * m]).blended(0.05));
        }
    }
    primitives
}

fn neck(appearance: &Appearance) -> Vec<Primitive> {
    let r = lerp(0.059, 0.048, appearance.feminine) * (0.7 + 0.3 * appearance.girth);
    vec![cone([0.0, -0.04, -0.004], [0.0, 0.09, 0.012], r * 1.08, r).blended(0.035)]
}

fn head(appearance: &Appearance) -> Vec<Primitive> {
    let f = appearance.feminine;
    let jaw = lerp(0.050, 0.039, f);
    let mut primitives = vec![
        ball([0.0, 0.108, -0.008], [0.075, 0.089, 0.096]).blended(0.03),
        ball([0.0, 0.06, 0.03], [0.064, 0.09, 0.067]).blended(0.04),
        cone([0.0, 0.03, 0.045], [0.0, -0.026, 0.062], 0.046, 0.027).blended(0.03),
        // Cheek bones and brow.
        cone([-0.044, 0.052, 0.058], [0.044, 0.052, 0.058], 0.028, 0.028).blended(0.02),
        cone([-0.034, 0.094, 0.071], [0.034, 0.094, 0.071], 0.019, 0.019).blended(0.02),
    ];
    for s in [1.0, -1.0] {
        primitives
            .push(cone([s * jaw, 0.012, 0.012], [s * 0.012, -0.032, 0.066], 0.021, 0.019).blended(0.03));
        primitives.push(ball([s * 0.032, 0.072, 0.1], [0.019, 0.0125, 0.017]).subtracted(0.014));
        primitives.push(ball([s * EYE.x, EYE.y, EYE.z], [0.0145, 0.0135, 0.0145]).blended(0.003));
        // The upper lid, so that the eye lies under an edge.
        primitives
            .push(cone([s * 0.019, 0.079, 0.087], [s * 0.044, 0.078, 0.08], 0.0055, 0.0055).blended(0.006));
        primitives.push(ball([s * 0.0105, 0.037, 0.098], [0.0085, 0.008, 0.010]).blended(0.010));
        // Ears.
        primitives.push(ball([s * 0.079, 0.055, -0.008], [0.0085, 0.031, 0.019]).blended(0.008));
    }
    primitives.push(cone([0.0, 0.083, 0.088], [0.0, 0.043, 0.108], 0.0085, 0.0125).blended(0.014));
    primitives.push(ball([0.0, 0.0105, 0.0925], [0.021, 0.0062, 0.0095]).blended(0.008));
    primitives.push(ball([0.0, 0.0005, 0.0905], [0.018, 0.0066, 0.0095]).blended(0.008));
    primitives.push(ball([0.0, -0.032, 0.08], [0.017, 0.015, 0.014]).blended(0.02));
    primitives
}

fn shoulder(appearance: &Appearance, s: f32) -> Vec<Primitive> {
    let end = 0.125 * appearance.shoulders;
    vec![
        cone([s * 0.02, 0.005, -0.01], [s * end, 0.005, -0.018], 0.032, 0.038 * appearance.muscle)
            .blended(0.04),
    ]
}

fn upper(appearance: &Appearance, s: f32) -> Vec<Primitive> {
    let m = appearance.muscle * lerp(1.0, 0.86, appearance.feminine) * (0.6 + 0.4 * appearance.girth);
    vec![
        cone([0.0, 0.0, 0.0], [0.0, -0.285, 0.0], 0.044 * m, 0.036 * m).blended(0.035),
        ball([s * 0.008, -0.045, 0.0], [0.046 * m, 0.08, 0.052 * m]).blended(0.035),
        ball([0.0, -0.16, 0.012], [0.042 * m, 0.085, 0.044 * m]).blended(0.03),
        ball([0.0, -0.15, -0.016], [0.04 * m, 0.1, 0.04 * m]).blended(0.03),
    ]
}

fn fore(appearance: &Appearance) -> Vec<Primitive> {
    let m = appearance.muscle * lerp(1.0, 0.86, appearance.feminine) * (0.7 + 0.3 * appearance.girth);
    vec![
        cone([0.0, 0.0, 0.0], [0.0, -0.25, 0.0], 0.037 * m, 0.025 * m).blended(0.03),
        ball([0.0, -0.075, 0.003], [0.043 * m, 0.095, 0.042 * m]).blended(0.03),
    ]
}

fn fingers(s: f32) -> Vec<Primitive> {
    // The palm faces the thigh; the thumb points forward.
    let mut primitives = vec![
        cone([0.0, 0.01, 0.0], [0.0, -0.035, 0.002], 0.022, 0.026).scaled(0.8, 1.0, 1.0).blended(0.03),
        cone([0.0, -0.04, 0.018], [0.0, -0.085, 0.02], 0.022, 0.019).scaled(0.62, 1.0, 1.0).blended(0.02),
        cone([0.0, -0.04, -0.014], [0.0, -0.08, -0.02], 0.022, 0.018).scaled(0.62, 1.0, 1.0).blended(0.02),
        cone([-s * 0.004, -0.03, 0.026], [-s * 0.014, -0.072, 0.048], 0.013, 0.0105).blended(0.012),
        cone([-s * 0.014, -0.072, 0.048], [-s * 0.018, -0.1, 0.052], 0.0105, 0.008).blended(0.004),
    ];
    for (z, length, radius) in
        [(0.030, 0.072, 0.0092), (0.011, 0.08, 0.0095), (-0.008, 0.074, 0.0092), (-0.026, 0.058, 0.008)]
    {
        let middle = -0.09 - length * 0.5;
        primitives.push(
            cone([0.0, -0.082, z * 0.92], [-s * 0.006, middle, z], radius * 1.08, radius).blended(0.006),
        );
        primitives.push(
            cone([-s * 0.006, middle, z], [-s * 0.022, -0.09 - length, z], radius, radius * 0.8)
                .blended(0.004),
        );
    }
    primitives
}

fn leg_upper(appearance: &Appearance, s: f32) -> Vec<Primitive> {
    let m = (0.35 + 0.65 * appearance.girth) * lerp(1.0, 1.02, appearance.feminine);
    let length = 0.43 * appearance.legs;
    vec![
        cone([-s * 0.006, -0.02, 0.0], [0.0, -length, 0.0], 0.080 * m, 0.047 * m).blended(0.03),
        ball([0.0, -0.17, 0.018], [0.074 * m, 0.19, 0.074 * m]).blended(0.05),
        ball([0.0, -0.2, -0.025], [0.062 * m, 0.17, 0.055 * m]).blended(0.05),
    ]
}

fn leg_lower(appearance: &Appearance) -> Vec<Primitive> {
    let m = appearance.muscle * (0.6 + 0.4 * appearance.girth);
    let length = 0.41 * appearance.legs;
    vec![
        cone([0.0, 0.0, 0.0], [0.0, -length, -0.008], 0.046 * m, 0.034).blended(0.03),
        ball([0.0, 0.0, 0.022], [0.038 * m, 0.045, 0.034]).blended(0.03),
        ball([0.0, -0.115, -0.026], [0.049 * m, 0.115, 0.049 * m]).blended(0.04),
    ]
}

/// The shoes' primitives, on the foot bones.
pub(super) fn shoes() -> Vec<(usize, Vec<Primitive>)> {
    (0..2)
        .map(|side| {
            let s = sign(side);
            let primitives = vec![
                cone([0.0, -0.05, -0.04], [s * 0.006, -0.055, 0.07], 0.04, 0.043)
                    .scaled(0.9, 1.0, 1.0)
                    .blended(0.03),
                cone([s * 0.006, -0.062, 0.06], [s * 0.002, -0.066, 0.135], 0.046, 0.033)
                    .scaled(1.0, 0.8, 1.0)
                    .blended(0.03),
                cone([0.0, -0.03, -0.018], [0.0, 0.0, -0.014], 0.043, 0.041).blended(0.03),
            ];
            (foot(side), primitives)
        })
        .collect()
}
