//! Drawing over the picture, and the transform from the picture to the screen.

mod heatmap;
mod person;
mod skeleton;
mod textures;
mod tokens;

pub use heatmap::{HeatmapLayer, HeatmapView};
pub use person::{box_rect, draw_number, draw_outline};
pub use skeleton::{SkeletonPaint, draw_pose, draw_truth};
pub use textures::PictureTextures;
pub use tokens::{draw_crop, draw_tokens};

use egui::{Pos2, Rect, Vec2, pos2};

/// From the picture to the screen and back. Picture coordinates have pixel centres at whole numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PictureTransform {
    /// Where the picture's outer edges are.
    pub rect: Rect,
    /// Picture width and height in pixels.
    pub size: Vec2,
    /// Show left and right swapped.
    pub mirror: bool,
}

impl PictureTransform {
    /// Screen points per pixel of the picture.
    pub fn scale(&self) -> f32 {
        self.rect.width() / self.size.x.max(1.0)
    }

    /// A point of the picture on the screen.
    pub fn at(&self, x: f32, y: f32) -> Pos2 {
        let (u, v) = ((x + 0.5) / self.size.x.max(1.0), (y + 0.5) / self.size.y.max(1.0));
        let u = if self.mirror { 1.0 - u } else { u };
        pos2(self.rect.left() + u * self.rect.width(), self.rect.top() + v * self.rect.height())
    }

    /// The point of the picture at a point of the screen.
    pub fn picture(&self, at: Pos2) -> [f32; 2] {
        let part = (at - self.rect.min) / self.rect.size().max(Vec2::splat(1e-3));
        let u = if self.mirror { 1.0 - part.x } else { part.x };
        [u * self.size.x - 0.5, part.y * self.size.y - 0.5]
    }

    /// The texture coordinates of the whole picture, left and right swapped in a mirror.
    pub fn uv(&self) -> Rect {
        let (left, right) = if self.mirror { (1.0, 0.0) } else { (0.0, 1.0) };
        Rect { min: pos2(left, 0.0), max: pos2(right, 1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixel_centres_are_at_whole_numbers_also_in_the_mirror() {
        let rect = Rect::from_min_size(pos2(100.0, 50.0), Vec2::new(640.0, 480.0));
        let mut transform = PictureTransform { rect, size: Vec2::new(320.0, 240.0), mirror: false };
        assert_eq!(transform.scale(), 2.0);
        assert_eq!(transform.at(-0.5, -0.5), pos2(100.0, 50.0));
        assert_eq!(transform.at(0.0, 0.0), pos2(101.0, 51.0));
        transform.mirror = true;
        assert_eq!(transform.at(0.0, 0.0), pos2(739.0, 51.0));
        assert_eq!(transform.at(319.5, 239.5), pos2(100.0, 530.0));
        for mirror in [false, true] {
            transform.mirror = mirror;
            let [x, y] = transform.picture(transform.at(12.0, 34.0));
            assert!((x - 12.0).abs() < 1e-3 && (y - 34.0).abs() < 1e-3);
        }
    }
}
