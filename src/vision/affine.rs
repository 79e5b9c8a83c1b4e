//! The map between a picture and a crop of it.

use super::CropBox;
use super::crop::SCALE_UNIT;
use crate::pose::Size;

/// A 2x3 matrix that maps a point `[x, y]` in pixels to `M [x, y, 1]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine(pub [[f64; 3]; 2]);

impl Affine {
    /// The map that changes nothing.
    pub const IDENTITY: Affine = Affine([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);

    /// The map from the picture to a crop of `output` pixels, turned by `rotation_deg` degrees
    /// (docs/METHOD.md, "Affine map"). The crop's first and last pixel *centres* meet the box's, the
    /// unbiased convention of DARK; with the heatmap's size as `output` the same call gives heatmap
    /// coordinates. Only the crop's width counts: its aspect is the output's.
    pub fn from_crop(crop: &CropBox, rotation_deg: f64, output: Size) -> Affine {
        let [w, h] = [output.width, output.height].map(|side| f64::from(side.max(1)) - 1.0);
        // A box under one pixel has no extent between pixel centres; it is seen hugely enlarged
        // rather than mirrored or divided by zero.
        let extent = (SCALE_UNIT * crop.scale[0] - 1.0).max(1e-3);
        let k = w / extent;
        let (sin, cos) = rotation_deg.to_radians().sin_cos();
        let [cx, cy] = crop.center;
        let (a, b) = (k * cos, k * sin);
        Affine([[a, b, w / 2.0 - a * cx - b * cy], [-b, a, h / 2.0 + b * cx - a * cy]])
    }

    /// The map back. A map that flattens the plane has none; the zero matrix then stands for it, as
    /// in OpenCV, whose order of operations is kept because [`super::warp`] must agree with it to
    /// the bit.
    pub fn inverse(&self) -> Affine {
        let [[a, b, c], [d, e, f]] = self.0;
        let det = a * e - b * d;
        let inv = if det != 0.0 { 1.0 / det } else { 0.0 };
        let (ia, ib, id, ie) = (e * inv, b * -inv, d * -inv, a * inv);
        Affine([[ia, ib, -ia * c - ib * f], [id, ie, -id * c - ie * f]])
    }

    /// The image of a point `[x, y]`.
    pub fn apply(&self, p: [f64; 2]) -> [f64; 2] {
        self.0.map(|row| row[0] * p[0] + row[1] * p[1] + row[2])
    }

    /// The map that does `first` and then `self`.
    pub fn compose(&self, first: &Affine) -> Affine {
        let [g, h] = first.0;
        Affine(self.0.map(|m| {
            [m[0] * g[0] + m[1] * h[0], m[0] * g[1] + m[1] * h[1], m[0] * g[2] + m[1] * h[2] + m[2]]
        }))
    }

    /// The map that mirrors a picture of `width` pixels left to right.
    pub fn mirror(width: u32) -> Affine {
        Affine([[-1.0, 0.0, f64::from(width) - 1.0], [0.0, 1.0, 0.0]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(a: [f64; 2], b: [f64; 2]) -> bool {
        (a[0] - b[0]).abs() < 1e-6 && (a[1] - b[1]).abs() < 1e-6
    }

    #[test]
    fn the_crops_corners_are_the_boxs_corners() {
        let crop = CropBox { center: [95.5, 127.5], scale: [192.0 / 200.0, 256.0 / 200.0] };
        let m = Affine::from_crop(&crop, 0.0, Size::new(192, 256));
        assert!(near(m.apply([0.0, 0.0]), [0.0, 0.0]));
        assert!(near(m.apply([191.0, 255.0]), [191.0, 255.0]));
        let heat = Affine::from_crop(&crop, 0.0, Size::new(48, 64));
        assert!(near(heat.apply([191.0, 127.5]), [47.0, 31.5]));
    }

    proptest! {
        #[test]
        fn there_and_back_is_where_one_started(
            cx in -100f64..700.0, cy in -100f64..700.0, s in 0.05f64..5.0, turn in -180f64..180.0,
            x in -100f64..700.0, y in -100f64..700.0,
        ) {
            let crop = CropBox { center: [cx, cy], scale: [s, s * 4.0 / 3.0] };
            let m = Affine::from_crop(&crop, turn, Size::new(192, 256));
            prop_assert!(near(m.inverse().apply(m.apply([x, y])), [x, y]));
            prop_assert!(near(m.inverse().compose(&m).apply([x, y]), [x, y]));
            prop_assert!(near(m.apply([cx, cy]), [95.5, 127.5]));
        }

        #[test]
        fn mirroring_twice_is_nothing(x in -10f64..700.0, y in -10f64..700.0, w in 1u32..900) {
            let m = Affine::mirror(w);
            prop_assert!(near(m.compose(&m).apply([x, y]), [x, y]));
        }
    }
}
