//! Whether weights were trained on the pictures that they are measured on.

use crate::data::{BoxSet, DatasetImage, PoseSet};
use crate::pose::Skeleton;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Pictures of a measured set that a training used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainingOverlap {
    /// The measured set.
    pub set: String,
    /// How many of its pictures the training used.
    pub pictures: usize,
    /// How many pictures it has.
    pub of: usize,
    /// The training sets that they are in.
    pub in_sets: Vec<String>,
}

impl std::fmt::Display for TrainingOverlap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sets = self.in_sets.join(", ");
        if self.pictures == self.of {
            write!(
                f,
                "{}: these weights were trained on these pictures ({sets}); the numbers say nothing about new \
                 pictures",
                self.set
            )
        } else {
            write!(
                f,
                "{}: these weights were trained on {} of its {} pictures ({sets}); the numbers are better than \
                 on new pictures",
                self.set, self.pictures, self.of
            )
        }
    }
}

/// Looks for the pictures of `set` in the sets that a training used, `trained_on`, named as
/// [`PoseSet::title`] calls them.
///
/// A training set with the same title is the measured one: FOLDER/train is not FOLDER/val. Any other one is
/// looked for where it usually lies, in the measured set's folder and beside it, and compared picture by
/// picture, byte by byte. One that is elsewhere cannot be compared.
pub fn training_overlap(
    set: &PoseSet,
    trained_on: &[String],
    skeleton: &Skeleton,
) -> Option<TrainingOverlap> {
    let open = |wanted: &Path, split: &str| PoseSet::open(wanted, split, skeleton).ok().map(|set| set.images);
    seen(&set.title, &set.file, &set.images, trained_on, open)
}

/// As [`training_overlap`] for sets of boxes.
pub fn box_training_overlap(set: &BoxSet, trained_on: &[String]) -> Option<TrainingOverlap> {
    let pictures =
        |set: &BoxSet| -> Vec<DatasetImage> { set.images.iter().map(|p| p.image.clone()).collect() };
    let open = |wanted: &Path, split: &str| BoxSet::open(wanted, split).ok().map(|set| pictures(&set));
    seen(&set.title, &set.file, &pictures(set), trained_on, open)
}

/// The pictures of a measured set that are among those of the sets `trained_on`, which `open` opens.
fn seen(
    title: &str,
    file: &Path,
    pictures: &[DatasetImage],
    trained_on: &[String],
    open: impl Fn(&Path, &str) -> Option<Vec<DatasetImage>>,
) -> Option<TrainingOverlap> {
    let of = pictures.len();
    if trained_on.iter().any(|name| name == title) {
        return Some(TrainingOverlap { in_sets: vec![title.into()], set: title.into(), pictures: of, of });
    }
    let mut seen = HashSet::new();
    let mut in_sets = Vec::new();
    for name in trained_on {
        let Some(trained) = find(file, name, &open) else { continue };
        let common = common_pictures(pictures, &trained);
        if !common.is_empty() {
            in_sets.push(name.clone());
            seen.extend(common);
        }
    }
    (!seen.is_empty()).then_some(TrainingOverlap { set: title.into(), pictures: seen.len(), of, in_sets })
}

/// The pictures of the set called `name` (FOLDER/SPLIT), if it lies in the folder of the set of `file` or beside that.
fn find(
    file: &Path,
    name: &str,
    open: &impl Fn(&Path, &str) -> Option<Vec<DatasetImage>>,
) -> Option<Vec<DatasetImage>> {
    let (folder, split) = name.split_once('/')?;
    let root = file.parent()?.parent()?;
    let same = (root.file_name()? == folder).then(|| root.to_path_buf());
    let places: [Option<PathBuf>; 2] = [same, root.parent().map(|beside| beside.join(folder))];
    places.into_iter().flatten().find_map(|place| open(&place.join(split), split))
}

/// Indices of the pictures whose files are also among `others`.
fn common_pictures(pictures: &[DatasetImage], others: &[DatasetImage]) -> Vec<usize> {
    let size = |path: &Path| std::fs::metadata(path).ok().map(|m| m.len());
    let mut by_size: HashMap<u64, Vec<&Path>> = HashMap::new();
    for other in others {
        if let Some(size) = size(&other.path) {
            by_size.entry(size).or_default().push(&other.path);
        }
    }
    let is_common = |picture: &DatasetImage| {
        let candidates = size(&picture.path).and_then(|size| by_size.get(&size));
        let Some(candidates) = candidates else { return false };
        if candidates.contains(&picture.path.as_path()) {
            return true;
        }
        let Ok(bytes) = std::fs::read(&picture.path) else { return false };
        candidates.iter().any(|path| std::fs::read(path).is_ok_and(|other| other == bytes))
    };
    pictures.iter().enumerate().filter(|(_, picture)| is_common(picture)).map(|(i, _)| i).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Writes FOLDER/images/SPLIT with pictures of the given contents, one person each.
    fn write_set(root: &Path, split: &str, contents: &[&str]) {
        let images = root.join("images").join(split);
        std::fs::create_dir_all(&images).unwrap();
        std::fs::create_dir_all(root.join("annotations")).unwrap();
        let name = |i: usize| format!("{i}.jpg");
        for (i, content) in contents.iter().enumerate() {
            std::fs::write(images.join(name(i)), content).unwrap();
        }
        let image = |i| json!({"id": i, "file_name": name(i), "width": 100, "height": 100});
        let keypoints: Vec<f64> = (0..17).flat_map(|j| [f64::from(j), 5.0, 2.0]).collect();
        let person = |i| json!({"id": i, "image_id": i, "bbox": [0, 0, 50, 50], "keypoints": keypoints});
        let file = json!({
            "images": (0..contents.len()).map(image).collect::<Vec<_>>(),
            "annotations": (0..contents.len()).map(person).collect::<Vec<_>>(),
        });
        std::fs::write(root.join(format!("annotations/person_keypoints_{split}.json")), file.to_string())
            .unwrap();
    }

    fn seen(root: &Path, split: &str, trained_on: &[&str]) -> Option<TrainingOverlap> {
        let set = PoseSet::open(root, split, Skeleton::coco17()).unwrap();
        let names: Vec<String> = trained_on.iter().map(|s| s.to_string()).collect();
        training_overlap(&set, &names, Skeleton::coco17())
    }

    #[test]
    fn the_train_part_is_seen_and_the_val_part_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let people = dir.path().join("people");
        write_set(&people, "train", &["one", "two"]);
        write_set(&people, "val", &["six", "ten"]);
        let train = seen(&people, "train", &["people/train"]).unwrap();
        assert_eq!((train.pictures, train.of), (2, 2));
        assert!(train.to_string().contains("nothing about new pictures"), "{train}");
        assert_eq!(seen(&people, "val", &["people/train"]), None);
        assert_eq!(seen(&people, "val", &[]), None);
    }

    #[test]
    fn pictures_are_found_again_under_another_name() {
        let dir = tempfile::tempdir().unwrap();
        write_set(&dir.path().join("people"), "train", &["one", "two", "three"]);
        let other = dir.path().join("selection");
        write_set(&other, "val", &["six", "two", "ten", "seven"]);
        let found = seen(&other, "val", &["gone/train", "people/train"]).unwrap();
        assert_eq!(
            (found.pictures, found.of, found.in_sets.as_slice()),
            (1, 4, &["people/train".into()][..])
        );
        assert!(found.to_string().contains("1 of its 4 pictures"), "{found}");
    }
}
