//! One picture: the skinned figure, shaded, before its environment.

use super::camera_response::CameraResponse;
use super::interpolate::lerp;
use super::random::hash;
use super::scene;
use super::shade::FigureShader;
use super::shadow_map::ShadowMap;
use super::visibility::VisibilityBuffer;
use super::{Mannequin, RenderedPicture, background, motion, skinning, truth};
use glam::Vec3A;
use image::RgbImage;

/// Renders the picture `t` seconds into the performance.
pub(super) fn render(m: &Mannequin, t: f64) -> RenderedPicture {
    let figure = &m.figure;
    let state = motion::state_at(m.seed, t, figure.rig.scale);
    let frames = figure.rig.grounded(&state.stance, state.heading, state.position);
    let blend = scene::scene_blend(t);
    let now = m.scene(blend.index);
    let next = (blend.share > 0.0).then(|| m.scene(blend.index + 1));
    let other = next.as_deref().map(|s| (s, blend.share));
    let camera = scene::camera(&now, other, t, state.position.into(), m.size);
    let light = other.map_or(now.light, |(s, w)| now.light.lerp(&s.light, w));
    let mesh = skinning::skin(figure, &frames, &camera);
    let mut visible = VisibilityBuffer::around(&mesh.screen, m.size);
    for (id, tri) in figure.triangles.iter().enumerate() {
        visible.triangle(id as u32, tri.map(|i| mesh.screen[i as usize]));
    }
    let shadow = ShadowMap::new(&mesh.world, light.toward, frames[0].translation, light.softness);
    let mut background = background::render(&now, &camera, &shadow, m.size);
    if let Some((scene, share)) = other {
        background.cross_fade(&background::render(scene, &camera, &shadow, m.size), share);
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
    let response = CameraResponse::new(exposure, noise, hash(m.seed, t.to_bits()));
    let mut pixels = RgbImage::new(m.size.width, m.size.height);
    let width = m.size.width as usize;
    // Row by row, so that light stays in the nearest cache.
    let (mut line, mut row) = (Vec::new(), vec![Vec3A::ZERO; width]);
    for (y, bytes) in pixels.chunks_exact_mut(width * 3).enumerate() {
        background.row(y, &mut line, &mut row);
        shader.row(&visible, y, &mut row);
        response.row(y, &row, bytes);
    }
    let joints = figure.rig.joints(&frames);
    let truth = truth::measure(&joints, &camera, &visible, m.size, figure.rig.scale);
    RenderedPicture { pixels, truth }
}
