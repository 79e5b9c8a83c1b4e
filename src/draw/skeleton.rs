//! Drawing skeletons and boxes into pictures, anti-aliased.

use super::palette::{edge_color, joint_color, joint_size, person_edge_color, person_joint_color};
use crate::pose::{Keypoint, Pose, Skeleton};
use crate::vision::BBox;
use image::RgbImage;
use tiny_skia::{Color, FillRule, LineCap, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

/// Width of a bone as a part of the person's longer side, and its limits in pixels.
const BONE_PART: f32 = 0.013;
const BONE_LIMITS: [f32; 2] = [1.6, 14.0];
/// Opacity of the dark rim that sets a skeleton off from a bright background.
const RIM_OPACITY: f32 = 0.5;
const RIM_COLOR: [u8; 3] = [12, 14, 20];
/// Further out than this a coordinate is an accident and not a place in a picture.
const FARTHEST: f32 = 1e5;

/// Width in pixels of the bones of a person whose joints span `extent` (the longer side in pixels).
pub fn bone_width(extent: f32) -> f32 {
    (extent * BONE_PART).clamp(BONE_LIMITS[0], BONE_LIMITS[1])
}

/// The colours of a skeleton.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoseColors {
    /// By left, right and limb: [`joint_color`].
    Sides,
    /// By the person's number: [`person_joint_color`].
    Person(u32),
}

impl PoseColors {
    /// Of joint `j`.
    pub fn joint(self, skeleton: &Skeleton, j: usize) -> [u8; 3] {
        match self {
            PoseColors::Sides => joint_color(skeleton, j),
            PoseColors::Person(number) => person_joint_color(skeleton, j, number),
        }
    }

    /// Of a bone.
    pub fn edge(self, skeleton: &Skeleton, edge: [usize; 2]) -> [u8; 3] {
        match self {
            PoseColors::Sides => edge_color(skeleton, edge),
            PoseColors::Person(number) => person_edge_color(skeleton, edge, number),
        }
    }
}

/// Draws the joints whose score is above `min_score` and the bones between them, coloured by side. Widths
/// follow the person's size, and joints of low confidence are paler.
pub fn draw_pose(img: &mut RgbImage, pose: &Pose, skeleton: &Skeleton, min_score: f32) {
    draw_person(img, pose, skeleton, min_score, PoseColors::Sides);
}

/// [`draw_pose`] in other colours.
pub fn draw_person(img: &mut RgbImage, pose: &Pose, skeleton: &Skeleton, min_score: f32, colors: PoseColors) {
    let confident = |k: &&Keypoint| k.score > min_score && k.x.abs() < FARTHEST && k.y.abs() < FARTHEST;
    let shown: Vec<Option<Keypoint>> =
        pose.keypoints.iter().map(|k| Some(k).filter(confident).copied()).collect();
    let present: Vec<Keypoint> = shown.iter().flatten().copied().collect();
    let Some(around) = BBox::around(&present, min_score) else {
        return;
    };
    let width = bone_width(around.w.max(around.h));
    let radius = width * 1.05;
    let rim = (width * 0.3).max(0.8);
    let Some(mut overlay) = Overlay::new(img, &around, radius + rim + 1.0) else {
        return;
    };

    let bones = skeleton.edges.iter().filter_map(|&edge| {
        let [a, b] = edge.map(|j| shown.get(j).copied().flatten());
        Some((edge, overlay.place(&a?), overlay.place(&b?), a?.score.min(b?.score)))
    });
    let bones: Vec<_> = bones.collect();
    let joints: Vec<_> = shown
        .iter()
        .enumerate()
        .filter_map(|(j, k)| k.as_ref().map(|k| (j, overlay.place(k), k.score)))
        .collect();

    let bone_size = |edge: [usize; 2]| edge.map(|j| joint_size(skeleton, j)).into_iter().fold(1.0, f32::min);
    // All rims lie below all bones, so that a bone is never cut by the rim of another.
    for &(edge, a, b, _) in &bones {
        overlay.stroke(line(a, b), width * bone_size(edge) + 2.0 * rim, RIM_COLOR, RIM_OPACITY);
    }
    for &(edge, a, b, score) in &bones {
        overlay.stroke(line(a, b), width * bone_size(edge), colors.edge(skeleton, edge), opacity(score));
    }
    for &(j, at, score) in &joints {
        let radius = radius * joint_size(skeleton, j);
        overlay.disc(at, radius + rim, RIM_COLOR, opacity(score));
        overlay.disc(at, radius, colors.joint(skeleton, j), opacity(score));
    }
    overlay.blend_into(img);
}

