//! What COCO's annotation files have in common: one JSON object with images, annotations and categories.

use super::images::CocoImage;
use super::lenient::{Number, Numbers, text};
use crate::data::error::DataError;
use serde::Deserialize;
use std::path::Path;

/// COCO's id of the category "person".
pub const PERSON_CATEGORY: u64 = 1;

/// A file as it stands.
#[derive(Deserialize)]
pub(super) struct CocoFile {
    pub images: Vec<CocoImage>,
    pub annotations: Vec<CocoAnnotation>,
    #[serde(default)]
    pub categories: Vec<CocoCategory>,
}

/// What a category is called, and the joints that it has.
#[derive(Deserialize)]
pub(super) struct CocoCategory {
    #[serde(default)]
    pub id: Number,
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(default)]
    pub keypoints: Option<Vec<String>>,
    /// Pairs of joints, counted from 1.
    #[serde(default)]
    pub skeleton: Vec<Numbers>,
}

/// An annotated person, crowd region or thing.
#[derive(Deserialize)]
pub(super) struct CocoAnnotation {
    #[serde(default)]
    pub id: Number,
    #[serde(default)]
    pub image_id: Number,
    #[serde(default)]
    pub category_id: Number,
    #[serde(default)]
    pub bbox: Numbers,
    #[serde(default)]
    pub area: Number,
    #[serde(default)]
    pub iscrowd: Number,
    #[serde(default)]
    pub keypoints: Numbers,
    /// Not COCO's: the data set that a collection took the annotation from.
    #[serde(default, deserialize_with = "text")]
    pub source: Option<String>,
}

/// The ids of an annotation.
pub(super) struct CocoIds {
    pub annotation: u64,
    pub image: u64,
}

impl CocoFile {
    /// Reads the `bytes` of the file at `path`, which should have the format `name`. They are gone afterwards: the
    /// text is as large as everything that is read from it.
    ///
    /// # Errors
    /// It has another format.
    pub fn parse(bytes: Vec<u8>, path: &Path, name: &'static str) -> Result<CocoFile, DataError> {
        let wrong = |source| DataError::Parse { path: path.display().to_string(), layout: name, source };
        serde_json::from_slice(&bytes).map_err(wrong)
    }
}

impl CocoAnnotation {
    /// The ids of the annotation, which is the `index`th of its file from 0; else what is missing, as a sentence.
    pub fn ids(&self, index: usize) -> Result<CocoIds, String> {
        match (self.id.id(), self.image_id.id()) {
            (Some(annotation), Some(image)) => Ok(CocoIds { annotation, image }),
            (None, _) => Err(format!("annotation number {}: no id", index + 1)),
            _ => Err(format!("annotation number {}: no image_id", index + 1)),
        }
    }

    /// x, y, width and height in pixels.
    ///
    /// # Errors
    /// There are not four numbers; the reason is part of a sentence.
    pub fn bbox(&self) -> Result<[f64; 4], String> {
        let bbox = self.bbox.0.as_slice();
        bbox.try_into().map_err(|_| format!("the box has {} numbers, not 4", bbox.len()))
    }

    /// Area in square pixels as stated, else that of its box, `width` times `height`.
    pub fn area_or(&self, width: f64, height: f64) -> f64 {
        if self.area.0.is_finite() { self.area.0 } else { width * height }
    }

    /// Whether it is a region of many people.
    pub fn is_crowd(&self) -> bool {
        self.iscrowd.0 > 0.0
    }
}

/// The annotation files of `split` whose names begin with `kind`: `annotations/{kind}_train.json`, or with the year.
pub(super) fn file_names(kind: &str, split: &str) -> [(String, String); 2] {
    [split.to_string(), format!("{split}2017")].map(|name| (format!("annotations/{kind}_{name}.json"), name))
}

/// The split in a file's name: what stands behind the last `_`.
pub(super) fn split_of(stem: &str) -> String {
    stem.rsplit('_').next().unwrap_or(stem).into()
}
