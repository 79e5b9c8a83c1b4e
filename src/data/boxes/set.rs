//! A set of pictures with the boxes of everybody in them.

use crate::data::set::{DatasetImage, LoadReport};
use std::path::PathBuf;

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
    /// The picture.
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

/// A set of pictures with people's boxes, read from one annotation file.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxSet {
    /// The annotation file.
    pub file: PathBuf,
    /// A short name for tables: the folder of the set and its split, e.g. `detect/val`.
    pub title: String,
    /// Pictures that can be decoded as far as their headers tell, in the file's order.
    pub images: Vec<AnnotatedImage>,
    /// What the reader left out.
    pub report: LoadReport,
}

impl BoxSet {
    /// Annotated people, crowd regions left out.
    pub fn people(&self) -> usize {
        self.images.iter().map(|p| p.people().count()).sum()
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
