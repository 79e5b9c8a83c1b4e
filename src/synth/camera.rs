//! The camera: a pinhole that looks at a point, level with the horizon.

use crate::pose::Size;
use glam::{Vec3A, vec3a};

/// Where it stands in the world (metres) and how it projects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Camera {
    pub eye: Vec3A,
    /// Unit vectors of the picture's axes and of the view.
    pub right: Vec3A,
    pub up: Vec3A,
    pub forward: Vec3A,
    /// Focal length in pixels.
    pub focal: f32,
    /// The picture's middle in pixels, 0 at the centre of the first pixel.
    pub middle: [f32; 2],
}

impl Camera {
    /// At `eye`, looking at `target`. `view_angle` is the vertical field of view in radians, `size` the picture's in
    /// pixels.
    pub(super) fn new(eye: Vec3A, target: Vec3A, view_angle: f32, size: Size) -> Camera {
        let forward = (target - eye).normalize();
        let right = forward.cross(Vec3A::Y).normalize();
        let [w, h] = [size.width, size.height].map(|side| side as f32);
        Camera {
            eye,
            right,
            up: right.cross(forward),
            forward,
            focal: 0.5 * h / (view_angle * 0.5).tan(),
            middle: [(w - 1.0) / 2.0, (h - 1.0) / 2.0],
        }
    }

    /// Pixel column, pixel row, and depth along the view.
    pub(super) fn project(&self, p: Vec3A) -> Vec3A {
        let d = p - self.eye;
        let z = d.dot(self.forward).max(0.05);
        let k = self.focal / z;
        vec3a(self.middle[0] + d.dot(self.right) * k, self.middle[1] - d.dot(self.up) * k, z)
    }

    /// Direction through a pixel, with depth 1 along the view.
    pub(super) fn ray(&self, x: f32, y: f32) -> Vec3A {
        self.forward
            + self.right * ((x - self.middle[0]) / self.focal)
            + self.up * ((self.middle[1] - y) / self.focal)
    }
}
