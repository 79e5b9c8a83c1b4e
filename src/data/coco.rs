//! Data sets in COCO's keypoint layout: one JSON file of annotations beside a folder of pictures.

use crate::pose::{Keypoint, Skeleton};
use crate::vision::BBox;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// One picture of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub id: u64,
    pub path: PathBuf,
    /// Width and height in pixels as the annotation file states them, else as the picture's own header does.
    pub size: [u32; 2],
}

/// One annotated person.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Annotation id, unique in its set.
    pub id: u64,
    /// Index into [`CocoSet::pictures`].
    pub picture: usize,
    /// Clipped to the picture (METHOD 5).
    pub bbox: BBox,
    /// Area in square pixels that OKS is scaled by.
    pub area: f64,
    /// J joints in picture pixels; `score` is COCO's v: 0 not labelled, 1 occluded, 2 visible.
    pub keypoints: Vec<Keypoint>,
    /// How much each joint counts in the loss; 0 where it is not labelled.
    pub weights: Vec<f32>,
    /// The data set it came from, when the file says so.
    pub source: Option<String>,
}

impl Person {
    /// Joints that have a label.
    pub fn labelled(&self) -> usize {
        self.keypoints.iter().filter(|k| k.score > 0.0).count()
    }
}

/// What the reader left out, and why. Nothing is skipped silently.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadReport {
    /// Annotations read, whatever became of them.
    pub annotations: usize,
    /// Crowd regions (`iscrowd` 1).
    pub crowd: usize,
    /// Persons without a labelled joint.
    pub unlabelled: usize,
    /// Persons whose box is empty or outside its picture.
    pub empty_box: usize,
    /// File names of pictures that persons refer to and that are not there.
    pub missing_pictures: Vec<String>,
    /// Persons lost with them.
    pub persons_without_picture: usize,
    /// Annotations that contradict the layout, with the reason.
    pub bad: Vec<String>,
}

impl LoadReport {
    /// One line for a terminal or a log; empty when nothing was left out.
    pub fn summary(&self) -> String {
        let named = |names: &[String]| {
            let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
            format!("{}{}", shown.join(", "), if names.len() > 3 { ", ..." } else { "" })
        };
        let mut parts = Vec::new();
        for (count, what) in [
            (self.crowd, "crowd regions"),
            (self.unlabelled, "persons without labelled joints"),
            (self.empty_box, "persons with an empty box"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        if !self.missing_pictures.is_empty() {
            parts.push(format!(
                "{} persons of {} missing pictures ({})",
                self.persons_without_picture,
                self.missing_pictures.len(),
                named(&self.missing_pictures)
            ));
        }
        if !self.bad.is_empty() {
            parts.push(format!("{} bad annotations ({})", self.bad.len(), named(&self.bad)));
        }
        if parts.is_empty() { String::new() } else { format!("left out: {}", parts.join("; ")) }
    }
}

/// Why a set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path} is not in COCO's keypoint layout: {source}")]
    Parse { path: String, source: serde_json::Error },
    #[error(
        "no annotations for {wanted}; give an annotation file, or a folder that has annotations/person_keypoints_{split}.json"
    )]
    NotFound { wanted: String, split: String },
    #[error("{path} has no usable person with {joints} joints{left_out}")]
    Empty { path: String, joints: usize, left_out: String },
    #[error("cannot decode the picture {path}: {reason}; remove it from the annotations or replace it")]
    Picture { path: String, reason: String },
    #[error("cannot write {path}: {source}")]
    Write { path: String, source: std::io::Error },
    #[error(
        "the disk is full: the feature cache {path} needs {needed_gb:.1} GB and got {written_gb:.1}; make room and start again, or choose another folder with --cache"
    )]
    NoRoom { path: String, needed_gb: f64, written_gb: f64 },
}

/// A set of annotated people, read from one COCO-layout file.
#[derive(Clone, Debug, PartialEq)]
pub struct CocoSet {
    /// The annotation file.
    pub file: PathBuf,
    pub pictures: Vec<Picture>,
    /// Persons that can be trained on, in the file's order.
    pub persons: Vec<Person>,
    pub report: LoadReport,
}

#[derive(Deserialize)]
struct RawFile {
    images: Vec<RawImage>,
    annotations: Vec<RawAnnotation>,
}

