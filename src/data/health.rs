//! What a set holds, and what looks wrong in it.

use super::findings::{self, Finding, FindingKind, file_name};
use super::samples::read_image;
use super::set::{DatasetImage, PoseSet};
use super::sides::SidePairs;
use super::teacher::TeacherLabels;
use crate::pose::Size;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// How often a joint is labelled, as parts of the persons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JointShare {
    /// The joint's name.
    pub joint: String,
    /// Labelled, visible or hidden.
    pub labelled: f64,
    /// Labelled but hidden.
    pub hidden: f64,
}

/// Smallest, median, largest and mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SummaryStats {
    /// The smallest value.
    pub least: f64,
    /// The middle one, of an even number the upper of the two.
    pub median: f64,
    /// The largest value.
    pub most: f64,
    /// The mean.
    pub mean: f64,
}

impl SummaryStats {
    fn of(mut values: Vec<f64>) -> SummaryStats {
        values.sort_by(f64::total_cmp);
        let (Some(&least), Some(&most)) = (values.first(), values.last()) else {
            return SummaryStats::default();
        };
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        SummaryStats { least, median: values[values.len() / 2], most, mean }
    }
}

/// A set's report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    /// The set's title.
    pub set: String,
    /// Path of the annotation file.
    pub file: String,
    /// Name of the skeleton.
    pub skeleton: String,
    /// Annotations in the file, whatever became of them.
    pub annotations: usize,
    /// Crowd regions and persons without labels or without a box, which training leaves out.
    pub crowd: usize,
    /// Persons without a labelled joint.
    pub unlabelled: usize,
    /// Persons whose box is empty or outside of its picture.
    pub empty_boxes: usize,
    /// Pictures that the file names and that are there.
    pub pictures: usize,
    /// Persons that can be trained on.
    pub persons: usize,
    /// Persons from each data set that the file names.
    pub sources: BTreeMap<String, usize>,
    /// Labelled joints of a person.
    pub joints_a_person: SummaryStats,
    /// Longer side of the boxes in pixels.
    pub box_side: SummaryStats,
    /// The set's joints, in their order.
    pub joints: Vec<JointShare>,
    /// Whether teacher labels lie beside the set.
    pub teacher: bool,
    /// Whether every picture was decoded.
    pub decoded: bool,
    /// By kind, the worst of each kind first.
    pub findings: Vec<Finding>,
}

impl Health {
    /// Looks at annotations only; [`Health::decode`] looks at the pictures. `set` has its own joints
    /// and no teacher's among them.
    pub fn of(set: &PoseSet, teacher: Option<&TeacherLabels>) -> Health {
        let persons = set.persons.len();
        let mut sources = BTreeMap::new();
        for source in set.persons.iter().filter_map(|p| p.source.clone()) {
            *sources.entry(source).or_insert(0) += 1;
        }
        let share = |j: usize, wanted: fn(f32) -> bool| {
            let count = set.persons.iter().filter(|p| wanted(p.keypoints[j].score)).count();
            count as f64 / persons.max(1) as f64
        };
        let joints = set.skeleton.joints.iter().enumerate().map(|(j, joint)| JointShare {
            joint: joint.clone(),
            labelled: share(j, |v| v > 0.0),
            hidden: share(j, |v| v > 0.0 && v < 2.0),
        });
        let sides = SidePairs::of(&set.skeleton);
        let mut findings = findings::listed(set);
        let of_persons = set.persons.par_iter().enumerate();
        let found: Vec<Finding> =
            of_persons.flat_map_iter(|(index, _)| findings::of_person(set, index, &sides, teacher)).collect();
        findings.extend(found);
        let mut health = Health {
            set: set.title.clone(),
            file: set.file.display().to_string(),
            skeleton: set.skeleton.name.clone(),
            annotations: set.report.annotations,
            crowd: set.report.crowd,
            unlabelled: set.report.unlabelled,
            empty_boxes: set.report.empty_box,
            pictures: set.images.len(),
            persons,
            sources,
            joints_a_person: SummaryStats::of(set.persons.iter().map(|p| p.labelled() as f64).collect()),
            box_side: SummaryStats::of(
                set.persons.iter().map(|p| f64::from(p.bbox.w.max(p.bbox.h))).collect(),
            ),
            joints: joints.collect(),
            teacher: teacher.is_some(),
            decoded: false,
            findings,
        };
        health.sort();
        health
    }

