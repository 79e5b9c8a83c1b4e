//! Boxes of people by the names of their pictures, from a COCO instances or keypoints file, whatever pictures are there.

use super::categories::PersonCategories;
use super::coco::CocoFile;
use super::detections::usable_box;
use crate::data::error::DataError;
use std::path::Path;

/// A picture, or a frame of a video, that a file names.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedImage {
    /// Its id.
    pub id: u64,
    /// Perhaps with folders.
    pub file_name: String,
    /// Number of a video's frame from 0, as `tmpose predict` writes it.
    pub frame: Option<u64>,
}

/// What the file says of pictures and people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedBoxes {
    /// Pictures with an id and a name.
    pub images: Vec<NamedImage>,
    /// Image ids, and x, y, width and height in picture pixels.
    pub persons: Vec<(u64, [f64; 4])>,
    /// Persons without an image id or a usable box.
    pub unusable: usize,
}

impl NamedBoxes {
    /// Reads the `bytes` of the file at `path`. Crowd regions and other categories than people are left out.
    ///
    /// # Errors
    /// It has another format.
    pub fn read(bytes: Vec<u8>, path: &Path) -> Result<NamedBoxes, DataError> {
        let file = CocoFile::parse(bytes, path, "COCO's layout (images and annotations)")?;
        let people = PersonCategories::of(&file.categories, None);
        let image = |image: super::images::CocoImage| {
            let (id, file_name, frame) = image.named()?;
            Some(NamedImage { id, file_name, frame })
        };
        let mut boxes = NamedBoxes {
            images: file.images.into_iter().filter_map(image).collect(),
            ..NamedBoxes::default()
        };
        for annotation in file.annotations {
            if !people.has(annotation.category_id) || annotation.is_crowd() {
                continue;
            }
            match (annotation.image_id.0, usable_box(&annotation.bbox)) {
                (Some(image), Some(bbox)) => boxes.persons.push((image, bbox)),
                _ => boxes.unusable += 1,
            }
        }
        Ok(boxes)
    }
}
