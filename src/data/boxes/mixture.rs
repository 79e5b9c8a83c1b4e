//! Several sets of boxes as one list of samples, each set as often as wanted; from a sample's number to pixels and
//! boxes.

use super::augment::BoxAugmentation;
use super::compose::{ComposedBoxes, Composition};
use super::set::{AnnotatedImage, BoxSet};
use crate::data::augment::generator;
use crate::data::error::DataError;
use crate::data::samples::read_image;
use crate::data::set_spec::SetSpec;
use crate::vision::normalize_into;
use image::RgbImage;
use std::collections::BTreeMap;

/// Purpose number of the generator that draws compositions.
const COMPOSITIONS: u64 = 4;

/// The sets of a detector's training and the list of all samples of an epoch.
pub struct BoxMixture {
    /// In the order of their specification.
    pub sets: Vec<BoxSet>,
    samples: Vec<ImageRef>,
}

/// A picture of a mixture.
#[derive(Clone, Copy)]
struct ImageRef {
    /// Index into [`BoxMixture::sets`].
    set: usize,
    /// Index into [`BoxSet::images`].
    image: usize,
}

/// What a detector is shown for one sample, and what it should say.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxSample {
    /// `[3, side, side]`, normalised RGB.
    pub pixels: Vec<f32>,
    /// People: left, top, right and bottom in pixels of the input.
    pub people: Vec<[f32; 4]>,
    /// Regions in which nobody counts.
    pub ignored: Vec<[f32; 4]>,
    /// Why pictures could not be decoded; they are grey, without people.
    pub bad: Vec<String>,
}

/// A [`BoxSample`] to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxSampleImage {
    /// The input, `side` x `side` pixels.
    pub picture: RgbImage,
    /// As [`BoxSample::people`].
    pub people: Vec<[f32; 4]>,
    /// As [`BoxSample::ignored`].
    pub ignored: Vec<[f32; 4]>,
    /// As [`BoxSample::bad`].
    pub bad: Vec<String>,
}

impl BoxMixture {
    /// Opens the training part of the sets.
    ///
    /// # Errors
    /// A set cannot be opened, or more than `bad_limit` (a part of 1) of the annotations contradict their layout.
    pub fn open(specs: &[SetSpec], bad_limit: f64) -> Result<BoxMixture, DataError> {
        let mut mixture = BoxMixture { sets: Vec::new(), samples: Vec::new() };
        for (index, spec) in specs.iter().enumerate() {
            let set = BoxSet::open(spec.source.path()?, "train")?;
            for _ in 0..spec.repeat {
                mixture.samples.extend((0..set.images.len()).map(|image| ImageRef { set: index, image }));
            }
            mixture.sets.push(set);
        }
        let bad = || mixture.sets.iter().flat_map(|s| &s.report.bad);
        let all: usize = mixture.sets.iter().map(|s| s.report.annotations).sum();
        if bad().count() as f64 > bad_limit * all as f64 {
            let names = bad().take(5).cloned().collect::<Vec<_>>().join("; ");
            return Err(DataError::BadAnnotations { bad: bad().count(), all, names });
        }
        Ok(mixture)
    }

    /// Samples of an epoch.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// A line on each set for a log: its size, and what was left out.
    pub fn notes(&self) -> Vec<String> {
        let note = |set: &BoxSet| {
            let text = format!("{}: {} pictures, {} people", set.title, set.images.len(), set.people());
            let left_out = set.report.summary();
            if left_out.is_empty() { text } else { format!("{text}; {left_out}") }
        };
        self.sets.iter().map(note).collect()
    }

    /// Keeps about `limit` samples, evenly spread over all sets; 0 keeps all.
    pub fn thin_to(&mut self, limit: usize) {
        let all = self.samples.len();
        if limit > 0 && limit < all {
            self.samples = (0..limit).map(|i| self.samples[i * all / limit]).collect();
        }
    }

    /// The picture of a sample.
    pub fn image(&self, sample: usize) -> &AnnotatedImage {
        let ImageRef { set, image } = self.samples[sample];
        &self.sets[set].images[image]
    }

    /// What `sample` is shown as; another composition for every `round`. `mixing` allows mosaics and overlays.
    pub fn compose(
        &self,
        sample: usize,
        round: u64,
        side: usize,
        how: &BoxAugmentation,
        mixing: bool,
        seed: u64,
    ) -> Composition {
        let mut rng = generator(seed, COMPOSITIONS, sample as u64, round);
        let size_of = |other: usize| self.image(other).image.size;
        Composition::draw(sample, self.len(), size_of, side, how, mixing, &mut rng)
    }

