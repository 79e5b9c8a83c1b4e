//! In place of a person detector: it is known where the mannequins stand. So the cost of many people can be told
//! from the cost of finding them.

use crate::live::{FinderError, PersonFinder};
use crate::source::mannequin::crowd_places;
use crate::vision::Detection;
use image::RgbImage;

/// Says where so many mannequins stand in a picture.
pub struct Places(pub u32);

impl PersonFinder for Places {
    fn find(&mut self, img: &RgbImage) -> Result<Vec<Detection>, FinderError> {
        let places = crowd_places([img.width(), img.height()], self.0);
        Ok(places.into_iter().map(|bbox| Detection { bbox, score: 1.0 }).collect())
    }
}
