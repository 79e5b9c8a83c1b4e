//! Who the figure is and what it wears: everything about it that one seed fixes.

use super::color::rgb;
use super::random::SeededRng;
use glam::Vec3A;

/// Hairstyle.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Hair {
    Bald,
    Short,
    SideParting,
    Bob,
    Long,
    Ponytail,
    Bun,
    Curls,
    Cap,
}

/// How the two colours of a cloth are laid out.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Pattern {
    Plain,
    Stripes,
    UprightStripes,
    Checks,
    Dots,
    ChestBand,
    Print,
    Zipper,
    Buttons,
    Denim,
}

/// What is worn on the legs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum LowerGarment {
    Trousers,
    Shorts,
    Skirt,
    Leggings,
}

/// Cloth: a pattern in two colours (linear light).
#[derive(Clone, Copy, Debug)]
pub(super) struct Cloth {
    pub pattern: Pattern,
    pub colors: [Vec3A; 2],
}

/// Build, hair, clothes. Lengths are metres of a figure of 1.75 m; the whole is scaled by `scale`. Colours are linear
/// light.
#[derive(Clone, Debug)]
pub(super) struct Appearance {
    /// Factor on all lengths.
    pub scale: f32,
    /// Factor on the length of thighs and shins.
    pub legs: f32,
    /// Factor on the width of the shoulders.
    pub shoulders: f32,
    /// Factor on the width of the hips.
    pub hips: f32,
    /// Factor on the thickness of trunk and limbs.
    pub girth: f32,
    /// Factor on the thickness of muscles.
    pub muscle: f32,
    /// 0 masculine to 1 feminine build.
    pub feminine: f32,
    /// Factor on the size of the head.
    pub head: f32,
    pub skin: Vec3A,
    pub hair: Hair,
    pub hair_color: Vec3A,
    /// 0 none to 1 full.
    pub beard: f32,
    pub iris: Vec3A,
    pub lips: Vec3A,
    pub top: Cloth,
    /// End of the sleeve: 0 at the shoulder, 1 at the elbow, 2 at the wrist.
    pub sleeve: f32,
    /// Height of the top's hem above the hip joints.
    pub hem: f32,
    /// How far the top stands off the body.
    pub top_slack: f32,
    /// Depth of the neckline: 0 round the neck to 1.
    pub neckline: f32,
    pub lower: LowerGarment,
    pub bottom: Cloth,
    /// End of the leg (or skirt): 1 at the knee, 2 at the ankle.
    pub leg_end: f32,
    /// How far trousers and shorts stand off the body.
    pub bottom_slack: f32,
    /// Upper, and sole with laces.
    pub shoe: [Vec3A; 2],
    pub sock: Vec3A,
}

const SKIN: [u32; 8] = [0xf3d0b8, 0xe8b998, 0xd9a27c, 0xc68c62, 0xa9704a, 0x8a5636, 0x6b4029, 0x4c2d1f];
const HAIR: [u32; 9] =
    [0x17120f, 0x2a1b12, 0x3e2717, 0x5a3a20, 0x7d5530, 0xb58a50, 0x8c3f1f, 0x8d8a86, 0x0e0d10];
const CLOTH: [u32; 22] = [
    0xf2f0ea, 0x22242a, 0x1f3a5f, 0x2f6f9f, 0x9db8cc, 0xb23a3a, 0xe07a5f, 0xe9b949, 0x3d7a4a, 0x81b29a,
    0x5b3b73, 0xc98bb0, 0x7a7d82, 0xb9b4a7, 0x6b4f3a, 0x14746f, 0xd9d4c5, 0x34405a, 0xf28f3b, 0x8e1f2f,
    0x4f6d3a, 0x5a8fd6,
];
const TROUSERS: [u32; 10] =
    [0x2b3a55, 0x3f5878, 0x1d1f24, 0x4b4a48, 0x8d7f68, 0xb7a583, 0x5d6650, 0x6d7f95, 0x33302d, 0xc9c4b8];
const SHOES: [u32; 8] = [0xf0efe9, 0x1b1b1e, 0x6a4630, 0x8c2f2f, 0x2f4f7f, 0x7d7f83, 0xd8a13a, 0x39393c];

