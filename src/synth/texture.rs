//! Colours on the surface: face, skin, cloth patterns, leather. All in the bind pose, so that
//! textures move with the body.

use super::appearance::{Appearance, Cloth, Hair, LowerGarment, Pattern};
use super::figure::{Figure, Material};
use super::interpolate::{lerp, smoothstep};
use super::noise::{noise2, noise3};
use super::rig::*;
use glam::{Vec3A, vec3a};

/// How a point of the surface reflects light.
pub(super) struct SurfaceProperties {
    /// Share of each colour that is reflected.
    pub albedo: Vec3A,
    /// Strength of the highlight.
    pub specular: f32,
    /// Exponent of the highlight: more is smaller and sharper.
    pub shininess: f32,
    /// How far light reaches round into the shade (skin, hair): wrap lighting, 0 for none.
    pub wrap: f32,
}

fn matte(albedo: Vec3A) -> SurfaceProperties {
    SurfaceProperties { albedo, specular: 0.02, shininess: 8.0, wrap: 0.12 }
}

impl Figure {
    fn local(&self, bone: usize, p: Vec3A) -> Vec3A {
        self.to_local[bone].transform_point3a(p) / self.rig.scale
    }

    /// The surface at a point of the bind pose.
    pub(super) fn surface_at(&self, material: Material, p: Vec3A, blink: f32) -> SurfaceProperties {
        let appearance = &self.appearance;
        match material {
            Material::Skin => {
                let q = self.local(HEAD, p) / appearance.head;
                if q.y > -0.06 && q.length_squared() < 0.09 {
                    return face(appearance, q, blink);
                }
                let mottled = 0.95 + 0.1 * noise3(p * 28.0 + 60.0);
                SurfaceProperties {
                    albedo: appearance.skin * mottled,
                    specular: 0.07,
                    shininess: 18.0,
                    wrap: 0.3,
                }
            }
            Material::Top => self.shirt(p),
            Material::Bottom => self.trousers(p),
            Material::Shoe => self.shoe(p),
            Material::Hair => {
                let q = self.local(HEAD, p) / appearance.head;
                let curly = appearance.hair == Hair::Curls;
                let strands = if curly {
                    noise3(q * 140.0 + 90.0)
                } else {
                    noise2((q.x.atan2(q.z) + 4.0) * 26.0 + 60.0, q.y * 14.0 + 60.0)
                };
                let light = 0.6 + 0.7 * strands;
                SurfaceProperties {
                    albedo: appearance.hair_color * light,
                    specular: if curly { 0.03 } else { 0.13 * strands },
                    shininess: 14.0,
                    wrap: 0.25,
                }
            }
            Material::Cap => {
                let q = self.local(HEAD, p) / appearance.head;
                let panel =
                    ((q.x.atan2(q.z + 0.01) * 3.0 / std::f32::consts::PI).rem_euclid(1.0) - 0.5).abs();
                let seam = if q.z < 0.09 { lerp(1.0, 0.8, smoothstep(0.47, 0.49, panel)) } else { 1.0 };
                matte(appearance.shoe[0].lerp(appearance.top.colors[1], 0.8) * seam)
            }
        }
    }

    fn shirt(&self, p: Vec3A) -> SurfaceProperties {
        let appearance = &self.appearance;
        let side = usize::from(p.x < 0.0);
        let arm = self.local(upper_arm(side), p);
        let chest = self.local(CHEST, p);
        // Along the sleeve on the arm, along the body elsewhere.
        let sleeved = arm.y < 0.01 && arm.x.hypot(arm.z) < 0.12 && chest.x.abs() > 0.17;
        let v = if sleeved { arm.y + 0.24 } else { chest.y };
        let u = if sleeved { arm.z.atan2(arm.x) * 0.055 } else { chest.x };
        let mut s = matte(pattern(&appearance.top, u, v, chest, sleeved));
        let end = appearance.sleeve * if appearance.sleeve > 1.0 { 0.268 } else { 0.285 };
        let pelvis = self.local(PELVIS, p);
        let trim = sleeved && -arm.y > end - 0.018 || pelvis.y < appearance.hem + 0.02;
        if trim {
            s.albedo *= 0.84;
        }
        s
    }

