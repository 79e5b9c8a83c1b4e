//! What a user may choose about detections.

use serde::{Deserialize, Serialize};

/// Settings of [`super::Detector::detect`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectSettings {
    /// Detections below this score (0 to 1) are left out.
    pub min_score: f32,
    /// Two boxes whose IoU is above this are one person.
    pub nms_iou: f32,
    /// At most this many people, the best ones.
    pub most: usize,
}

impl Default for DetectSettings {
    /// For live use: rather nobody than somebody who is not there.
    fn default() -> Self {
        Self { min_score: 0.4, nms_iou: 0.6, most: 20 }
    }
}

impl DetectSettings {
    /// For measuring: a recall-precision curve needs the boxes of low score too (COCO looks at 100 a picture).
    pub fn everything() -> Self {
        Self { min_score: 0.001, nms_iou: 0.6, most: 100 }
    }
}
