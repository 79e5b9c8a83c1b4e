//! One frame: the posed figure, lit, before its place.

use super::camera::Camera;
use super::dice::{hash, lerp, step};
use super::figure::Figure;
use super::motion;
use super::raster::{EMPTY, Visible};
use super::rig::BONES;
use super::scene::{self, Light, Scene};
use super::shadow::Shadow;
use super::{Drawn, Mannequin, truth};
use glam::{Affine3A, Vec3A, vec3a};
use image::RgbImage;
use std::sync::LazyLock;

/// The figure's surface in the world and in the picture.
struct Posed {
    world: Vec<Vec3A>,
    normals: Vec<Vec3A>,
    screen: Vec<Vec3A>,
}

pub(super) fn draw(m: &Mannequin, t: f64) -> Drawn {
    let figure = &m.figure;
    let posture = motion::posture(m.seed, t, figure.rig.scale);
    let frames = figure.rig.stand(&posture.stance, posture.heading, posture.place);
    let moment = scene::moment(t);
    let now = m.place(moment.index);
    let next = (moment.share > 0.0).then(|| m.place(moment.index + 1));
    let other = next.as_deref().map(|s| (s, moment.share));
    let camera = scene::camera(&now, other, t, posture.place.into(), m.size);
    let light = other.map_or(now.light, |(s, w)| now.light.mix(&s.light, w));
    let posed = pose(figure, &frames, &camera);
    let mut seen = Visible::around(&posed.screen, m.size);
    for (id, tri) in figure.triangles.iter().enumerate() {
        seen.triangle(id as u32, tri.map(|i| posed.screen[i as usize]));
    }
    let centre = frames[0].translation;
    let shadow = Shadow::new(&posed.world, light.toward, centre, light.softness);
    let mut pixels = behind(&now, &camera, &shadow, m.size);
    if let Some((scene, share)) = other {
        let after = behind(scene, &camera, &shadow, m.size);
        for (a, b) in pixels.iter_mut().zip(after) {
            *a = a.lerp(b, share);
        }
    }
    let stage = Stage {
        figure,
        posed: &posed,
        camera: &camera,
        light: &light,
        shadow: &shadow,
        blink: posture.blink,
    };
    stage.shade(&seen, &mut pixels, m.size);
    let joints = figure.rig.joints(&frames);
    let person = truth::measure(&joints, &camera, &seen, m.size, figure.rig.scale);
    let exposure = other.map_or(now.exposure, |(s, w)| lerp(now.exposure, s.exposure, w));
    let grain = other.map_or(now.noise, |(s, w)| lerp(now.noise, s.noise, w));
    Drawn { pixels: develop(&pixels, m.size, exposure, grain, hash(m.seed, t.to_bits())), person }
}

/// Bends the surface with the bones.
fn pose(figure: &Figure, frames: &[Affine3A; BONES], camera: &Camera) -> Posed {
    let moves: [Affine3A; BONES] = std::array::from_fn(|b| frames[b] * figure.to_local[b]);
    let count = figure.vertices.len();
    let mut posed = Posed {
        world: Vec::with_capacity(count),
        normals: Vec::with_capacity(count),
        screen: Vec::with_capacity(count),
    };
    for v in &figure.vertices {
        let (mut p, mut n) = (Vec3A::ZERO, Vec3A::ZERO);
        for (&b, &w) in v.bones.iter().zip(&v.weights) {
            if w > 0.004 {
                let m = &moves[b as usize];
                p += m.transform_point3a(v.rest) * w;
                n += m.transform_vector3a(v.normal) * w;
            }
        }
        let sum: f32 = v.weights.iter().filter(|w| **w > 0.004).sum();
        let p = p / sum;
        posed.world.push(p);
        posed.normals.push(n);
        posed.screen.push(camera.project(p));
    }
    posed
}

