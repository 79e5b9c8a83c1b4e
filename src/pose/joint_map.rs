//! Joints of one skeleton as joints of another, found by their names.

use super::joint_name::JointName;
use super::{Keypoint, Skeleton};

/// Weight of a joint that was computed from two others, the same as a teacher's.
pub const DERIVED_WEIGHT: f32 = 0.5;

/// Joints that lie in the middle of two others by definition: MPII's pelvis and thorax are its
/// annotators' middle of hips and shoulders.
const MIDDLES: [(&str, [&str; 2]); 2] =
    [("pelvis", ["left_hip", "right_hip"]), ("thorax", ["left_shoulder", "right_shoulder"])];

/// Where a joint comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JointSource {
    /// The other skeleton has it.
    Same(usize),
    /// It is computed as the middle of two joints of the other skeleton.
    Middle(usize, usize),
    /// The other skeleton knows nothing of it.
    Missing,
}

/// How the joints of a target skeleton come about from those of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JointMap {
    /// One for each joint of the target.
    pub sources: Vec<JointSource>,
    /// Number of joints of the other skeleton.
    from: usize,
}

impl JointMap {
    /// Joints of `from` as joints of `to`: equal names first, then names that mean the same
    /// (`l_hip`, `leftHip`), then middles of two joints.
    pub fn between(from: &Skeleton, to: &Skeleton) -> JointMap {
        let names: Vec<JointName> = from.joints.iter().map(|j| JointName::parse(j)).collect();
        let find = |joint: &str| {
            let wanted = JointName::parse(joint);
            let exact = from.joints.iter().position(|j| j == joint);
            exact.or_else(|| names.iter().position(|n| *n == wanted))
        };
        let source = |joint: &String| {
            if let Some(same) = find(joint) {
                return JointSource::Same(same);
            }
            let name = JointName::parse(joint);
            let middle = MIDDLES.iter().find(|(m, _)| JointName::parse(m) == name);
            match middle.map(|(_, pair)| pair.map(find)) {
                Some([Some(a), Some(b)]) => JointSource::Middle(a, b),
                _ => JointSource::Missing,
            }
        };
        JointMap { sources: to.joints.iter().map(source).collect(), from: from.len() }
    }

    /// Every joint as it is.
    pub fn identity(joints: usize) -> JointMap {
        JointMap { sources: (0..joints).map(JointSource::Same).collect(), from: joints }
    }

    /// Whether the map changes nothing.
    pub fn is_identity(&self) -> bool {
        *self == JointMap::identity(self.from)
    }

    /// Whether no joint of the other skeleton is of any use.
    pub fn is_empty(&self) -> bool {
        self.sources.iter().all(|s| *s == JointSource::Missing)
    }

    /// The joints of a person (those of the other skeleton, with their weights in the loss) as joints
    /// of the target. A joint that is missing gets no label; a middle of two labelled joints gets
    /// [`DERIVED_WEIGHT`] of the smaller of their weights.
    ///
    /// # Panics
    /// When there are fewer joints or weights than the other skeleton has.
    pub fn apply(&self, keypoints: &[Keypoint], weights: &[f32]) -> (Vec<Keypoint>, Vec<f32>) {
        let one = |source: &JointSource| match *source {
            JointSource::Same(j) => (keypoints[j], weights[j]),
            JointSource::Middle(a, b) => match (keypoints[a], keypoints[b]) {
                (p, q) if p.score > 0.0 && q.score > 0.0 => {
                    let (x, y) = ((p.x + q.x) / 2.0, (p.y + q.y) / 2.0);
                    let weight = DERIVED_WEIGHT * weights[a].min(weights[b]);
                    (Keypoint { x, y, score: p.score.min(q.score) }, weight)
                }
                _ => (Keypoint::default(), 0.0),
            },
            JointSource::Missing => (Keypoint::default(), 0.0),
        };
        self.sources.iter().map(one).unzip()
    }

    /// The same for annotations [x, y, v] without weights.
    ///
    /// # Panics
    /// When there are fewer joints than the other skeleton has.
    pub fn apply_to_labels(&self, joints: &[[f64; 3]]) -> Vec<[f64; 3]> {
        let one = |source: &JointSource| match *source {
            JointSource::Same(j) => joints[j],
            JointSource::Middle(a, b) => match (joints[a], joints[b]) {
                (p, q) if p[2] > 0.0 && q[2] > 0.0 => {
                    [(p[0] + q[0]) / 2.0, (p[1] + q[1]) / 2.0, p[2].min(q[2])]
                }
                _ => [0.0; 3],
            },
            JointSource::Missing => [0.0; 3],
        };
        self.sources.iter().map(one).collect()
    }