/// Draws the outline of a box, `width` pixels wide, in an opaque colour (R, G, B).
pub fn draw_box(img: &mut RgbImage, bbox: &BBox, color: [u8; 3], width: f32) {
    let Some(mut overlay) = Overlay::new(img, bbox, width + 1.0) else {
        return;
    };
    let [x, y] = overlay.place(&Keypoint { x: bbox.x, y: bbox.y, score: 1.0 });
    let outline = Rect::from_xywh(x, y, (bbox.w - 1.0).max(0.0), (bbox.h - 1.0).max(0.0));
    overlay.stroke(outline.map(PathBuilder::from_rect), width, color, 1.0);
    overlay.blend_into(img);
}

/// Opacity of a joint: 0.6 at a score of 0.2, the lowest that is usually shown; 1 from 0.6 on.
fn opacity(score: f32) -> f32 {
    (0.4 + score).clamp(0.4, 1.0)
}

/// A transparent sheet over the part of a picture that is drawn on.
struct Overlay {
    sheet: Pixmap,
    left: u32,
    top: u32,
}

impl Overlay {
    /// The sheet over `around` and a margin, as far as the picture reaches.
    fn new(img: &RgbImage, around: &BBox, margin: f32) -> Option<Overlay> {
        let (width, height) = img.dimensions();
        let span = |at: f32, size: f32, limit: u32| {
            let first = (at - margin).floor().max(0.0) as u32;
            let last = ((at + size + margin).ceil().max(0.0) as u32).min(limit);
            (first < last).then_some((first, last - first))
        };
        let (left, w) = span(around.x, around.w, width)?;
        let (top, h) = span(around.y, around.h, height)?;
        Some(Overlay { sheet: Pixmap::new(w, h)?, left, top })
    }

    /// A keypoint on the sheet. Drawing counts from a pixel's corner, keypoints from its centre.
    fn place(&self, k: &Keypoint) -> [f32; 2] {
        [k.x - self.left as f32 + 0.5, k.y - self.top as f32 + 0.5]
    }

    fn stroke(&mut self, path: Option<Path>, width: f32, color: [u8; 3], opacity: f32) {
        if let Some(path) = path {
            let stroke = Stroke { width, line_cap: LineCap::Round, ..Stroke::default() };
            self.sheet.stroke_path(&path, &paint(color, opacity), &stroke, Transform::identity(), None);
        }
    }

