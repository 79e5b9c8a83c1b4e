//! Which triangle is seen where: a visibility buffer, that is a depth buffer with the number of the nearest triangle,
//! with four samples a pixel.

use crate::pose::Size;
use glam::Vec3A;

/// No triangle covers the sample.
pub(super) const EMPTY: u32 = u32::MAX;

/// The buffer of a rectangle of the picture; two by two samples a pixel.
pub(super) struct VisibilityBuffer {
    /// First pixel column and row of the rectangle.
    pub left: i32,
    pub top: i32,
    /// Of the rectangle, in pixels.
    pub width: usize,
    pub height: usize,
    /// 1/depth, larger is nearer; rows of `2 * width`.
    near: Vec<f32>,
    /// Numbers of triangles, or [`EMPTY`]; in the same order.
    ids: Vec<u32>,
}

impl VisibilityBuffer {
    /// An empty buffer that just holds projected points (column, row, depth) in a picture of `size` in pixels.
    pub(super) fn around(points: &[Vec3A], size: Size) -> VisibilityBuffer {
        let low = points.iter().copied().fold(Vec3A::INFINITY, Vec3A::min);
        let high = points.iter().copied().fold(Vec3A::NEG_INFINITY, Vec3A::max);
        let clip = |v: f32, end: u32| (v as i32).clamp(0, end as i32);
        let (left, top) = (clip(low.x.floor() - 1.0, size.width), clip(low.y.floor() - 1.0, size.height));
        let (right, bottom) = (clip(high.x.ceil() + 2.0, size.width), clip(high.y.ceil() + 2.0, size.height));
        let (width, height) = ((right - left).max(0) as usize, (bottom - top).max(0) as usize);
        let count = width * height * 4;
        VisibilityBuffer { left, top, width, height, near: vec![0.0; count], ids: vec![EMPTY; count] }
    }

    /// Rasterises one triangle, if it turns its front side to the camera.
    pub(super) fn triangle(&mut self, id: u32, p: [Vec3A; 3]) {
        // Sample (i, j) of a pixel lies a quarter pixel off its centre.
        let place = |v: Vec3A| ((v.x - self.left as f32) * 2.0 + 0.5, (v.y - self.top as f32) * 2.0 + 0.5);
        let [(ax, ay), (bx, by), (cx, cy)] = p.map(place);
        let area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
        if area >= 0.0 {
            return;
        }
        let (w, h) = (self.width as i32 * 2, self.height as i32 * 2);
        let x0 = (ax.min(bx).min(cx).ceil() as i32).max(0);
        let x1 = (ax.max(bx).max(cx).floor() as i32).min(w - 1);
        let y0 = (ay.min(by).min(cy).ceil() as i32).max(0);
        let y1 = (ay.max(by).max(cy).floor() as i32).min(h - 1);
        if x0 > x1 || y0 > y1 {
            return;
        }
        let inverse = 1.0 / area;
        let [za, zb, zc] = p.map(|v| 1.0 / v.z);
        // Shares of the corners a and b, which change by a constant from sample to sample.
        let (du, dv) = ((by - cy) * inverse, (cy - ay) * inverse);
        let dz = du * (za - zc) + dv * (zb - zc);
        for y in y0..=y1 {
            let (fx, fy) = (x0 as f32, y as f32);
            let mut u = ((cx - bx) * (fy - by) - (cy - by) * (fx - bx)) * inverse;
            let mut v = ((ax - cx) * (fy - cy) - (ay - cy) * (fx - cx)) * inverse;
            let mut z = u * (za - zc) + v * (zb - zc) + zc;
            let row = (y * w) as usize;
            let span = row + x0 as usize..row + x1 as usize + 1;
            for (near, seen) in self.near[span.clone()].iter_mut().zip(&mut self.ids[span]) {
                if u >= 0.0 && v >= 0.0 && u + v <= 1.0 && z > *near {
                    *near = z;
                    *seen = id;
                }
                u += du;
                v += dv;
                z += dz;
            }
        }
    }

    /// Triangles of the four samples of a pixel, which is counted from the rectangle's corner.
    pub(super) fn samples(&self, x: usize, y: usize) -> [u32; 4] {
        let i = y * 2 * self.width * 2 + x * 2;
        let j = i + self.width * 2;
        [self.ids[i], self.ids[i + 1], self.ids[j], self.ids[j + 1]]
    }

    /// Depth in metres of the nearest triangle at a place of the picture, in pixels; `None` where there is none.
    pub(super) fn depth(&self, x: f32, y: f32) -> Option<f32> {
        let (x, y) = (x.round() as i32 - self.left, y.round() as i32 - self.top);
        if x < 0 || y < 0 || x >= self.width as i32 || y >= self.height as i32 {
            return None;
        }
        let near = self.near[y as usize * 4 * self.width + x as usize * 2];
        (near > 0.0).then(|| 1.0 / near)
    }
}