    /// Decodes every picture; `done` hears the number of pictures finished.
    pub fn decode(&mut self, set: &PoseSet, done: impl Fn(usize) + Sync) {
        let look = |picture: &DatasetImage| {
            let name = file_name(&picture.path);
            let found = match read_image(picture) {
                Err(error) => Some((FindingKind::UndecodablePicture, error.to_string())),
                Ok(pixels) if Size::from(pixels.dimensions()) != picture.size => {
                    let Size { width, height } = picture.size;
                    let (own_width, own_height) = pixels.dimensions();
                    let text = format!("{own_width} x {own_height} pixels, stated as {width} x {height}");
                    Some((FindingKind::WrongSize, text))
                }
                Ok(_) => None,
            };
            done(1);
            let (kind, text) = found?;
            Some(Finding { kind, annotation: None, picture: name, text, severity: 1.0, person: None })
        };
        let found: Vec<Finding> = set.images.par_iter().filter_map(look).collect();
        self.findings.extend(found);
        self.decoded = true;
        self.sort();
    }

    /// The findings of one kind, the worst first.
    pub fn of_kind(&self, kind: FindingKind) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |f| f.kind == kind)
    }

    /// The gravest finding about a person, by its index.
    pub fn of_person(&self, person: usize) -> Option<&Finding> {
        self.findings.iter().find(|f| f.person == Some(person))
    }

    fn sort(&mut self) {
        self.findings.sort_by(|a, b| {
            a.kind.cmp(&b.kind).then(b.severity.total_cmp(&a.severity)).then(a.annotation.cmp(&b.annotation))
        });
    }
}

