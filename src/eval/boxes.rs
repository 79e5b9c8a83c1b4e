//! Boxes of a person detector in COCO's results format, matched to a set's pictures by their ids.

use super::EvalError;
use crate::data::PoseSet;
use crate::data::formats::{DetectionList, ListedDetection};
use crate::vision::{BBox, Detection};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// One detected person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageDetection {
    /// Index into [`PoseSet::images`].
    pub image: usize,
    /// Not clipped to the picture (docs/METHOD.md, "Crop box").
    pub bbox: BBox,
    /// The detector's confidence.
    pub score: f64,
}

/// The boxes for a set, and what was left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DetectedBoxes {
    /// Those of a picture stand together, best first, pictures in the order of the set.
    pub boxes: Vec<ImageDetection>,
    /// With a score below the wanted one.
    pub low_score: usize,
    /// Of another category than persons.
    pub other_category: usize,
    /// Of pictures that the set lacks.
    pub other_pictures: usize,
    /// Without four finite numbers, or under a pixel wide or high.
    pub unusable: usize,
    /// Repeating a box of the same picture exactly.
    pub repeated: usize,
    /// Pictures of the set without any box; their persons count as missed.
    pub pictures_without: usize,
}

impl DetectedBoxes {
    /// Reads `path` and keeps the boxes of persons in pictures of `set` whose score is at least
    /// `min_score`.
    ///
    /// # Errors
    /// The file cannot be read, is in another format, or has no usable box for this set.
    pub fn read(path: &Path, set: &PoseSet, min_score: f64) -> Result<DetectedBoxes, EvalError> {
        let shown = || path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| EvalError::ReadBoxes { path: shown(), source })?;
        let list =
            DetectionList::read(bytes).map_err(|source| EvalError::ParseBoxes { path: shown(), source })?;
        let boxes = DetectedBoxes::of(list, set, min_score);
        if boxes.boxes.is_empty() {
            let left_out = boxes.summary();
            let left_out = if left_out.is_empty() { left_out } else { format!(" ({left_out})") };
            return Err(EvalError::NoBoxes { path: shown(), set: set.title.clone(), left_out });
        }
        Ok(boxes)
    }

    fn of(list: DetectionList, set: &PoseSet, min_score: f64) -> DetectedBoxes {
        let index: HashMap<u64, usize> = set.images.iter().enumerate().map(|(i, p)| (p.id, i)).collect();
        let mut result = DetectedBoxes {
            other_category: list.other_category,
            unusable: list.unusable,
            ..DetectedBoxes::default()
        };
        for ListedDetection { image, bbox: [x, y, w, h], score } in list.persons {
            match index.get(&image) {
                None => result.other_pictures += 1,
                _ if score < min_score => result.low_score += 1,
                Some(&image) => {
                    let bbox = BBox { x: x as f32, y: y as f32, w: w as f32, h: h as f32 };
                    result.boxes.push(ImageDetection { image, bbox, score });
                }
            }
        }
        result.boxes.sort_by(|a, b| a.image.cmp(&b.image).then(b.score.total_cmp(&a.score)));
        let all = result.boxes.len();
        let mut known = HashSet::new();
        result
            .boxes
            .retain(|b| known.insert((b.image, [b.bbox.x, b.bbox.y, b.bbox.w, b.bbox.h].map(f32::to_bits))));
        result.repeated = all - result.boxes.len();
        let with: HashSet<usize> = result.boxes.iter().map(|b| b.image).collect();
        result.pictures_without = set.images.len() - with.len();
        result
    }

    /// What a detector of ours found: for each picture (index into [`PoseSet::images`]) its boxes.
    pub fn detected(found: Vec<(usize, Vec<Detection>)>) -> DetectedBoxes {
        let mut boxes = DetectedBoxes::default();
        for (image, found) in found {
            let before = boxes.boxes.len();
            for Detection { bbox, score } in found {
                if bbox.w >= 1.0 && bbox.h >= 1.0 {
                    boxes.boxes.push(ImageDetection { image, bbox, score: f64::from(score) });
                } else {
                    boxes.unusable += 1;
                }
            }
            boxes.boxes[before..].sort_by(|a, b| b.score.total_cmp(&a.score));
            boxes.pictures_without += usize::from(boxes.boxes.len() == before);
        }
        boxes
    }

    /// One line for a terminal; empty when every box is used and every picture has one.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        for (count, what) in [
            (self.low_score, "boxes below the minimum score"),
            (self.other_category, "boxes that are no persons"),
            (self.other_pictures, "boxes of other pictures"),
            (self.unusable, "boxes without a size"),
            (self.repeated, "repeated boxes"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        let mut text =
            if parts.is_empty() { String::new() } else { format!("left out: {}", parts.join(", ")) };
        if self.pictures_without > 0 {
            let separator = if text.is_empty() { "" } else { "; " };
            text += &format!("{separator}{} pictures have no box", self.pictures_without);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DatasetImage;
    use crate::pose::Size;
    use serde_json::{Value, json};

    fn set() -> PoseSet {
        let image = |id| DatasetImage { id, path: format!("{id}.jpg").into(), size: Size::new(100, 80) };
        PoseSet::for_test("people/val", vec![image(3), image(1), image(9)])
    }

    fn read(entries: &Value, min_score: f64) -> Result<DetectedBoxes, EvalError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boxes.json");
        std::fs::write(&path, entries.to_string()).unwrap();
        DetectedBoxes::read(&path, &set(), min_score)
    }

    #[test]
    fn boxes_find_their_pictures_and_the_rest_is_counted() {
        let bbox = [1.0, 2.0, 30.0, 40.0];
        let entries = json!([
            {"image_id": 1, "category_id": 1, "bbox": bbox, "score": 0.5},
            {"image_id": 3, "category_id": 1, "bbox": bbox, "score": 0.6},
            {"image_id": 1, "category_id": 1, "bbox": [-5, 0, 20, 20], "score": 0.9},
            {"image_id": 1, "category_id": 1, "bbox": bbox, "score": 0.4},
            {"image_id": 1, "category_id": 1, "bbox": [5, 0, 20, 20], "score": 0.2},
            {"image_id": 1, "category_id": 18, "bbox": bbox, "score": 0.9},
            {"image_id": 77, "category_id": 1, "bbox": bbox, "score": 0.9},
            {"image_id": 3, "category_id": 1, "bbox": [1, 2, 0, 40], "score": 0.9},
            {"image_id": 3, "category_id": 1, "bbox": [1, 2, 3], "score": 0.9},
        ]);
        let boxes = read(&entries, 0.3).unwrap();
        let kept: Vec<(usize, f64)> = boxes.boxes.iter().map(|b| (b.image, b.score)).collect();
        assert_eq!(kept, [(0, 0.6), (1, 0.9), (1, 0.5)], "by picture, best first, the double's better score");
        assert_eq!(
            boxes.summary(),
            "left out: 1 boxes below the minimum score, 1 boxes that are no persons, 1 boxes of other \
             pictures, 2 boxes without a size, 1 repeated boxes; 1 pictures have no box"
        );
    }

    #[test]
    fn boxes_of_our_own_detector_are_best_first_and_empty_ones_are_counted() {
        let found = |w: f32, score| Detection { bbox: BBox { x: 1.0, y: 2.0, w, h: 9.0 }, score };
        let boxes = DetectedBoxes::detected(vec![
            (0, vec![found(5.0, 0.25), found(6.0, 0.5), found(0.5, 0.75)]),
            (2, vec![]),
            (1, vec![found(5.0, 1.0)]),
        ]);
        let kept: Vec<(usize, f64)> = boxes.boxes.iter().map(|b| (b.image, b.score)).collect();
        assert_eq!(kept, [(0, 0.5), (0, 0.25), (1, 1.0)]);
        assert_eq!((boxes.unusable, boxes.pictures_without), (1, 1));
    }

    #[test]
    fn a_file_without_use_is_refused_with_the_reason() {
        let none = read(&json!([{"image_id": 5, "bbox": [0, 0, 9, 9], "score": 1.0}]), 0.0).unwrap_err();
        let said = none.to_string();
        assert!(said.contains("people/val") && said.contains("1 boxes of other pictures"), "{said}");
        let other = read(&json!({"annotations": []}), 0.0).unwrap_err().to_string();
        assert!(other.contains("COCO's results format"), "{other}");
        let gone = DetectedBoxes::read(Path::new("no-boxes.json"), &set(), 0.0).unwrap_err().to_string();
        assert!(gone.contains("no-boxes.json"), "{gone}");
    }
}
