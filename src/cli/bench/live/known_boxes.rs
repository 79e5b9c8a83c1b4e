//! In place of a person detector: it is known where the mannequins stand. So the cost of many people can be told
//! from the cost of finding them.

use crate::gpu::DeviceImage;
use crate::live::{DetectorError, PersonDetector};
use crate::synth::crowd_places;
use crate::vision::Detection;

/// Says where so many mannequins stand in a picture.
pub struct KnownBoxes(pub u32);

impl PersonDetector for KnownBoxes {
    fn find(&mut self, image: &DeviceImage) -> Result<Vec<Detection>, DetectorError> {
        let places = crowd_places(image.pixels().dimensions().into(), self.0);
        Ok(places.into_iter().map(|bbox| Detection { bbox, score: 1.0 }).collect())
    }
}
