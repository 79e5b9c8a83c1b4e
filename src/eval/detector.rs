//! A person detector over a whole set, and its numbers.

use super::{BoxResult, BoxStats, EvalError, GroundTruthBox, TallRecall, box_ap, tall_recall};
use crate::data::{BoxSet, read_image};
use crate::detect::{DetectSettings, Detector, DetectorConfig, DetectorInfo, DetectorNet};
use crate::gpu::ComputeDevice;
use crate::weights::TrainingRecord;
use image::RgbImage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Pictures that are decoded and looked at together; bounds the memory.
const TOGETHER: usize = 16;

/// How good a detector is on a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectorScore {
    /// Pictures of the set.
    pub pictures: usize,
    /// Average precision and recall of the boxes.
    #[serde(flatten)]
    pub boxes: BoxStats,
    /// Recall of people who are tall in their picture.
    pub tall: TallRecall,
}

/// Everybody whom `detector` finds in the pictures of `set`. `done` hears how many pictures are finished.
///
/// # Errors
/// A picture cannot be decoded, or the device fails.
pub fn find_people(
    detector: &mut Detector,
    set: &BoxSet,
    settings: &DetectSettings,
    done: impl Fn(usize),
) -> Result<Vec<BoxResult>, EvalError> {
    let mut all = Vec::new();
    for (number, images) in set.images.chunks(TOGETHER).enumerate() {
        let decoded: Result<Vec<RgbImage>, _> = images.par_iter().map(|p| read_image(&p.image)).collect();
        let decoded = decoded?;
        let shown: Vec<&RgbImage> = decoded.iter().collect();
        let (found, _) = detector.detect_all(&shown, settings)?;
        for (image, found) in images.iter().zip(found) {
            all.extend(found.into_iter().map(|detection| {
                let b = detection.bbox;
                BoxResult {
                    image_id: image.image.id,
                    category_id: 1,
                    bbox: [b.x, b.y, b.w, b.h].map(f64::from),
                    score: f64::from(detection.score),
                }
            }));
        }
        done(number * TOGETHER + images.len());
    }
    Ok(all)
}

/// [`find_people`] for a network by itself, with the settings that measuring needs.
///
/// # Errors
/// As [`find_people`].
pub fn find_people_with(
    net: &DetectorNet,
    config: &DetectorConfig,
    device: &ComputeDevice,
    set: &BoxSet,
    done: impl Fn(usize),
) -> Result<Vec<BoxResult>, EvalError> {
    let info = DetectorInfo::new(config.clone(), TrainingRecord::default());
    let mut detector = Detector::from_parts(net.clone(), info, device.clone());
    find_people(&mut detector, set, &DetectSettings::everything(), done)
}

/// Scores the boxes `found` in the pictures of `set`.
pub fn score(set: &BoxSet, found: &[BoxResult]) -> DetectorScore {
    let mut truth = Vec::new();
    for image in &set.images {
        truth.extend(image.annotations.iter().map(|label| GroundTruthBox {
            image_id: image.image.id,
            bbox: label.bbox,
            area: label.area,
            crowd: label.crowd,
            height: label.bbox[3] / f64::from(image.image.size.height.max(1)),
        }));
    }
    let pictures = set.images.len();
    DetectorScore { pictures, boxes: box_ap(&truth, found), tall: tall_recall(&truth, found, pictures) }
}
