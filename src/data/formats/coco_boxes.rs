//! COCO's boxes: images with the boxes of everybody in them.

use super::categories::{PersonCategories, category_name};
use super::coco::{CocoAnnotation, CocoFile, CocoIds, file_names, split_of};
use super::files::{DatasetFiles, begins_with, exported, first_of, read_file, title_of};
use super::format::{BoxFormat, Format};
use super::images::ImageList;
use crate::data::boxes::{AnnotatedImage, BoxAnnotation, BoxSet};
use crate::data::error::DataError;
use crate::data::set::LoadReport;
use crate::pose::Size;
use crate::vision::BBox;
use std::path::Path;

/// `annotations/instances_train.json`.
pub struct CocoBoxes;

impl Format for CocoBoxes {
    fn name(&self) -> &'static str {
        "COCO's layout of boxes"
    }

    fn find(&self, root: &Path, split: &str) -> Option<DatasetFiles> {
        first_of(root, file_names("instances", split)).or_else(|| exported(root, "instances", split))
    }

    fn expected_files(&self, split: &str) -> String {
        format!("annotations/instances_{split}.json (COCO)")
    }

    fn accepts(&self, head: &[u8]) -> bool {
        begins_with(head, b'{')
    }

    fn title(&self, file: &Path) -> String {
        title_of(file, split_of)
    }
}

impl BoxFormat for CocoBoxes {
    fn read(&self, files: &DatasetFiles) -> Result<BoxSet, DataError> {
        let raw = CocoFile::parse(read_file(&files.file)?, &files.file, self.name())?;
        let people = PersonCategories::of(&raw.categories, None);
        let ImageList { images, index, absent, nameless, unreadable, without_id } =
            ImageList::find(raw.images, files)?;
        let mut missing_images: Vec<String> = absent.values().cloned().collect();
        missing_images.sort_unstable();
        let mut report = LoadReport {
            annotations: raw.annotations.len(),
            missing_images,
            bad: without_id,
            images_folder: Some(files.images.clone()),
            ..LoadReport::default()
        };
        let mut boxes: Vec<Vec<BoxAnnotation>> = vec![Vec::new(); images.len()];
        for (number, annotation) in raw.annotations.into_iter().enumerate() {
            if !people.has(annotation.category_id) {
                report.count_other(category_name(annotation.category_id, &raw.categories));
                continue;
            }
            let CocoIds { annotation: id, image } = match annotation.ids(number) {
                Ok(ids) => ids,
                Err(missing) => {
                    report.bad.push(missing);
                    continue;
                }
            };
            let Some(&at) = index.get(&image) else {
                if absent.contains_key(&image) {
                    report.persons_without_image += 1;
                } else if nameless.contains(&image) {
                    report.bad.push(format!("annotation {id}: its picture {image} has no file name"));
                } else {
                    report.bad.push(format!("annotation {id}: no image {image}"));
                }
                continue;
            };
            match usable_box(&annotation, id, images[at].size) {
                Ok(Some(usable)) => boxes[at].push(usable),
                Ok(None) => report.empty_box += 1,
                Err(why) => report.bad.push(format!("annotation {id}: {why}")),
            }
        }
        let images = images.into_iter().zip(boxes).enumerate();
        let images = images.filter(|(at, _)| !unreadable.contains_key(at));
        let images = images.map(|(_, (image, annotations))| AnnotatedImage { image, annotations }).collect();
        let mut unreadable: Vec<String> = unreadable.into_values().collect();
        unreadable.sort_unstable();
        report.bad.extend(unreadable);
        Ok(BoxSet { file: files.file.clone(), title: self.title(&files.file), images, report })
    }
}

/// The annotation's box; none where it is empty or outside of an image of `size`.
fn usable_box(annotation: &CocoAnnotation, id: u64, size: Size) -> Result<Option<BoxAnnotation>, String> {
    let bbox = annotation.bbox()?;
    if bbox.iter().any(|v| !v.is_finite()) {
        return Err("a number of the box is none".into());
    }
    let [x, y, w, h] = bbox;
    let shown = BBox { x: x as f32, y: y as f32, w: w as f32, h: h as f32 };
    // An unreadable image has no size; it is reported by itself.
    let outside = size != Size::default() && shown.intersected(size).is_none();
    let (area, crowd) = (annotation.area_or(w, h), annotation.is_crowd());
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
        assert_eq!(set.title.rsplit('/').next(), Some("train"));
        let counts: Vec<usize> = set.images.iter().map(|p| p.annotations.len()).collect();
        assert_eq!((counts, set.people()), (vec![2, 0], 1));
        let labels = &set.images[0].annotations;
        assert_eq!((labels[0].bbox, labels[0].area), ([5.0, 5.0, 40.5, 60.0], 2430.0));
        assert_eq!((labels[1].crowd, labels[1].area), (true, 4000.0));
        let r = &set.report;
        assert_eq!((r.annotations, r.other_categories.len(), r.empty_box), (10, 1, 2));
        assert_eq!(r.missing_images, ["gone.jpg"]);
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
