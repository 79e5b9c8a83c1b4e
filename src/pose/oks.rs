//! Object keypoint similarity (docs/METHOD.md, "OKS") of estimated poses: 1 when they are the same, towards 0
//! with distance, in terms of the person's size.

use super::Keypoint;

/// What one joint adds to the sum of OKS: `exp(-d^2 / (2 area (2 sigma)^2))` for a distance (dx, dy) in pixels
/// and the person's area in square pixels, which must be above 0.
pub fn joint_similarity(dx: f64, dy: f64, sigma: f64, area: f64) -> f64 {
    let variance = (2.0 * sigma) * (2.0 * sigma);
    (-(dx * dx + dy * dy) / variance / area / 2.0).exp()
}

/// OKS between two estimates: the mean over all joints, with the mean of both areas
/// (docs/METHOD.md, "OKS").
pub fn oks_between(a: &[Keypoint], b: &[Keypoint], areas: [f64; 2], sigmas: &[f64]) -> f64 {
    mean(a, b, areas, sigmas, |_, _| true).unwrap_or(0.0)
}

/// OKS between two estimates over the joints whose score is at least `min_score` in both; none without such a
/// joint. A joint that the network guesses at would say that one person were two.
pub fn oks_of_confident(
    a: &[Keypoint],
    b: &[Keypoint],
    areas: [f64; 2],
    sigmas: &[f64],
    min_score: f32,
) -> Option<f64> {
    mean(a, b, areas, sigmas, |a, b| a.score >= min_score && b.score >= min_score)
}

fn mean(
    a: &[Keypoint],
    b: &[Keypoint],
    areas: [f64; 2],
    sigmas: &[f64],
    counts: impl Fn(&Keypoint, &Keypoint) -> bool,
) -> Option<f64> {
    let area = (areas[0] + areas[1]) / 2.0 + f64::EPSILON;
    let (mut sum, mut joints) = (0.0, 0);
    for ((a, b), sigma) in a.iter().zip(b).zip(sigmas).filter(|((a, b), _)| counts(a, b)) {
        sum +=
            joint_similarity(f64::from(a.x) - f64::from(b.x), f64::from(a.y) - f64::from(b.y), *sigma, area);
        joints += 1;
    }
    (joints > 0).then(|| sum / f64::from(joints))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Skeleton;
    use proptest::prelude::*;

    prop_compose! {
        fn estimate()(points in proptest::collection::vec((0f32..600.0, 0f32..400.0, 0f32..1.0), 17)) -> Vec<Keypoint> {
            points.into_iter().map(|(x, y, score)| Keypoint { x, y, score }).collect()
        }
    }

    #[test]
    fn joints_of_low_score_in_either_pose_do_not_count() {
        let sigmas = &Skeleton::coco17().sigmas;
        let a: Vec<Keypoint> = (0..17).map(|j| Keypoint { x: j as f32, y: 0.0, score: 0.9 }).collect();
        let mut b = a.clone();
        b[3] = Keypoint { x: 500.0, y: 500.0, score: 0.1 };
        assert_eq!(oks_of_confident(&a, &b, [900.0; 2], sigmas, 0.2), Some(1.0));
        assert!(oks_between(&a, &b, [900.0; 2], sigmas) < 0.95);
        assert_eq!(oks_of_confident(&a, &b, [900.0; 2], sigmas, 0.95), None);
    }

    proptest! {
        #[test]
        fn two_estimates_compare_the_same_either_way(a in estimate(), b in estimate()) {
            let sigmas = &Skeleton::coco17().sigmas;
            let there = oks_between(&a, &b, [900.0, 5000.0], sigmas);
            let back = oks_between(&b, &a, [5000.0, 900.0], sigmas);
            prop_assert!((there - back).abs() < 1e-12);
            prop_assert!((oks_between(&a, &a, [900.0; 2], sigmas) - 1.0).abs() < 1e-12);
        }
    }
}
