//! The part of a picture that the network sees: a person's box with the input's aspect and padding.

use super::BBox;
use serde::{Deserialize, Serialize};

/// Enlargement of a person's box before cropping (docs/METHOD.md, "Crop box").
pub const BOX_PADDING: f64 = 1.25;

/// The unit of [`CropBox::scale`] in pixels, inherited from MPII.
pub(crate) const SCALE_UNIT: f64 = 200.0;

/// Centre and size of a crop in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CropBox {
    /// Centre in pixels, `[x, y]`.
    pub center: [f64; 2],
    /// Width and height in units of 200 pixels, padding included.
    pub scale: [f64; 2],
}

impl CropBox {
    /// The crop of a box: the short side is enlarged to `aspect` (width over height, 0.75 for
    /// 256x192), then both are multiplied by `padding` (docs/METHOD.md, "Crop box").
    pub fn from_bbox(bbox: &BBox, aspect: f64, padding: f64) -> CropBox {
        let (x, y, w, h) = (f64::from(bbox.x), f64::from(bbox.y), f64::from(bbox.w), f64::from(bbox.h));
        let center = [x + (w - 1.0) / 2.0, y + (h - 1.0) / 2.0];
        CropBox::around(center, [w, h], aspect, padding)
    }

    /// The crop of an MPII annotation (docs/METHOD.md, "Crop box"): `center` in MPII's pixels, which count
    /// from 1, and `scale` in 200-pixel units. MPII's centre sits high, so it moves down a little;
    /// a centre of -1 stands for a person who is not annotated and is left as it is.
    pub fn from_mpii(center: [f64; 2], scale: f64) -> CropBox {
        let ([x, y], s) = if center[0] == -1.0 {
            (center, scale)
        } else {
            ([center[0], center[1] + 15.0 * scale], scale * BOX_PADDING)
        };
        CropBox { center: [x - 1.0, y - 1.0], scale: [s, s] }
    }

    /// The crop about `center` that holds `size` pixels (width, height) at the given aspect, padded.
    pub(crate) fn around(center: [f64; 2], size: [f64; 2], aspect: f64, padding: f64) -> CropBox {
        let [mut w, mut h] = size;
        if w > aspect * h {
            h = w / aspect;
        } else {
            w = h * aspect;
        }
        CropBox { center, scale: [w / SCALE_UNIT * padding, h / SCALE_UNIT * padding] }
    }

    /// Area in pixels, padding included (the area of OKS between estimates).
    pub fn area(&self) -> f64 {
        self.scale[0] * self.scale[1] * SCALE_UNIT * SCALE_UNIT
    }

    /// The crop's rectangle in the picture, for showing it.
    pub fn bbox(&self) -> BBox {
        let [w, h] = [self.scale[0] * SCALE_UNIT, self.scale[1] * SCALE_UNIT];
        BBox {
            x: (self.center[0] - (w - 1.0) / 2.0) as f32,
            y: (self.center[1] - (h - 1.0) / 2.0) as f32,
            w: w as f32,
            h: h as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_without_padding_is_the_box_at_the_inputs_aspect() {
        let b = BBox { x: 10.0, y: 20.0, w: 30.0, h: 60.0 };
        let crop = CropBox::from_bbox(&b, 0.75, 1.0);
        assert_eq!(crop.bbox(), BBox { x: 2.5, y: 20.0, w: 45.0, h: 60.0 });
        assert!((crop.area() - 45.0 * 60.0).abs() < 1e-9);
    }

    #[test]
    fn mpii_counts_from_one_and_centres_high() {
        let crop = CropBox::from_mpii([594.0, 257.0], 3.0);
        assert_eq!(crop, CropBox { center: [593.0, 301.0], scale: [3.75, 3.75] });
    }
}
