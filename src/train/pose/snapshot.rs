//! `samples.png`: the same few persons of the validation set each time, annotation beside estimate.

use crate::data::CropDataset;
use crate::data::samples::read_image;
use crate::draw::{Tile, contact_sheet, draw_pose};
use crate::eval::{ground_truth, oks};
use crate::pose::{Keypoint, Pose, Size};
use crate::train::TrainError;
use crate::train::curves::write_png;
use image::{RgbImage, imageops};
use std::path::Path;

/// Number of persons on the sheet.
const PERSONS: usize = 12;
/// Persons in a row of the sheet.
const COLUMNS: usize = 4;
/// Distance of annotation and estimate, in pixels.
const GAP: u32 = 4;
/// Joints with a lower score are not drawn.
const MIN_SCORE: f32 = 0.2;

/// Draws `samples.png` in the run's folder anew. `poses` are the estimates for all `samples`, in picture pixels.
///
/// # Errors
/// A picture cannot be decoded, or the file cannot be written.
pub fn write_samples(
    folder: &Path,
    samples: &CropDataset,
    poses: &[Vec<Keypoint>],
) -> Result<(), TrainError> {
    let shown = spread(samples.len().min(poses.len()), PERSONS);
    let tiles: Result<Vec<Tile>, TrainError> =
        shown.into_iter().map(|index| Ok(tile(samples, index, &poses[index])?)).collect();
    let sheet =
        contact_sheet(&tiles?, COLUMNS, Size::new(2 * samples.input.width + GAP, samples.input.height));
    write_png(&folder.join("samples.png"), &sheet)
}

/// Up to `count` numbers below `all`, evenly spread.
fn spread(all: usize, count: usize) -> Vec<usize> {
    let count = count.min(all);
    (0..count).map(|i| i * all / count).collect()
}

/// The crop of a person twice: annotated joints on the left, estimated ones on the right.
fn tile(samples: &CropDataset, index: usize, estimate: &[Keypoint]) -> Result<Tile, crate::data::DataError> {
    let (person, picture) = (samples.person(index), samples.image(index));
    let size = samples.input;
    let sample = samples.draw(index, 0);
    let crop = sample.render(&read_image(picture)?, size);
    let map = sample.affine(picture.size.width, size);
    let drawn = |keypoints: &[Keypoint]| -> RgbImage {
        let place = |k: &Keypoint| {
            let [x, y] = map.apply([f64::from(k.x), f64::from(k.y)]);
            Keypoint { x: x as f32, y: y as f32, score: k.score }
        };
        let pose = Pose { keypoints: keypoints.iter().map(place).collect(), score: 1.0 };
        let mut picture = crop.clone();
        draw_pose(&mut picture, &pose, &samples.skeleton, MIN_SCORE);
        picture
    };
    let mut both = RgbImage::new(2 * size.width + GAP, size.height);
    imageops::replace(&mut both, &drawn(&person.keypoints), 0, 0);
    imageops::replace(&mut both, &drawn(estimate), i64::from(size.width + GAP), 0);
    let oks = oks(&ground_truth(person, picture), estimate, &samples.skeleton.sigmas);
    Ok(Tile { picture: both, caption: format!("true | estimated, OKS {oks:.2}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_persons_are_the_same_each_time_and_from_everywhere() {
        assert_eq!(spread(2928, 4), [0, 732, 1464, 2196]);
        assert_eq!(spread(3, 12), [0, 1, 2]);
        assert!(spread(0, 12).is_empty());
    }
}
