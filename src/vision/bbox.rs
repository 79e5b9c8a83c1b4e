//! Boxes around persons, in COCO's form.

use crate::pose::{Keypoint, Size};
use serde::{Deserialize, Serialize};

/// A box in pixels: top-left corner and size, as COCO writes it. It covers the pixels
/// `x ..= x + w - 1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BBox {
    /// Column of the left edge; fractions and values outside of the picture are allowed, here and in the others.
    pub x: f32,
    /// Row of the upper edge.
    pub y: f32,
    /// Number of columns.
    pub w: f32,
    /// Number of rows.
    pub h: f32,
}

/// How much larger a person's box is than that of the joints: the top of the head, hands and feet lie beyond them.
const BODY_MARGIN: f32 = 1.25;

impl BBox {
    /// The box of a whole picture.
    pub fn whole(picture: Size) -> BBox {
        BBox { x: 0.0, y: 0.0, w: picture.width as f32, h: picture.height as f32 }
    }

    /// The tight box of the keypoints whose score is above `min_score`; none without such a keypoint.
    pub fn around(keypoints: &[Keypoint], min_score: f32) -> Option<BBox> {
        let mut low = [f32::INFINITY; 2];
        let mut high = [f32::NEG_INFINITY; 2];
        for k in keypoints.iter().filter(|k| k.score > min_score && k.x.is_finite() && k.y.is_finite()) {
            low = [low[0].min(k.x), low[1].min(k.y)];
            high = [high[0].max(k.x), high[1].max(k.y)];
        }
        (low[0] <= high[0]).then(|| BBox {
            x: low[0],
            y: low[1],
            w: high[0] - low[0] + 1.0,
            h: high[1] - low[1] + 1.0,
        })
    }

    /// The box of a person by the keypoints whose score is above `min_score`: [`BBox::around`] them, with a margin
    /// for what lies beyond the joints.
    pub fn around_body(keypoints: &[Keypoint], min_score: f32) -> Option<BBox> {
        Some(BBox::around(keypoints, min_score)?.expanded(BODY_MARGIN))
    }

    /// Middle of the box in pixel coordinates: `(x + (w - 1) / 2, y + (h - 1) / 2)`.
    pub fn center(&self) -> [f32; 2] {
        [self.x + (self.w - 1.0) / 2.0, self.y + (self.h - 1.0) / 2.0]
    }

    /// Area in pixels; 0 for an empty box.
    pub fn area(&self) -> f32 {
        self.w.max(0.0) * self.h.max(0.0)
    }

    /// Intersection over union, 0 to 1; 0 when both boxes are empty.
    pub fn iou(&self, other: &BBox) -> f32 {
        let side = |a: f32, aw: f32, b: f32, bw: f32| ((a + aw).min(b + bw) - a.max(b)).max(0.0);
        let common = side(self.x, self.w, other.x, other.w) * side(self.y, self.h, other.y, other.h);
        let union = self.area() + other.area() - common;
        if union > 0.0 { common / union } else { 0.0 }
    }

    /// The box brought into a picture of this size as the reference does it (docs/METHOD.md, "Crop
    /// box"): a corner outside moves to the border *with its box*, and what then reaches beyond the far
    /// side is cut. None when nothing is left.
    pub fn clipped(&self, picture: Size) -> Option<BBox> {
        let side = |at: f32, size: f32, limit: u32| {
            let first = at.max(0.0);
            let last = (limit as f32 - 1.0).min(first + (size - 1.0).max(0.0));
            (size > 0.0 && last >= first).then_some((first, last - first + 1.0))
        };
        let (x, w) = side(self.x, self.w, picture.width)?;
        let (y, h) = side(self.y, self.h, picture.height)?;
        Some(BBox { x, y, w, h })
    }

    /// The part of the box that lies inside a picture of this size; none when that is empty. Unlike
    /// [`BBox::clipped`] it never moves the box.
    pub fn intersected(&self, picture: Size) -> Option<BBox> {
        let (x, y) = (self.x.max(0.0), self.y.max(0.0));
        let w = (self.x + self.w).min(picture.width as f32) - x;
        let h = (self.y + self.h).min(picture.height as f32) - y;
        (w > 0.0 && h > 0.0).then_some(BBox { x, y, w, h })
    }

