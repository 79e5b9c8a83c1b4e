//! The picture of an environment without the figure, by ray tracing.

use super::camera::Camera;
use super::scene::Scene;
use super::shadow_map::ShadowMap;
use crate::pose::Size;
use glam::Vec3A;

/// What lies behind the figure, at half the picture's resolution: a lens that is focused on the figure blurs it anyhow,
/// and a quarter of the rays is enough.
pub(super) struct Background {
    /// In samples.
    width: usize,
    height: usize,
    /// Linear light, row-major.
    light: Vec<Vec3A>,
}

impl Background {
    /// Mixes in `next`, from nothing (`share` = 0) to nothing else (1).
    pub(super) fn cross_fade(&mut self, next: &Background, share: f32) {
        for (a, &b) in self.light.iter_mut().zip(&next.light) {
            *a = a.lerp(b, share);
        }
    }

    /// Row `y` of the whole picture, interpolated into `out`. `line` is scratch memory.
    pub(super) fn row(&self, y: usize, line: &mut Vec<Vec3A>, out: &mut [Vec3A]) {
        let (j, fy) = (y / 2, if y.is_multiple_of(2) { 0.25 } else { 0.75 });
        let at = |j: usize| &self.light[j.min(self.height - 1) * self.width..][..self.width];
        line.clear();
        line.extend(at(j).iter().zip(at(j + 1)).map(|(a, &b)| a.lerp(b, fy)));
        for (pair, two) in out.chunks_mut(2).zip(line.windows(2)) {
            for (pixel, fx) in pair.iter_mut().zip([0.25, 0.75]) {
                *pixel = two[0].lerp(two[1], fx);
            }
        }
    }
}

/// Traces the environment of `scene` with the figure's shadow on its floor, and then its props, each only where it can
/// be. `size` is the picture's, in pixels.
pub(super) fn render(scene: &Scene, camera: &Camera, shadow: &ShadowMap, size: Size) -> Background {
    let [h, w] = size.hw();
    let (cw, ch) = (w.div_ceil(2) + 1, h.div_ceil(2) + 1);
    let mut coarse = Vec::with_capacity(cw * ch);
    let mut depth = Vec::with_capacity(cw * ch);
    // Coarse sample (i, j) lies on pixel (2 i - 0.5, 2 j - 0.5).
    let ray = |i: usize, j: usize| camera.ray(2.0 * i as f32 - 0.5, 2.0 * j as f32 - 0.5);
    for j in 0..ch {
        for i in 0..cw {
            let (c, z) = scene.environment.trace(camera.eye, ray(i, j), |p| shadow.on_ground(p));
            coarse.push(c);
            depth.push(z);
        }
    }
    for prop in &scene.environment.props {
        let p = camera.project(prop.centre);
        if (prop.centre - camera.eye).dot(camera.forward) < prop.bounding_radius() * 0.5 {
            continue;
        }
        let r = camera.focal * prop.bounding_radius() / (p.z - prop.bounding_radius()).max(0.3);
        let span = |c: f32, end: usize| {
            let clip = |v: f32| ((v + 0.5) / 2.0).clamp(0.0, end as f32) as usize;
            clip(c - r)..clip(c + r + 2.0)
        };
        for j in span(p.y, ch) {
            for i in span(p.x, cw) {
                let ray = ray(i, j);
                let Some((z, n)) = prop.intersect(camera.eye, ray) else { continue };
                let at = j * cw + i;
                if z < depth[at] {
                    depth[at] = z;
                    let l = &scene.light;
                    let sky = l.ground.lerp(l.sky, n.y * 0.5 + 0.5);
                    let lit = l.key * n.dot(l.toward).max(0.0) + sky;
                    coarse[at] = prop.color_at(camera.eye + ray * z) * lit * 0.75;
                }
            }
        }
    }
    Background { width: cw, height: ch, light: soften(&coarse, cw, ch) }
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
