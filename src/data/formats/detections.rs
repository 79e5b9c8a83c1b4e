//! Lists of detections in COCO's results format: boxes of people by image id.

use super::categories::PersonCategories;
use crate::data::lenient::{Id, Number, Numbers, Object, read_json};
use serde::Deserialize;

/// What one entry of the list states; NaN or nothing where it states none.
#[derive(Clone, Debug, Default, Deserialize)]
struct RawDetection {
    #[serde(default)]
    image_id: Id,
    #[serde(default)]
    category_id: Id,
    #[serde(default)]
    bbox: Numbers,
    #[serde(default)]
    score: Number,
}

/// A detected person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ListedDetection {
    /// The image's id.
    pub image: u64,
    /// x, y, width and height in picture pixels, which are numbers, both sides at least a pixel long.
    pub bbox: [f64; 4],
    /// The detector's confidence; 1 where the list states none.
    pub score: f64,
}

/// The people in a list of detections, and what was left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DetectionList {
    /// In the list's order.
    pub persons: Vec<ListedDetection>,
    /// Of another category than persons.
    pub other_category: usize,
    /// Without an image id, without four numbers, or under a pixel wide or high.
    pub unusable: usize,
}

impl DetectionList {
    /// Reads a file's `bytes`.
    ///
    /// # Errors
    /// They are no JSON list.
    pub fn read(bytes: Vec<u8>) -> Result<DetectionList, serde_json::Error> {
        let entries: Vec<Object<RawDetection>> = read_json(bytes)?;
        let entries: Vec<RawDetection> = entries.into_iter().map(|o| o.0.unwrap_or_default()).collect();
        let people = PersonCategories::of_detections(entries.iter().map(|e| e.category_id));
        let mut list = DetectionList::default();
        for entry in entries {
            if !people.has(entry.category_id) {
                list.other_category += 1;
                continue;
            }
            match (entry.image_id.0, usable_box(&entry.bbox)) {
                (Some(image), Some(bbox)) => {
                    let score = if entry.score.0.is_nan() { 1.0 } else { entry.score.0 };
                    list.persons.push(ListedDetection { image, bbox, score });
                }
                _ => list.unusable += 1,
            }
        }
        Ok(list)
    }
}

/// x, y, width and height if they are finite numbers and both sides are at least a pixel long.
pub fn usable_box(numbers: &Numbers) -> Option<[f64; 4]> {
    let bbox: [f64; 4] = numbers.0.as_slice().try_into().ok()?;
    // As f32, which boxes are in.
    (bbox.iter().all(|v| (*v as f32).is_finite()) && bbox[2] >= 1.0 && bbox[3] >= 1.0).then_some(bbox)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_entry_costs_one_box_and_is_counted() {
        let text = r#"[{"image_id": 5.0, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5},
            {"image_id": "5", "category_id": true, "bbox": ["1", 2, 3, 4]}, null,
            {"image_id": 5, "category_id": 1, "bbox": null}, {"image_id": 5, "bbox": [1, 2, NaN, 4]},
            {"image_id": 5, "category_id": 3, "bbox": [1, 2, 3, 4]}]"#;
        let list = DetectionList::read(text.into()).unwrap();
        let read: Vec<(u64, f64)> = list.persons.iter().map(|p| (p.image, p.score)).collect();
        assert_eq!((read, list.unusable, list.other_category), (vec![(5, 0.5), (5, 1.0)], 3, 1));
        assert!(DetectionList::read(b"{}".to_vec()).is_err());
    }
}
