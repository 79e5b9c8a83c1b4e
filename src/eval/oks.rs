//! Object keypoint similarity (docs/METHOD.md, "OKS"): how near a pose lies to an annotated one, 0 to 1.

use crate::pose::{Keypoint, joint_similarity};

/// An annotated person as the measures compare it; pycocotools' "gt".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroundTruth {
    /// COCO's id of the image.
    pub image_id: u64,
    /// x, y in pixels and visibility (0 not labelled, 1 hidden, 2 visible), one for each joint.
    pub keypoints: Vec<[f64; 3]>,
    /// x and y of the top-left corner, width and height in pixels.
    pub bbox: [f64; 4],
    /// Area of the person's outline in square pixels, COCO's `area`.
    pub area: f64,
    /// A crowd may match several estimates and never counts as missed.
    pub crowd: bool,
    /// [`super::head_size`] in pixels, where the data set gives head boxes.
    pub head_size: Option<f64>,
}

/// An estimated person; pycocotools' "dt".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoredPose {
    /// COCO's id of the image.
    pub image_id: u64,
    /// In image pixels.
    pub keypoints: Vec<Keypoint>,
    /// Area of the padded crop in square pixels: [`CropBox::area`](crate::vision::CropBox::area).
    pub crop_area: f64,
    /// Confidence from 0 to 1, after [`super::rescore`].
    pub score: f64,
    /// Index of the annotated person whose box was cropped; none for a detected box.
    pub annotated: Option<usize>,
}

impl GroundTruth {
    /// Number of labelled joints.
    pub fn labelled(&self) -> usize {
        self.keypoints.iter().filter(|k| k[2] > 0.0).count()
    }

    /// Whether the evaluation leaves this person out: a crowd, or nothing to compare with.
    pub(super) fn ignored(&self) -> bool {
        self.crowd || self.labelled() == 0
    }
}

/// OKS of a pose against an annotated person: the mean over labelled joints of
/// `exp(-d^2 / (2 area (2 sigma)^2))`. A person without labelled joints is compared by the distance
/// of all joints to three times its box, as pycocotools does for the estimates it then ignores.
pub fn oks(gt: &GroundTruth, keypoints: &[Keypoint], sigmas: &[f64]) -> f64 {
    let area = gt.area + f64::EPSILON;
    let labelled = gt.labelled();
    let [x, y, w, h] = gt.bbox;
    let beyond = |v: f64, low: f64, high: f64| (low - v).max(0.0) + (v - high).max(0.0);
    let mut sum = 0.0;
    for ((k, g), sigma) in keypoints.iter().zip(&gt.keypoints).zip(sigmas) {
        let (px, py) = (f64::from(k.x), f64::from(k.y));
        if labelled == 0 {
            sum += joint_similarity(
                beyond(px, x - w, x + 2.0 * w),
                beyond(py, y - h, y + 2.0 * h),
                *sigma,
                area,
            );
        } else if g[2] > 0.0 {
            sum += joint_similarity(px - g[0], py - g[1], *sigma, area);
        }
    }
    let counted = if labelled == 0 { keypoints.len().min(gt.keypoints.len()) } else { labelled };
    if counted == 0 { 0.0 } else { sum / counted as f64 }
}

/// What one joint at `distance` pixels adds to the sum of [`oks`].
pub(super) fn joint_oks(distance: f64, area: f64, sigma: f64) -> f64 {
    joint_similarity(distance, 0.0, sigma, area + f64::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Skeleton;
    use proptest::prelude::*;

    prop_compose! {
        fn person()(points in proptest::collection::vec((0f32..600.0, 0f32..400.0, 0u8..3), 17)) -> GroundTruth {
            let keypoints = points.iter().map(|p| [f64::from(p.0), f64::from(p.1), f64::from(p.2)]);
            GroundTruth {
                image_id: 1,
                keypoints: keypoints.collect(),
                bbox: [0.0, 0.0, 600.0, 400.0],
                area: 9000.0,
                ..GroundTruth::default()
            }
        }
    }

    fn as_estimate(gt: &GroundTruth, shift: f32) -> Vec<Keypoint> {
        let point = |k: &[f64; 3]| Keypoint { x: k[0] as f32 + shift, y: k[1] as f32, score: 1.0 };
        gt.keypoints.iter().map(point).collect()
    }

    proptest! {
        #[test]
        fn equal_poses_have_oks_one_and_distance_lowers_it(gt in person(), shift in 0.5f32..200.0) {
            let sigmas = &Skeleton::coco17().sigmas;
            prop_assert!((oks(&gt, &as_estimate(&gt, 0.0), sigmas) - 1.0).abs() < 1e-12);
            if gt.labelled() > 0 {
                let near = oks(&gt, &as_estimate(&gt, shift), sigmas);
                let far = oks(&gt, &as_estimate(&gt, 2.0 * shift), sigmas);
                prop_assert!(near < 1.0 && far <= near && far >= 0.0);
            }
        }
    }
}