    fn disc(&mut self, at: [f32; 2], radius: f32, color: [u8; 3], opacity: f32) {
        if let Some(path) = PathBuilder::from_circle(at[0], at[1], radius) {
            let paint = paint(color, opacity);
            self.sheet.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }

    fn blend_into(self, img: &mut RgbImage) {
        let stride = img.width() as usize * 3;
        let pixels: &mut [u8] = img;
        let (left, top, w) = (self.left as usize, self.top as usize, self.sheet.width() as usize);
        for (y, line) in self.sheet.pixels().chunks_exact(w).enumerate() {
            let start = (top + y) * stride + left * 3;
            for (out, over) in pixels[start..start + w * 3].chunks_exact_mut(3).zip(line) {
                let rest = 255 - u32::from(over.alpha());
                // Colours on the sheet are premultiplied.
                for (value, ink) in out.iter_mut().zip([over.red(), over.green(), over.blue()]) {
                    *value = (u32::from(ink) + (u32::from(*value) * rest + 127) / 255).min(255) as u8;
                }
            }
        }
    }
}

fn line(a: [f32; 2], b: [f32; 2]) -> Option<Path> {
    let mut line = PathBuilder::new();
    line.move_to(a[0], a[1]);
    line.line_to(b[0], b[1]);
    line.finish()
}

fn paint(color: [u8; 3], opacity: f32) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(Color::from_rgba8(color[0], color[1], color[2], (opacity * 255.0).round() as u8));
    paint
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pose(points: &[(f32, f32, f32)]) -> Pose {
        let mut keypoints = vec![Keypoint::default(); 17];
        for (k, &(x, y, score)) in keypoints.iter_mut().zip(points) {
            *k = Keypoint { x, y, score };
        }
        Pose { keypoints, score: 1.0 }
    }

    #[test]
    fn a_joint_is_drawn_where_it_lies_in_its_colour() {
        let mut img = RgbImage::new(40, 40);
        draw_pose(&mut img, &pose(&[(20.0, 10.0, 1.0)]), Skeleton::coco17(), 0.2);
        assert_eq!(img.get_pixel(20, 10).0, joint_color(Skeleton::coco17(), 0));
        assert_eq!(img.get_pixel(20, 20).0, [0; 3]);
        // As much ink to the left as to the right: the centre of the pixel is the place.
        assert_eq!(img.get_pixel(18, 10), img.get_pixel(22, 10));
    }

    #[test]
    fn a_person_is_drawn_in_its_own_colour() {
        let mut img = RgbImage::new(40, 40);
        let nose = pose(&[(20.0, 10.0, 1.0)]);
        draw_person(&mut img, &nose, Skeleton::coco17(), 0.2, PoseColors::Person(3));
        assert_eq!(img.get_pixel(20, 10).0, person_joint_color(Skeleton::coco17(), 0, 3));
    }

    #[test]
    fn joints_of_low_score_are_left_out() {
        let mut img = RgbImage::new(40, 40);
        draw_pose(&mut img, &pose(&[(20.0, 10.0, 0.1)]), Skeleton::coco17(), 0.2);
        assert!(img.iter().all(|&v| v == 0));
    }

    #[test]
    fn a_larger_person_gets_wider_bones() {
        assert!(bone_width(600.0) > bone_width(200.0));
        assert!(bone_width(1.0) >= 1.0 && bone_width(1e9) < 20.0);
    }

    #[test]
    fn a_box_is_an_outline() {
        let mut img = RgbImage::new(40, 40);
        let b = BBox { x: 5.0, y: 6.0, w: 20.0, h: 21.0 };
        draw_box(&mut img, &b, [255, 0, 0], 3.0);
        for (x, y) in [(5, 6), (24, 6), (5, 26), (24, 26), (12, 6), (5, 12)] {
            assert_eq!(img.get_pixel(x, y).0, [255, 0, 0], "{x}, {y}");
        }
        assert_eq!(img.get_pixel(12, 12).0, [0; 3]);
    }

    proptest! {
        #[test]
        fn no_pose_makes_drawing_panic(
            points in proptest::collection::vec((any::<f32>(), any::<f32>(), any::<f32>()), 17),
            near in proptest::collection::vec((-50f32..90.0, -50f32..90.0, 0f32..1.0), 17),
        ) {
            let mut img = RgbImage::new(33, 21);
            draw_pose(&mut img, &pose(&points), Skeleton::coco17(), 0.2);
            draw_pose(&mut img, &pose(&near), Skeleton::mpii16(), 0.2);
            let (x, y, w) = points[0];
            draw_box(&mut img, &BBox { x, y, w, h: y }, [1, 2, 3], 2.0);
        }
    }
}
