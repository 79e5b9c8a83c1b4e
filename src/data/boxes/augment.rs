//! How much the pictures of a detector's training vary.

use crate::settings::{InvalidSetting, define_settings, require, require_share};

define_settings! {
    /// How much the pictures vary: scale, place, mirror image, colours, several pictures in one
    /// (YOLOX, arXiv 2107.08430; RTMDet, arXiv 2212.07784).
    pub struct BoxAugmentation {
        /// Smallest and largest size of a picture, relative to the size that just fits the network's input.
        pub scale: [f64; 2] = [0.6, 1.6],
        /// Probability of the mirror image.
        pub mirror: f64 = 0.5,
        /// The brightness is multiplied by 1 plus or minus up to this.
        pub brightness: f64 = 0.3,
        /// The distance from middle grey is multiplied by 1 plus or minus up to this.
        pub contrast: f64 = 0.3,
        /// The distance from a pixel's own grey is multiplied by 1 plus or minus up to this.
        pub saturation: f64 = 0.4,
        /// Probability of four pictures around a point instead of one.
        #[flag("--mosaic P")]
        pub mosaic: f64 = 0.6,
        /// Smallest and largest size of each of the four, as for `scale`.
        pub mosaic_scale: [f64; 2] = [0.5, 1.2],
        /// Probability of laying another picture over the first, half and half.
        #[flag("--mixup P")]
        pub mixup: f64 = 0.0,
        /// Share of the training after which neither mosaics nor overlays are shown, so that the end of it sees
        /// pictures as they are.
        pub mixing_until: f64 = 0.8,
        /// Somebody of whom less than this share is left is neither looked for nor counted as wrong.
        pub min_visible: f64 = 0.2,
        /// The same for boxes with a shorter side than this, in pixels of the network's input.
        pub min_side: f64 = 3.0,
    }
}

impl BoxAugmentation {
    /// Refuses settings that no picture can be composed with.
    ///
    /// # Errors
    /// The first such setting.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let sizes = |name, [low, high]: [f64; 2]| {
            let holds = low >= 0.05 && low <= high && high <= 20.0;
            require(holds, name, format!("[{low}, {high}]"), "[low, high] with 0.05 <= low <= high <= 20")
        };
        sizes("augmentation.scale", self.scale)?;
        sizes("augmentation.mosaic_scale", self.mosaic_scale)?;
        require_share("augmentation.mirror", self.mirror)?;
        require_share("augmentation.brightness", self.brightness)?;
        require_share("augmentation.contrast", self.contrast)?;
        require_share("augmentation.saturation", self.saturation)?;
        require_share("augmentation.mosaic", self.mosaic)?;
        require_share("augmentation.mixup", self.mixup)?;
        require_share("augmentation.mixing_until", self.mixing_until)?;
        require_share("augmentation.min_visible", self.min_visible)?;
        let side = self.min_side;
        require(side.is_finite() && side >= 0.0, "augmentation.min_side", side, "0 or more")
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
        assert_eq!(BoxAugmentation::default().check(), Ok(()));
        assert_eq!(none().check(), Ok(()));
        let name = |a: BoxAugmentation| a.check().unwrap_err().name;
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
