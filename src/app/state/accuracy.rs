//! The accuracy of the estimates, measured against the mannequin's true joints.

use crate::live::{LiveResult, RecentValues};
use crate::pose::{BuiltinSkeleton, Skeleton};
use crate::source::TruePerson;

/// Joints nearer than this share of the person box's longer side count as correct (PCK@0.1).
const PCK_THRESHOLD: f32 = 0.1;
/// Results that the running means are taken over.
const MEAN_RESULTS: usize = 100;

/// The errors of one person in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PersonAccuracy {
    /// Mean distance in pixels over the joints inside the picture.
    pub error: f32,
    /// Share of those joints that are within a tenth of the box's longer side.
    pub pck: f32,
}

/// The newest accuracy and the running means.
pub struct LiveAccuracy {
    recent: RecentValues<PersonAccuracy>,
}

impl Default for LiveAccuracy {
    fn default() -> Self {
        LiveAccuracy { recent: RecentValues::new(MEAN_RESULTS) }
    }
}

impl LiveAccuracy {
    /// Takes a result; frames without known joints, or of another skeleton, add nothing.
    pub fn add(&mut self, result: &LiveResult, skeleton: &Skeleton) {
        let Some(truth) = &result.frame.frame.truth else { return };
        if skeleton.builtin() != Some(BuiltinSkeleton::Coco17) {
            return;
        }
        let measured: Vec<Vec<Option<PersonAccuracy>>> = result
            .people
            .iter()
            .map(|found| truth.iter().map(|person| measure(&found.pose.keypoints, person)).collect())
            .collect();
        if let Some(mean) = mean(&pairs(&measured)) {
            self.recent.push(mean);
        }
    }

    /// The newest one.
    pub fn now(&self) -> Option<PersonAccuracy> {
        self.recent.last().copied()
    }

    /// Means over the last results, and how many those are.
    pub fn mean(&self) -> Option<(PersonAccuracy, usize)> {
        let recent: Vec<PersonAccuracy> = self.recent.iter().copied().collect();
        Some((mean(&recent)?, recent.len()))
    }

    /// Errors of the last results, oldest first.
    pub fn errors(&self) -> impl ExactSizeIterator<Item = f32> {
        self.recent.iter().map(|a| a.error)
    }

    /// Starts over, for another source or other settings.
    pub fn clear(&mut self) {
        self.recent.clear();
    }
}

fn measure(found: &[crate::pose::Keypoint], person: &TruePerson) -> Option<PersonAccuracy> {
    let reach = PCK_THRESHOLD * person.bbox.w.max(person.bbox.h);
    let known = person.keypoints.iter().zip(found).filter(|(truth, _)| truth.score > 0.0);
    let distances: Vec<f32> = known.map(|(t, f)| (t.x - f.x).hypot(t.y - f.y)).collect();
    let count = distances.len() as f32;
    (count > 0.0).then(|| PersonAccuracy {
        error: distances.iter().sum::<f32>() / count,
        pck: distances.iter().filter(|d| **d <= reach).count() as f32 / count,
    })
}

/// The accuracy of each true person whose nearest estimate is also nearest to it. People who are missed, and estimates
/// that are duplicates or where there is no person, do not count: they say nothing about how near estimates are.
///
/// `measured`: for each estimated person, the accuracy against each true one.
fn pairs(measured: &[Vec<Option<PersonAccuracy>>]) -> Vec<PersonAccuracy> {
    let error = |found: usize, person: usize| measured[found][person].map_or(f32::INFINITY, |a| a.error);
    let nearest_of = |found: usize| {
        (0..measured[found].len()).min_by(|&a, &b| error(found, a).total_cmp(&error(found, b)))
    };
    let people = measured.first().map_or(0, Vec::len);
    (0..people)
        .filter_map(|person| {
            let found = (0..measured.len()).min_by(|&a, &b| error(a, person).total_cmp(&error(b, person)))?;
            measured[found][person].filter(|_| nearest_of(found) == Some(person))
        })
        .collect()
}

fn mean(all: &[PersonAccuracy]) -> Option<PersonAccuracy> {
    let count = all.len() as f32;
    let sum = all.iter().fold((0.0, 0.0), |(error, pck), a| (error + a.error, pck + a.pck));
    (!all.is_empty()).then(|| PersonAccuracy { error: sum.0 / count, pck: sum.1 / count })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Keypoint;
    use crate::vision::BBox;

    #[test]
    fn only_joints_inside_the_picture_count() {
        let joint = |x, score| Keypoint { x, y: 0.0, score };
        let person = TruePerson {
            bbox: BBox { x: 0.0, y: 0.0, w: 50.0, h: 100.0 },
            keypoints: vec![joint(0.0, 2.0), joint(10.0, 1.0), joint(20.0, 0.0)],
        };
        let found = [joint(4.0, 0.9), joint(40.0, 0.9), joint(500.0, 0.9)];
        assert_eq!(measure(&found, &person), Some(PersonAccuracy { error: 17.0, pck: 0.5 }));
        let nobody = TruePerson { keypoints: vec![joint(0.0, 0.0)], ..person };
        assert_eq!(measure(&found, &nobody), None);
    }

    #[test]
    fn people_are_measured_against_those_they_stand_for() {
        let at = |error: f32| Some(PersonAccuracy { error, pck: 1.0 });
        // The first found stands for the second true person, the second is far from everybody's own, the third
        // stands for the first; nobody stands for the last.
        let measured = [
            vec![at(90.0), at(4.0), at(80.0)],
            vec![at(70.0), at(30.0), None],
            vec![at(6.0), at(95.0), at(60.0)],
        ];
        assert_eq!(pairs(&measured), [at(6.0).unwrap(), at(4.0).unwrap()]);
        assert_eq!(mean(&pairs(&measured)), at(5.0));
        assert_eq!((pairs(&[]), mean(&[])), (vec![], None));
    }
}
