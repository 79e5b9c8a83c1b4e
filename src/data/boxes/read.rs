//! COCO's layout of boxes: one JSON object with pictures, annotations and categories.

use super::set::{AnnotatedImage, BoxAnnotation, BoxLoadReport, BoxSet};
use crate::data::coco_file::CocoFile;
use crate::data::error::DataError;
use crate::data::images::{Listed, list};
use crate::data::lenient::{Number, Numbers};
use crate::data::locate::DatasetFiles;
use crate::vision::BBox;
use serde::Deserialize;
use std::collections::HashSet;

/// COCO's id of the category "person".
const PERSON: u64 = 1;

#[derive(Deserialize)]
struct RawCategory {
    #[serde(default)]
    id: Number,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct RawAnnotation {
    #[serde(default)]
    id: Number,
    #[serde(default)]
    image_id: Number,
    #[serde(default)]
    category_id: Number,
    #[serde(default)]
    bbox: Numbers,
    #[serde(default)]
    area: Number,
    #[serde(default)]
    iscrowd: Number,
}

/// Reads the annotation file of `place`.
///
/// # Errors
/// The file cannot be read or has another layout, or its folder of pictures cannot be listed.
pub(super) fn read(place: &DatasetFiles) -> Result<BoxSet, DataError> {
    let failed = |source| DataError::Read { path: place.file.display().to_string(), source };
    let bytes = std::fs::read(&place.file).map_err(failed)?;
    let raw = CocoFile::<RawAnnotation, RawCategory>::parse(bytes, &place.file, "COCO's layout of boxes")?;
    let named = raw.categories.iter().find(|c| c.name.trim().eq_ignore_ascii_case("person"));
    let person = named.and_then(|c| c.id.id()).unwrap_or(PERSON);
    let Listed { images, index, absent, unreadable, nameless } = list(raw.images, &place.images)?;
    let mut missing: Vec<String> = absent.values().cloned().collect();
    missing.sort_unstable();
    let mut report = BoxLoadReport {
        annotations: raw.annotations.len(),
        missing_pictures: missing,
        bad: nameless,
        ..BoxLoadReport::default()
    };
    let mut labels: Vec<Vec<BoxAnnotation>> = vec![Vec::new(); images.len()];
    for (number, a) in raw.annotations.into_iter().enumerate() {
        // A file without categories has only persons.
        if a.category_id.id().is_some_and(|c| c != person) {
            report.other_category += 1;
            continue;
        }
        let (Some(id), Some(image)) = (a.id.id(), a.image_id.id()) else {
            let missing = if a.id.id().is_none() { "id" } else { "image_id" };
            report.bad.push(format!("annotation number {}: no {missing}", number + 1));
            continue;
        };
        let Some(&image) = index.get(&image) else {
            if !absent.contains_key(&image) {
                report.bad.push(format!("annotation {id}: no image {image}"));
            }
            continue;
        };
        match label(&a, id, images[image].size) {
            Ok(Some(label)) => labels[image].push(label),
            Ok(None) => report.empty_box += 1,
            Err(why) => report.bad.push(format!("annotation {id}: {why}")),
        }
    }
    let broken: HashSet<usize> = unreadable.keys().copied().collect();
    let mut whys: Vec<String> = unreadable.into_values().collect();
    whys.sort_unstable();
    report.bad.extend(whys);
    let images = images.into_iter().zip(labels).enumerate();
    let images = images.filter(|(number, _)| !broken.contains(number));
    let images = images.map(|(_, (image, labels))| AnnotatedImage { image, annotations: labels }).collect();
    Ok(BoxSet { file: place.file.clone(), images, report })
}

/// The annotation's box; none where it is empty or outside of the picture.
fn label(a: &RawAnnotation, id: u64, [width, height]: [u32; 2]) -> Result<Option<BoxAnnotation>, String> {
    let &[x, y, w, h] = a.bbox.0.as_slice() else {
        return Err(format!("the box has {} numbers, not 4", a.bbox.0.len()));
    };
    let bbox = [x, y, w, h];
    if bbox.iter().any(|v| !v.is_finite()) {
        return Err("a number of the box is none".into());
    }
    let seen = BBox { x: x as f32, y: y as f32, w: w as f32, h: h as f32 };
    // An unreadable picture has no size; it is reported by itself.
    let outside = [width, height] != [0, 0] && seen.intersected(width, height).is_none();
    let area = if a.area.0.is_finite() { a.area.0 } else { w * h };
    let crowd = a.iscrowd.0 > 0.0;
    Ok((w > 0.0 && h > 0.0 && !outside).then_some(BoxAnnotation { id, bbox, area, crowd }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::path::Path;

    fn write_set(dir: &Path, annotations: Value, categories: Value) {
        std::fs::create_dir_all(dir.join("annotations")).unwrap();
        std::fs::create_dir_all(dir.join("images")).unwrap();
        for name in ["a.jpg", "b.jpg", "broken.jpg"] {
            std::fs::write(dir.join("images").join(name), b"").unwrap();
        }
        let image = |id: u64, name: &str| json!({"id": id, "file_name": name, "width": 100, "height": 80});
        let file = json!({
            "images": [
                image(1, "a.jpg"), image(2, "gone.jpg"), image(3, "b.jpg"), {"id": 4, "file_name": "broken.jpg"}
            ],
            "annotations": annotations, "categories": categories,
        });
        std::fs::write(dir.join("annotations/instances_train.json"), file.to_string()).unwrap();
    }

    #[test]
    fn crowds_are_kept_pictures_without_people_count_and_the_rest_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let label = |id: u64, image: u64, bbox: Value| json!({"id": id, "image_id": image, "category_id": 7, "bbox": bbox});
        let mut crowd = label(2, 1, json!([0, 0, 100, 80]));
        crowd["iscrowd"] = json!(1);
        crowd["area"] = json!(4000.0);
        let mut dog = label(3, 1, json!([5, 5, 40, 60]));
        dog["category_id"] = json!(18);
        let annotations = json!([
            label(1, 1, json!([5, 5, 40.5, 60])), crowd, dog,
            label(4, 2, json!([5, 5, 40, 60])),
            label(5, 9, json!([5, 5, 40, 60])),
            label(6, 1, json!([5, 5, 0, 60])),
            label(7, 1, json!([200, 5, 10, 10])),
            label(8, 1, json!([5, 5, 40])),
            label(9, 1, json!([5, "x", 40, 60])),
            {"image_id": 1, "category_id": 7, "bbox": [5, 5, 40, 60]},
        ]);
        write_set(dir.path(), annotations, json!([{"id": 18, "name": "dog"}, {"id": 7, "name": "Person"}]));
        let set = BoxSet::open(dir.path(), "train").unwrap();
        assert_eq!(set.title().rsplit('/').next(), Some("train"));
        let counts: Vec<usize> = set.images.iter().map(|p| p.annotations.len()).collect();
        assert_eq!((counts, set.people()), (vec![2, 0], 1));
        let labels = &set.images[0].annotations;
        assert_eq!((labels[0].bbox, labels[0].area), ([5.0, 5.0, 40.5, 60.0], 2430.0));
        assert_eq!((labels[1].crowd, labels[1].area), (true, 4000.0));
        let r = &set.report;
        assert_eq!((r.annotations, r.other_category, r.empty_box), (10, 1, 2));
        assert_eq!(r.missing_pictures, ["gone.jpg"]);
        // The broken picture, no such picture, three numbers, a word, no id.
        assert_eq!(r.bad.len(), 5, "{:?}", r.bad);
        assert!(r.summary().contains("gone.jpg") && r.summary().contains("5 bad"), "{}", r.summary());
    }

    #[test]
    fn a_set_that_is_not_there_or_empty_is_one_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let error = BoxSet::open(dir.path(), "val").unwrap_err().to_string();
        assert!(error.contains("instances_val.json"), "{error}");
        write_set(dir.path(), json!([]), json!([]));
        let file = dir.path().join("annotations/instances_train.json");
        assert_eq!(BoxSet::open(&file, "val").unwrap().images.len(), 2);
        std::fs::write(&file, "{\"images\": 3}").unwrap();
        assert!(BoxSet::open(&file, "val").unwrap_err().to_string().contains("layout of boxes"));
    }
}
