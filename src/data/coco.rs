//! COCO's keypoint layout: one JSON object with pictures and annotations.

use super::error::DataError;
use super::lenient::{Number, Numbers};
use super::locate::Place;
use super::pictures::{PictureFolder, read_sizes};
use super::set::{Ignored, Layout, LoadReport, Person, Picture, PoseSet};
use crate::pose::Keypoint;
use crate::vision::BBox;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

#[derive(Deserialize)]
struct RawFile {
    images: Vec<RawImage>,
    annotations: Vec<RawAnnotation>,
}

#[derive(Deserialize)]
struct RawImage {
    #[serde(default)]
    id: Number,
    file_name: String,
    #[serde(default)]
    width: Number,
    #[serde(default)]
    height: Number,
}

#[derive(Deserialize)]
struct RawAnnotation {
    #[serde(default)]
    id: Number,
    #[serde(default)]
    image_id: Number,
    #[serde(default)]
    bbox: Numbers,
    #[serde(default)]
    area: Number,
    #[serde(default)]
    iscrowd: Number,
    #[serde(default)]
    keypoints: Numbers,
    #[serde(default)]
    source: Option<String>,
}

/// Reads a file's `bytes`; persons must have `joints` keypoints.
pub(super) fn read(bytes: Vec<u8>, place: &Place, joints: usize) -> Result<PoseSet, DataError> {
    let raw: RawFile = serde_json::from_slice(&bytes).map_err(|source| DataError::Parse {
        path: place.file.display().to_string(),
        layout: "COCO's keypoint layout",
        source,
    })?;
    // The text is as large as everything that was read from it.
    drop(bytes);
    let mut set = PoseSet {
        file: place.file.clone(),
        layout: Layout::Coco,
        pictures: Vec::with_capacity(raw.images.len()),
        persons: Vec::with_capacity(raw.annotations.len()),
        ignored: Vec::new(),
        report: LoadReport { annotations: raw.annotations.len(), ..LoadReport::default() },
    };
    let mut folder = PictureFolder::open(&place.images)?;
    let mut index = HashMap::with_capacity(raw.images.len());
    let mut absent = HashMap::new();
    for image in raw.images {
        let Some(id) = image.id.id() else {
            set.report.bad.push(format!("{}: the picture has no id", image.file_name));
            continue;
        };
        match folder.find(&image.file_name) {
            Some(path) => {
                index.insert(id, set.pictures.len());
                let size = [image.width.pixels(), image.height.pixels()];
                set.pictures.push(Picture { id, path, size });
            }
            None => {
                absent.insert(id, image.file_name);
            }
        }
    }
    let unreadable: HashMap<usize, String> = read_sizes(&mut set.pictures).into_iter().collect();
    let (mut named, mut ids) = (HashSet::new(), HashSet::with_capacity(raw.annotations.len()));
    for (number, a) in raw.annotations.into_iter().enumerate() {
        let (Some(id), Some(image)) = (a.id.id(), a.image_id.id()) else {
            let missing = if a.id.id().is_none() { "id" } else { "image_id" };
            set.report.bad.push(format!("annotation number {}: no {missing}", number + 1));
            continue;
        };
        if !ids.insert(id) {
            set.report.repeated_ids.push(id);
        }
        if a.iscrowd.0 > 0.0 {
            set.report.crowd += 1;
            if let Some(&picture) = index.get(&image) {
                set.ignored.extend(ignored(&a, picture, joints));
            }
        } else if let Some(&picture) = index.get(&image) {
            match unreadable.get(&picture) {
                Some(why) => set.report.bad.push(why.clone()),
                None => add(&mut set, a, id, picture, joints),
            }
        } else if let Some(name) = absent.get(&image) {
            set.report.persons_without_picture += 1;
            if named.insert(image) {
                set.report.missing_pictures.push(name.clone());
            }
        } else {
            set.report.bad.push(format!("annotation {id}: no image {image}"));
        }
    }
    set.persons.shrink_to_fit();
    Ok(set)
}

/// What the evaluation must know of an annotation that is not trained on; none without a box.
fn ignored(a: &RawAnnotation, picture: usize, joints: usize) -> Option<Ignored> {
    let &[x, y, w, h] = a.bbox.0.as_slice() else { return None };
    let area = if a.area.0.is_nan() { w * h } else { a.area.0 };
    let mut keypoints = vec![[0.0; 3]; joints];
    for (to, from) in keypoints.iter_mut().zip(a.keypoints.0.chunks_exact(3)) {
        to.copy_from_slice(from);
    }
    let finite = keypoints.iter().flatten().chain(&[x, y, w, h, area]).all(|v| v.is_finite());
    finite.then_some(Ignored { picture, bbox: [x, y, w, h], area, keypoints, crowd: a.iscrowd.0 > 0.0 })
}

