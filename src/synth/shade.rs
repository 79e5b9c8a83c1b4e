//! The figure's pixels: its surface under the key light, ambient light, shadow and highlight (Blinn-Phong).

use super::camera::Camera;
use super::figure::Figure;
use super::interpolate::{lerp, smoothstep};
use super::scene::Light;
use super::shadow_map::ShadowMap;
use super::skinning::SkinnedMesh;
use super::visibility::{EMPTY, VisibilityBuffer};
use glam::{Vec3A, vec3a};

/// Shades the figure of one picture.
pub(super) struct FigureShader<'a> {
    pub figure: &'a Figure,
    pub mesh: &'a SkinnedMesh,
    pub camera: &'a Camera,
    pub light: &'a Light,
    pub shadow: &'a ShadowMap,
    /// Eyelids: 0 open, 1 closed.
    pub blink: f32,
}

impl FigureShader<'_> {
    /// Mixes the figure into row `y` of the picture, given as linear light.
    pub(super) fn row(&self, visible: &VisibilityBuffer, y: usize, row: &mut [Vec3A]) {
        let Some(line) = y.checked_sub(visible.top as usize).filter(|&line| line < visible.height) else {
            return;
        };
        for x in 0..visible.width {
            let ids = visible.samples(x, line);
            if ids == [EMPTY; 4] {
                continue;
            }
            let px = visible.left as usize + x;
            let material = |id: u32| (id != EMPTY).then(|| self.figure.materials[id as usize]);
            let pixel = &mut row[px];
            let (fx, fy) = (px as f32, y as f32);
            if ids.iter().all(|&id| material(id) == material(ids[0])) && self.together(ids) {
                *pixel = self.light_at(ids[0], fx, fy);
                continue;
            }
            let mut sum = Vec3A::ZERO;
            for (k, &id) in ids.iter().enumerate() {
                let (dx, dy) = ((k % 2) as f32 * 0.5 - 0.25, (k / 2) as f32 * 0.5 - 0.25);
                sum += if id == EMPTY { *pixel } else { self.light_at(id, fx + dx, fy + dy) };
            }
            *pixel = sum * 0.25;
        }
    }

    /// Whether four triangles are neighbours in depth, so that one shading serves them.
    fn together(&self, ids: [u32; 4]) -> bool {
        if ids[0] == ids[3] && ids[1] == ids[2] {
            return true;
        }
        let z = ids.map(|id| self.mesh.screen[self.figure.triangles[id as usize][0] as usize].z);
        let (low, high) = z.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        high - low < 0.035
    }

    /// Linear light that a triangle sends through a place of the picture, in pixels.
    fn light_at(&self, id: u32, x: f32, y: f32) -> Vec3A {
        let tri = self.figure.triangles[id as usize].map(|i| i as usize);
        let s = tri.map(|i| self.mesh.screen[i]);
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
        let p = blend(&|i| self.mesh.world[i]);
        let n = blend(&|i| self.mesh.normals[i]).normalize_or(Vec3A::Y);
        let open: f32 = (0..3).map(|k| vertices[tri[k]].openness * share[k]).sum();

        let surface = self.figure.surface_at(self.figure.materials[id as usize], rest, self.blink);
        let l = self.light;
        let view = (self.camera.eye - p).normalize();
        let facing = n.dot(l.toward);
        let lit = self.shadow.on_figure(p + n * 0.012);
        let direct = ((facing + surface.wrap) / (1.0 + surface.wrap)).max(0.0) * lit;
        // Light that creeps through skin comes out red.
        let creep = (surface.wrap * (0.35 - (facing - 0.05).abs()).max(0.0) * 0.9) * lit;
        let near_ground = 1.0 - 0.4 * smoothstep(0.28, 0.0, p.y);
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
        c +=
            l.key * (surface.specular * n.dot(half).max(0.0).powf(surface.shininess) * direct.min(1.0) * 1.6);
        c += l.sky * (fresnel * fresnel * fresnel * 0.22 * open * (0.4 + 0.6 * (n.y * 0.5 + 0.5)));
        c
    }
}
