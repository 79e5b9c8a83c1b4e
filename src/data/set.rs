//! A set of annotated people, whatever format its file has.

use super::error::DataError;
use crate::pose::{JointMap, Keypoint, Size, Skeleton};
use crate::vision::BBox;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One picture of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetImage {
    /// Image id, unique in its set.
    pub id: u64,
    /// Its file.
    pub path: PathBuf,
    /// Width and height in pixels as the annotation file states them, else as the picture's own header does.
    pub size: Size,
}

/// One annotated person.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonAnnotation {
    /// Annotation id, unique in its set.
    pub id: u64,
    /// Index into [`PoseSet::images`].
    pub image: usize,
    /// The box that the crop is made from (docs/METHOD.md, "Crop box"): COCO's is clipped to the picture,
    /// MPII's is the square of its centre and scale.
    pub bbox: BBox,
    /// Part of the annotated box that lies outside of the picture, 0 to 1.
    pub outside: f32,
    /// Area in square pixels that OKS is scaled by.
    pub area: f64,
    /// J joints in picture pixels; `score` is COCO's v: 0 not labelled, 1 occluded, 2 visible.
    pub keypoints: Vec<Keypoint>,
    /// How much each joint counts in the loss; 0 where it is not labelled.
    pub weights: Vec<f32>,
    /// The data set it came from, when the file says so.
    pub source: Option<String>,
    /// The length of PCKh in pixels (docs/METHOD.md, "PCK and PCKh"), where the set states a head.
    pub head_size: Option<f64>,
}

impl PersonAnnotation {
    /// Joints that have a label.
    pub fn labelled(&self) -> usize {
        self.keypoints.iter().filter(|k| k.score > 0.0).count()
    }

    /// Somebody for a test: every joint with a score is labelled, and the area is the box's.
    #[cfg(test)]
    pub fn for_test(bbox: BBox, keypoints: Vec<Keypoint>) -> PersonAnnotation {
        let weights = keypoints.iter().map(|k| if k.score > 0.0 { 1.0 } else { 0.0 }).collect();
        let area = f64::from(bbox.area());
        let (source, head_size) = (None, None);
        PersonAnnotation { id: 1, image: 0, bbox, outside: 0.0, area, keypoints, weights, source, head_size }
    }
}

/// An annotation that the evaluation counts neither as found nor as missed (docs/METHOD.md, "Average
/// precision"): a crowd region, or a person without a labelled joint.
#[derive(Clone, Debug, PartialEq)]
pub struct IgnoredAnnotation {
    /// Index into [`PoseSet::images`].
    pub image: usize,
    /// x, y, width and height as annotated.
    pub bbox: [f64; 4],
    /// In square pixels, as annotated.
    pub area: f64,
    /// x, y and v of J joints, all 0 where the file gives none.
    pub keypoints: Vec<[f64; 3]>,
    /// A region of many people (COCO's `iscrowd`), not a person.
    pub crowd: bool,
}

impl IgnoredAnnotation {
    /// Somebody none of whose labelled joints is of use.
    fn unlabelled(person: &PersonAnnotation) -> IgnoredAnnotation {
        let b = &person.bbox;
        IgnoredAnnotation {
            image: person.image,
            bbox: [b.x, b.y, b.w, b.h].map(f64::from),
            area: person.area,
            keypoints: vec![[0.0; 3]; person.keypoints.len()],
            crowd: false,
        }
    }
}

/// What the reader left out, and why. Nothing is skipped silently.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadReport {
    /// Annotations read, whatever became of them.
    pub annotations: usize,
    /// Of something else than persons, by what it is called.
    pub other_categories: BTreeMap<String, usize>,
    /// Crowd regions (`iscrowd` 1), where keypoints are read.
    pub crowd: usize,
    /// Persons without a labelled joint.
    pub unlabelled: usize,
    /// Persons whose box is empty or outside its picture.
    pub empty_box: usize,
    /// Where the pictures were looked for.
    pub images_folder: Option<PathBuf>,
    /// File names of pictures that persons refer to and that are not there.
    pub missing_images: Vec<String>,
    /// Persons lost with them.
    pub persons_without_image: usize,
    /// Annotations that contradict the layout, with the reason.
    pub bad: Vec<String>,
    /// Annotation ids that an earlier annotation had already; the person is kept.
    pub repeated_ids: Vec<u64>,
    /// How the set's joints became those that were asked for, where they differ.
    pub joints: Option<String>,
}

impl LoadReport {
    /// Counts an annotation of something else, and what that is called.
    pub(super) fn count_other(&mut self, name: String) {
        *self.other_categories.entry(name).or_default() += 1;
    }

