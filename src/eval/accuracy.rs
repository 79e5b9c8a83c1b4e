//! How near poses lie to the annotated ones: COCO's AP, PCK, PCKh and a table by joint, from one list of
//! annotated and one of estimated persons.

use super::oks::joint_oks;
use super::{
    CocoStats, GroundTruth, NMS_THRESHOLD, PckSample, Pckh, ScoredPose, keypoint_ap, oks, oks_nms, pck, pckh,
    soft_oks_nms,
};
use crate::pose::{BuiltinSkeleton, Keypoint, Skeleton};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Parts of the box's longer side at which PCK is taken.
const PCK_PARTS: [f64; 3] = [0.05, 0.1, 0.2];

/// What becomes of several estimates of one person (docs/METHOD.md, "Rescoring and NMS").
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Suppression {
    /// OKS above which two estimates are one person; of the soft variant how fast scores fall.
    pub threshold: f64,
    /// Lower the score of the worse one instead of leaving it out.
    pub soft: bool,
}

impl Default for Suppression {
    fn default() -> Self {
        Suppression { threshold: NMS_THRESHOLD, soft: false }
    }
}

/// All numbers of one setting on one set. AP, AR, PCK and OKS are fractions of 1, PCKh is in percent as in
/// published tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoseAccuracy {
    #[serde(flatten)]
    /// AP and AR.
    pub coco: CocoStats,
    /// PCK at 0.05, 0.1 and 0.2 of the longer side of the annotated box, over all labelled joints.
    pub pck005: f64,
    /// At 0.1.
    pub pck01: f64,
    /// At 0.2.
    pub pck02: f64,
    /// Of the persons whose head size the set gives, where the joints are MPII's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pckh: Option<Pckh>,
    /// Annotated persons that count.
    pub persons: usize,
    /// Estimates left after suppression.
    pub estimates: usize,
    /// By joint, in the skeleton's order.
    pub joints: Vec<JointAccuracy>,
}

/// One joint over all persons on whom it is labelled; fractions of 1, and none where that is nobody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JointAccuracy {
    /// The joint's name.
    pub joint: String,
    /// Labelled places.
    pub places: usize,
    /// Mean of the joint's own similarity `exp(-d^2 / (2 area (2 sigma)^2))`, 0 where nobody was estimated.
    pub oks: Option<f64>,
    /// PCK at 0.05 of the longer side of the annotated box.
    pub pck005: Option<f64>,
    /// At 0.1.
    pub pck01: Option<f64>,
    /// At 0.2.
    pub pck02: Option<f64>,
    /// Mean distance as a part of the longer side of the annotated box, over the estimated persons.
    pub error: Option<f64>,
}

/// Suppresses doubles image by image: the indices of the estimates that count, images in the order of
/// `estimates` and the best of an image first.
pub fn suppressed(estimates: &[ScoredPose], sigmas: &[f64], how: Suppression) -> Vec<usize> {
    let mut order: Vec<u64> = Vec::new();
    let mut images: HashMap<u64, Vec<usize>> = HashMap::new();
    for (i, estimate) in estimates.iter().enumerate() {
        let members = images.entry(estimate.image_id).or_insert_with(|| {
            order.push(estimate.image_id);
            Vec::new()
        });
        members.push(i);
    }
    let suppress = if how.soft { soft_oks_nms } else { oks_nms };
    let mut kept = Vec::with_capacity(estimates.len());
    for image_id in order {
        let members = images.remove(&image_id).unwrap_or_default();
        let of_image: Vec<&ScoredPose> = members.iter().map(|&i| &estimates[i]).collect();
        kept.extend(suppress(&of_image, sigmas, how.threshold).into_iter().map(|at| members[at]));
    }
    kept
}

