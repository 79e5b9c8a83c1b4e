//! A person detector that knows where the mannequins stand. With it, the cost of many people is measured without the
//! cost of detecting them.

use crate::detect::DetectSettings;
use crate::gpu::DeviceImage;
use crate::live::{DetectorError, PersonDetector};
use crate::synth::crowd_boxes;
use crate::vision::Detection;

/// The boxes of this many mannequins side by side.
pub struct KnownBoxes(pub u32);

impl PersonDetector for KnownBoxes {
    fn find(&mut self, image: &DeviceImage, _: &DetectSettings) -> Result<Vec<Detection>, DetectorError> {
        let places = crowd_boxes(image.pixels().dimensions().into(), self.0);
        Ok(places.into_iter().map(|bbox| Detection { bbox, score: 1.0 }).collect())
    }
}
