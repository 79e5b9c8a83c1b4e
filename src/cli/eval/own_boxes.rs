//! Boxes of our own person detector for the pictures of a set.

use crate::cli::output::progress_bar;
use crate::data::{PoseSet, read_image};
use crate::detect::{DetectSettings, Detector};
use crate::eval::{DetectedBoxes, spread};
use crate::gpu::ComputeDevice;
use image::RgbImage;
use rayon::prelude::*;
use std::path::Path;

/// The most boxes that a picture keeps, as in COCO's evaluation of boxes.
const MOST_BOXES: usize = 100;

/// Pictures that are read and searched together.
const BATCH: usize = 16;

/// Detects people in every picture of `set`, or, with a `limit` above 0, in that many of them, evenly spread. Boxes
/// with a score below `score_min` are left out.
///
/// # Errors
/// The weights or a picture cannot be read, or the network fails.
pub fn detect(
    weights: &Path,
    device: &ComputeDevice,
    set: &PoseSet,
    limit: usize,
    score_min: f64,
) -> anyhow::Result<DetectedBoxes> {
    let mut detector = Detector::load(weights, device.clone())?;
    let settings =
        DetectSettings { min_score: score_min as f32, most: MOST_BOXES, ..DetectSettings::default() };
    let pictures: Vec<usize> = spread(set.images.len(), limit).collect();
    let bar = progress_bar(pictures.len(), "looking for people");
    let mut found = Vec::with_capacity(pictures.len());
    for batch in pictures.chunks(BATCH) {
        let images: Vec<RgbImage> =
            batch.par_iter().map(|&i| read_image(&set.images[i])).collect::<Result<_, _>>()?;
        let (people, _) = detector.detect_all(&images.iter().collect::<Vec<_>>(), &settings)?;
        found.extend(batch.iter().copied().zip(people));
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    Ok(DetectedBoxes::detected(found))
}
