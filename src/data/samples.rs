//! A mixture with its crops: from a sample's number to pixels and joints.

use super::augment::{Augmentation, AugmentedCrop, generator};
use super::error::DataError;
use super::features::Fingerprint;
use super::mixture::Mixture;
use super::set::{DatasetImage, PersonAnnotation};
use crate::pose::{Size, Skeleton};
use crate::vision::{flatten, normalize_into};
use image::RgbImage;

/// Purpose number of the generator that draws crops.
const CROPS: u64 = 1;

/// Everything that decides what a network is shown.
pub struct CropDataset {
    /// The sets, and which of their persons are shown.
    pub mixture: Mixture,
    /// The joints that the network estimates.
    pub skeleton: Skeleton,
    /// How much the crops vary.
    pub augmentation: Augmentation,
    /// Of the crops; another seed draws other ones.
    pub seed: u64,
    /// Size of the network's input in pixels.
    pub input: Size,
    /// Size of its heatmaps in cells.
    pub heatmap: Size,
}

impl CropDataset {
    /// Samples of an epoch.
    pub fn len(&self) -> usize {
        self.mixture.samples.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.mixture.samples.is_empty()
    }

    /// The person of a sample.
    pub fn person(&self, index: usize) -> &PersonAnnotation {
        let sample = self.mixture.samples[index];
        &self.mixture.sets[sample.set].persons[sample.person]
    }

    /// The picture that a sample is cut out of.
    pub fn image(&self, index: usize) -> &DatasetImage {
        let sample = self.mixture.samples[index];
        self.mixture.sets[sample.set].image_of(self.person(index))
    }

    /// The sample's crop; another one for every `round`.
    pub fn draw(&self, index: usize, round: u64) -> AugmentedCrop {
        let (person, image) = (self.person(index), self.image(index));
        let mut rng = generator(self.seed, CROPS, index as u64, round);
        AugmentedCrop::draw(
            person,
            image.size.width,
            self.input.aspect(),
            &self.skeleton,
            &self.augmentation,
            &mut rng,
        )
    }

    /// Joints `[x, y, weight]` on the heatmap, x and y in cells.
    pub fn joints(&self, index: usize, sample: &AugmentedCrop) -> Vec<[f32; 3]> {
        sample.joints(self.person(index), self.image(index).size.width, self.heatmap, &self.skeleton)
    }

    /// The crop as the network's input: `[3, H, W]`, normalised.
    ///
    /// # Errors
    /// The picture cannot be decoded.
    pub fn pixels(&self, index: usize, sample: &AugmentedCrop) -> Result<Vec<f32>, DataError> {
        let crop = sample.render(&read_image(self.image(index))?, self.input);
        let mut pixels = vec![0.0; 3 * self.input.area()];
        normalize_into(&crop, &mut pixels);
        Ok(pixels)
    }

    /// A short text that differs when any crop of `round` differs.
    pub fn fingerprint(&self, round: u64) -> String {
        let mut print = Fingerprint::default();
        print.add(format!("{:?}", [self.input.width, self.input.height]).as_bytes());
        for index in 0..self.len() {
            print.add(self.image(index).path.file_name().unwrap_or_default().as_encoded_bytes());
            print.add(format!("{:?}", self.draw(index, round)).as_bytes());
        }
        print.text()
    }
}

/// Decodes a picture as RGB8; what is transparent is white.
///
/// # Errors
/// The file cannot be read or decoded.
pub fn read_image(picture: &DatasetImage) -> Result<RgbImage, DataError> {
    let failed = |reason: String| DataError::Image { path: picture.path.display().to_string(), reason };
    let reader = image::ImageReader::open(&picture.path).map_err(|e| failed(e.to_string()))?;
    let reader = reader.with_guessed_format().map_err(|e| failed(e.to_string()))?;
    Ok(flatten(reader.decode().map_err(|e| failed(e.to_string()))?))
}
