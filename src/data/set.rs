//! A set of annotated people, whatever layout its file has.

use super::error::DataError;
use super::locate::{DatasetFiles, locate};
use super::{coco, mpii};
use crate::pose::{JointMap, Keypoint, Skeleton};
use crate::vision::BBox;
use std::path::{Path, PathBuf};

/// One picture of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetImage {
    pub id: u64,
    pub path: PathBuf,
    /// Width and height in pixels as the annotation file states them, else as the picture's own header does.
    pub size: [u32; 2],
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
    pub area: f64,
    /// x, y and v of J joints, all 0 where the file gives none.
    pub keypoints: Vec<[f64; 3]>,
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
    /// Crowd regions (`iscrowd` 1).
    pub crowd: usize,
    /// Persons without a labelled joint.
    pub unlabelled: usize,
    /// Persons whose box is empty or outside its picture.
    pub empty_box: usize,
    /// File names of pictures that persons refer to and that are not there.
    pub missing_pictures: Vec<String>,
    /// Persons lost with them.
    pub persons_without_picture: usize,
    /// Annotations that contradict the layout, with the reason.
    pub bad: Vec<String>,
    /// Annotation ids that an earlier annotation had already; the person is kept.
    pub repeated_ids: Vec<u64>,
    /// How the set's joints became those that were asked for, where they differ.
    pub joints: Option<String>,
}

impl LoadReport {
    /// One line for a terminal or a log; empty when nothing was left out or changed.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        for (count, what) in [
            (self.crowd, "crowd regions"),
            (self.unlabelled, "persons without labelled joints"),
            (self.empty_box, "persons with an empty box"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        if !self.missing_pictures.is_empty() {
            parts.push(format!(
                "{} persons of {} missing pictures ({})",
                self.persons_without_picture,
                self.missing_pictures.len(),
                first_few(&self.missing_pictures)
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
pub(super) fn first_few(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    format!("{}{}", shown.join(", "), if names.len() > 3 { ", ..." } else { "" })
}

/// A short name of a set: its folder and what `split` makes of its file's name.
pub(super) fn title_of(file: &Path, split: impl Fn(&str) -> String) -> String {
    let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = file.parent().and_then(Path::parent).and_then(Path::file_name);
    match folder {
        Some(folder) => format!("{}/{}", folder.to_string_lossy(), split(&stem)),
        None => stem,
    }
}

/// The split in the name of a file in COCO's layout: what stands behind the last `_`.
pub(super) fn coco_split(stem: &str) -> String {
    stem.rsplit('_').next().unwrap_or(stem).into()
}

/// How an annotation file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatasetFormat {
    /// One object with `images` and `annotations`.
    Coco,
    /// One list of persons, as HRNet's MPII files have it.
    Mpii,
}

/// A set of annotated people, read from one annotation file.
#[derive(Clone, Debug, PartialEq)]
pub struct PoseSet {
    /// The annotation file.
    pub file: PathBuf,
    pub layout: DatasetFormat,
    /// The joints of its persons.
    pub skeleton: Skeleton,
    pub images: Vec<DatasetImage>,
    /// Persons that can be trained on, in the file's order.
    pub persons: Vec<PersonAnnotation>,
    /// What training leaves out and the evaluation must know.
    pub ignored: Vec<IgnoredAnnotation>,
    pub report: LoadReport,
}

impl PoseSet {
    /// Finds the annotation file and the pictures of `wanted` and reads them, with the joints of
    /// `skeleton`: those that the set knows by name, some middles of two, and the others without
    /// labels.
    ///
    /// `wanted` is an annotation file, a set's folder (then `split`, "train" or "val", is read), or
    /// `FOLDER/train`, `FOLDER/val`, which name the split themselves. COCO's own names
    /// (`person_keypoints_val2017.json`, `val2017/`) and MPII's (`annot/valid.json`) are found too.
    ///
    /// # Errors
    /// There is no such set, its file cannot be read, or nobody in it can be used.
    pub fn open(wanted: &Path, split: &str, skeleton: &Skeleton) -> Result<PoseSet, DataError> {
        PoseSet::open_as_declared(wanted, split, Some(skeleton))?.with_joints_of(skeleton)
    }

    /// As [`PoseSet::open`], with the joints that the set itself declares. `expected` is believed to
    /// be the skeleton of a set that declares none and has as many joints.
    ///
    /// # Errors
    /// There is no such set, its file cannot be read, or nobody in it can be used.
    pub fn open_as_declared(
        wanted: &Path,
        split: &str,
        expected: Option<&Skeleton>,
    ) -> Result<PoseSet, DataError> {
        PoseSet::load(&PoseSet::find(wanted, split)?, expected)
    }

    /// The files that [`PoseSet::open`] would read, without reading them.
    ///
    /// # Errors
    /// There is no such set.
    pub fn find(wanted: &Path, split: &str) -> Result<DatasetFiles, DataError> {
        locate(wanted, split)
            .ok_or_else(|| DataError::NotFound { wanted: wanted.display().to_string(), split: split.into() })
    }

    /// Reads the annotation file of `place`, whose layout shows in its first letter.
    ///
    /// # Errors
    /// The file cannot be read, or nobody in it can be used.
    pub fn load(place: &DatasetFiles, expected: Option<&Skeleton>) -> Result<PoseSet, DataError> {
        let path = place.file.display().to_string();
        let bytes =
            std::fs::read(&place.file).map_err(|source| DataError::Read { path: path.clone(), source })?;
        if bytes.starts_with(b"MATLAB ") {
            return Err(DataError::Matlab { path });
        }
        let set = match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'[') => mpii::read(bytes, place)?,
            _ => coco::read(bytes, place, expected)?,
        };
        set.unless_empty()
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

    fn unless_empty(self) -> Result<PoseSet, DataError> {
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

    /// A short name for tables: the folder of the set and its split, e.g. `people_coco/val` or
    /// `mpii/valid`.
    pub fn title(&self) -> String {
        title_of(&self.file, |stem| match self.layout {
            DatasetFormat::Coco => coco_split(stem),
            DatasetFormat::Mpii => stem.strip_prefix("mpii_").unwrap_or(stem).into(),
        })
    }
}