/// Persons for a contact sheet: up to half of `count` that were found suspicious (the clearest of each
/// kind, one of each kind after another), the rest evenly spread over the set.
pub fn pick(set: &PoseSet, health: &Health, count: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    let mut queues: Vec<Vec<usize>> = FindingKind::ALL
        .iter()
        .map(|&kind| {
            let mut persons: Vec<usize> = health.of_kind(kind).filter_map(|f| f.person).collect();
            persons.reverse();
            persons
        })
        .collect();
    while chosen.len() < count / 2 && queues.iter().any(|q| !q.is_empty()) {
        for queue in &mut queues {
            if let Some(person) = queue.pop()
                && !chosen.contains(&person)
                && chosen.len() < count / 2
            {
                chosen.push(person);
            }
        }
    }
    let others: Vec<usize> = (0..set.persons.len()).filter(|i| !chosen.contains(i)).collect();
    let rest = (count - chosen.len()).min(others.len());
    chosen.extend((0..rest).map(|i| others[i * others.len() / rest]));
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::formats::{CocoKeypoints, DatasetFiles, PoseFormat};
    use serde_json::{Value, json};
    use std::path::Path;

    /// Somebody upright of 100 x 200 pixels at x, as COCO writes joints.
    fn joints(x: f64) -> Vec<f64> {
        let rows = [(0, 10.0, 0.0), (1, 8.0, 5.0), (3, 10.0, 9.0), (5, 40.0, 25.0), (7, 70.0, 35.0)];
        let rows = rows.into_iter().chain([
            (9, 100.0, 35.0),
            (11, 100.0, 18.0),
            (13, 145.0, 18.0),
            (15, 190.0, 18.0),
        ]);
        let mut all = vec![[0.0; 3]; 17];
        for (row, y, half) in rows {
            all[row] = [x + 50.0 + half, 20.0 + y, 2.0];
            if row > 0 {
                all[row + 1] = [x + 50.0 - half, 20.0 + y, 1.0];
            }
        }
        all.concat()
    }

    fn write_set(dir: &Path, annotations: Vec<Value>) -> PoseSet {
        std::fs::create_dir_all(dir.join("images")).unwrap();
        image::RgbImage::new(300, 240).save(dir.join("images/a.png")).unwrap();
        image::RgbImage::new(30, 24).save(dir.join("images/small.png")).unwrap();
        std::fs::write(dir.join("images/broken.png"), b"not a picture").unwrap();
        let names = ["a.png", "small.png", "broken.png", "gone.png"];
        let images: Vec<Value> = (0..names.len())
            .map(|i| json!({"id": i, "file_name": names[i], "width": 300, "height": 240}))
            .collect();
        let file = dir.join("set.json");
        std::fs::write(&file, json!({"images": images, "annotations": annotations}).to_string()).unwrap();
        let files = DatasetFiles { file, images: dir.join("images") };
        CocoKeypoints.read(&files, None).unwrap()
    }

    fn annotation(id: u64, image: u64, joints: Vec<f64>) -> Value {
        json!({"id": id, "image_id": image, "bbox": [10, 15, 100, 200], "keypoints": joints, "source": "test"})
    }

    #[test]
    fn a_healthy_set_has_no_findings() {
        let dir = tempfile::tempdir().unwrap();
        let set = write_set(dir.path(), vec![annotation(1, 0, joints(10.0)), annotation(2, 0, joints(15.0))]);
        let health = Health::of(&set, None);
        assert_eq!(health.findings, []);
        assert_eq!((health.persons, health.pictures, health.sources["test"]), (2, 3, 2));
        assert_eq!((health.joints[0].labelled, health.joints[2].hidden), (1.0, 1.0));
        assert_eq!((health.joints_a_person.median, health.box_side.median), (17.0, 200.0));
    }

    #[test]
    fn every_kind_of_fault_is_found_and_names_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let mut exchanged = joints(10.0);
        for k in 0..3 {
            exchanged.swap(3 * 11 + k, 3 * 12 + k);
        }
        let mut far = joints(10.0);
        far[0] = -40.0;
        let mut cut = annotation(6, 0, joints(10.0));
        cut["bbox"] = json!([10, 15, 100, 300]);
        let mut tiny = annotation(7, 0, joints(10.0));
        tiny["bbox"] = json!([10, 15, 10, 20]);
        let mut bad = annotation(8, 0, joints(10.0));
        bad["bbox"] = json!([1]);
        let set = write_set(
            dir.path(),
            vec![
                annotation(1, 0, joints(10.0)),
                annotation(1, 1, joints(10.0)),
                annotation(2, 2, joints(10.0)),
                annotation(3, 3, joints(10.0)),
                annotation(4, 0, exchanged),
                annotation(5, 0, far),
                cut,
                tiny,
                bad,
            ],
        );
        let mut health = Health::of(&set, None);
        health.decode(&set, |_| ());
        let told = |kind| {
            let first = health.of_kind(kind).next().unwrap_or_else(|| panic!("{kind:?}"));
            format!("{} {:?} {}", first.picture, first.annotation, first.text)
        };
        assert!(told(FindingKind::MissingPicture).starts_with("gone.png"));
        assert!(told(FindingKind::UndecodablePicture).starts_with("broken.png"));
        assert!(told(FindingKind::WrongSize).contains("30 x 24 pixels, stated as 300 x 240"));
        assert!(told(FindingKind::BadAnnotation).contains("annotation 8"));
        assert!(told(FindingKind::RepeatedId).contains("Some(1)"));
        assert!(told(FindingKind::LeftRight).contains("Some(4) shoulders and hips"));
        assert!(told(FindingKind::JointOutsidePicture).contains("nose lies 40 pixels"));
        assert!(told(FindingKind::JointOutsideBox).contains("Some(7)"));
        assert!(told(FindingKind::BoxOutside).contains("Some(6) 25 %"));
        assert!(told(FindingKind::TinyBox).contains("Some(7) the box is 10 x 20"));
        let chosen = pick(&set, &health, 4);
        assert_eq!(chosen.len(), 4);
        assert_eq!(set.persons[chosen[0]].id, 4);
        assert_eq!(health.of_person(chosen[0]).unwrap().kind, FindingKind::LeftRight);
    }

    #[test]
    fn teacher_labels_are_the_better_witness() {
        let dir = tempfile::tempdir().unwrap();
        let mut exchanged = joints(10.0);
        for row in (5..17).step_by(2) {
            for k in 0..3 {
                exchanged.swap(3 * row + k, 3 * (row + 1) + k);
            }
        }
        let mut shifted = joints(10.0);
        shifted.iter_mut().step_by(3).for_each(|x| *x += 60.0);
        let all =
            vec![annotation(1, 0, joints(10.0)), annotation(2, 0, exchanged), annotation(3, 0, shifted)];
        let set = write_set(dir.path(), all);
        let labels: Vec<[f64; 4]> = joints(10.0).chunks(3).map(|k| [k[0], k[1], 0.9, 0.0]).collect();
        let file = dir.path().join("teacher.json");
        std::fs::write(&file, json!({"1": labels, "2": labels, "3": labels}).to_string()).unwrap();
        let health = Health::of(&set, Some(&TeacherLabels::load(&file).unwrap()));
        let found: Vec<_> = health.findings.iter().map(|f| (f.kind, f.annotation)).take(2).collect();
        assert_eq!(
            found,
            [(FindingKind::LeftRight, Some(2)), (FindingKind::TeacherDisagrees, Some(3))],
            "{:?}",
            health.findings
        );
    }
}