impl Appearance {
    /// Everything that `seed` fixes about the figure's build and clothes.
    pub(super) fn new(seed: u64) -> Appearance {
        let rng = &mut SeededRng::new(seed, 0x100C);
        let feminine = if rng.chance(0.5) { rng.range(0.7, 1.0) } else { rng.range(0.0, 0.25) };
        let is_feminine = feminine > 0.5;
        let heavy = rng.unit() * rng.unit();
        let tone = rng.below(SKIN.len());
        let hair_color = rgb(if tone >= 5 { rng.pick(&HAIR[..3]) } else { rng.pick(&HAIR) });
        let hair = hair(is_feminine, rng);
        let pattern = top_pattern(rng);
        let jacket = matches!(pattern, Pattern::Zipper | Pattern::Buttons);
        let first = rng.below(CLOTH.len());
        let second = (first + 1 + rng.below(CLOTH.len() - 1)) % CLOTH.len();
        let sleeve = sleeve(jacket, rng);
        let lower = lower_garment(is_feminine, rng);
        let (leg_end, bottom_slack) = leg_end_and_slack(lower, rng);
        let bottom = bottom_cloth(lower, rng);
        let hem = hem(lower, jacket, rng);
        Appearance {
            scale: rng.range(0.96, 1.04) * if is_feminine { 0.95 } else { 1.02 },
            legs: rng.range(0.97, 1.05),
            shoulders: rng.range(0.96, 1.06) * if is_feminine { 0.92 } else { 1.04 },
            hips: rng.range(0.97, 1.04) * if is_feminine { 1.05 } else { 0.98 },
            girth: rng.range(0.92, 1.06) + 0.3 * heavy,
            muscle: rng.range(0.9, 1.08),
            feminine,
            head: rng.range(0.95, 1.02),
            skin: rgb(SKIN[tone]),
            hair,
            hair_color,
            beard: if !is_feminine && rng.chance(0.4) { rng.range(0.35, 1.0) } else { 0.0 },
            iris: rgb(rng.pick(&[0x3b2314, 0x5a3b1c, 0x4c6a8c, 0x4f7050])),
            lips: rgb(if is_feminine { 0xb0483f } else { 0xa55c4c }),
            top: Cloth { pattern, colors: [rgb(CLOTH[first]), rgb(CLOTH[second])] },
            sleeve,
            hem,
            top_slack: rng.range(0.008, 0.02) + if jacket { 0.008 } else { 0.0 },
            neckline: rng.unit(),
            lower,
            bottom,
            leg_end,
            bottom_slack,
            shoe: [rgb(rng.pick(&SHOES)), rgb(rng.pick(&[0xf4f3ee, 0x2a2a2c, 0xd8d3c6]))],
            sock: rgb(rng.pick(&[0xf0f0ee, 0x24262b, 0xd8d6d0, 0x3a4350])),
        }
    }
}

fn hair(is_feminine: bool, rng: &mut SeededRng) -> Hair {
    if is_feminine {
        rng.pick(&[
            Hair::Bob,
            Hair::Long,
            Hair::Ponytail,
            Hair::Bun,
            Hair::Curls,
            Hair::Long,
            Hair::Short,
            Hair::Cap,
        ])
    } else {
        rng.pick(&[
            Hair::Short,
            Hair::SideParting,
            Hair::Short,
            Hair::SideParting,
            Hair::Curls,
            Hair::Bald,
            Hair::Cap,
            Hair::Short,
        ])
    }
}

fn top_pattern(rng: &mut SeededRng) -> Pattern {
    rng.pick(&[
        Pattern::Plain,
        Pattern::Plain,
        Pattern::Stripes,
        Pattern::Checks,
        Pattern::ChestBand,
        Pattern::Print,
        Pattern::Zipper,
        Pattern::Buttons,
        Pattern::Dots,
        Pattern::UprightStripes,
    ])
}

/// Where the sleeve ends ([`Appearance::sleeve`]).
fn sleeve(jacket: bool, rng: &mut SeededRng) -> f32 {
    match rng.below(10) {
        _ if jacket => rng.range(1.88, 1.98),
        0 => 0.12,
        1..=5 => rng.range(0.5, 0.75),
        6 => rng.range(1.2, 1.4),
        _ => rng.range(1.85, 1.95),
    }
}

fn lower_garment(is_feminine: bool, rng: &mut SeededRng) -> LowerGarment {
    if is_feminine {
        rng.pick(&[
            LowerGarment::Trousers,
            LowerGarment::Skirt,
            LowerGarment::Leggings,
            LowerGarment::Shorts,
            LowerGarment::Trousers,
        ])
    } else {
        rng.pick(&[
            LowerGarment::Trousers,
            LowerGarment::Trousers,
            LowerGarment::Shorts,
            LowerGarment::Trousers,
        ])
    }
}

/// [`Appearance::leg_end`] and [`Appearance::bottom_slack`].
fn leg_end_and_slack(lower: LowerGarment, rng: &mut SeededRng) -> (f32, f32) {
    match lower {
        LowerGarment::Trousers => (rng.range(1.9, 1.98), rng.range(0.012, 0.024)),
        LowerGarment::Shorts => (rng.range(0.55, 0.92), rng.range(0.018, 0.03)),
        LowerGarment::Skirt => (rng.range(0.62, 1.2), 0.015),
        LowerGarment::Leggings => (rng.range(1.75, 1.95), 0.006),
    }
}

fn bottom_cloth(lower: LowerGarment, rng: &mut SeededRng) -> Cloth {
    match lower {
        LowerGarment::Trousers if rng.chance(0.45) => Cloth {
            pattern: Pattern::Denim,
            colors: [rgb(rng.pick(&[0x2b4266, 0x4a6c95, 0x1f2a3e])), rgb(0xb08d57)],
        },
        LowerGarment::Skirt => {
            let pattern = rng.pick(&[Pattern::Plain, Pattern::Checks, Pattern::Dots, Pattern::Plain]);
            Cloth { pattern, colors: [rgb(rng.pick(&CLOTH)), rgb(rng.pick(&CLOTH))] }
        }
        _ => Cloth { pattern: Pattern::Plain, colors: [rgb(rng.pick(&TROUSERS)), rgb(rng.pick(&CLOTH))] },
    }
}

/// Height of the top's hem above the hip joints ([`Appearance::hem`]).
fn hem(lower: LowerGarment, jacket: bool, rng: &mut SeededRng) -> f32 {
    if lower == LowerGarment::Skirt {
        rng.range(0.045, 0.07)
    } else if jacket {
        rng.range(-0.09, -0.03)
    } else {
        rng.range(-0.09, 0.04)
    }
}
