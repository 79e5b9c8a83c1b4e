//! Smoothed keypoints of one person.

use super::SmoothingSettings;
use super::confidence::MIN_SCORE;
use super::one_euro::{FilterStep, OneEuro};
use crate::pose::{Keypoint, Pose};

/// The filter of a keypoint that was not found for this many seconds starts anew: what happened in between is unknown,
/// and the old position would drag the new one.
const RESTART_AFTER: f64 = 0.25;
/// From this score on a keypoint is trusted fully; below it, the filter's cutoff falls in proportion to the score.
const FULL_TRUST_SCORE: f32 = 0.5;

/// Filters of a person's keypoints.
#[derive(Clone, Debug, Default)]
pub(super) struct PoseFilter {
    joints: Vec<Option<JointFilter>>,
}

#[derive(Clone, Copy, Debug)]
struct JointFilter {
    x: OneEuro,
    y: OneEuro,
    /// When the joint was found last, in seconds.
    at: f64,
}

impl PoseFilter {
    /// The smoothed pose. `at` is the frame's time in seconds, `size` the person's size in pixels.
    ///
    /// Keypoints of low confidence are returned as they are and do not change their filter. A second pose at the time of
    /// the last one changes nothing: the result is that of the last one.
    pub fn smooth(&mut self, pose: &Pose, at: f64, size: f64, settings: &SmoothingSettings) -> Pose {
        self.joints.resize(pose.keypoints.len(), None);
        let keypoints = pose.keypoints.iter().zip(&mut self.joints);
        let keypoints = keypoints.map(|(k, joint)| smooth(k, joint, at, size.max(1.0), settings)).collect();
        Pose { keypoints, score: pose.score }
    }
}

