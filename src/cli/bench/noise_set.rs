//! A training set of random pixels, keypoints and boxes, for timing training steps.

use crate::data::generator;
use crate::pose::{Size, Skeleton};
use anyhow::Context;
use image::RgbImage;
use rand::RngExt;
use serde_json::json;
use std::path::Path;

/// Size of a picture in pixels: a crop's, so that making crops costs little.
const SIZE: Size = Size::new(192, 256);
/// Seed of pixels and keypoints.
const SEED: u64 = 1;

/// Writes a set in COCO's layout: `count` pictures of one person, with every joint at a random place.
///
/// # Errors
/// A file cannot be written.
pub fn write(folder: &Path, count: usize, skeleton: &Skeleton) -> anyhow::Result<()> {
    let (pictures, annotations) = (folder.join("images/train"), folder.join("annotations"));
    for folder in [&pictures, &annotations] {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let Size { width, height } = SIZE;
    let (mut images, mut persons) = (Vec::new(), Vec::new());
    for id in 0..count {
        let mut rng = generator(SEED, 0, id as u64, 0);
        let noise = RgbImage::from_fn(width, height, |_, _| image::Rgb(rng.random::<[u8; 3]>()));
        let name = format!("{id}.jpg");
        noise.save(pictures.join(&name)).with_context(|| format!("cannot write the picture {name}"))?;
        let joints = skeleton.len();
        let keypoints: Vec<u32> = (0..joints)
            .flat_map(|_| [rng.random_range(20..width - 20), rng.random_range(20..height - 20), 2])
            .collect();
        images.push(json!({"id": id, "file_name": name, "width": width, "height": height}));
        persons.push(json!({
            "id": id, "image_id": id, "category_id": 1, "iscrowd": 0, "area": width * height,
            "bbox": [0, 0, width, height], "num_keypoints": joints, "keypoints": keypoints,
        }));
    }
    let categories = json!([{"id": 1, "name": "person"}]);
    let text = json!({"images": images, "annotations": persons, "categories": categories}).to_string();
    // For the pose network, and for the detector.
    for name in ["person_keypoints_train.json", "instances_train.json"] {
        let file = annotations.join(name);
        std::fs::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PoseSet;

    #[test]
    fn every_person_can_be_trained_on() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 3, Skeleton::coco17()).unwrap();
        let set = PoseSet::open(dir.path(), "train", Skeleton::coco17()).unwrap();
        assert_eq!(set.persons.len(), 3);
        assert!(set.persons.iter().all(|p| p.labelled() == 17 && set.image_of(p).path.is_file()));
        assert_eq!(set.report.summary(), "");
    }
}
