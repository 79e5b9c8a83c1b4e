//! The score of an estimated person, and removing estimates of one person found twice
//! (docs/METHOD.md, "Rescoring and NMS").

use super::oks::ScoredPose;
use super::order::descending;
use crate::pose::{Keypoint, oks_between};

/// Joints above this count for a person's score.
pub const RESCORE_MIN: f32 = 0.2;
/// OKS above which two estimates are one person.
pub const NMS_THRESHOLD: f64 = 0.9;
/// The soft variant keeps at most this many persons of a picture.
const SOFT_LIMIT: usize = 20;

/// Score of a person: `box_score` (1 for annotated boxes) times the mean of the joint scores above
/// [`RESCORE_MIN`]; 0 when there are none. The mean is taken in f32, as in the reference.
pub fn rescore(keypoints: &[Keypoint], box_score: f64) -> f64 {
    let mut sum = 0.0f32;
    let mut count = 0u32;
    for k in keypoints.iter().filter(|k| k.score > RESCORE_MIN) {
        sum += k.score;
        count += 1;
    }
    if count == 0 { 0.0 } else { f64::from(sum / count as f32) * box_score }
}

/// Greedy suppression of the `estimates` of one image: the indices kept, best first. An estimate falls when its OKS
/// with a better one that was kept is above `threshold`.
pub fn oks_nms(estimates: &[&ScoredPose], sigmas: &[f64], threshold: f64) -> Vec<usize> {
    let mut order = best_first(estimates.iter().map(|c| c.score));
    let mut kept = Vec::new();
    while let Some((&best, rest)) = order.split_first() {
        kept.push(best);
        let is_apart = |&&i: &&usize| between(estimates, best, i, sigmas) <= threshold;
        order = rest.iter().filter(is_apart).copied().collect();
    }
    kept
}

/// Soft suppression of the `estimates` of one image: the indices kept, best first, at most 20. Instead of falling, an
/// estimate's score is multiplied by `exp(-oks^2 / threshold)` for each better one.
pub fn soft_oks_nms(estimates: &[&ScoredPose], sigmas: &[f64], threshold: f64) -> Vec<usize> {
    let order = best_first(estimates.iter().map(|c| c.score));
    let mut left: Vec<(usize, f64)> = order.into_iter().map(|i| (i, estimates[i].score)).collect();
    let mut kept = Vec::new();
    while kept.len() < SOFT_LIMIT {
        let Some((&(best, _), rest)) = left.split_first() else { break };
        kept.push(best);
        let lowered = rest.iter().map(|&(i, score)| {
            let overlap = between(estimates, best, i, sigmas);
            (i, score * (-overlap * overlap / threshold).exp())
        });
        let lowered: Vec<(usize, f64)> = lowered.collect();
        left = best_first(lowered.iter().map(|l| l.1)).into_iter().map(|i| lowered[i]).collect();
    }
    kept
}

fn between(estimates: &[&ScoredPose], a: usize, b: usize, sigmas: &[f64]) -> f64 {
    let (a, b) = (estimates[a], estimates[b]);
    oks_between(&a.keypoints, &b.keypoints, [a.crop_area, b.crop_area], sigmas)
}

/// Indices by descending score; of equal ones the later comes first, as in the reference, which
/// sorts upwards and reverses.
fn best_first(scores: impl Iterator<Item = f64>) -> Vec<usize> {
    let scores: Vec<f64> = scores.collect();
    let mut order: Vec<usize> = (0..scores.len()).rev().collect();
    order.sort_by(|&a, &b| descending(scores[a], scores[b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Skeleton;

    fn standing(x: f32, score: f32) -> Vec<Keypoint> {
        (0..17).map(|j| Keypoint { x, y: 10.0 * j as f32, score }).collect()
    }

    #[test]
    fn the_score_is_the_mean_of_the_sure_joints_times_the_boxs() {
        let mut k = standing(0.0, 0.8);
        k[0].score = 0.1;
        assert!((rescore(&k, 0.5) - 0.4).abs() < 1e-6);
        assert_eq!(rescore(&standing(0.0, 0.1), 1.0), 0.0);
    }

    #[test]
    fn the_better_of_two_equal_poses_stays() {
        let poses = [standing(5.0, 0.5), standing(5.0, 0.9), standing(300.0, 0.3)];
        let estimates = poses.map(|keypoints| ScoredPose {
            score: f64::from(keypoints[0].score),
            keypoints,
            crop_area: 9000.0,
            ..ScoredPose::default()
        });
        let estimates: Vec<&ScoredPose> = estimates.iter().collect();
        let sigmas = &Skeleton::coco17().sigmas;
        assert_eq!(oks_nms(&estimates, sigmas, NMS_THRESHOLD), [1, 2]);
        // The soft variant keeps the double but puts it last.
        assert_eq!(soft_oks_nms(&estimates, sigmas, NMS_THRESHOLD), [1, 2, 0]);
        assert!(oks_nms(&[], sigmas, NMS_THRESHOLD).is_empty());
    }
}
