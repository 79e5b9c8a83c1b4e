//! What is measured on a set: the persons that the network is shown, and the annotated persons that its
//! poses are compared with.

use super::Boxes;
use super::{Accuracy, DtPerson, Found, GtPerson, Subject, Suppression, TruePerson, measure, suppressed};
use crate::data::{Ignored, Person, Picture, PoseSet, Samples};
use crate::pose::{Keypoint, Skeleton};
use crate::vision::{BBox, BOX_PADDING, CropBox};
use serde::Serialize;
use std::collections::HashSet;

/// Persons to estimate and persons to compare with.
pub struct Task<'a> {
    /// In the order in which poses are expected.
    pub subjects: Vec<Subject<'a>>,
    origins: Vec<Origin>,
    truth: Vec<TruePerson>,
    skeleton: &'a Skeleton,
}

/// Where a subject's box comes from.
struct Origin {
    /// Index of the annotated person whose box it is; none for a detected box.
    of: Option<usize>,
    score: f64,
}

/// One entry of COCO's results format.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CocoResult {
    pub image_id: u64,
    pub category_id: u64,
    /// x, y, score of each joint.
    pub keypoints: Vec<f64>,
    pub score: f64,
}

impl<'a> Task<'a> {
    /// Each of `samples` (drawn without augmentation) with its annotated box. Persons of the same pictures
    /// that are not among the samples do not count; what COCO ignores does.
    pub fn of_samples(samples: &'a Samples) -> Task<'a> {
        let count = samples.len();
        let mut task = Task {
            subjects: Vec::with_capacity(count),
            origins: Vec::with_capacity(count),
            truth: Vec::with_capacity(count),
            skeleton: &samples.skeleton,
        };
        let mut pictures = HashSet::new();
        for index in 0..count {
            let sample = samples.mixture.samples[index];
            let (_, person, picture) = samples.person(index);
            pictures.insert((sample.set, person.picture));
            task.subjects.push(Subject { picture, crop: samples.draw(index, 0).crop });
            task.origins.push(Origin { of: Some(index), score: 1.0 });
            task.truth.push(true_person(person, picture));
        }
        for (number, set) in samples.mixture.sets.iter().enumerate() {
            let beside = set.ignored.iter().filter(|i| pictures.contains(&(number, i.picture)));
            task.truth.extend(beside.map(|i| ignored_person(i, &set.pictures[i.picture])));
        }
        task
    }

    /// Detected boxes, and every annotated person of the pictures of `set`. With a `limit` above 0 only that
    /// many of the pictures, evenly spread. `aspect` is the width of the network's input over its height.
    pub fn of_boxes(
        set: &'a PoseSet,
        boxes: &Boxes,
        limit: usize,
        aspect: f64,
        skeleton: &'a Skeleton,
    ) -> Task<'a> {
        let pictures = spread(set.pictures.len(), limit).collect();
        let mut task = Task::of_pictures(set, &pictures, skeleton);
        for found in boxes.boxes.iter().filter(|b| pictures.contains(&b.picture)) {
            let origin = Origin { of: None, score: found.score };
            task.show(&set.pictures[found.picture], &found.bbox, aspect, origin);
        }
        task
    }

    /// The annotated persons of the same pictures as [`Task::of_boxes`] takes, each with its own box.
    pub fn of_annotated(set: &'a PoseSet, limit: usize, aspect: f64, skeleton: &'a Skeleton) -> Task<'a> {
        let pictures = spread(set.pictures.len(), limit).collect();
        let mut task = Task::of_pictures(set, &pictures, skeleton);
        let persons = set.persons.iter().filter(|p| pictures.contains(&p.picture));
        for (index, person) in persons.enumerate() {
            let origin = Origin { of: Some(index), score: 1.0 };
            task.show(set.picture(person), &person.bbox, aspect, origin);
        }
        task
    }

    /// Everybody annotated in `pictures` (indices into the set's), and nobody to estimate yet.
    fn of_pictures(set: &'a PoseSet, pictures: &HashSet<usize>, skeleton: &'a Skeleton) -> Task<'a> {
        let persons = set.persons.iter().filter(|p| pictures.contains(&p.picture));
        let persons = persons.map(|p| true_person(p, set.picture(p)));
        let ignored = set.ignored.iter().filter(|p| pictures.contains(&p.picture));
        let ignored = ignored.map(|p| ignored_person(p, &set.pictures[p.picture]));
        Task { subjects: Vec::new(), origins: Vec::new(), truth: persons.chain(ignored).collect(), skeleton }
    }

    /// Adds somebody to estimate.
    fn show(&mut self, picture: &'a Picture, bbox: &BBox, aspect: f64, origin: Origin) {
        self.subjects.push(Subject { picture, crop: CropBox::from_bbox(bbox, aspect, BOX_PADDING) });
        self.origins.push(origin);
    }

    /// All numbers for one pose (picture pixels) for each subject.
    pub fn measure(&self, poses: &[Vec<Keypoint>], how: Suppression) -> Accuracy {
        measure(&self.truth, &self.found(poses), self.skeleton, how)
    }

    /// The estimates that are left after suppression, as COCO's results file holds them.
    pub fn results(&self, poses: &[Vec<Keypoint>], how: Suppression) -> Vec<CocoResult> {
        let entry = |(_, person): (usize, DtPerson)| CocoResult {
            image_id: person.image_id,
            category_id: 1,
            keypoints: person.keypoints.iter().flat_map(|k| [k.x, k.y, k.score].map(f64::from)).collect(),
            score: person.score,
        };
        suppressed(&self.found(poses), &self.skeleton.sigmas, how).into_iter().map(entry).collect()
    }

    fn found(&self, poses: &[Vec<Keypoint>]) -> Vec<Found> {
        let parts = poses.iter().zip(&self.subjects).zip(&self.origins);
        let found = parts.map(|((keypoints, subject), origin)| Found {
            image_id: subject.picture.id,
            keypoints: keypoints.clone(),
            area: subject.crop.area(),
            box_score: origin.score,
            of: origin.of,
        });
        found.collect()
    }
}

/// The pictures that a limit leaves of `all`: evenly spread, all of them for 0.
pub fn spread(all: usize, limit: usize) -> impl Iterator<Item = usize> {
    let shown = if limit == 0 { all } else { limit.min(all) };
    (0..shown).map(move |i| i * all / shown)
}

/// A person of a set as AP and OKS compare it.
pub fn ground_truth(person: &Person, picture: &Picture) -> GtPerson {
    let b = &person.bbox;
    GtPerson {
        image_id: picture.id,
        keypoints: person.keypoints.iter().map(|k| [k.x, k.y, k.score].map(f64::from)).collect(),
        bbox: [b.x, b.y, b.w, b.h].map(f64::from),
        area: person.area,
        crowd: false,
    }
}

fn true_person(person: &Person, picture: &Picture) -> TruePerson {
    TruePerson { gt: ground_truth(person, picture), head: person.head_size }
}

fn ignored_person(ignored: &Ignored, picture: &Picture) -> TruePerson {
    let gt = GtPerson {
        image_id: picture.id,
        keypoints: ignored.keypoints.clone(),
        bbox: ignored.bbox,
        area: ignored.area,
        crowd: ignored.crowd,
    };
    TruePerson { gt, head: None }
}