    fn trousers(&self, p: Vec3A) -> SurfaceProperties {
        let appearance = &self.appearance;
        let pelvis = self.local(PELVIS, p);
        let side = usize::from(p.x < 0.0);
        if pelvis.y > 0.055 && appearance.lower != LowerGarment::Leggings {
            // Belt and buckle.
            let buckle = pelvis.z > 0.0 && pelvis.x.abs() < 0.022;
            let color = if buckle { Vec3A::splat(0.45) } else { appearance.shoe[0] * 0.6 };
            return SurfaceProperties { albedo: color, specular: 0.2, shininess: 20.0, wrap: 0.1 };
        }
        let thigh_p = self.local(thigh(side), p);
        let mut color = pattern(&appearance.bottom, pelvis.x, pelvis.y, pelvis, false);
        if appearance.lower != LowerGarment::Skirt {
            // Outer seam, pockets, fly.
            let out = thigh_p.x * sign(side);
            if out > 0.03 && thigh_p.z.abs() < 0.005 || pelvis.x.abs() < 0.004 && pelvis.y > -0.1 {
                color *= 0.72;
            }
            let pocket = (pelvis.y - 0.03 + 0.9 * (pelvis.x.abs() - 0.1)).abs();
            if pelvis.z > 0.02 && pocket < 0.005 && pelvis.x.abs() > 0.07 && pelvis.y > -0.06 {
                color *= 0.65;
            }
            let shin_p = self.local(shin(side), p);
            let hem = if appearance.leg_end < 1.0 {
                -thigh_p.y - 0.43 * appearance.legs * appearance.leg_end
            } else {
                -shin_p.y - 0.41 * appearance.legs * (appearance.leg_end - 1.0)
            };
            if hem > -0.018 {
                color *= 0.82;
            }
        }
        matte(color)
    }

    fn shoe(&self, p: Vec3A) -> SurfaceProperties {
        let appearance = &self.appearance;
        let q = self.local(foot(usize::from(p.x < 0.0)), p);
        if q.y > -0.012 {
            return matte(appearance.sock);
        }
        if q.y < -0.07 + 0.01 * smoothstep(0.05, 0.14, q.z) {
            return matte(appearance.shoe[1]);
        }
        let lace = q.z > 0.02 && q.z < 0.1 && q.x.abs() < 0.022 && (q.z * 70.0).fract() < 0.42;
        let albedo = if lace { appearance.shoe[1] } else { appearance.shoe[0] };
        SurfaceProperties { albedo, specular: 0.12, shininess: 16.0, wrap: 0.1 }
    }
}

