//! `--boxes`: person boxes from a COCO file.

use crate::data::formats::{DetectionList, NamedBoxes, NamedImage};
use crate::data::lenient::first_character;
use crate::vision::BBox;
use anyhow::Context;
use std::collections::HashMap;
use std::path::Path;

/// The box of a person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PersonBox {
    /// In picture pixels.
    pub bbox: BBox,
    /// The detector's confidence; 1 for annotated boxes.
    pub score: f64,
    /// Annotated boxes are clipped to the picture, detected ones are not (docs/METHOD.md, "Crop box").
    pub annotated: bool,
}

/// The persons of a COCO instances, keypoints or detections file.
pub struct BoxFile {
    /// By image id.
    persons: HashMap<u64, Vec<PersonBox>>,
    /// Images by base name; `None` for a list of detections, which has only ids.
    images: Option<HashMap<String, Vec<NamedImage>>>,
    unusable: usize,
    /// The path, for messages.
    shown: String,
}

impl BoxFile {
    /// Reads the file. Crowd regions and other categories than persons are left out.
    ///
    /// # Errors
    /// The file cannot be read, or is none of COCO's formats.
    pub fn read(path: &Path) -> anyhow::Result<BoxFile> {
        let shown = path.display().to_string();
        let bytes = std::fs::read(path).with_context(|| format!("cannot read the boxes in {shown}"))?;
        BoxFile::parse(bytes, shown)
    }

    fn parse(bytes: Vec<u8>, shown: String) -> anyhow::Result<BoxFile> {
        let other = || {
            format!(
                "{shown} is not a COCO file: give an instances or keypoints file (images and annotations) or a \
                 list of detections (image_id, bbox, score)"
            )
        };
        let mut persons: HashMap<u64, Vec<PersonBox>> = HashMap::new();
        let mut add = |image: u64, [x, y, w, h]: [f64; 4], score, annotated| {
            let bbox = BBox { x: x as f32, y: y as f32, w: w as f32, h: h as f32 };
            persons.entry(image).or_default().push(PersonBox { bbox, score, annotated });
        };
        let (images, unusable) = if first_character(&bytes) == Some(b'[') {
            let list = DetectionList::read(bytes).map_err(|_| anyhow::anyhow!(other()))?;
            list.persons.iter().for_each(|person| add(person.image, person.bbox, person.score, false));
            (None, list.unusable)
        } else {
            let file = NamedBoxes::read(bytes, Path::new(&shown)).map_err(|_| anyhow::anyhow!(other()))?;
            file.persons.iter().for_each(|(image, bbox)| add(*image, *bbox, 1.0, true));
            (Some(by_name(file.images)), file.unusable)
        };
        Ok(BoxFile { persons, images, unusable, shown })
    }

    /// Whether there is anybody in the file.
    pub fn has_persons(&self) -> bool {
        !self.persons.is_empty()
    }

    /// Persons that were left out: without an image id, or without four numbers for a box of at least a pixel.
    pub fn unusable(&self) -> usize {
        self.unusable
    }

    /// True when pictures are matched by the number in their name, because the file has no names.
    pub fn is_detections(&self) -> bool {
        self.images.is_none()
    }

    /// How messages name the file.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The id of a picture, or of one frame of a video (`frame` counts from 0 and stands beside
    /// `file_name` in the file, as in the images.json that `tmpose predict` writes). Folders decide
    /// between pictures of the same name.
    pub fn image_id(&self, path: &Path, frame: Option<u64>) -> Option<u64> {
        let base = path.file_name()?.to_string_lossy();
        let entries = self.images.as_ref()?.get(base.as_ref())?;
        let same_frame = || entries.iter().filter(|e| e.frame == frame);
        let mut in_folder = same_frame().filter(|e| path.ends_with(&e.file_name));
        match (in_folder.next(), in_folder.next()) {
            (Some(only), None) => return Some(only.id),
            (Some(_), Some(_)) => return None,
            (None, _) => (),
        }
        let mut any = same_frame();
        any.next().filter(|_| any.next().is_none()).map(|only| only.id)
    }

    /// The persons of an image; empty if the file has none.
    pub fn persons(&self, image_id: u64) -> &[PersonBox] {
        self.persons.get(&image_id).map_or(&[], Vec::as_slice)
    }
}

/// The images by the last part of their names.
fn by_name(images: Vec<NamedImage>) -> HashMap<String, Vec<NamedImage>> {
    let mut names: HashMap<String, Vec<NamedImage>> = HashMap::new();
    for image in images {
        let base = image.file_name.rsplit(['/', '\\']).next().unwrap_or(&image.file_name).to_owned();
        names.entry(base).or_default().push(image);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<BoxFile> {
        BoxFile::parse(text.into(), "boxes.json".into())
    }

    #[test]
    fn annotations_give_the_persons_of_a_picture_by_its_name() {
        let file = parse(
            r#"{"images": [{"id": 7, "file_name": "val/a.jpg"}, {"id": 8, "file_name": "b.jpg", "width": 3}],
                "categories": [{"id": 3, "name": "person"}, {"id": 1, "name": "car"}],
                "annotations": [
                  {"image_id": 7, "category_id": 3, "bbox": [1, 2, 30, 40], "keypoints": []},
                  {"image_id": 7, "category_id": 3, "bbox": [5, 6, 7, 8], "iscrowd": 0},
                  {"image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1},
                  {"image_id": 7, "category_id": 1, "bbox": [0, 0, 9, 9]}]}"#,
        )
        .unwrap();
        let id = file.image_id(Path::new("/data/a.jpg"), None).unwrap();
        assert_eq!(id, 7);
        let boxes: Vec<f32> = file.persons(id).iter().map(|p| p.bbox.w).collect();
        assert_eq!(boxes, [30.0, 7.0]);
        assert!(file.persons(8).is_empty());
        assert_eq!(file.image_id(Path::new("c.jpg"), None), None);
    }

    #[test]
    fn folders_and_frames_decide_between_equal_names() {
        let file = parse(
            r#"{"images": [{"id": 1, "file_name": "x/a.jpg"}, {"id": 2, "file_name": "y/a.jpg"},
                           {"id": 3, "file_name": "v.mp4", "frame": 0}, {"id": 4, "file_name": "v.mp4", "frame": 1}],
                "annotations": []}"#,
        )
        .unwrap();
        assert_eq!(file.image_id(Path::new("data/y/a.jpg"), None), Some(2));
        assert_eq!(file.image_id(Path::new("data/z/a.jpg"), None), None);
        assert_eq!(file.image_id(Path::new("v.mp4"), Some(1)), Some(4));
        assert_eq!(file.image_id(Path::new("v.mp4"), None), None);
    }

    #[test]
    fn detections_keep_their_score_and_are_known_by_number() {
        let file =
            parse(r#"[{"image_id": 5, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]"#).unwrap();
        assert!(file.is_detections());
        assert_eq!(file.persons(5)[0].score, 0.5);
        assert!(!file.persons(5)[0].annotated);
    }

    #[test]
    fn a_file_of_another_format_is_named() {
        for text in ["{}", "3", "[1", ""] {
            let error = parse(text).err().unwrap().to_string();
            assert!(error.contains("boxes.json"), "{error}");
        }
    }
}
