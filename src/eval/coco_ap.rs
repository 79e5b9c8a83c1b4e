//! Average precision and recall of keypoints, exactly as pycocotools (docs/METHOD.md, "Average precision").

use super::matching::{
    ANY_AREA, ImageInstances, LARGE_AREA, MEDIUM_AREA, MatchEstimate, MatchTruth, PrecisionRecall,
    THRESHOLDS, accumulate, mean,
};
use super::oks::{GroundTruth, ScoredPose, oks};
use super::order::descending;
use std::collections::BTreeMap;

/// At most this many estimates of a picture count, the best ones.
const MAX_ESTIMATES: usize = 20;

/// COCO's ten numbers, 0 to 1; -1 where no person of that size is annotated.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CocoStats {
    /// Average precision, the mean over the OKS thresholds 0.50, 0.55 .. 0.95.
    pub ap: f64,
    /// AP at OKS 0.50.
    pub ap50: f64,
    /// AP at OKS 0.75.
    pub ap75: f64,
    /// AP of persons with an area of 32x32 to 96x96 pixels.
    pub ap_medium: f64,
    /// AP of larger persons.
    pub ap_large: f64,
    /// Average recall, the mean over the thresholds.
    pub ar: f64,
    /// AR at OKS 0.50.
    pub ar50: f64,
    /// AR at OKS 0.75.
    pub ar75: f64,
    /// AR of medium persons.
    pub ar_medium: f64,
    /// AR of large persons.
    pub ar_large: f64,
    /// AP of all sizes at each OKS threshold 0.50, 0.55 .. 0.95.
    pub ap_by_threshold: [f64; THRESHOLDS],
}

impl CocoStats {
    /// Names and values in COCO's order, for tables.
    pub fn named(&self) -> [(&'static str, f64); 10] {
        [
            ("AP", self.ap),
            ("AP50", self.ap50),
            ("AP75", self.ap75),
            ("APM", self.ap_medium),
            ("APL", self.ap_large),
            ("AR", self.ar),
            ("AR50", self.ar50),
            ("AR75", self.ar75),
            ("ARM", self.ar_medium),
            ("ARL", self.ar_large),
        ]
    }
}

/// COCO keypoint AP and AR of estimates against annotated persons. `sigmas` are the skeleton's.
pub fn keypoint_ap<'a>(
    gt: &[GroundTruth],
    dt: impl IntoIterator<Item = &'a ScoredPose>,
    sigmas: &[f64],
) -> CocoStats {
    let images = group_by_image(gt, dt, sigmas);
    let judged = |range| -> PrecisionRecall { accumulate(&images, range, MAX_ESTIMATES) };
    let [all, medium, large] = [ANY_AREA, MEDIUM_AREA, LARGE_AREA].map(judged);
    CocoStats {
        ap: mean(&all.ap),
        ap50: all.ap[0],
        ap75: all.ap[5],
        ap_medium: mean(&medium.ap),
        ap_large: mean(&large.ap),
        ar: mean(&all.recall),
        ar50: all.recall[0],
        ar75: all.recall[5],
        ar_medium: mean(&medium.recall),
        ar_large: mean(&large.recall),
        ap_by_threshold: all.ap,
    }
}

fn group_by_image<'a>(
    gt: &[GroundTruth],
    dt: impl IntoIterator<Item = &'a ScoredPose>,
    sigmas: &[f64],
) -> Vec<ImageInstances> {
    let mut images: BTreeMap<u64, (Vec<&GroundTruth>, Vec<&ScoredPose>)> = BTreeMap::new();
    for person in gt {
        images.entry(person.image_id).or_default().0.push(person);
    }
    for person in dt {
        images.entry(person.image_id).or_default().1.push(person);
    }
    let image = |(gt, mut dt): (Vec<&GroundTruth>, Vec<&ScoredPose>)| {
        dt.sort_by(|a, b| descending(a.score, b.score));
        dt.truncate(MAX_ESTIMATES);
        let truth = |g: &&GroundTruth| MatchTruth { area: g.area, crowd: g.crowd, ignored: g.ignored() };
        let pairs = dt.iter().flat_map(|d| gt.iter().map(move |g| (d, g)));
        ImageInstances {
            truth: gt.iter().map(truth).collect(),
            estimates: dt.iter().map(|d| MatchEstimate { score: d.score, area: extent(d) }).collect(),
            similarity: pairs.map(|(d, g)| oks(g, &d.keypoints, sigmas)).collect(),
        }
    };
    images.into_values().map(image).collect()
}

/// Area of the tight box of an estimate's joints.
fn extent(dt: &ScoredPose) -> f64 {
    let side = |of: fn(&crate::pose::Keypoint) -> f32| {
        let along = dt.keypoints.iter().map(|k| f64::from(of(k)));
        along.clone().fold(f64::NEG_INFINITY, f64::max) - along.fold(f64::INFINITY, f64::min)
    };
    side(|k| k.x) * side(|k| k.y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::{Keypoint, Skeleton};
    use proptest::prelude::*;

    fn person(image_id: u64, x: f64, size: f64) -> GroundTruth {
        let keypoints = (0..17).map(|j| [x + size * (j % 4) as f64 / 4.0, size * j as f64 / 17.0, 2.0]);
        GroundTruth {
            image_id,
            keypoints: keypoints.collect(),
            bbox: [x, 0.0, size, size],
            area: size * size * 0.5,
            ..GroundTruth::default()
        }
    }

    fn found(gt: &GroundTruth, score: f64) -> ScoredPose {
        let point = |k: &[f64; 3]| Keypoint { x: k[0] as f32, y: k[1] as f32, score: 1.0 };
        ScoredPose {
            image_id: gt.image_id,
            keypoints: gt.keypoints.iter().map(point).collect(),
            score,
            ..ScoredPose::default()
        }
    }

    #[test]
    fn without_persons_there_is_no_number() {
        let stats = keypoint_ap(&[], [], &Skeleton::coco17().sigmas);
        assert!(stats.named().iter().all(|(_, v)| *v == -1.0));
    }

    #[test]
    fn a_person_not_found_halves_the_recall_and_a_wrong_one_the_precision() {
        let (a, b) = (person(1, 0.0, 100.0), person(1, 2000.0, 100.0));
        let sigmas = &Skeleton::coco17().sigmas;
        let stats = keypoint_ap(&[a.clone(), b.clone()], &[found(&a, 0.9)], sigmas);
        assert!((stats.ar - 0.5).abs() < 1e-9 && (stats.ap - 51.0 / 101.0).abs() < 1e-9);
        // The wrong one is the surer one.
        let stats = keypoint_ap(std::slice::from_ref(&a), &[found(&b, 0.9), found(&a, 0.8)], sigmas);
        assert!((stats.ar - 1.0).abs() < 1e-9 && (stats.ap - 0.5).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn perfect_estimates_have_ap_one(sizes in proptest::collection::vec(40f64..400.0, 1..9), scores in proptest::collection::vec(0f64..1.0, 9)) {
            let gt: Vec<GroundTruth> =
                sizes.iter().enumerate().map(|(i, s)| person(i as u64 / 2, 1000.0 * i as f64, *s)).collect();
            let dt: Vec<ScoredPose> = gt.iter().zip(&scores).map(|(g, s)| found(g, *s)).collect();
            let stats = keypoint_ap(&gt, &dt, &Skeleton::coco17().sigmas);
            for (name, value) in stats.named() {
                prop_assert!(value == -1.0 || (value - 1.0).abs() < 1e-9, "{name} {value}");
            }
            prop_assert!((stats.ap - 1.0).abs() < 1e-9);
        }
    }
}