/// The place without the figure, at half the resolution: a lens focused on the figure, and a quarter
/// of the rays.
fn behind(scene: &Scene, camera: &Camera, shadow: &Shadow, size: [u32; 2]) -> Vec<Vec3A> {
    let (w, h) = (size[0] as usize, size[1] as usize);
    let (cw, ch) = (w.div_ceil(2) + 1, h.div_ceil(2) + 1);
    let mut coarse = Vec::with_capacity(cw * ch);
    let mut depth = Vec::with_capacity(cw * ch);
    // Coarse sample (i, j) lies on pixel (2 i - 0.5, 2 j - 0.5).
    let ray = |i: usize, j: usize| camera.ray(2.0 * i as f32 - 0.5, 2.0 * j as f32 - 0.5);
    for j in 0..ch {
        for i in 0..cw {
            let (c, z) = scene.backdrop.look(camera.eye, ray(i, j), |p| shadow.on_ground(p));
            coarse.push(c);
            depth.push(z);
        }
    }
    for thing in &scene.backdrop.things {
        let p = camera.project(thing.centre);
        if (thing.centre - camera.eye).dot(camera.forward) < thing.reach() * 0.5 {
            continue;
        }
        let r = camera.focal * thing.reach() / (p.z - thing.reach()).max(0.3);
        let span = |c: f32, end: usize| {
            let clip = |v: f32| ((v + 0.5) / 2.0).clamp(0.0, end as f32) as usize;
            clip(c - r)..clip(c + r + 2.0)
        };
        for j in span(p.y, ch) {
            for i in span(p.x, cw) {
                let ray = ray(i, j);
                let Some((z, n)) = thing.meet(camera.eye, ray) else { continue };
                let at = j * cw + i;
                if z < depth[at] {
                    depth[at] = z;
                    let l = &scene.light;
                    let sky = l.ground.lerp(l.sky, n.y * 0.5 + 0.5);
                    let lit = l.key * n.dot(l.toward).max(0.0) + sky;
                    coarse[at] = thing.color_at(camera.eye + ray * z) * lit * 0.75;
                }
            }
        }
    }
    let coarse = soften(&coarse, cw, ch);
    let mut fine = Vec::with_capacity(w * h);
    for y in 0..h {
        let (j, fy) = (y / 2, if y % 2 == 0 { 0.25 } else { 0.75 });
        let (upper, lower) = (&coarse[j * cw..(j + 1) * cw], &coarse[(j + 1) * cw..(j + 2) * cw]);
        for x in 0..w {
            let (i, fx) = (x / 2, if x % 2 == 0 { 0.25 } else { 0.75 });
            let a = upper[i].lerp(upper[i + 1], fx);
            let b = lower[i].lerp(lower[i + 1], fx);
            fine.push(a.lerp(b, fy));
        }
    }
    fine
}

/// A tent three samples wide, along both axes: takes the stairs off edges.
fn soften(image: &[Vec3A], width: usize, height: usize) -> Vec<Vec3A> {
    let mut rows = Vec::with_capacity(image.len());
    for line in image.chunks_exact(width) {
        for i in 0..width {
            let (a, b) = (line[i.saturating_sub(1)], line[(i + 1).min(width - 1)]);
            rows.push((a + b) * 0.25 + line[i] * 0.5);
        }
    }
    let mut all = Vec::with_capacity(image.len());
    for j in 0..height {
        let at = |j: usize| &rows[j * width..(j + 1) * width];
        let (a, b, c) = (at(j.saturating_sub(1)), at(j), at((j + 1).min(height - 1)));
        all.extend(a.iter().zip(b).zip(c).map(|((&a, &b), &c)| (a + c) * 0.25 + b * 0.5));
    }
    all
}

struct Stage<'a> {
    figure: &'a Figure,
    posed: &'a Posed,
    camera: &'a Camera,
    light: &'a Light,
    shadow: &'a Shadow,
    blink: f32,
}