/// Adds one person, or counts why not.
fn add(set: &mut PoseSet, a: RawAnnotation, id: u64, picture: usize, joints: usize) {
    if a.keypoints.0.chunks(3).all(|k| k.get(2).is_none_or(|v| *v <= 0.0)) {
        set.report.unlabelled += 1;
        set.ignored.extend(ignored(&a, picture, joints));
        return;
    }
    let (keypoints, bbox) = (a.keypoints.0, a.bbox.0);
    let mut bad = |why: String| set.report.bad.push(format!("annotation {id}: {why}"));
    if keypoints.len() != 3 * joints {
        return bad(format!("{} keypoint numbers, not {}", keypoints.len(), 3 * joints));
    }
    let &[x, y, w, h] = bbox.as_slice() else {
        return bad(format!("the box has {} numbers, not 4", bbox.len()));
    };
    if keypoints.iter().chain(&bbox).any(|v| !v.is_finite()) {
        return bad("a coordinate is not a number".into());
    }
    let keypoints: Vec<Keypoint> = keypoints
        .chunks_exact(3)
        .map(|k| Keypoint { x: k[0] as f32, y: k[1] as f32, score: k[2] as f32 })
        .collect();
    let given = BBox { x: x as f32, y: y as f32, w: w as f32, h: h as f32 };
    let area = if a.area.0.is_nan() { w * h } else { a.area.0 };
    let [width, height] = set.pictures[picture].size;
    let Some(bbox) = given.clipped(width, height).filter(|_| area > 0.0) else {
        set.report.empty_box += 1;
        return;
    };
    let inside = given.intersected(width, height).map_or(0.0, |b| b.area());
    let outside = 1.0 - inside / given.area();
    let weights = keypoints.iter().map(|k| if k.score > 0.0 { 1.0 } else { 0.0 }).collect();
    let source = a.source;
    set.persons.push(Person {
        id,
        picture,
        bbox,
        outside,
        area,
        keypoints,
        weights,
        source,
        head_size: None,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Skeleton;
    use serde_json::json;
    use std::path::Path;

    fn joints(v: u8) -> Vec<f64> {
        (0..17).flat_map(|j| [10.0 + j as f64, 20.0, f64::from(v)]).collect()
    }

    /// A set of one picture on disk, one missing, and every kind of annotation that must be counted.
    fn write_set(dir: &Path, annotations: serde_json::Value) {
        std::fs::create_dir_all(dir.join("annotations")).unwrap();
        std::fs::create_dir_all(dir.join("images/train")).unwrap();
        std::fs::write(dir.join("images/train/a.jpg"), b"").unwrap();
        let file = json!({
            "images": [
                {"id": 1, "file_name": "a.jpg", "width": 100, "height": 80},
                {"id": 2, "file_name": "gone.jpg", "width": 100, "height": 80}
            ],
            "annotations": annotations,
        });
        let path = dir.join("annotations/person_keypoints_train.json");
        std::fs::write(path, file.to_string()).unwrap();
    }

    #[test]
    fn what_is_left_out_is_counted_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let bbox = [5.0, 5.0, 40.0, 60.0];
        write_set(
            dir.path(),
            json!([
                {"id": 1, "image_id": 1, "bbox": bbox, "area": 900.0, "keypoints": joints(2)},
                {"id": 2, "image_id": 1, "bbox": bbox, "iscrowd": 1, "keypoints": joints(2)},
                {"id": 3, "image_id": 1, "bbox": bbox, "keypoints": joints(0)},
                {"id": 4, "image_id": 2, "bbox": bbox, "keypoints": joints(1)},
                {"id": 5, "image_id": 1, "bbox": bbox, "keypoints": [1.0, 2.0, 2.0]},
                {"id": 6, "image_id": 1, "bbox": [200.0, 5.0, 10.0, 10.0], "keypoints": joints(1)},
                {"id": 7, "image_id": 9, "bbox": bbox, "keypoints": joints(1)},
            ]),
        );
        let set = PoseSet::open(dir.path(), "train", Skeleton::coco17()).unwrap();
        assert_eq!(set.persons.len(), 1);
        let ignored: Vec<_> = set.ignored.iter().map(|i| (i.crowd, i.keypoints[0][2])).collect();
        assert_eq!(ignored, [(true, 2.0), (false, 0.0)], "what COCO ignores is kept for the evaluation");
        assert_eq!((set.persons[0].id, set.persons[0].area, set.persons[0].labelled()), (1, 900.0, 17));
        let r = &set.report;
        assert_eq!((r.annotations, r.crowd, r.unlabelled, r.empty_box), (7, 1, 1, 1));
        assert_eq!(r.missing_pictures, ["gone.jpg"]);
        assert_eq!(r.bad.len(), 2);
        assert!(r.summary().contains("gone.jpg"), "{}", r.summary());
    }

    #[test]
    fn a_split_can_be_named_in_three_ways() {
        let dir = tempfile::tempdir().unwrap();
        write_set(
            dir.path(),
            json!([{"id": 1, "image_id": 1, "bbox": [5, 5, 40, 60], "keypoints": joints(2)}]),
        );
        let file = dir.path().join("annotations/person_keypoints_train.json");
        for wanted in [dir.path().to_path_buf(), dir.path().join("train"), file] {
            let set = PoseSet::open(&wanted, "train", Skeleton::coco17()).unwrap();
            assert!(set.title().ends_with("/train"), "{}", set.title());
        }
        let error = PoseSet::open(dir.path(), "val", Skeleton::coco17()).unwrap_err().to_string();
        assert!(error.contains("person_keypoints_val.json"), "{error}");
    }

    #[test]
    fn a_hundred_and_fifty_thousand_persons_load() {
        let dir = tempfile::tempdir().unwrap();
        let keypoints = joints(2);
        let all: Vec<_> = (0..150_000)
            .map(|id| json!({"id": id, "image_id": 1, "bbox": [5, 5, 40, 60], "area": 900, "keypoints": keypoints}))
            .collect();
        write_set(dir.path(), serde_json::Value::Array(all));
        assert_eq!(PoseSet::open(dir.path(), "train", Skeleton::coco17()).unwrap().persons.len(), 150_000);
    }
}
