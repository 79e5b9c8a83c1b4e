//! What is measured on a set: the persons that the network is shown, and the annotated persons that its
//! poses are compared with.

use super::DetectedBoxes;
use super::{GroundTruth, PersonCrop, PoseAccuracy, ScoredPose, Suppression, measure, rescore, suppressed};
use crate::data::{CropDataset, DatasetImage, IgnoredAnnotation, PersonAnnotation, PoseSet};
use crate::pose::{Keypoint, Skeleton};
use crate::vision::{BOX_PADDING, CropBox};
use serde::Serialize;
use std::collections::HashSet;

/// Persons to estimate and persons to compare with.
pub struct EvalTask<'a> {
    /// In the order in which poses are expected.
    pub crops: Vec<PersonCrop<'a>>,
    truth: Vec<GroundTruth>,
    skeleton: &'a Skeleton,
}

/// One entry of COCO's results format.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeypointResult {
    /// The image that the person is in.
    pub image_id: u64,
    /// Always 1, "person".
    pub category_id: u64,
    /// x, y, score of each joint.
    pub keypoints: Vec<f64>,
    /// Confidence after rescoring.
    pub score: f64,
}

impl<'a> EvalTask<'a> {
    /// Each of `samples` (drawn without augmentation) with its annotated box. Persons of the same pictures
    /// that are not among the samples do not count; what COCO ignores does.
    pub fn of_samples(samples: &'a CropDataset) -> EvalTask<'a> {
        let count = samples.len();
        let mut task = EvalTask {
            crops: Vec::with_capacity(count),
            truth: Vec::with_capacity(count),
            skeleton: &samples.skeleton,
        };
        let mut images = HashSet::new();
        for index in 0..count {
            let sample = samples.mixture.samples[index];
            let (person, image) = (samples.person(index), samples.image(index));
            images.insert((sample.set, person.image));
            let crop = samples.draw(index, 0).crop;
            task.crops.push(PersonCrop { image, crop, box_score: 1.0, annotated: Some(index) });
            task.truth.push(ground_truth(person, image));
        }
        for (number, set) in samples.mixture.sets.iter().enumerate() {
            let beside = set.ignored.iter().filter(|i| images.contains(&(number, i.image)));
            task.truth.extend(beside.map(|i| ignored_ground_truth(i, &set.images[i.image])));
        }
        task
    }

    /// Detected boxes, and every annotated person of the pictures of `set`. With a `limit` above 0 only that
    /// many of the pictures, evenly spread. `aspect` is the width of the network's input over its height.
    pub fn of_boxes(
        set: &'a PoseSet,
        boxes: &DetectedBoxes,
        limit: usize,
        aspect: f64,
        skeleton: &'a Skeleton,
    ) -> EvalTask<'a> {
        let images = spread(set.images.len(), limit).collect();
        let mut task = EvalTask::of_pictures(set, &images, skeleton);
        for found in boxes.boxes.iter().filter(|b| images.contains(&b.image)) {
            let crop = CropBox::from_bbox(&found.bbox, aspect, BOX_PADDING);
            let image = &set.images[found.image];
            task.crops.push(PersonCrop { image, crop, box_score: found.score, annotated: None });
        }
        task
    }

    /// The annotated persons of the same pictures as [`EvalTask::of_boxes`] takes, each with its own box.
    pub fn of_annotated(set: &'a PoseSet, limit: usize, aspect: f64, skeleton: &'a Skeleton) -> EvalTask<'a> {
        let images = spread(set.images.len(), limit).collect();
        let mut task = EvalTask::of_pictures(set, &images, skeleton);
        let persons = set.persons.iter().filter(|p| images.contains(&p.image));
        for (index, person) in persons.enumerate() {
            let crop = CropBox::from_bbox(&person.bbox, aspect, BOX_PADDING);
            let image = set.image_of(person);
            task.crops.push(PersonCrop { image, crop, box_score: 1.0, annotated: Some(index) });
        }
        task
    }

    /// Everybody annotated in `pictures` (indices into the set's), and nobody to estimate yet.
    fn of_pictures(set: &'a PoseSet, images: &HashSet<usize>, skeleton: &'a Skeleton) -> EvalTask<'a> {
        let persons = set.persons.iter().filter(|p| images.contains(&p.image));
        let persons = persons.map(|p| ground_truth(p, set.image_of(p)));
        let ignored = set.ignored.iter().filter(|p| images.contains(&p.image));
        let ignored = ignored.map(|p| ignored_ground_truth(p, &set.images[p.image]));
        EvalTask { crops: Vec::new(), truth: persons.chain(ignored).collect(), skeleton }
    }

    /// All numbers for one pose (picture pixels) for each subject.
    pub fn measure(&self, poses: &[Vec<Keypoint>], how: Suppression) -> PoseAccuracy {
        measure(&self.truth, &self.estimates(poses), self.skeleton, how)
    }

    /// The estimates that are left after suppression, as COCO's results file holds them.
    pub fn results(&self, poses: &[Vec<Keypoint>], how: Suppression) -> Vec<KeypointResult> {
        let estimates = self.estimates(poses);
        let entry = |i: usize| KeypointResult {
            image_id: estimates[i].image_id,
            category_id: 1,
            keypoints: estimates[i]
                .keypoints
                .iter()
                .flat_map(|k| [k.x, k.y, k.score].map(f64::from))
                .collect(),
            score: estimates[i].score,
        };
        suppressed(&estimates, &self.skeleton.sigmas, how).into_iter().map(entry).collect()
    }

    fn estimates(&self, poses: &[Vec<Keypoint>]) -> Vec<ScoredPose> {
        let estimates = poses.iter().zip(&self.crops).map(|(keypoints, shown)| ScoredPose {
            image_id: shown.image.id,
            keypoints: keypoints.clone(),
            crop_area: shown.crop.area(),
            score: rescore(keypoints, shown.box_score),
            annotated: shown.annotated,
        });
        estimates.collect()
    }
}

/// The pictures that a limit leaves of `all`: evenly spread, all of them for 0.
pub fn spread(all: usize, limit: usize) -> impl Iterator<Item = usize> {
    let shown = if limit == 0 { all } else { limit.min(all) };
    (0..shown).map(move |i| i * all / shown)
}

/// A person of a set as AP and OKS compare it.
pub fn ground_truth(person: &PersonAnnotation, image: &DatasetImage) -> GroundTruth {
    let b = &person.bbox;
    GroundTruth {
        image_id: image.id,
        keypoints: person.keypoints.iter().map(|k| [k.x, k.y, k.score].map(f64::from)).collect(),
        bbox: [b.x, b.y, b.w, b.h].map(f64::from),
        area: person.area,
        crowd: false,
        head_size: person.head_size,
    }
}

fn ignored_ground_truth(ignored: &IgnoredAnnotation, image: &DatasetImage) -> GroundTruth {
    GroundTruth {
        image_id: image.id,
        keypoints: ignored.keypoints.clone(),
        bbox: ignored.bbox,
        area: ignored.area,
        crowd: ignored.crowd,
        head_size: None,
    }
}