impl Stage<'_> {
    fn shade(&self, seen: &Visible, pixels: &mut [Vec3A], size: [u32; 2]) {
        for y in 0..seen.height {
            let py = seen.top + y as i32;
            for x in 0..seen.width {
                let ids = seen.samples(x, y);
                if ids == [EMPTY; 4] {
                    continue;
                }
                let px = seen.left + x as i32;
                let materials =
                    ids.map(|id| if id == EMPTY { None } else { Some(self.figure.materials[id as usize]) });
                let pixel = &mut pixels[py as usize * size[0] as usize + px as usize];
                if materials.iter().all(|m| *m == materials[0]) && self.together(ids) {
                    *pixel = self.light_at(ids[0], px as f32, py as f32);
                    continue;
                }
                let mut sum = Vec3A::ZERO;
                for (k, &id) in ids.iter().enumerate() {
                    let (dx, dy) = ((k % 2) as f32 * 0.5 - 0.25, (k / 2) as f32 * 0.5 - 0.25);
                    sum +=
                        if id == EMPTY { *pixel } else { self.light_at(id, px as f32 + dx, py as f32 + dy) };
                }
                *pixel = sum * 0.25;
            }
        }
    }

    /// Whether four triangles are neighbours in depth, so that one shading serves them.
    fn together(&self, ids: [u32; 4]) -> bool {
        if ids[0] == ids[3] && ids[1] == ids[2] {
            return true;
        }
        let z = ids.map(|id| self.posed.screen[self.figure.triangles[id as usize][0] as usize].z);
        let (low, high) = z.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        high - low < 0.035
    }

    /// Linear light that a triangle sends through a place of the picture.
    fn light_at(&self, id: u32, x: f32, y: f32) -> Vec3A {
        let tri = self.figure.triangles[id as usize].map(|i| i as usize);
        let s = tri.map(|i| self.posed.screen[i]);
        let area = (s[1].x - s[0].x) * (s[2].y - s[0].y) - (s[1].y - s[0].y) * (s[2].x - s[0].x);
        let part = |a: Vec3A, b: Vec3A| (b.x - a.x) * (y - a.y) - (b.y - a.y) * (x - a.x);
        // Perspective: shares weighted by nearness; clamped, because a pixel may overhang its triangle.
        let share = [part(s[1], s[2]), part(s[2], s[0]), part(s[0], s[1])];
        let mut share: [f32; 3] = std::array::from_fn(|k| (share[k] / area).clamp(0.0, 1.0) / s[k].z);
        let sum: f32 = share.iter().sum();
        share.iter_mut().for_each(|w| *w /= sum);
        let blend =
            |f: &dyn Fn(usize) -> Vec3A| f(tri[0]) * share[0] + f(tri[1]) * share[1] + f(tri[2]) * share[2];
        let vertices = &self.figure.vertices;
        let rest = blend(&|i| vertices[i].rest);
        let p = blend(&|i| self.posed.world[i]);
        let n = blend(&|i| self.posed.normals[i]).normalize_or(Vec3A::Y);
        let open: f32 = (0..3).map(|k| vertices[tri[k]].openness * share[k]).sum();

        let surface = self.figure.paint(self.figure.materials[id as usize], rest, self.blink);
        let l = self.light;
        let view = (self.camera.eye - p).normalize();
        let facing = n.dot(l.toward);
        let lit = self.shadow.on_figure(p + n * 0.012);
        let direct = ((facing + surface.wrap) / (1.0 + surface.wrap)).max(0.0) * lit;
        // Light that creeps through skin comes out red.
        let creep = (surface.wrap * (0.35 - (facing - 0.05).abs()).max(0.0) * 0.9) * lit;
        let near_ground = 1.0 - 0.4 * step(0.28, 0.0, p.y);
        let ambient = l.ground.lerp(l.sky, n.y * 0.5 + 0.5) * (open * near_ground);
        // A weak second lamp from the camera's side keeps shaded faces readable.
        let fill = 0.16 * n.dot(view).max(0.0) * open;
        let mut c = surface.albedo
            * (l.key * direct * lerp(0.75, 1.0, open)
                + ambient
                + l.sky * fill
                + vec3a(creep, creep * 0.25, creep * 0.15));
        let half = (view + l.toward).normalize();
        let fresnel = (1.0 - n.dot(view)).clamp(0.0, 1.0);
        c += l.key * (surface.gloss * n.dot(half).max(0.0).powf(surface.sharp) * direct.min(1.0) * 1.6);
        c += l.sky * (fresnel * fresnel * fresnel * 0.22 * open * (0.4 + 0.6 * (n.y * 0.5 + 0.5)));
        c
    }
}

/// Linear light to sRGB, with a soft shoulder; index is light times 1024, up to 4.
static TONE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..4096u32)
        .map(|i| {
            let x = i as f32 / 1024.0;
            let x = if x < 0.6 { x } else { 0.6 + 0.4 * (1.0 - (-(x - 0.6) / 0.4).exp()) };
            (x.powf(1.0 / 2.2) * 255.0 + 0.5).min(255.0) as u8
        })
        .collect()
});

/// Bell-shaped sensor noise, of which every frame reads another part.
static GRAIN: LazyLock<Vec<i8>> = LazyLock::new(|| {
    let mut dice = super::dice::Dice::new(11, 11);
    (0..1 << 16).map(|_| ((0..4).map(|_| dice.unit() - 0.5).sum::<f32>() * 27.0) as i8).collect()
});

/// From light to the picture's bytes.
fn develop(pixels: &[Vec3A], size: [u32; 2], exposure: f32, grain: f32, frame: u64) -> RgbImage {
    let (tone, noise) = (&*TONE, &*GRAIN);
    let strength = (grain * 16.0) as i32;
    let mut bytes = Vec::with_capacity(pixels.len() * 3);
    let mut at = frame as usize & 0xFFFF;
    for (i, p) in pixels.iter().enumerate() {
        if i % size[0] as usize == 0 {
            at = hash(frame, i as u64) as usize & 0xFFFF;
        }
        let c = *p * (exposure * 1024.0);
        for v in [c.x, c.y, c.z] {
            let byte = i32::from(tone[(v.max(0.0) as usize).min(4095)]);
            at = (at + 1) & 0xFFFF;
            bytes.push((byte + ((i32::from(noise[at]) * strength) >> 7)).clamp(0, 255) as u8);
        }
    }
    // The bytes were made for exactly this size, so this cannot fail; an empty picture would show it.
    RgbImage::from_raw(size[0], size[1], bytes).unwrap_or_default()
}
