//! The figure of a seed, and how a picture of it is put together: the skinned figure, shaded, before its environment.

use super::camera_response::CameraResponse;
use super::figure::Figure;
use super::interpolate::lerp;
use super::random::hash;
use super::scene::{self, Scene};
use super::shade::FigureShader;
use super::shadow_map::ShadowMap;
use super::truth::{self, FigureTruth, TruePerson};
use super::visibility::VisibilityBuffer;
use super::{background, motion, skinning};
use crate::pose::Size;
use glam::Vec3A;
use image::RgbImage;
use std::sync::{Arc, Mutex, PoisonError};

/// A figure in its scenes. Cheap to keep, about a tenth of a second to make.
pub struct Mannequin {
    seed: u64,
    size: Size,
    figure: Figure,
    /// Scenes that were needed last, by number: making one costs more than a frame may.
    scenes: Mutex<Vec<(u64, Arc<Scene>)>>,
}

/// A picture with everything that is known about it.
pub struct RenderedPicture {
    /// The picture, in sRGB.
    pub pixels: RgbImage,
    /// What it shows of the figure.
    pub truth: FigureTruth,
}

impl Mannequin {
    /// The figure of `seed`, drawn in pictures of `size` in pixels (each side is at least 16: smaller ones are
    /// raised).
    pub fn new(seed: u64, size: Size) -> Mannequin {
        let size = Size::new(size.width.max(16), size.height.max(16));
        Mannequin { seed, size, figure: Figure::new(seed), scenes: Mutex::new(Vec::new()) }
    }

    /// Size of the pictures in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The picture `t` seconds into the performance, and the person in it: COCO-17 joints in pixels, score 2 for one
    /// that is seen, 1 for one that the own body hides, 0 for one outside the picture. No person when nothing of the
    /// figure is in the picture.
    pub fn render(&self, t: f64) -> (RgbImage, Vec<TruePerson>) {
        let rendered = self.render_with_truth(t);
        (rendered.pixels, rendered.truth.person.into_iter().collect())
    }

    /// As [`Mannequin::render`], with the silhouette.
    pub fn render_with_truth(&self, t: f64) -> RenderedPicture {
        let figure = &self.figure;
        let state = motion::state_at(self.seed, t, figure.rig.scale);
        let frames = figure.rig.grounded(&state.stance, state.heading, state.position);
        let blend = scene::scene_blend(t);
        let now = self.scene(blend.index);
        let next = (blend.share > 0.0).then(|| self.scene(blend.index + 1));
        let other = next.as_deref().map(|s| (s, blend.share));
        let camera = scene::camera(&now, other, t, state.position.into(), self.size);
        let light = other.map_or(now.light, |(s, w)| now.light.lerp(&s.light, w));
        let mesh = skinning::skin(figure, &frames, &camera);
        let mut visible = VisibilityBuffer::around(&mesh.screen, self.size);
        for (id, tri) in figure.triangles.iter().enumerate() {
            visible.triangle(id as u32, tri.map(|i| mesh.screen[i as usize]));
        }
        let shadow = ShadowMap::new(&mesh.world, light.toward, frames[0].translation, light.softness);
        let mut background = background::render(&now, &camera, &shadow, self.size);
        if let Some((scene, share)) = other {
            background.cross_fade(&background::render(scene, &camera, &shadow, self.size), share);
        }
        let shader = FigureShader {
            figure,
            mesh: &mesh,
            camera: &camera,
            light: &light,
            shadow: &shadow,
            blink: state.blink,
        };
        let exposure = other.map_or(now.exposure, |(s, w)| lerp(now.exposure, s.exposure, w));
        let noise = other.map_or(now.noise, |(s, w)| lerp(now.noise, s.noise, w));
        let response = CameraResponse::new(exposure, noise, hash(self.seed, t.to_bits()));
        let mut pixels = RgbImage::new(self.size.width, self.size.height);
        let width = self.size.width as usize;
        // Row by row, so that light stays in the nearest cache.
        let (mut line, mut row) = (Vec::new(), vec![Vec3A::ZERO; width]);
        for (y, bytes) in pixels.chunks_exact_mut(width * 3).enumerate() {
            background.row(y, &mut line, &mut row);
            shader.row(&visible, y, &mut row);
            response.row(y, &row, bytes);
        }
        let joints = figure.rig.joints(&frames);
        let truth = truth::measure(&joints, &camera, &visible, self.size, figure.rig.scale);
        RenderedPicture { pixels, truth }
    }

    /// The scene with this number.
    fn scene(&self, index: u64) -> Arc<Scene> {
        // A panic elsewhere cannot leave a half-made scene in the list.
        let mut scenes = self.scenes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, scene)) = scenes.iter().find(|(i, _)| *i == index) {
            return scene.clone();
        }
        let scene = Arc::new(Scene::new(self.seed, index));
        scenes.retain(|(i, _)| i.abs_diff(index) <= 1);
        scenes.push((index, scene.clone()));
        scene
    }
}