    /// What becomes of the joints, for a log: "12 joints mapped, 2 derived (pelvis, thorax), 2 masked
    /// (...)".
    pub fn summary(&self, to: &Skeleton) -> String {
        let named = |wanted: fn(&JointSource) -> bool| {
            let joints = self.sources.iter().zip(&to.joints).filter(|(s, _)| wanted(s));
            joints.map(|(_, name)| name.as_str()).collect::<Vec<_>>()
        };
        let mut text =
            format!("{} joints mapped by name", named(|s| matches!(s, JointSource::Same(_))).len());
        let derived = named(|s| matches!(s, JointSource::Middle(..)));
        let masked = named(|s| *s == JointSource::Missing);
        for (what, joints) in [("derived", derived), ("masked", masked)] {
            if !joints.is_empty() {
                text += &format!(", {} {what} ({})", joints.len(), joints.join(", "));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mapped(from: &Skeleton, to: &Skeleton, keypoints: &[Keypoint]) -> Vec<Keypoint> {
        let weights = vec![1.0; keypoints.len()];
        JointMap::between(from, to).apply(keypoints, &weights).0
    }

    #[test]
    fn cocos_joints_become_mpiis() {
        let map = JointMap::between(Skeleton::coco17(), Skeleton::mpii16());
        assert_eq!(map.sources[0], JointSource::Same(16)); // the right ankle
        assert_eq!(map.sources[6], JointSource::Middle(11, 12)); // pelvis
        assert_eq!(map.sources[7], JointSource::Middle(5, 6)); // thorax
        assert_eq!(
            map.summary(Skeleton::mpii16()),
            "12 joints mapped by name, 2 derived (pelvis, thorax), 2 masked (upper_neck, head_top)"
        );
        let back = JointMap::between(Skeleton::mpii16(), Skeleton::coco17());
        let masked = back.sources.iter().filter(|s| **s == JointSource::Missing).count();
        assert_eq!(masked, 5);
        assert!(JointMap::between(Skeleton::coco17(), Skeleton::coco17()).is_identity());
    }

    #[test]
    fn other_spellings_mean_the_same_joint() {
        let mut other = Skeleton::coco17().clone();
        other.joints =
            other.joints.iter().map(|j| j.replace("left_", "l-").replace("right_", "R ")).collect();
        other.joints.reverse();
        let map = JointMap::between(&other, Skeleton::coco17());
        let reversed: Vec<JointSource> = (0..17).rev().map(JointSource::Same).collect();
        assert_eq!(map.sources, reversed);
    }

    #[test]
    fn a_middle_needs_both_of_its_joints() {
        let map = JointMap::between(Skeleton::coco17(), Skeleton::mpii16());
        let mut keypoints = vec![Keypoint::default(); 17];
        keypoints[11] = Keypoint { x: 10.0, y: 4.0, score: 2.0 };
        let mut weights = vec![1.0; 17];
        assert_eq!(map.apply(&keypoints, &weights).1[6], 0.0);
        keypoints[12] = Keypoint { x: 20.0, y: 8.0, score: 1.0 };
        let (mapped, at) = map.apply(&keypoints, &weights);
        assert_eq!((mapped[6], at[6]), (Keypoint { x: 15.0, y: 6.0, score: 1.0 }, DERIVED_WEIGHT));
        let labels: Vec<[f64; 3]> = keypoints.iter().map(|k| [k.x, k.y, k.score].map(f64::from)).collect();
        assert_eq!(map.apply_to_labels(&labels)[6], [15.0, 6.0, 1.0]);
        assert_eq!(map.apply_to_labels(&labels)[7], [0.0; 3]);
        // A hip that is not trusted makes no pelvis to be trusted.
        weights[12] = 0.0;
        assert_eq!(map.apply(&keypoints, &weights).1[6], 0.0);
    }

    proptest! {
        #[test]
        fn there_and_back_keeps_the_joints_that_both_have(
            points in proptest::collection::vec((-50f32..700.0, -50f32..700.0, 0u8..3), 17),
        ) {
            let (coco, mpii) = (Skeleton::coco17(), Skeleton::mpii16());
            let before: Vec<Keypoint> =
                points.iter().map(|&(x, y, v)| Keypoint { x, y, score: f32::from(v) }).collect();
            let after = mapped(mpii, coco, &mapped(coco, mpii, &before));
            for j in 0..17 {
                // Shoulders to ankles; MPII has no face.
                prop_assert_eq!(after[j], if j >= 5 { before[j] } else { Keypoint::default() });
            }
        }
    }
}
