//! Several sets as one list of samples, each set as often as wanted.

use super::error::DataError;
use super::set::PoseSet;
use super::set_spec::SetSpec;
use super::teacher::{TeacherLabels, TeacherReport, TeacherRules};
use crate::pose::Skeleton;

/// One pass over one person: which set, which of its persons, and which repetition of the set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRef {
    /// Index into [`Mixture::sets`].
    pub set: usize,
    /// Index into [`PoseSet::persons`].
    pub person: usize,
    /// Which repetition of the set it is, from 0.
    pub round: usize,
}

/// The sets of a training and the list of all samples of an epoch.
pub struct Mixture {
    /// In the order of their specification.
    pub sets: Vec<PoseSet>,
    /// What teacher labels changed in each set; `None` for a set without such labels.
    pub teacher: Vec<Option<TeacherReport>>,
    /// The samples of an epoch.
    pub samples: Vec<SampleRef>,
}

impl Mixture {
    /// Opens the sets. With `rules`, teacher labels that lie beside a set are used.
    ///
    /// # Errors
    /// A set cannot be opened, or its teacher labels cannot be read.
    pub fn open(
        specs: &[SetSpec],
        split: &str,
        skeleton: &Skeleton,
        rules: Option<&TeacherRules>,
    ) -> Result<Mixture, DataError> {
        let mut mixture = Mixture { sets: Vec::new(), teacher: Vec::new(), samples: Vec::new() };
        for spec in specs {
            let mut set = PoseSet::open_as_declared(spec.source.path()?, split, Some(skeleton))?;
            let mut report = None;
            if let Some(rules) = rules
                && let Some(path) = TeacherLabels::beside(&set)
            {
                report = Some(TeacherLabels::load(&path)?.apply(&mut set, rules));
            }
            mixture.teacher.push(report);
            // After the teachers, who know the set's own joints only.
            mixture.push(set.with_joints_of(skeleton)?, spec.repeat);
        }
        Ok(mixture)
    }

    /// A line on each set for a log: its size, what teacher labels changed, what was left out and how
    /// its joints were mapped.
    pub fn notes(&self) -> Vec<String> {
        let note = |(set, teacher): (&PoseSet, &Option<TeacherReport>)| {
            let mut text = format!("{}: {} persons", set.title, set.persons.len());
            if let Some(t) = teacher {
                let (filled, mistrusted) = (t.filled, t.mistrusted);
                text += &format!(", {filled} joints filled and {mistrusted} mistrusted by teacher labels");
            }
            let changed = set.report.summary();
            if changed.is_empty() { text } else { format!("{text}; {changed}") }
        };
        self.sets.iter().zip(&self.teacher).map(note).collect()
    }

    /// Refuses sets of which more than `limit` (a part of 1) of the annotations contradict their
    /// layout. Persons of missing pictures do not count: a part of a set's pictures is a set, too.
    ///
    /// # Errors
    /// Too many bad annotations; the first are named.
    pub fn check_annotations(&self, limit: f64) -> Result<(), DataError> {
        let bad = || self.sets.iter().flat_map(|s| &s.report.bad);
        let all: usize = self.sets.iter().map(|s| s.report.annotations).sum();
        let count = bad().count();
        if count as f64 > limit * all as f64 {
            let names = bad().take(5).cloned().collect::<Vec<_>>().join("; ");
            return Err(DataError::BadAnnotations { bad: count, all, names });
        }
        Ok(())
    }

    /// A single set, every person once.
    pub fn single(set: PoseSet) -> Mixture {
        let mut mixture = Mixture { sets: Vec::new(), teacher: vec![None], samples: Vec::new() };
        mixture.push(set, 1);
        mixture
    }

    fn push(&mut self, set: PoseSet, repeat: usize) {
        let index = self.sets.len();
        for round in 0..repeat {
            let persons = 0..set.persons.len();
            self.samples.extend(persons.map(|person| SampleRef { set: index, person, round }));
        }
        self.sets.push(set);
    }

    /// Keeps about `limit` samples, evenly spread over all sets; for trials and quick validations.
    pub fn thin_to(&mut self, limit: usize) {
        if limit == 0 || self.samples.len() <= limit {
            return;
        }
        let all = self.samples.len();
        self.samples = (0..limit).map(|i| self.samples[i * all / limit]).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A COCO-17 set of one picture and `bad` annotations without a box beside a good one.
    fn write_set(dir: &std::path::Path, bad: usize) {
        for folder in ["annotations", "images/train"] {
            std::fs::create_dir_all(dir.join(folder)).unwrap();
        }
        std::fs::write(dir.join("images/train/a.jpg"), b"").unwrap();
        let joints: Vec<f64> = (0..17).flat_map(|j| [10.0 + j as f64, 20.0, 2.0]).collect();
        let mut all =
            vec![serde_json::json!({"id": 0, "image_id": 1, "bbox": [5, 5, 40, 60], "keypoints": joints})];
        all.extend((0..bad).map(|id| serde_json::json!({"id": 1 + id, "image_id": 1, "keypoints": joints})));
        let images = serde_json::json!([{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}]);
        let file = serde_json::json!({"images": images, "annotations": all});
        std::fs::write(dir.join("annotations/person_keypoints_train.json"), file.to_string()).unwrap();
    }

    #[test]
    fn too_many_bad_annotations_stop_a_training() {
        let dir = tempfile::tempdir().unwrap();
        write_set(dir.path(), 1);
        let spec = SetSpec { source: dir.path().to_path_buf().into(), repeat: 3 };
        let mixture = Mixture::open(&[spec], "train", Skeleton::coco17(), None).unwrap();
        assert_eq!(mixture.samples.len(), 3);
        mixture.check_annotations(0.5).unwrap();
        let error = mixture.check_annotations(0.49).unwrap_err().to_string();
        assert!(error.contains("1 of 2 annotations") && error.contains("annotation 1"), "{error}");
    }

    #[test]
    fn teachers_speak_of_the_sets_own_joints() {
        let dir = tempfile::tempdir().unwrap();
        write_set(dir.path(), 0);
        // Confident of the right hip (12) far from its label, and of the right ankle (16) at its label.
        let mut labels = vec![[0.0; 4]; 17];
        labels[12] = [22.0, 60.0, 0.9, 0.0];
        labels[16] = [26.0, 20.0, 0.9, 0.0];
        let text = serde_json::json!({"0": labels}).to_string();
        std::fs::write(dir.path().join("annotations/teacher_train.json"), text).unwrap();
        let spec = SetSpec::from(dir.path().to_path_buf());
        let rules = TeacherRules::default();
        let mixture = Mixture::open(&[spec], "train", Skeleton::mpii16(), Some(&rules)).unwrap();
        assert_eq!(mixture.teacher[0], Some(TeacherReport { filled: 0, mistrusted: 1 }));
        // Right ankle, right knee, right hip, left hip; pelvis and thorax.
        let weights = &mixture.sets[0].persons[0].weights;
        assert_eq!((&weights[..4], &weights[6..8]), (&[1.0, 1.0, 0.0, 1.0][..], &[0.0, 0.5][..]));
    }
}