/// Measures estimates against the annotated persons of the same pictures.
///
/// PCK and the table by joint look at one estimate for each annotated person that counts: the one made from
/// its own box, else the one of its picture with the largest OKS. Where there is none, its joints count as
/// missed.
pub fn measure(
    truth: &[GroundTruth],
    estimates: &[ScoredPose],
    skeleton: &Skeleton,
    how: Suppression,
) -> PoseAccuracy {
    let kept = suppressed(estimates, &skeleton.sigmas, how);
    let kept: Vec<&ScoredPose> = kept.into_iter().map(|i| &estimates[i]).collect();
    let coco = keypoint_ap(truth, kept.iter().copied(), &skeleton.sigmas);

    let mut own: HashMap<usize, &[Keypoint]> = HashMap::new();
    for estimate in estimates {
        if let Some(annotated) = estimate.annotated {
            own.insert(annotated, &estimate.keypoints);
        }
    }
    let mut by_image: HashMap<u64, Vec<&ScoredPose>> = HashMap::new();
    for estimate in &kept {
        by_image.entry(estimate.image_id).or_default().push(estimate);
    }
    let best = |gt: &GroundTruth| {
        let similar = |d: &ScoredPose| oks(gt, &d.keypoints, &skeleton.sigmas);
        let near = by_image.get(&gt.image_id)?.iter().max_by(|a, b| similar(a).total_cmp(&similar(b)))?;
        Some(near.keypoints.as_slice())
    };
    let counted = truth.iter().enumerate().filter(|(_, person)| !person.ignored());
    let pairs: Vec<MatchedPose> = counted
        .map(|(i, person)| MatchedPose { person, pose: own.get(&i).copied().or_else(|| best(person)) })
        .collect();

    let distances: Vec<PckSample> = pairs.iter().map(|pair| pair.distances(pair.box_side())).collect();
    let joints = skeleton.len();
    let at = PCK_PARTS.map(|part| pck(&distances, joints, part));
    let [pck005, pck01, pck02] = [0, 1, 2].map(|i| at[i].mean.unwrap_or(0.0) / 100.0);
    let heads: Vec<PckSample> =
        pairs.iter().filter_map(|pair| Some(pair.distances(pair.person.head_size?))).collect();
    let joint = |j: usize| {
        let [pck005, pck01, pck02] = [0, 1, 2].map(|i| at[i].joints[j].map(|percent| percent / 100.0));
        JointAccuracy {
            joint: skeleton.joints[j].clone(),
            places: at[0].counts[j],
            oks: mean(pairs.iter().filter_map(|pair| pair.similarity(j, skeleton.sigmas[j]))),
            pck005,
            pck01,
            pck02,
            error: mean(pairs.iter().filter_map(|pair| pair.error(j))),
        }
    };
    PoseAccuracy {
        coco,
        pck005,
        pck01,
        pck02,
        pckh: (!heads.is_empty() && skeleton.builtin() == Some(BuiltinSkeleton::Mpii16))
            .then(|| pckh(&heads)),
        persons: pairs.len(),
        estimates: kept.len(),
        joints: (0..joints).map(joint).collect(),
    }
}

/// An annotated person and the pose that it is compared with.
struct MatchedPose<'a> {
    person: &'a GroundTruth,
    pose: Option<&'a [Keypoint]>,
}

