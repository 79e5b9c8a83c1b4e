//! Where the joints truly are in the picture, and which of them can be seen.

use super::camera::Camera;
use super::visibility::{EMPTY, VisibilityBuffer};
use crate::pose::{Keypoint, Size};
use crate::vision::BBox;
use glam::{Vec3, Vec3A};

/// A person whose joints are known exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct TruePerson {
    /// Around the visible pixels and all joints inside the picture, in pixels, cut at the picture's edge.
    pub bbox: BBox,
    /// COCO-17 in pixels; score 2 visible, 1 occluded, 0 outside the picture.
    pub keypoints: Vec<Keypoint>,
}

/// What is known exactly about the figure in a picture.
#[derive(Clone, Debug)]
pub struct FigureTruth {
    /// `None` when nothing of the figure is in the picture.
    pub person: Option<TruePerson>,
    /// Pixels that the figure covers.
    pub area: f32,
    /// For each pixel, row by row, whether the figure covers half of it.
    pub silhouette: Vec<bool>,
    /// The picture's size in pixels.
    pub size: Size,
}

impl FigureTruth {
    /// Whether the figure covers the pixel at a place.
    pub fn covers(&self, x: f32, y: f32) -> bool {
        let (x, y) = (x.round(), y.round());
        let inside = x >= 0.0 && y >= 0.0 && x < self.size.width as f32 && y < self.size.height as f32;
        inside && self.silhouette[y as usize * self.size.width as usize + x as usize]
    }
}

/// How deep a joint may lie under the nearest surface and still count as seen: about the limb's
/// radius there (clothes included), in metres, in COCO's order.
const DEPTH: [f32; 17] = [
    0.03, 0.03, 0.03, 0.035, 0.035, 0.115, 0.115, 0.08, 0.08, 0.06, 0.06, 0.17, 0.17, 0.11, 0.11, 0.09, 0.09,
];

/// Reads the truth off the joints in the world and the figure's visible triangles. `scale` is the figure's.
pub(super) fn measure(
    joints: &[Vec3; 17],
    camera: &Camera,
    visible: &VisibilityBuffer,
    size: Size,
    scale: f32,
) -> FigureTruth {
    let [w, h] = [size.width, size.height].map(|side| side as f32);
    let keypoints: Vec<Keypoint> = joints
        .iter()
        .zip(DEPTH)
        .map(|(&joint, depth)| {
            let p = camera.project(Vec3A::from(joint));
            let inside = p.x >= -0.5 && p.y >= -0.5 && p.x < w - 0.5 && p.y < h - 0.5;
            // A joint at the rim of the outline can miss its pixel by a hair: nothing is in front of it then.
            let seen = visible.depth(p.x, p.y).is_none_or(|z| z > p.z - depth * scale);
            let score = if !inside {
                0.0
            } else if seen {
                2.0
            } else {
                1.0
            };
            Keypoint { x: p.x, y: p.y, score }
        })
        .collect();
    let (mut left, mut top, mut right, mut bottom) = (w, h, -1.0f32, -1.0f32);
    let mut samples = 0usize;
    let mut silhouette = vec![false; size.area()];
    for y in 0..visible.height {
        for x in 0..visible.width {
            let covered = visible.samples(x, y).iter().filter(|&&id| id != EMPTY).count();
            samples += covered;
            if covered >= 2 {
                let (px, py) = ((visible.left + x as i32) as f32, (visible.top + y as i32) as f32);
                silhouette[py as usize * size.width as usize + px as usize] = true;
                (left, right) = (left.min(px), right.max(px + 1.0));
                (top, bottom) = (top.min(py), bottom.max(py + 1.0));
            }
        }
    }
    if right < left {
        return FigureTruth { person: None, area: 0.0, silhouette, size };
    }
    for k in keypoints.iter().filter(|k| k.score > 0.0) {
        (left, right) = (left.min(k.x), right.max(k.x));
        (top, bottom) = (top.min(k.y), bottom.max(k.y));
    }
    let (left, top) = (left.max(0.0), top.max(0.0));
    let bbox = BBox { x: left, y: top, w: right.min(w) - left, h: bottom.min(h) - top };
    FigureTruth { person: Some(TruePerson { bbox, keypoints }), area: samples as f32 / 4.0, silhouette, size }
}