    /// Pixels and boxes of a composition.
    pub fn show(&self, composition: &Composition, how: &BoxAugmentation) -> BoxSample {
        let BoxSampleImage { picture, people, ignored, bad } = self.draw(composition, how);
        let mut pixels = vec![0.0; 3 * composition.side * composition.side];
        normalize_into(&picture, &mut pixels);
        BoxSample { pixels, people, ignored, bad }
    }

    /// As [`BoxMixture::show`], as a picture.
    pub fn draw(&self, composition: &Composition, how: &BoxAugmentation) -> BoxSampleImage {
        let (mut pictures, mut bad) = (BTreeMap::<usize, RgbImage>::new(), Vec::new());
        for placed in composition.placed() {
            if pictures.contains_key(&placed.sample) {
                continue;
            }
            match read_image(&self.image(placed.sample).image) {
                Ok(picture) => drop(pictures.insert(placed.sample, picture)),
                Err(error) => bad.push(error.to_string()),
            }
        }
        let labels = |sample: usize| match pictures.contains_key(&sample) {
            true => self.image(sample).annotations.as_slice(),
            false => &[],
        };
        // The size that the file states is the one that its boxes count in.
        let size_of = |sample: usize| self.image(sample).image.size;
        let ComposedBoxes { people, ignored } = composition.boxes(labels, size_of, how);
        let picture = composition.render(|sample| pictures.get(&sample));
        BoxSampleImage { picture, people, ignored, bad }
    }
}

#[cfg(test)]
mod tests {
    use super::super::augment::tests::none;
    use super::*;
    use crate::vision::{IMAGENET_MEAN, IMAGENET_STD};
    use serde_json::json;
    use std::path::Path;

    /// A red picture with a person and a file that is no picture.
    fn write_set(dir: &Path) {
        std::fs::create_dir_all(dir.join("annotations")).unwrap();
        std::fs::create_dir_all(dir.join("images")).unwrap();
        RgbImage::from_pixel(64, 32, image::Rgb([255, 0, 0])).save(dir.join("images/a.png")).unwrap();
        std::fs::write(dir.join("images/b.png"), b"none").unwrap();
        let image = |id: u64, name: &str| json!({"id": id, "file_name": name, "width": 64, "height": 32});
        let label = |image: u64| json!({"id": image, "image_id": image, "bbox": [8, 4, 16, 20]});
        let images = [image(1, "a.png"), image(2, "b.png")];
        let file = json!({"images": images, "annotations": [label(1), label(2)]});
        std::fs::write(dir.join("annotations/instances_train.json"), file.to_string()).unwrap();
    }

    #[test]
    fn a_sample_is_its_pixels_and_boxes_and_a_broken_picture_is_grey_and_named() {
        let dir = tempfile::tempdir().unwrap();
        write_set(dir.path());
        let spec = SetSpec { source: dir.path().to_path_buf().into(), repeat: 2 };
        let mut mixture = BoxMixture::open(&[spec], 0.0).unwrap();
        assert_eq!(mixture.len(), 4);
        let how = none();
        let composition = mixture.compose(2, 0, 32, &how, true, 1);
        let sample = mixture.show(&composition, &how);
        let offset = composition.layers[0][0].offset[1] as f32;
        let expected = [4.0, 2.0 + offset, 12.0, 12.0 + offset];
        assert_eq!(sample.people.len(), 1);
        assert!(
            sample.people[0].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4),
            "{:?}",
            sample.people
        );
        let reds = sample.pixels[..1024]
            .iter()
            .filter(|v| (*v - (1.0 - IMAGENET_MEAN[0]) / IMAGENET_STD[0]).abs() < 1e-5);
        assert_eq!(reds.count(), 512, "half of the square is the picture");
        let broken = mixture.show(&mixture.compose(1, 0, 32, &how, true, 1), &how);
        assert!(broken.people.is_empty() && broken.bad[0].contains("b.png"), "{:?}", broken.bad);
        mixture.thin_to(2);
        assert_eq!((mixture.len(), mixture.image(1).image.id), (2, 1));
        assert!(mixture.notes()[0].contains("2 pictures, 2 people"), "{:?}", mixture.notes());
    }
}