#[derive(Deserialize)]
struct RawImage {
    id: u64,
    file_name: String,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
}

#[derive(Deserialize)]
struct RawAnnotation {
    id: u64,
    image_id: u64,
    #[serde(default)]
    bbox: Vec<f64>,
    #[serde(default)]
    area: Option<f64>,
    #[serde(default)]
    iscrowd: u8,
    #[serde(default)]
    keypoints: Vec<f64>,
    #[serde(default)]
    source: Option<String>,
}

impl CocoSet {
    /// Finds the annotation file and the pictures of `wanted` and reads them.
    ///
    /// `wanted` is an annotation file, a set's folder (then `split`, "train" or "val", is read), or
    /// `FOLDER/train`, `FOLDER/val`, which name the split themselves. COCO's own names
    /// (`person_keypoints_val2017.json`, `val2017/`) are found too.
    pub fn open(wanted: &Path, split: &str, skeleton: &Skeleton) -> Result<CocoSet, DataError> {
        let (json, images) = CocoSet::find(wanted, split)?;
        CocoSet::load(&json, &images, skeleton)
    }

    /// The annotation file and the picture folder that [`CocoSet::open`] would read, without reading them.
    pub fn find(wanted: &Path, split: &str) -> Result<(PathBuf, PathBuf), DataError> {
        locate(wanted, split)
            .ok_or_else(|| DataError::NotFound { wanted: wanted.display().to_string(), split: split.into() })
    }

    /// Reads `json`; its pictures are looked for in `images`.
    pub fn load(json: &Path, images: &Path, skeleton: &Skeleton) -> Result<CocoSet, DataError> {
        let shown = || json.display().to_string();
        let bytes = std::fs::read(json).map_err(|source| DataError::Read { path: shown(), source })?;
        let raw: RawFile =
            serde_json::from_slice(&bytes).map_err(|source| DataError::Parse { path: shown(), source })?;
        // One directory listing instead of one question to the file system for each picture: 150,000
        // persons must load in seconds, on network disks too.
        let present: HashSet<std::ffi::OsString> = std::fs::read_dir(images)
            .map_err(|source| DataError::Read { path: images.display().to_string(), source })?
            .filter_map(|e| e.ok().map(|e| e.file_name()))
            .collect();
        let mut set = CocoSet {
            file: json.into(),
            pictures: Vec::new(),
            persons: Vec::new(),
            report: LoadReport::default(),
        };
        let mut index = HashMap::with_capacity(raw.images.len());
        let mut absent = HashMap::new();
        for image in raw.images {
            let name = Path::new(&image.file_name);
            let path = images.join(name);
            let there = if name.components().count() == 1 {
                present.contains(name.as_os_str())
            } else {
                path.exists()
            };
            if there {
                let mut size = [image.width, image.height];
                if size.contains(&0) {
                    // A file without sizes: the mirror image and the box's limits need them.
                    match image::image_dimensions(&path) {
                        Ok((width, height)) => size = [width, height],
                        Err(e) => {
                            set.report.bad.push(format!("{}: {e}", image.file_name));
                            continue;
                        }
                    }
                }
                index.insert(image.id, set.pictures.len());
                set.pictures.push(Picture { id: image.id, path, size });
            } else {
                absent.insert(image.id, image.file_name);
            }
        }
        let mut named = HashSet::new();
        set.report.annotations = raw.annotations.len();
        for a in raw.annotations {
            if a.iscrowd != 0 {
                set.report.crowd += 1;
            } else if let Some(&picture) = index.get(&a.image_id) {
                set.add(a, picture, skeleton.len());
            } else if let Some(name) = absent.get(&a.image_id) {
                set.report.persons_without_picture += 1;
                if named.insert(a.image_id) {
                    set.report.missing_pictures.push(name.clone());
                }
            } else {
                set.report.bad.push(format!("annotation {}: no image {}", a.id, a.image_id));
            }
        }
        if set.persons.is_empty() {
            let left_out = set.report.summary();
            let left_out = if left_out.is_empty() { left_out } else { format!(" ({left_out})") };
            return Err(DataError::Empty { path: shown(), joints: skeleton.len(), left_out });
        }
        Ok(set)
    }