fn pattern(cloth: &Cloth, u: f32, v: f32, chest: Vec3A, sleeved: bool) -> Vec3A {
    let [a, b] = cloth.colors;
    let connect = 0.93 + 0.12 * noise2(u * 150.0 + 900.0, v * 150.0 + 900.0);
    let band = |x: f32, width: f32| ((x / width).rem_euclid(1.0) < 0.5) as u8 as f32;
    let front = chest.z > 0.02 && !sleeved;
    let c = match cloth.pattern {
        Pattern::Plain => a,
        Pattern::Stripes => a.lerp(b, band(v, 0.075)),
        Pattern::UprightStripes => a.lerp(b, 0.8 * band(u, 0.045)),
        Pattern::Checks => a.lerp(b, 0.5 * band(v, 0.09) + 0.35 * band(u, 0.09)),
        Pattern::Dots => {
            let row = (v / 0.045).floor();
            let x = (u / 0.045 + 0.5 * row.rem_euclid(2.0)).rem_euclid(1.0) - 0.5;
            let y = (v / 0.045).rem_euclid(1.0) - 0.5;
            a.lerp(b, smoothstep(0.27, 0.22, x.hypot(y)))
        }
        Pattern::ChestBand => a.lerp(b, smoothstep(0.005, 0.0, (v - 0.12).abs() - 0.05)),
        Pattern::Print => {
            let (x, y) = (chest.x / 0.085, (chest.y - 0.13) / 0.075);
            let shape = x * x + y * y + 0.5 * (noise2(x * 2.5 + 60.0, y * 2.5 + 60.0) - 0.5);
            let hollow = smoothstep(0.1, 0.16, (x - 0.2).hypot(y + 0.1) - 0.15);
            if front { a.lerp(b, smoothstep(1.0, 0.93, shape) * hollow) } else { a }
        }
        Pattern::Zipper => {
            let c = if front && chest.x.abs() < 0.007 { Vec3A::splat(0.5) } else { a };
            if sleeved || chest.y > 0.22 { c.lerp(b, 0.75) } else { c }
        }
        Pattern::Buttons => {
            let button = front && ((chest.x).hypot((chest.y / 0.09).rem_euclid(1.0) * 0.09 - 0.045)) < 0.008;
            let placket = front && (chest.x.abs() - 0.018).abs() < 0.0025;
            if button { Vec3A::splat(0.75) } else { a * if placket { 0.75 } else { 1.0 } }
        }
        Pattern::Denim => {
            let worn = smoothstep(0.35, 0.75, noise2(u * 9.0 + 60.0, v * 4.0 + 60.0));
            a.lerp(
                a * 1.9 + Vec3A::splat(0.03),
                0.35 * worn + 0.25 * noise2(u * 210.0 + 700.0, v * 70.0 + 700.0),
            )
        }
    };
    c * connect
}

/// The head: eyes, brows, lips, beard. `q` in the head's frame.
fn face(appearance: &Appearance, q: Vec3A, blink: f32) -> SurfaceProperties {
    let mut skin = appearance.skin * (0.96 + 0.08 * noise3(q * 60.0 + 60.0));
    // Blood under the cheeks, nose and ears.
    let side = if q.x < 0.0 { -1.0 } else { 1.0 };
    let cheek = (q - vec3a(side * 0.042, 0.036, 0.085)).length();
    let warm = 0.5 * (-(cheek / 0.022).powi(2)).exp()
        + 0.35 * smoothstep(0.104, 0.115, q.z)
        + 0.3 * smoothstep(0.079, 0.085, q.x.abs());
    skin *= Vec3A::ONE.lerp(vec3a(1.08, 0.82, 0.8), warm);
    let mut s = SurfaceProperties { albedo: skin, specular: 0.09, shininess: 16.0, wrap: 0.3 };
    let dark = appearance.hair_color.lerp(Vec3A::ZERO, 0.35);
    if appearance.hair == Hair::Bald || appearance.hair == Hair::Short {
        // Cropped hair at the temples and the back.
        let line =
            lerp(lerp(0.0, 0.07, smoothstep(-0.045, -0.015, q.z)), 0.155, smoothstep(0.012, 0.066, q.z));
        let amount = if appearance.hair == Hair::Bald { 0.25 } else { 0.7 };
        s.albedo = s.albedo.lerp(
            appearance.hair_color,
            amount * smoothstep(line - 0.004, line + 0.012, q.y) * smoothstep(0.085, 0.078, q.x.abs()),
        );
    }
    if q.z < 0.03 {
        return s;
    }
    if appearance.beard > 0.0 {
        let jaw = smoothstep(0.036, 0.022, q.y - 0.35 * (q.x.abs() - 0.03).max(0.0));
        let moustache = smoothstep(0.026, 0.022, q.y) * smoothstep(0.03, 0.024, q.x.abs());
        let mask = jaw
            .min(smoothstep(0.016, 0.024, q.x.abs()).max(smoothstep(-0.004, -0.012, q.y)))
            .max(moustache * smoothstep(0.014, 0.018, q.y));
        let hairs = 0.75 + 0.5 * noise3(q * 300.0 + 90.0);
        s.albedo = s.albedo.lerp(dark * hairs, 0.8 * appearance.beard * mask);
    }
    // Lips.
    let (x, y) = (q.x.abs() / 0.0225, q.y);
    let upper = 0.0055 + 0.0085 * (1.0 - x * x) - 0.0025 * (1.0 - (x * 5.0).min(1.0));
    let lower = 0.0055 - 0.0125 * (1.0 - x * x);
    if x < 1.0 && y < upper && y > lower && q.z > 0.06 {
        let seam = smoothstep(0.0016, 0.0006, (y - 0.0055).abs());
        s.albedo = skin.lerp(skin * appearance.lips * 2.4, 0.75).lerp(appearance.lips * 0.15, 0.8 * seam);
        s.specular = 0.16;
    }
    // Nostrils.
    if ((q.x.abs() - 0.0065) / 0.0038).hypot((q.y - 0.0315) / 0.003) < 1.0 && q.z > 0.09 {
        s.albedo *= 0.3;
    }
    // Brow.
    let (ex, ey) = (q.x.abs() - EYE.x, q.y - EYE.y);
    let arc = 0.0235 - 9.0 * (ex - 0.003).powi(2);
    let thick = lerp(0.0042, 0.0022, smoothstep(-0.01, 0.02, ex)) * lerp(1.0, 0.75, appearance.feminine);
    if ex > -0.02 && ex < 0.019 {
        s.albedo = s.albedo.lerp(dark, 0.85 * smoothstep(thick + 0.001, thick - 0.0008, (ey - arc).abs()));
    }
    eye(appearance, &mut s, ex, ey, blink);
    s
}

