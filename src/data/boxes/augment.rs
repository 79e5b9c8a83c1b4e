//! How much the pictures of a detector's training vary.

use serde::{Deserialize, Serialize};

/// How much the pictures vary: scale, place, mirror image, colours, several pictures in one
/// (YOLOX, arXiv 2107.08430; RTMDet, arXiv 2212.07784).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BoxAugmentation {
    /// Smallest and largest size of a picture, in parts of the size that just fits the network's input.
    pub scale: [f64; 2],
    /// Probability of the mirror image.
    pub mirror: f64,
    /// The brightness is multiplied by 1 plus or minus up to this.
    pub brightness: f64,
    /// The distance from middle grey is multiplied by 1 plus or minus up to this.
    pub contrast: f64,
    /// The distance from a pixel's own grey is multiplied by 1 plus or minus up to this.
    pub saturation: f64,
    /// Probability of four pictures around a point instead of one.
    pub mosaic: f64,
    /// Smallest and largest size of each of the four, as for `scale`.
    pub mosaic_scale: [f64; 2],
    /// Probability of laying another picture over the first, half and half.
    pub mixup: f64,
    /// Part of the training after which neither mosaics nor overlays are shown, so that the end of it sees
    /// pictures as they are.
    pub mixing_until: f64,
    /// Somebody of whom less than this part is left is neither looked for nor counted as wrong.
    pub min_visible: f64,
    /// The same for boxes with a shorter side than this, in pixels of the network's input.
    pub min_side: f64,
}

impl Default for BoxAugmentation {
    fn default() -> Self {
        BoxAugmentation {
            scale: [0.6, 1.6],
            mirror: 0.5,
            brightness: 0.3,
            contrast: 0.3,
            saturation: 0.4,
            mosaic: 0.6,
            mosaic_scale: [0.5, 1.2],
            mixup: 0.0,
            mixing_until: 0.8,
            min_visible: 0.2,
            min_side: 3.0,
        }
    }
}

impl BoxAugmentation {
    /// The first setting that cannot be drawn with: its name, its value and what it must be.
    pub fn fault(&self) -> Option<(&'static str, String, &'static str)> {
        for (name, [low, high]) in
            [("augmentation.scale", self.scale), ("augmentation.mosaic_scale", self.mosaic_scale)]
        {
            if !(low >= 0.05 && low <= high && high <= 20.0) {
                let value = format!("[{low}, {high}]");
                return Some((name, value, "[low, high] with 0.05 <= low <= high <= 20"));
            }
        }
        let shares = [
            ("augmentation.mirror", self.mirror),
            ("augmentation.brightness", self.brightness),
            ("augmentation.contrast", self.contrast),
            ("augmentation.saturation", self.saturation),
            ("augmentation.mosaic", self.mosaic),
            ("augmentation.mixup", self.mixup),
            ("augmentation.mixing_until", self.mixing_until),
            ("augmentation.min_visible", self.min_visible),
        ];
        if let Some((name, value)) = shares.into_iter().find(|(_, v)| !(0.0..=1.0).contains(v)) {
            return Some((name, value.to_string(), "from 0 to 1"));
        }
        let side = self.min_side;
        let wrong = !(side.is_finite() && side >= 0.0);
        wrong.then(|| ("augmentation.min_side", side.to_string(), "0 or more"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Whole pictures as they are.
    pub fn none() -> BoxAugmentation {
        BoxAugmentation {
            scale: [1.0, 1.0],
            mirror: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            mosaic: 0.0,
            min_visible: 0.0,
            min_side: 0.0,
            ..BoxAugmentation::default()
        }
    }

    #[test]
    fn settings_that_cannot_be_drawn_with_are_named() {
        assert_eq!(BoxAugmentation::default().fault(), None);
        assert_eq!(none().fault(), None);
        let name = |a: BoxAugmentation| a.fault().unwrap().0;
        let plain = none;
        assert_eq!(name(BoxAugmentation { scale: [1.5, 0.5], ..plain() }), "augmentation.scale");
        assert_eq!(
            name(BoxAugmentation { mosaic_scale: [0.0, 1.0], ..plain() }),
            "augmentation.mosaic_scale"
        );
        assert_eq!(name(BoxAugmentation { mosaic: 1.5, ..plain() }), "augmentation.mosaic");
        assert_eq!(name(BoxAugmentation { min_side: f64::NAN, ..plain() }), "augmentation.min_side");
    }
}