impl MatchedPose<'_> {
    /// The longer side of the annotated box in pixels.
    fn box_side(&self) -> f64 {
        self.person.bbox[2].max(self.person.bbox[3])
    }

    fn distances(&self, length: f64) -> PckSample {
        let truth: Vec<[f64; 2]> = self.person.keypoints.iter().map(|k| [k[0], k[1]]).collect();
        let predicted = match self.pose {
            Some(pose) => pose.iter().map(|k| [f64::from(k.x), f64::from(k.y)]).collect(),
            // Nowhere: wrong at any limit.
            None => vec![[f64::INFINITY; 2]; truth.len()],
        };
        let visible = self.person.keypoints.iter().map(|k| k[2] > 0.0).collect();
        PckSample { predicted, truth, visible, length }
    }

    /// Distance of joint `j` in pixels; none where it is not labelled or nobody was estimated.
    fn distance(&self, j: usize) -> Option<f64> {
        let truth = self.person.keypoints.get(j).filter(|k| k[2] > 0.0)?;
        let point = self.pose?.get(j)?;
        Some((f64::from(point.x) - truth[0]).hypot(f64::from(point.y) - truth[1]))
    }

    fn error(&self, j: usize) -> Option<f64> {
        let side = self.box_side();
        self.distance(j).filter(|_| side > 0.0).map(|d| d / side)
    }

    fn similarity(&self, j: usize, sigma: f64) -> Option<f64> {
        self.person.keypoints.get(j).filter(|k| k[2] > 0.0)?;
        Some(self.distance(j).map_or(0.0, |d| joint_oks(d, self.person.area, sigma)))
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0usize);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A person 200 pixels high whose joints stand in a column, all labelled but the first.
    fn person(image_id: u64, x: f64) -> GroundTruth {
        let keypoints = (0..17).map(|j| [x, 10.0 * f64::from(j), if j == 0 { 0.0 } else { 2.0 }]).collect();
        let bbox = [x, 0.0, 50.0, 200.0];
        GroundTruth { image_id, keypoints, bbox, area: 9000.0, ..GroundTruth::default() }
    }

    fn estimate(truth: &GroundTruth, shift: f32, annotated: Option<usize>) -> ScoredPose {
        let point = |k: &[f64; 3]| Keypoint { x: k[0] as f32 + shift, y: k[1] as f32, score: 0.8 };
        ScoredPose {
            image_id: truth.image_id,
            keypoints: truth.keypoints.iter().map(point).collect(),
            crop_area: 15000.0,
            score: 0.8,
            annotated,
        }
    }

    fn measured(truth: &[GroundTruth], found: &[ScoredPose]) -> PoseAccuracy {
        measure(truth, found, Skeleton::coco17(), Suppression::default())
    }

    #[test]
    fn errors_are_parts_of_the_boxs_longer_side() {
        // 15 of 200 pixels: within 0.1, beyond 0.05.
        let truth = [person(1, 100.0)];
        let result = measured(&truth, &[estimate(&truth[0], 15.0, Some(0))]);
        assert_eq!((result.pck005, result.pck01, result.pck02), (0.0, 1.0, 1.0));
        assert_eq!((result.persons, result.estimates), (1, 1));
        let (nose, ankle) = (&result.joints[0], &result.joints[16]);
        assert_eq!((nose.places, nose.oks, nose.error), (0, None, None));
        assert_eq!((ankle.joint.as_str(), ankle.places), ("right_ankle", 1));
        assert!((ankle.error.unwrap() - 0.075).abs() < 1e-6);
        let expected = (-15.0f64.powi(2) / (2.0 * 9000.0 * (2.0 * 0.089f64).powi(2))).exp();
        assert!((ankle.oks.unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn a_person_nobody_found_is_missed_by_every_joint() {
        let truth = [person(1, 100.0), person(2, 100.0)];
        let result = measured(&truth, &[estimate(&truth[0], 0.0, None)]);
        assert_eq!((result.pck02, result.persons), (0.5, 2));
        assert_eq!((result.joints[9].oks, result.joints[9].error), (Some(0.5), Some(0.0)));
        assert!(result.coco.ar > 0.49 && result.coco.ar < 0.51);
        let none = measured(&truth, &[]);
        assert_eq!((none.coco.ap, none.pck02, none.joints[9].error), (0.0, 0.0, None));
    }

    #[test]
    fn of_two_estimates_of_one_person_the_surer_counts() {
        let truth = [person(1, 100.0)];
        let mut twice = vec![estimate(&truth[0], 0.0, None), estimate(&truth[0], 1.0, None)];
        twice[1].score = 0.4;
        let result = measured(&truth, &twice);
        assert!(result.estimates == 1 && result.coco.ap50 > 1.0 - 1e-9, "{result:?}");
        let soft = Suppression { soft: true, ..Suppression::default() };
        assert_eq!(measure(&truth, &twice, Skeleton::coco17(), soft).estimates, 2);
        let never = Suppression { threshold: 1.0, soft: false };
        assert_eq!(measure(&truth, &twice, Skeleton::coco17(), never).estimates, 2);
    }

    #[test]
    fn crowds_and_persons_without_joints_count_neither_way() {
        let mut truth = vec![person(1, 100.0), person(1, 600.0), person(1, 900.0)];
        truth[1].crowd = true;
        truth[2].keypoints = vec![[0.0; 3]; 17];
        let found: Vec<ScoredPose> =
            [100.0, 600.0, 900.0].iter().map(|x| estimate(&person(1, *x), 0.0, None)).collect();
        let result = measured(&truth, &found);
        assert_eq!((result.persons, result.estimates), (1, 3));
        assert!((result.coco.ap - 1.0).abs() < 1e-9, "{result:?}");
    }

    #[test]
    fn head_sizes_bring_pckh() {
        let points: Vec<[f64; 3]> = (0..16).map(|j| [20.0 * f64::from(j), 50.0, 2.0]).collect();
        let truth = [GroundTruth {
            image_id: 1,
            keypoints: points,
            bbox: [0.0, 0.0, 300.0, 100.0],
            area: 9e3,
            crowd: false,
            head_size: Some(30.0),
        }];
        // 4 pixels are more than 0.11 of the head and less than a half.
        let result =
            measure(&truth, &[estimate(&truth[0], 4.0, Some(0))], Skeleton::mpii16(), Suppression::default());
        let pckh = result.pckh.unwrap();
        assert!((pckh.mean.unwrap() - 100.0).abs() < 1e-9);
        assert_eq!(pckh.mean_at_011, Some(0.0));
        let without = [GroundTruth { head_size: None, ..truth[0].clone() }];
        let result = measure(&without, &[], Skeleton::mpii16(), Suppression::default());
        assert_eq!(result.pckh, None);
    }
}
