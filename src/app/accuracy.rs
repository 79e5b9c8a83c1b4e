//! How near the estimate is to the mannequin's true joints.

use crate::live::{History, LiveResult};
use crate::pose::Skeleton;
use crate::source::TruePerson;

/// Joints nearer than this share of the person box's longer side count as found (PCK@0.1).
const NEAR: f32 = 0.1;
/// Results over which the running means go.
const RUNNING: usize = 100;

/// The errors of one person in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// Mean distance in pixels over the joints inside the picture.
    pub error: f32,
    /// Share of those joints that are within a tenth of the box's longer side.
    pub pck: f32,
}

/// The newest accuracy and the running means.
pub struct LiveAccuracy {
    recent: History<Accuracy>,
}

impl Default for LiveAccuracy {
    fn default() -> Self {
        LiveAccuracy { recent: History::new(RUNNING) }
    }
}

impl LiveAccuracy {
    /// Takes a result; frames without known joints, or of another skeleton, add nothing.
    pub fn add(&mut self, result: &LiveResult, skeleton: &Skeleton) {
        let Some(truth) = &result.frame.frame.truth else { return };
        if skeleton.name != Skeleton::coco17().name {
            return;
        }
        // Of several people the one nearest to the truth counts; a frame without people says nothing about how
        // near they are.
        let nearest = result
            .people
            .iter()
            .flat_map(|found| truth.iter().filter_map(|person| measure(&found.pose.keypoints, person)));
        if let Some(best) = nearest.min_by(|a, b| a.error.total_cmp(&b.error)) {
            self.recent.push(best);
        }
    }

    /// The newest one.
    pub fn now(&self) -> Option<Accuracy> {
        self.recent.last().copied()
    }

    /// Means over the last results, and how many those are.
    pub fn mean(&self) -> Option<(Accuracy, usize)> {
        let count = self.recent.iter().len();
        let sum = self.recent.iter().fold((0.0, 0.0), |(e, p), a| (e + a.error, p + a.pck));
        (count > 0).then(|| (Accuracy { error: sum.0 / count as f32, pck: sum.1 / count as f32 }, count))
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

fn measure(found: &[crate::pose::Keypoint], person: &TruePerson) -> Option<Accuracy> {
    let reach = NEAR * person.bbox.w.max(person.bbox.h);
    let known = person.keypoints.iter().zip(found).filter(|(truth, _)| truth.score > 0.0);
    let distances: Vec<f32> = known.map(|(t, f)| (t.x - f.x).hypot(t.y - f.y)).collect();
    let count = distances.len() as f32;
    (count > 0.0).then(|| Accuracy {
        error: distances.iter().sum::<f32>() / count,
        pck: distances.iter().filter(|d| **d <= reach).count() as f32 / count,
    })
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
        assert_eq!(measure(&found, &person), Some(Accuracy { error: 17.0, pck: 0.5 }));
        let nobody = TruePerson { keypoints: vec![joint(0.0, 0.0)], ..person };
        assert_eq!(measure(&found, &nobody), None);
    }
}
