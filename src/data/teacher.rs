//! Labels by public models, stored beside a set: they fill joints that its annotators left out and
//! point at labels that are probably wrong (docs/DATA.md).

use super::error::DataError;
use super::set::PoseSet;
use crate::pose::Keypoint;
use crate::settings::define_settings;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

define_settings! {
    /// When a label by a public model is believed. The defaults are the rules found good for `people`.
    pub struct TeacherRules {
        /// A missing joint is filled when the teacher's score is above this ...
        pub fill_score: f32 = 0.35,
        /// ... and its two models disagree by less than this, relative to the box's longer side.
        pub fill_disagreement: f32 = 0.04,
        /// Loss weight of a filled joint.
        pub fill_weight: f32 = 0.5,
        /// A label is mistrusted when the teacher's score is above this ...
        pub mistrust_score: f32 = 0.35,
        /// ... its two models disagree by less than this ...
        pub mistrust_disagreement: f32 = 0.02,
        /// ... and the label is farther away than this, relative to the box's longer side.
        pub mistrust_distance: f32 = 0.15,
    }
}

impl TeacherRules {
    /// Whether a teacher's label speaks against the annotator's label `joint` of somebody whose box's longer side
    /// is `side` pixels.
    pub fn mistrusts(&self, teacher: &TeacherJoint, joint: &Keypoint, side: f32) -> bool {
        joint.score > 0.0
            && teacher.score > self.mistrust_score
            && teacher.disagreement < self.mistrust_disagreement
            && (joint.x - teacher.x).hypot(joint.y - teacher.y) > self.mistrust_distance * side
    }

    /// Whether a teacher's label stands in for one that the annotator left out.
    fn fills(&self, teacher: &TeacherJoint, joint: &Keypoint) -> bool {
        joint.score <= 0.0 && teacher.score > self.fill_score && teacher.disagreement < self.fill_disagreement
    }
}

/// What the rules changed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TeacherReport {
    /// Joints without a label that got one.
    pub filled: usize,
    /// Labelled joints that no longer count in the loss.
    pub mistrusted: usize,
}

/// A joint as two public models see it. A file has it as the list `[x, y, score, disagreement]`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(from = "[f32; 4]")]
pub struct TeacherJoint {
    /// Column in picture pixels.
    pub x: f32,
    /// Row in picture pixels.
    pub y: f32,
    /// Confidence, 0 to 1.
    pub score: f32,
    /// Distance between the two models' joints, relative to the longer side of the person's box.
    pub disagreement: f32,
}

impl From<[f32; 4]> for TeacherJoint {
    fn from([x, y, score, disagreement]: [f32; 4]) -> TeacherJoint {
        TeacherJoint { x, y, score, disagreement }
    }
}

/// The teacher's labels of a set: J joints for each annotation id.
pub struct TeacherLabels(HashMap<u64, Vec<TeacherJoint>>);

impl TeacherLabels {
    /// Where the labels of a set lie: `annotations/teacher_<split>.json`, if there are any.
    pub fn beside(set: &PoseSet) -> Option<PathBuf> {
        let stem = set.file.file_stem()?.to_string_lossy().into_owned();
        let path = set.file.with_file_name(format!("teacher_{}.json", stem.rsplit('_').next()?));
        path.is_file().then_some(path)
    }

    /// Reads a file of labels.
    ///
    /// # Errors
    /// The file cannot be read, or has another layout.
    pub fn load(path: &Path) -> Result<TeacherLabels, DataError> {
        const LAYOUT: &str =
            "the layout of teacher labels, {annotation id: [[x, y, score, disagreement], ...]}";
        let shown = || path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| DataError::Read { path: shown(), source })?;
        let labels = serde_json::from_slice(&bytes).map_err(|source| DataError::Parse {
            path: shown(),
            layout: LAYOUT,
            source,
        })?;
        Ok(TeacherLabels(labels))
    }

    /// The labels of an annotation.
    pub fn of(&self, annotation: u64) -> Option<&[TeacherJoint]> {
        self.0.get(&annotation).map(Vec::as_slice)
    }

    /// Fills missing joints and sets the weight of mistrusted ones to 0.
    pub fn apply(&self, set: &mut PoseSet, rules: &TeacherRules) -> TeacherReport {
        let mut report = TeacherReport::default();
        for person in &mut set.persons {
            let Some(labels) = self.0.get(&person.id) else { continue };
            let side = person.bbox.w.max(person.bbox.h);
            for (j, label) in labels.iter().enumerate().take(person.keypoints.len()) {
                let joint = &mut person.keypoints[j];
                if rules.mistrusts(label, joint, side) {
                    person.weights[j] = 0.0;
                    report.mistrusted += 1;
                } else if rules.fills(label, joint) {
                    *joint = Keypoint { x: label.x, y: label.y, score: 1.0 };
                    person.weights[j] = rules.fill_weight;
                    report.filled += 1;
                }
            }
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PersonAnnotation;
    use crate::vision::BBox;

    #[test]
    fn missing_joints_are_filled_and_swapped_ones_mistrusted() {
        let labelled = Keypoint { x: 10.0, y: 10.0, score: 2.0 };
        let keypoints = vec![Keypoint::default(), Keypoint::default(), labelled, labelled];
        let bbox = BBox { x: 0.0, y: 0.0, w: 50.0, h: 100.0 };
        let person = PersonAnnotation { id: 7, ..PersonAnnotation::for_test(bbox, keypoints) };
        let mut set = PoseSet { persons: vec![person], ..PoseSet::for_test("x", vec![]) };
        let labels = TeacherLabels(HashMap::from([(
            7,
            vec![
                [30.0, 40.0, 0.9, 0.01].into(), // confident and agreed: fills the missing joint
                [30.0, 40.0, 0.2, 0.01].into(), // not confident: the joint stays missing
                [10.0, 30.0, 0.9, 0.01].into(), // 20 px from the label, the limit is 15: mistrusted
                [10.0, 20.0, 0.9, 0.01].into(), // near enough
            ],
        )]));
        let report = labels.apply(&mut set, &TeacherRules::default());
        assert_eq!(report, TeacherReport { filled: 1, mistrusted: 1 });
        assert_eq!(set.persons[0].weights, [0.5, 0.0, 0.0, 1.0]);
        assert_eq!(set.persons[0].keypoints[0], Keypoint { x: 30.0, y: 40.0, score: 1.0 });
    }
}