fn eye(appearance: &Appearance, s: &mut SurfaceProperties, ex: f32, ey: f32, blink: f32) {
    let half = 0.0158;
    let x = ex / half;
    if x.abs() > 1.25 || ey.abs() > 0.016 {
        return;
    }
    let open = 1.0 - 0.92 * blink;
    let tilt = 0.0012 * x;
    let upper = 0.0078 * (1.0 - x * x) * open + tilt - 0.003 * (1.0 - open);
    let lower = -0.0056 * (1.0 - x * x) * lerp(open, 1.0, 0.5) + tilt;
    if x.abs() < 1.0 && ey < upper && ey > lower {
        let r = ex.hypot(ey - 0.0006);
        let white = vec3a(0.78, 0.74, 0.7) * lerp(0.65, 1.0, smoothstep(0.0, 0.004, upper - ey));
        let mut c = white.lerp(appearance.iris, smoothstep(0.0067, 0.0060, r));
        c = c
            .lerp(appearance.iris * 0.25, smoothstep(0.005, 0.0064, r) * smoothstep(0.0070, 0.0064, r) * 0.8);
        c = c.lerp(Vec3A::splat(0.004), smoothstep(0.0034, 0.0027, r));
        c = c.lerp(Vec3A::splat(1.0), smoothstep(0.0015, 0.0008, (ex - 0.002).hypot(ey - 0.003)));
        *s = SurfaceProperties { albedo: c, specular: 0.35, shininess: 60.0, wrap: 0.3 };
    }
    // Lashes.
    let lash = lerp(0.0013, 0.0021, appearance.feminine);
    if x.abs() < 1.08 {
        s.albedo = s.albedo.lerp(Vec3A::splat(0.008), 0.9 * smoothstep(lash, lash * 0.4, (ey - upper).abs()));
        s.albedo *= lerp(1.0, 0.75, smoothstep(0.0012, 0.0004, (ey - lower).abs()));
        // The fold above.
        s.albedo *= lerp(1.0, 0.82, smoothstep(0.0016, 0.0005, (ey - upper - 0.0045).abs()));
    }
}
