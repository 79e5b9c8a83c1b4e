//! What COCO's annotation files have in common: one JSON object with images, annotations and categories.

use super::images::CocoImage;
use crate::data::error::DataError;
use crate::data::lenient::{Id, Number, Numbers, Object, lists, read_json, text, texts};
use serde::Deserialize;
use std::path::Path;

/// What a file has. An entry that is no object is one without values.
pub(super) struct CocoFile {
    pub images: Vec<CocoImage>,
    pub annotations: Vec<CocoAnnotation>,
    pub categories: Vec<CocoCategory>,
}

/// A file as it stands.
#[derive(Deserialize)]
struct RawFile {
    images: Vec<Object<CocoImage>>,
    annotations: Vec<Object<CocoAnnotation>>,
    #[serde(default)]
    categories: Vec<Object<CocoCategory>>,
}

/// What a category is called, and the joints that it has.
#[derive(Default, Deserialize)]
pub(super) struct CocoCategory {
    #[serde(default)]
    pub id: Id,
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "texts")]
    pub keypoints: Option<Vec<String>>,
    /// Pairs of joints, counted from 1.
    #[serde(default, deserialize_with = "lists")]
    pub skeleton: Vec<Numbers>,
}

/// An annotated person, crowd region or thing.
#[derive(Default, Deserialize)]
pub(super) struct CocoAnnotation {
    #[serde(default)]
    pub id: Id,
    #[serde(default)]
    pub image_id: Id,
    #[serde(default)]
    pub category_id: Id,
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
    /// Reads the `bytes` of the file at `path`, which should have the format `name`.
    ///
    /// # Errors
    /// It has another format.
    pub fn parse(bytes: Vec<u8>, path: &Path, name: &'static str) -> Result<CocoFile, DataError> {
        let wrong = |source| DataError::Parse { path: path.display().to_string(), layout: name, source };
        fn all<T: Default>(entries: Vec<Object<T>>) -> Vec<T> {
            entries.into_iter().map(|entry| entry.0.unwrap_or_default()).collect()
        }
        let RawFile { images, annotations, categories } = read_json(bytes).map_err(wrong)?;
        Ok(CocoFile { images: all(images), annotations: all(annotations), categories: all(categories) })
    }
}

impl CocoAnnotation {
    /// The ids of the annotation, which is the `index`th of its file from 0; else what is missing, as a sentence.
    pub fn ids(&self, index: usize) -> Result<CocoIds, String> {
        match (self.id.0, self.image_id.0) {
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

    /// Area in square pixels as stated, else that of its box, `width` times `height`. Some programs state 0 where nobody
    /// drew an outline.
    pub fn area_or(&self, width: f64, height: f64) -> f64 {
        if self.area.0.is_finite() && self.area.0 > 0.0 { self.area.0 } else { width * height }
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