    /// The share of the box, 0 to 1, that lies outside of a picture of this size.
    pub fn outside_share(&self, picture: Size) -> f32 {
        let inside = self.intersected(picture).map_or(0.0, |b| b.area());
        1.0 - inside / self.area()
    }

    /// The box with both sides times `factor` about the same centre.
    pub fn expanded(&self, factor: f32) -> BBox {
        let [cx, cy] = self.center();
        let (w, h) = (self.w * factor, self.h * factor);
        BBox { x: cx - (w - 1.0) / 2.0, y: cy - (h - 1.0) / 2.0, w, h }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(x: f32, y: f32, score: f32) -> Keypoint {
        Keypoint { x, y, score }
    }

    #[test]
    fn the_box_of_keypoints_covers_the_sure_ones() {
        let k = [at(10.0, 20.0, 0.9), at(14.0, 50.0, 0.8), at(900.0, 900.0, 0.1)];
        assert_eq!(BBox::around(&k, 0.2), Some(BBox { x: 10.0, y: 20.0, w: 5.0, h: 31.0 }));
        assert_eq!(BBox::around(&k, 0.95), None);
        assert_eq!(BBox::around(&[at(f32::NAN, 1.0, 1.0)], 0.0), None);
    }

    #[test]
    fn clipping_moves_then_cuts_like_the_reference() {
        let b = |x, y, w, h| BBox { x, y, w, h };
        assert_eq!(b(2.0, 3.0, 4.0, 5.0).clipped(Size::square(100)), Some(b(2.0, 3.0, 4.0, 5.0)));
        assert_eq!(b(-5.0, 3.0, 20.0, 5.0).clipped(Size::square(100)), Some(b(0.0, 3.0, 20.0, 5.0)));
        assert_eq!(b(90.0, 3.0, 20.0, 5.0).clipped(Size::square(100)), Some(b(90.0, 3.0, 10.0, 5.0)));
        assert_eq!(b(100.0, 3.0, 20.0, 5.0).clipped(Size::square(100)), None);
        assert_eq!(b(0.0, 0.0, 0.0, 5.0).clipped(Size::square(100)), None);
        assert_eq!(b(f32::NAN, 0.0, f32::NAN, 5.0).clipped(Size::square(100)), None);
    }

    #[test]
    fn intersecting_cuts_at_every_side() {
        let b = BBox { x: -5.0, y: 90.0, w: 20.0, h: 30.0 };
        assert_eq!(b.intersected(Size::square(100)), Some(BBox { x: 0.0, y: 90.0, w: 15.0, h: 10.0 }));
        assert_eq!(BBox { x: -30.0, ..b }.intersected(Size::square(100)), None);
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_and_one_for_equal_boxes(
            x in -50f32..50.0, y in -50f32..50.0, w in 1f32..80.0, h in 1f32..80.0,
            u in -50f32..50.0, v in -50f32..50.0,
        ) {
            let a = BBox { x, y, w, h };
            let b = BBox { x: u, y: v, w: h, h: w };
            prop_assert!((a.iou(&a) - 1.0).abs() < 1e-4);
            prop_assert!((a.iou(&b) - b.iou(&a)).abs() < 1e-6);
            prop_assert!((0.0..=1.0001).contains(&a.iou(&b)));
        }

        #[test]
        fn expanding_and_shrinking_again_gives_the_box_back(
            x in -50f32..50.0, y in -50f32..50.0, w in 1f32..80.0, h in 1f32..80.0, f in 0.5f32..3.0,
        ) {
            let a = BBox { x, y, w, h };
            let b = a.expanded(f).expanded(1.0 / f);
            prop_assert!((a.x - b.x).abs() < 1e-3 && (a.h - b.h).abs() < 1e-3);
        }
    }
}
