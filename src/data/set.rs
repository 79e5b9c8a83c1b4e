//! A set of annotated people, whatever layout its file has.

use super::error::DataError;
use super::locate::{Place, locate};
use super::{coco, mpii};
use crate::pose::{Keypoint, Skeleton};
use crate::vision::BBox;
use std::path::{Path, PathBuf};

/// One picture of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub id: u64,
    pub path: PathBuf,
    /// Width and height in pixels as the annotation file states them, else as the picture's own header does.
    pub size: [u32; 2],
}

/// One annotated person.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Annotation id, unique in its set.
    pub id: u64,
    /// Index into [`PoseSet::pictures`].
    pub picture: usize,
    /// The box that the crop is made from (METHOD 5): COCO's is clipped to the picture, MPII's is the
    /// square of its centre and scale.
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
    /// The length of PCKh in pixels (METHOD 6.2), where the set states a head.
    pub head_size: Option<f64>,
}

impl Person {
    /// Joints that have a label.
    pub fn labelled(&self) -> usize {
        self.keypoints.iter().filter(|k| k.score > 0.0).count()
    }
}

/// An annotation that the evaluation counts neither as found nor as missed (METHOD 6.1): a crowd region, or a
/// person without a labelled joint.
#[derive(Clone, Debug, PartialEq)]
pub struct Ignored {
    /// Index into [`PoseSet::pictures`].
    pub picture: usize,
    /// x, y, width and height as annotated.
    pub bbox: [f64; 4],
    pub area: f64,
    /// x, y and v of J joints, all 0 where the file gives none.
    pub keypoints: Vec<[f64; 3]>,
    pub crowd: bool,
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
}

impl LoadReport {
    /// One line for a terminal or a log; empty when nothing was left out.
    pub fn summary(&self) -> String {
        let named = |names: &[String]| {
            let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
            format!("{}{}", shown.join(", "), if names.len() > 3 { ", ..." } else { "" })
        };
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
                named(&self.missing_pictures)
            ));
        }
        if !self.bad.is_empty() {
            parts.push(format!("{} bad annotations ({})", self.bad.len(), named(&self.bad)));
        }
        if parts.is_empty() { String::new() } else { format!("left out: {}", parts.join("; ")) }
    }
}

/// How an annotation file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
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
    pub layout: Layout,
    pub pictures: Vec<Picture>,
    /// Persons that can be trained on, in the file's order.
    pub persons: Vec<Person>,
    /// What training leaves out and the evaluation must know.
    pub ignored: Vec<Ignored>,
    pub report: LoadReport,
}

impl PoseSet {
    /// Finds the annotation file and the pictures of `wanted` and reads them.
    ///
    /// `wanted` is an annotation file, a set's folder (then `split`, "train" or "val", is read), or
    /// `FOLDER/train`, `FOLDER/val`, which name the split themselves. COCO's own names
    /// (`person_keypoints_val2017.json`, `val2017/`) and MPII's (`annot/valid.json`) are found too.
    ///
    /// # Errors
    /// There is no such set, its file cannot be read, or nobody in it can be used.
    pub fn open(wanted: &Path, split: &str, skeleton: &Skeleton) -> Result<PoseSet, DataError> {
        let place = locate(wanted, split).ok_or_else(|| DataError::NotFound {
            wanted: wanted.display().to_string(),
            split: split.into(),
        })?;
        PoseSet::load(&place, skeleton)
    }

    /// Reads the annotation file of `place`, whose layout shows in its first letter.
    ///
    /// # Errors
    /// The file cannot be read, or nobody in it can be used.
    pub fn load(place: &Place, skeleton: &Skeleton) -> Result<PoseSet, DataError> {
        let shown = || place.file.display().to_string();
        let bytes = std::fs::read(&place.file).map_err(|source| DataError::Read { path: shown(), source })?;
        let first = bytes.iter().find(|b| !b.is_ascii_whitespace());
        let set = match first {
            Some(b'[') => mpii::read(bytes, place)?,
            _ => coco::read(bytes, place, skeleton.len())?,
        };
        if set.persons.iter().any(|p| p.keypoints.len() != skeleton.len()) || set.persons.is_empty() {
            let left_out = set.report.summary();
            let left_out = if left_out.is_empty() { left_out } else { format!(" ({left_out})") };
            return Err(DataError::Empty { path: shown(), joints: skeleton.len(), left_out });
        }
        Ok(set)
    }

    /// The picture of a person of this set.
    pub fn picture(&self, person: &Person) -> &Picture {
        &self.pictures[person.picture]
    }

    /// A short name for tables: the folder of the set and its split, e.g. `people_coco/val` or
    /// `mpii/valid`.
    pub fn title(&self) -> String {
        let stem = self.file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let split = match self.layout {
            Layout::Coco => stem.rsplit('_').next().unwrap_or(&stem),
            Layout::Mpii => stem.strip_prefix("mpii_").unwrap_or(&stem),
        };
        let folder = self.file.parent().and_then(Path::parent).and_then(Path::file_name);
        match folder {
            Some(folder) => format!("{}/{split}", folder.to_string_lossy()),
            None => stem,
        }
    }
}