    fn add(&mut self, a: RawAnnotation, picture: usize, joints: usize) {
        if a.keypoints.iter().all(|&v| v == 0.0) {
            self.report.unlabelled += 1;
            return;
        }
        if a.keypoints.len() != 3 * joints {
            let found = a.keypoints.len();
            self.report.bad.push(format!(
                "annotation {}: {found} keypoint numbers, not {}",
                a.id,
                3 * joints
            ));
            return;
        }
        let &[x, y, w, h] = a.bbox.as_slice() else {
            self.report.bad.push(format!("annotation {}: the box has {} numbers, not 4", a.id, a.bbox.len()));
            return;
        };
        if a.keypoints.iter().chain(&a.bbox).any(|v| !v.is_finite()) {
            self.report.bad.push(format!("annotation {}: a number is not finite", a.id));
            return;
        }
        let keypoints: Vec<Keypoint> = a
            .keypoints
            .chunks_exact(3)
            .map(|k| Keypoint { x: k[0] as f32, y: k[1] as f32, score: k[2] as f32 })
            .collect();
        if keypoints.iter().all(|k| k.score <= 0.0) {
            self.report.unlabelled += 1;
            return;
        }
        let given = BBox { x: x as f32, y: y as f32, w: w as f32, h: h as f32 };
        let area = a.area.unwrap_or(w * h);
        let [width, height] = self.pictures[picture].size;
        let Some(bbox) = given.clipped(width, height).filter(|_| area > 0.0) else {
            self.report.empty_box += 1;
            return;
        };
        let weights = keypoints.iter().map(|k| if k.score > 0.0 { 1.0 } else { 0.0 }).collect();
        self.persons.push(Person { id: a.id, picture, bbox, area, keypoints, weights, source: a.source });
    }

    /// The picture of a person of this set.
    pub fn picture(&self, person: &Person) -> &Picture {
        &self.pictures[person.picture]
    }

    /// A short name for tables: the folder of the set and its split, e.g. `people_coco/val`.
    pub fn title(&self) -> String {
        let stem = self.file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let split = stem.rsplit('_').next().unwrap_or(&stem).to_string();
        let folder = self.file.parent().and_then(Path::parent).and_then(Path::file_name);
        match folder {
            Some(folder) => format!("{}/{split}", folder.to_string_lossy()),
            None => stem,
        }
    }
}

/// Annotation file and picture folder of a set.
fn locate(wanted: &Path, split: &str) -> Option<(PathBuf, PathBuf)> {
    if wanted.is_file() {
        let stem = wanted.file_stem()?.to_string_lossy().into_owned();
        let split = stem.rsplit('_').next().unwrap_or(split).to_string();
        let root = wanted.parent()?.parent().unwrap_or(Path::new("."));
        let images = image_folder(root, &split).or_else(|| wanted.parent().map(Path::to_path_buf))?;
        return Some((wanted.into(), images));
    }
    if wanted.is_dir()
        && let Some(found) = split_of(wanted, split)
    {
        return Some(found);
    }
    // FOLDER/val names the split itself.
    let named = wanted.file_name()?.to_string_lossy().into_owned();
    split_of(wanted.parent()?, &named)
}

fn split_of(root: &Path, split: &str) -> Option<(PathBuf, PathBuf)> {
    [split.to_string(), format!("{split}2017")].iter().find_map(|name| {
        let json = root.join("annotations").join(format!("person_keypoints_{name}.json"));
        json.is_file().then_some(())?;
        Some((json, image_folder(root, name)?))
    })
}

fn image_folder(root: &Path, split: &str) -> Option<PathBuf> {
    [root.join("images").join(split), root.join(split), root.join("images")].into_iter().find(|p| p.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
        let set = CocoSet::open(dir.path(), "train", Skeleton::coco17()).unwrap();
        assert_eq!(set.persons.len(), 1);
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
            let set = CocoSet::open(&wanted, "train", Skeleton::coco17()).unwrap();
            assert!(set.title().ends_with("/train"), "{}", set.title());
        }
        let error = CocoSet::open(dir.path(), "val", Skeleton::coco17()).unwrap_err().to_string();
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
        assert_eq!(CocoSet::open(dir.path(), "train", Skeleton::coco17()).unwrap().persons.len(), 150_000);
    }
}
