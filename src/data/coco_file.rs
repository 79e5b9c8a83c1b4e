//! The outer layout of COCO's annotation files: one JSON object with pictures, annotations and categories.

use super::error::DataError;
use super::images::CocoImage;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// A file as it stands; what is read of an annotation and of a category is up to who reads.
#[derive(Deserialize)]
pub struct CocoFile<A, C> {
    pub images: Vec<CocoImage>,
    pub annotations: Vec<A>,
    #[serde(default = "Vec::new")]
    pub categories: Vec<C>,
}

impl<A: DeserializeOwned, C: DeserializeOwned> CocoFile<A, C> {
    /// Reads the `bytes` of the file at `path`, which should have this `layout`. They are gone afterwards: the text
    /// is as large as everything that is read from it.
    ///
    /// # Errors
    /// It has another layout.
    pub fn parse(bytes: Vec<u8>, path: &Path, layout: &'static str) -> Result<Self, DataError> {
        let wrong = |source| DataError::Parse { path: path.display().to_string(), layout, source };
        serde_json::from_slice(&bytes).map_err(wrong)
    }
}