fn smooth(
    k: &Keypoint,
    joint: &mut Option<JointFilter>,
    at: f64,
    size: f64,
    settings: &SmoothingSettings,
) -> Keypoint {
    if k.score.is_nan() || k.score < MIN_SCORE || !k.x.is_finite() || !k.y.is_finite() {
        return *k;
    }
    let (x, y) = (f64::from(k.x), f64::from(k.y));
    let known = joint.take().filter(|j| (0.0..=RESTART_AFTER).contains(&(at - j.at)));
    let now = match known {
        None => JointFilter { x: OneEuro::new(x), y: OneEuro::new(y), at },
        Some(same) if same.at == at => same,
        Some(mut j) => {
            let trust = f64::from((k.score / FULL_TRUST_SCORE).min(1.0));
            let step = FilterStep { seconds: at - j.at, size, trust };
            j.x.update(x, step, settings);
            j.y.update(y, step, settings);
            JointFilter { at, ..j }
        }
    };
    *joint = Some(now);
    Keypoint { x: now.x.value() as f32, y: now.y.value() as f32, score: k.score }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Size;
    use crate::synth::Mannequin;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};
    use rayon::prelude::*;

    fn pose(points: &[(f32, f32, f32)]) -> Pose {
        let keypoints = points.iter().map(|&(x, y, score)| Keypoint { x, y, score }).collect();
        Pose { keypoints, score: 0.9 }
    }

    #[test]
    fn a_keypoint_of_low_score_stays_as_it_is_and_leaves_its_filter_alone() {
        let settings = SmoothingSettings::default();
        let mut filter = PoseFilter::default();
        let mut reference = PoseFilter::default();
        let confident = pose(&[(10.0, 10.0, 0.9)]);
        let wild = pose(&[(300.0, 5.0, 0.1)]);
        for filter in [&mut filter, &mut reference] {
            assert_eq!(
                filter.smooth(&confident, 0.0, 100.0, &settings),
                confident,
                "the first pose is taken as it is"
            );
        }
        assert_eq!(filter.smooth(&wild, 0.05, 100.0, &settings), wild);
        let near = pose(&[(12.0, 10.0, 0.9)]);
        let after = filter.smooth(&near, 0.1, 100.0, &settings);
        assert_eq!(after, reference.smooth(&near, 0.1, 100.0, &settings));
        assert!(after.keypoints[0].x > 10.0 && after.keypoints[0].x < 12.0);
    }

    #[test]
    fn the_time_of_the_last_pose_and_a_long_absence_are_respected() {
        let settings = SmoothingSettings::default();
        let mut filter = PoseFilter::default();
        filter.smooth(&pose(&[(10.0, 10.0, 0.9)]), 0.0, 100.0, &settings);
        let moved = filter.smooth(&pose(&[(20.0, 10.0, 0.9)]), 0.03, 100.0, &settings);
        let same = filter.smooth(&pose(&[(90.0, 90.0, 0.9)]), 0.03, 100.0, &settings);
        assert_eq!(same, moved, "no time has passed");
        let back = pose(&[(70.0, 60.0, 0.9)]);
        assert_eq!(filter.smooth(&back, 1.0, 100.0, &settings), back, "it starts anew");
    }

    #[test]
    fn people_near_and_far_are_smoothed_alike() {
        let settings = SmoothingSettings::default();
        let run = |scale: f32| {
            let mut filter = PoseFilter::default();
            let steps = (0..20).map(|i| {
                let x = scale * (i as f32 * 0.4).sin() * 30.0;
                let size = f64::from(scale) * 200.0;
                filter.smooth(&pose(&[(x, 0.0, 0.9)]), f64::from(i) / 30.0, size, &settings).keypoints[0].x
                    / scale
            });
            steps.collect::<Vec<f32>>()
        };
        assert!(run(1.0).iter().zip(run(0.25)).all(|(near, far)| (near - far).abs() < 1e-3));
    }

    /// What a filter makes of the mannequin's joints with noise, against leaving them as they are.
    #[derive(Debug)]
    struct SmoothingError {
        /// Trembling (root mean square of the error's second difference), filtered over raw.
        jitter: f64,
        /// Root mean square distance from the truth of joints that rest (below 0.1 sizes a second), move, and
        /// move fast (above 1), filtered over raw.
        error: [f64; 3],
    }

    /// Frames a second.
    const RATE: usize = 30;
    /// Noise in pixels of a seen and of a hidden joint, and their scores, in 640 x 360 pixels.
    const NOISE: [(f64, f32); 2] = [(2.0, 0.8), (4.0, 0.35)];

    /// True joints of some figures for some seconds, frame by frame.
    fn performances(seeds: &[u64], seconds: usize) -> Vec<Vec<Vec<Keypoint>>> {
        let frames = |seed: &u64| {
            let figure = Mannequin::new(*seed, Size::new(640, 360));
            let frame = |i: usize| figure.render(i as f64 / RATE as f64).1;
            (0..RATE * seconds).filter_map(|i| frame(i).into_iter().next().map(|p| p.keypoints)).collect()
        };
        seeds.par_iter().map(frames).collect()
    }

    fn measure(performances: &[Vec<Vec<Keypoint>>], settings: &SmoothingSettings) -> SmoothingError {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut gauss = || -> f64 { StandardNormal.sample(&mut random) };
        let mut jitter = [0.0; 2];
        let mut error = [[0.0; 2]; 3];
        for truth in performances {
            let mut filter = PoseFilter::default();
            // Errors of raw and filtered joints in the last two frames.
            let mut past: [Vec<[[f64; 2]; 2]>; 2] = Default::default();
            for (i, joints) in truth.iter().enumerate() {
                let box_of = crate::vision::BBox::around(joints, 0.0).unwrap();
                let size = f64::from(box_of.w.max(box_of.h)) * 1.25;
                let noisy = joints.iter().map(|k| {
                    let (sigma, score) = NOISE[usize::from(k.score < 1.5)];
                    let [dx, dy] = [gauss() * sigma, gauss() * sigma].map(|d| d as f32);
                    Keypoint { x: k.x + dx, y: k.y + dy, score }
                });
                let raw = Pose { keypoints: noisy.collect(), score: 0.9 };
                let smooth = filter.smooth(&raw, i as f64 / RATE as f64, size, settings);
                let off = |p: &Keypoint, k: &Keypoint| [f64::from(p.x - k.x), f64::from(p.y - k.y)];
                let now: Vec<[[f64; 2]; 2]> = joints
                    .iter()
                    .zip(raw.keypoints.iter().zip(&smooth.keypoints))
                    .map(|(k, (raw, smooth))| [off(raw, k), off(smooth, k)])
                    .collect();
                let square = |[x, y]: [f64; 2]| x * x + y * y;
                if i >= 10 {
                    for (j, k) in joints.iter().enumerate() {
                        let before = truth[i - 1][j];
                        let speed = f64::from((k.x - before.x).hypot(k.y - before.y)) * RATE as f64 / size;
                        let class = usize::from(speed > 0.1) + usize::from(speed > 1.0);
                        for which in 0..2 {
                            error[class][which] += square(now[j][which]);
                            let shake = |a: usize| {
                                now[j][which][a] - 2.0 * past[1][j][which][a] + past[0][j][which][a]
                            };
                            jitter[which] += square([shake(0), shake(1)]);
                        }
                    }
                }
                past = [std::mem::take(&mut past[1]), now];
            }
        }
        let ratio = |[raw, filtered]: [f64; 2]| (filtered / raw).sqrt();
        SmoothingError { jitter: ratio(jitter), error: error.map(ratio) }
    }

    #[test]
    fn the_default_settings_still_the_mannequin_without_falling_behind() {
        let m = measure(&performances(&[3, 11, 27, 40], 11), &SmoothingSettings::default());
        assert!(m.jitter < 0.45, "{m:?}");
        assert!(m.error[0] < 0.75 && m.error[1] < 0.9 && m.error[2] < 1.7, "{m:?}");
    }

    /// Prints the comparison of `docs/experiments/2026-11-21-scene-cuts-and-smoothing.md`.
    #[test]
    #[ignore = "a comparison of settings, for the documentation"]
    fn compare_settings() {
        let performances = performances(&[3, 11, 27, 40], 11);
        for derivative_cutoff in [0.5, 1.0, 2.0, 4.0] {
            for min_cutoff in [0.5, 1.0, 1.5, 2.0, 3.0] {
                for beta in [0.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0] {
                    let settings = SmoothingSettings { on: true, min_cutoff, beta, derivative_cutoff };
                    let SmoothingError { jitter, error: [rest, moving, fast] } =
                        measure(&performances, &settings);
                    println!(
                        "{derivative_cutoff:4} {min_cutoff:4} {beta:4}  {jitter:.3} {rest:.3} {moving:.3} {fast:.3}"
                    );
                }
            }
        }
    }
}
