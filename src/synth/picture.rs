//! One frame: the posed figure, lit, before its place.

use super::behind;
use super::camera::Camera;
use super::develop::Developer;
use super::dice::{hash, lerp};
use super::figure::Figure;
use super::motion;
use super::raster::Visible;
use super::rig::BONES;
use super::scene;
use super::shade::Stage;
use super::shadow::Shadow;
use super::{Drawn, Mannequin, truth};
use glam::{Affine3A, Vec3A};
use image::RgbImage;

/// The figure's surface in the world and in the picture.
pub(super) struct Posed {
    pub world: Vec<Vec3A>,
    pub normals: Vec<Vec3A>,
    pub screen: Vec<Vec3A>,
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
    let mut place = behind::look(&now, &camera, &shadow, m.size);
    if let Some((scene, share)) = other {
        place.dissolve(&behind::look(scene, &camera, &shadow, m.size), share);
    }
    let stage = Stage {
        figure,
        posed: &posed,
        camera: &camera,
        light: &light,
        shadow: &shadow,
        blink: posture.blink,
    };
    let exposure = other.map_or(now.exposure, |(s, w)| lerp(now.exposure, s.exposure, w));
    let grain = other.map_or(now.noise, |(s, w)| lerp(now.noise, s.noise, w));
    let developer = Developer::new(exposure, grain, hash(m.seed, t.to_bits()));
    let mut pixels = RgbImage::new(m.size.width, m.size.height);
    let width = m.size.width as usize;
    // Row by row, so that light stays in the nearest cache.
    let (mut line, mut row) = (Vec::new(), vec![Vec3A::ZERO; width]);
    for (y, bytes) in pixels.chunks_exact_mut(width * 3).enumerate() {
        place.row(y, &mut line, &mut row);
        stage.row(&seen, y, &mut row);
        developer.row(y, &row, bytes);
    }
    let joints = figure.rig.joints(&frames);
    let person = truth::measure(&joints, &camera, &seen, m.size, figure.rig.scale);
    Drawn { pixels, person }
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