    /// One line for a terminal or a log; empty when nothing was left out or changed.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        if !self.other_categories.is_empty() {
            let names: Vec<String> = self.other_categories.keys().cloned().collect();
            let count: usize = self.other_categories.values().sum();
            parts.push(format!("{count} annotations of other things than persons ({})", first_few(&names)));
        }
        for (count, what) in [
            (self.crowd, "crowd regions"),
            (self.unlabelled, "persons without labelled joints"),
            (self.empty_box, "persons with an empty box"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        if !self.missing_images.is_empty() {
            let folder =
                self.images_folder.as_ref().map(|folder| format!("; looked for in {}", folder.display()));
            parts.push(format!(
                "{} persons of {} missing pictures ({}{})",
                self.persons_without_image,
                self.missing_images.len(),
                first_few(&self.missing_images),
                folder.unwrap_or_default()
            ));
        }
        if !self.bad.is_empty() {
            parts.push(format!("{} bad annotations ({})", self.bad.len(), first_few(&self.bad)));
        }
        let mut lines = Vec::new();
        if !parts.is_empty() {
            lines.push(format!("left out: {}", parts.join("; ")));
        }
        if !self.repeated_ids.is_empty() {
            lines.push(format!("{} annotation ids occur more than once", self.repeated_ids.len()));
        }
        lines.extend(self.joints.clone());
        lines.join("; ")
    }
}

/// The first of many names, for a line of text.
fn first_few(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    format!("{}{}", shown.join(", "), if names.len() > 3 { ", ..." } else { "" })
}

/// A set of annotated people, read from one annotation file.
#[derive(Clone, Debug, PartialEq)]
pub struct PoseSet {
    /// The annotation file.
    pub file: PathBuf,
    /// A short name for tables: the folder of the set and its split, e.g. `people_coco/val` or `mpii/valid`.
    pub title: String,
    /// The share of a box, 0 to 1, that may lie outside of its picture before it counts as a finding. Where a format
    /// says how boxes are made it follows from that.
    pub outside_limit: f32,
    /// The joints of its persons.
    pub skeleton: Skeleton,
    /// The pictures that are there.
    pub images: Vec<DatasetImage>,
    /// Persons that can be trained on, in the file's order.
    pub persons: Vec<PersonAnnotation>,
    /// What training leaves out and the evaluation must know.
    pub ignored: Vec<IgnoredAnnotation>,
    /// What the reader left out.
    pub report: LoadReport,
}

impl PoseSet {
    /// A set for a test: `images` in which nobody is annotated.
    #[cfg(test)]
    pub fn for_test(title: &str, images: Vec<DatasetImage>) -> PoseSet {
        PoseSet {
            file: format!("{title}.json").into(),
            title: title.into(),
            outside_limit: 0.1,
            skeleton: Skeleton::coco17().clone(),
            images,
            persons: Vec::new(),
            ignored: Vec::new(),
            report: LoadReport::default(),
        }
    }

    /// The same persons with the joints of `skeleton`.
    ///
    /// # Errors
    /// The skeletons have no joint in common, or nobody has a label of such a joint.
    pub fn with_joints_of(mut self, skeleton: &Skeleton) -> Result<PoseSet, DataError> {
        let map = JointMap::between(&self.skeleton, skeleton);
        let says_nothing = map.is_empty() && self.skeleton.len() == skeleton.len();
        if map.is_empty() && !says_nothing {
            return Err(DataError::NoCommonJoint {
                path: self.file.display().to_string(),
                wanted: skeleton.name.clone(),
                joints: self.skeleton.joints.join(", "),
            });
        }
        // Names such as "joint 1" leave only the order to go by.
        if !map.is_identity() && !says_nothing {
            let note = format!("as {}: {}", skeleton.name, map.summary(skeleton));
            self.report.joints = Some(note);
            for ignored in &mut self.ignored {
                ignored.keypoints = map.apply_to_labels(&ignored.keypoints);
            }
            self.persons.retain_mut(|person| {
                (person.keypoints, person.weights) = map.apply(&person.keypoints, &person.weights);
                let useful = person.labelled() > 0;
                if !useful {
                    self.report.unlabelled += 1;
                    self.ignored.push(IgnoredAnnotation::unlabelled(person));
                }
                useful
            });
        }
        self.skeleton = skeleton.clone();
        self.unless_empty()
    }

    /// The set, if anybody in it can be used.
    ///
    /// # Errors
    /// Nobody can.
    pub(super) fn unless_empty(self) -> Result<PoseSet, DataError> {
        if !self.persons.is_empty() {
            return Ok(self);
        }
        let left_out = self.report.summary();
        let left_out = if left_out.is_empty() { left_out } else { format!(" ({left_out})") };
        let (path, joints) = (self.file.display().to_string(), self.skeleton.len());
        Err(DataError::Empty { path, joints, left_out })
    }

    /// The picture of a person of this set.
    pub fn image_of(&self, person: &PersonAnnotation) -> &DatasetImage {
        &self.images[person.image]
    }
}
