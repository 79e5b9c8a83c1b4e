//! A set of pictures with the boxes of everybody in them.

use super::read;
use crate::data::error::DataError;
use crate::data::locate::locate_boxes;
use crate::data::set::{DatasetImage, coco_split, first_few, title_of};
use std::path::{Path, PathBuf};

/// An annotated person, or a region of many.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxAnnotation {
    /// Annotation id.
    pub id: u64,
    /// x, y, width and height in picture pixels, as annotated.
    pub bbox: [f64; 4],
    /// In square pixels as annotated, else the box's.
    pub area: f64,
    /// A region in which nobody counts as missed or wrongly found (COCO's `iscrowd`).
    pub crowd: bool,
}

/// A picture with everybody in it; perhaps nobody.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnotatedImage {
    pub image: DatasetImage,
    /// In the file's order.
    pub annotations: Vec<BoxAnnotation>,
}

impl AnnotatedImage {
    /// People of this picture, crowd regions left out.
    pub fn people(&self) -> impl Iterator<Item = &BoxAnnotation> {
        self.annotations.iter().filter(|label| !label.crowd)
    }
}

/// What the reader left out, and why. Nothing is skipped silently.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BoxLoadReport {
    /// Annotations read, whatever became of them.
    pub annotations: usize,
    /// Of something else than persons.
    pub other_category: usize,
    /// Persons whose box is empty or outside its picture.
    pub empty_box: usize,
    /// File names of pictures that are not there.
    pub missing_pictures: Vec<String>,
    /// Annotations and pictures that contradict the layout, with the reason.
    pub bad: Vec<String>,
}

impl BoxLoadReport {
    /// One line for a terminal or a log; empty when nothing was left out.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        for (count, what) in [
            (self.other_category, "boxes that are no persons"),
            (self.empty_box, "persons with an empty box"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        for (names, what) in [(&self.missing_pictures, "missing pictures"), (&self.bad, "bad annotations")] {
            if !names.is_empty() {
                parts.push(format!("{} {what} ({})", names.len(), first_few(names)));
            }
        }
        if parts.is_empty() { String::new() } else { format!("left out: {}", parts.join("; ")) }
    }
}

/// A set of pictures with people's boxes, read from one annotation file.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxSet {
    /// The annotation file.
    pub file: PathBuf,
    /// Pictures that can be decoded as far as their headers tell, in the file's order.
    pub images: Vec<AnnotatedImage>,
    pub report: BoxLoadReport,
}

impl BoxSet {
    /// Finds the annotation file and the pictures of `wanted` and reads them. `wanted` is an annotation file, a
    /// set's folder (then `split`, "train" or "val", is read), or `FOLDER/train`, `FOLDER/val`, which name the
    /// split themselves. COCO's own names (`instances_val2017.json`, `val2017/`) are found too.
    ///
    /// # Errors
    /// There is no such set, its file cannot be read, or it has no usable picture.
    pub fn open(wanted: &Path, split: &str) -> Result<BoxSet, DataError> {
        let place = locate_boxes(wanted, split).ok_or_else(|| DataError::NoBoxes {
            wanted: wanted.display().to_string(),
            split: split.into(),
        })?;
        let set = read::read(&place)?;
        if set.images.is_empty() {
            let left_out = set.report.summary();
            let left_out = if left_out.is_empty() { left_out } else { format!(" ({left_out})") };
            return Err(DataError::NoPictures { path: set.file.display().to_string(), left_out });
        }
        Ok(set)
    }

    /// Annotated people, crowd regions left out.
    pub fn people(&self) -> usize {
        self.images.iter().map(|p| p.people().count()).sum()
    }

    /// A short name for tables: the folder of the set and its split, e.g. `detect/val`.
    pub fn title(&self) -> String {
        title_of(&self.file, coco_split)
    }

    /// Keeps about `limit` pictures, evenly spread; 0 keeps all.
    pub fn thin_to(&mut self, limit: usize) {
        let all = self.images.len();
        if limit > 0 && limit < all {
            let kept: std::collections::HashSet<usize> = (0..limit).map(|i| i * all / limit).collect();
            let mut number = 0..;
            self.images.retain(|_| number.next().is_some_and(|n| kept.contains(&n)));
        }
    }
}
