//! MPII as HRNet's files have it: one JSON list of persons, 16 joints each, in pixels that count from 1.

use super::files::{DatasetFiles, begins_with, first_of, read_file, title_of};
use super::format::{Format, PoseFormat};
use super::images::{ImageFolders, read_sizes};
use crate::data::error::DataError;
use crate::data::lenient::{Number, Numbers, Object, lists, read_json, text};
use crate::data::set::{DatasetImage, LoadReport, PersonAnnotation, PoseSet};
use crate::pose::{Keypoint, Size, Skeleton};
use crate::vision::{BOX_PADDING, CropBox};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// MPII states no area, which OKS needs. This part of the square of 200 x scale pixels is 0.53 (the
/// part of a box that a person fills in COCO) times 0.30, the median part of that square that the
/// joints' box took in 106 official entries.
const AREA_PART: f64 = 0.16;

#[derive(Default, Deserialize)]
struct MpiiEntry {
    #[serde(default, deserialize_with = "text")]
    image: Option<String>,
    #[serde(default)]
    center: Numbers,
    #[serde(default)]
    scale: Number,
    #[serde(default, deserialize_with = "lists")]
    joints: Vec<Numbers>,
    #[serde(default)]
    joints_vis: Numbers,
    /// Not in HRNet's files; 1 for a joint that is labelled but hidden.
    #[serde(default)]
    joints_occluded: Numbers,
    #[serde(default)]
    head_size: Number,
    /// Two corners.
    #[serde(default)]
    headbox: Numbers,
}

/// Part of a box that may lie outside of its picture: MPII's squares reach over the border as they are made.
const OUTSIDE_LIMIT: f32 = 0.6;

/// How MATLAB's files begin.
const MATLAB: &[u8] = b"MATLAB ";

/// `annot/train.json` and `annot/valid.json`, or `annotations/mpii_train.json`.
pub struct Mpii;

impl Format for Mpii {
    fn name(&self) -> &'static str {
        "the layout of HRNet's MPII files"
    }

    fn find(&self, root: &Path, split: &str) -> Option<DatasetFiles> {
        let own = if split == "val" { "valid" } else { split };
        let files = [format!("annot/{own}.json"), format!("annotations/mpii_{split}.json")];
        first_of(root, files.into_iter().map(|file| (file, own.to_string())))
    }

    fn expected_files(&self, split: &str) -> String {
        format!("annot/{split}.json (MPII, whose val is named valid)")
    }

    /// MPII's own MATLAB file is accepted to be refused with what to do about it.
    fn accepts(&self, head: &[u8]) -> bool {
        begins_with(head, b'[') || head.starts_with(MATLAB)
    }

    fn title(&self, file: &Path) -> String {
        title_of(file, |stem| stem.strip_prefix("mpii_").unwrap_or(stem).into())
    }
}

impl PoseFormat for Mpii {
    /// A person's id is its place in the file, from 0, which is also its column in MPII's `gt_valid.mat`.
    fn read(&self, files: &DatasetFiles, _: Option<&Skeleton>) -> Result<PoseSet, DataError> {
        let entries = self.entries(&files.file)?;
        let mut folder = ImageFolders::open(files)?;
        let mut images = Vec::new();
        let mut index: HashMap<&str, Option<usize>> = HashMap::new();
        for entry in &entries {
            let Some(name) = &entry.image else { continue };
            index.entry(name).or_insert_with(|| {
                let id = images.len();
                let path = folder.find(name)?;
                images.push(DatasetImage { id: id as u64, path, size: Size::default() });
                Some(id)
            });
        }
        let unreadable = read_sizes(&mut images);
        let images_folder = Some(files.images.clone());
        let report = LoadReport { annotations: entries.len(), images_folder, ..LoadReport::default() };
        let mut set = PoseSet {
            file: files.file.clone(),
            title: self.title(&files.file),
            outside_limit: OUTSIDE_LIMIT,
            skeleton: Skeleton::mpii16().clone(),
            images,
            persons: Vec::with_capacity(entries.len()),
            ignored: Vec::new(),
            report,
        };
        let mut named = HashSet::new();
        for (id, entry) in entries.iter().enumerate() {
            let Some(name) = &entry.image else {
                set.report.bad.push(format!("entry {id}: no image"));
                continue;
            };
            let Some(image) = index.get(name.as_str()).copied().flatten() else {
                set.report.persons_without_image += 1;
                if named.insert(name) {
                    set.report.missing_images.push(name.clone());
                }
                continue;
            };
            if let Some(why) = unreadable.get(&image) {
                set.report.bad.push(why.clone());
                continue;
            }
            match person(entry, id as u64, image) {
                Ok(mut person) => {
                    person.outside = person.bbox.outside_share(set.images[image].size);
                    set.persons.push(person);
                }
                Err(UnusableEntry::Unlabelled) => set.report.unlabelled += 1,
                Err(UnusableEntry::NoBox) => set.report.empty_box += 1,
                Err(UnusableEntry::Bad(why)) => set.report.bad.push(format!("entry {id}: {why}")),
            }
        }
        Ok(set)
    }
}

impl Mpii {
    fn entries(&self, file: &Path) -> Result<Vec<MpiiEntry>, DataError> {
        let path = file.display().to_string();
        let bytes = read_file(file)?;
        if bytes.starts_with(MATLAB) {
            return Err(DataError::Matlab { path });
        }
        let wrong = |source| DataError::Parse { path, layout: self.name(), source };
        let entries: Vec<Object<MpiiEntry>> = read_json(bytes).map_err(wrong)?;
        Ok(entries.into_iter().map(|entry| entry.0.unwrap_or_default()).collect())
    }
}

/// Why an entry is left out.
enum UnusableEntry {
    Unlabelled,
    NoBox,
    Bad(String),
}

fn person(entry: &MpiiEntry, id: u64, image: usize) -> Result<PersonAnnotation, UnusableEntry> {
    let joints = Skeleton::mpii16().len();
    let bad = |why: String| Err(UnusableEntry::Bad(why));
    if entry.joints.is_empty() {
        return Err(UnusableEntry::Unlabelled);
    }
    if entry.joints.len() != joints {
        return bad(format!("{} joints, not {joints}", entry.joints.len()));
    }
    let visible = &entry.joints_vis.0;
    if visible.len() != joints {
        return bad(format!("joints_vis has {} numbers, not {joints}", visible.len()));
    }
    let &[cx, cy] = entry.center.0.as_slice() else {
        return bad(format!("center has {} numbers, not 2", entry.center.0.len()));
    };
    let scale = entry.scale.0;
    let mut keypoints = Vec::with_capacity(joints);
    for (j, point) in entry.joints.iter().enumerate() {
        let &[x, y] = point.0.as_slice() else {
            return bad(format!("joint {j} has {} numbers, not 2", point.0.len()));
        };
        // A missing joint is -1, -1.
        let labelled = visible[j] > 0.0 && !(x == -1.0 && y == -1.0);
        if labelled && !(x.is_finite() && y.is_finite()) {
            return bad(format!("joint {j} is not a number"));
        }
        let hidden = entry.joints_occluded.0.get(j).is_some_and(|&o| o > 0.0);
        keypoints.push(match (labelled, hidden) {
            (false, _) => Keypoint::default(),
            (true, hidden) => {
                Keypoint { x: x as f32 - 1.0, y: y as f32 - 1.0, score: if hidden { 1.0 } else { 2.0 } }
            }
        });
    }
    if keypoints.iter().all(|k| k.score <= 0.0) {
        return Err(UnusableEntry::Unlabelled);
    }
    if ![cx, cy, scale].iter().all(|v| v.is_finite()) || scale <= 0.0 || cx == -1.0 {
        return Err(UnusableEntry::NoBox);
    }
    // The crop's padding comes later, as it does for every other box.
    let mut square = CropBox::from_mpii([cx, cy], scale);
    square.scale = square.scale.map(|s| s / BOX_PADDING);
    let weights = keypoints.iter().map(|k| if k.score > 0.0 { 1.0 } else { 0.0 }).collect();
    Ok(PersonAnnotation {
        id,
        image,
        bbox: square.bbox(),
        outside: 0.0,
        area: AREA_PART * (200.0 * scale).powi(2),
        keypoints,
        weights,
        source: None,
        head_size: head_size(entry),
    })
}

/// The length of PCKh as stated, else 0.6 of the head box's diagonal.
fn head_size(entry: &MpiiEntry) -> Option<f64> {
    let stated = Some(entry.head_size.0).filter(|s| *s > 0.0);
    stated.or_else(|| {
        let &[x0, y0, x1, y1] = entry.headbox.0.as_slice() else { return None };
        Some(0.6 * (x1 - x0).hypot(y1 - y0)).filter(|s| *s > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::path::Path;

    fn entry(image: &str) -> Value {
        let joints: Vec<[f64; 2]> = (0..16).map(|j| [11.0 + j as f64, 21.5]).collect();
        json!({
            "image": image, "center": [60.0, 41.0], "scale": 0.4,
            "joints": joints, "joints_vis": vec![1; 16], "head_size": 12.5,
        })
    }

    fn changed(key: &str, value: Value) -> Value {
        let mut e = entry("a.png");
        e[key] = value;
        e
    }

    /// An MPII folder with one picture of 120 x 90 pixels.
    fn write_set(dir: &Path, entries: Value) {
        std::fs::create_dir_all(dir.join("annot")).unwrap();
        std::fs::create_dir_all(dir.join("images")).unwrap();
        image::RgbImage::new(120, 90).save(dir.join("images/a.png")).unwrap();
        std::fs::write(dir.join("images/broken.jpg"), b"no picture").unwrap();
        std::fs::write(dir.join("annot/valid.json"), entries.to_string()).unwrap();
    }

    #[test]
    fn a_persons_crop_is_that_of_method_5() {
        let dir = tempfile::tempdir().unwrap();
        write_set(dir.path(), json!([entry("a.png"), changed("headbox", json!([0, 0, 30, 40]))]));
        let set = PoseSet::open(dir.path(), "val", Skeleton::mpii16()).unwrap();
        assert!(set.title.ends_with("/valid"), "{}", set.title);
        assert_eq!((set.images.len(), set.images[0].size), (1, Size::new(120, 90)));
        let p = &set.persons[0];
        assert_eq!(p.keypoints[3], Keypoint { x: 13.0, y: 20.5, score: 2.0 });
        assert_eq!((p.labelled(), p.head_size, p.id), (16, Some(12.5), 0));
        let crop = CropBox::from_bbox(&p.bbox, 1.0, BOX_PADDING);
        let wanted = CropBox::from_mpii([60.0, 41.0], 0.4);
        for axis in 0..2 {
            assert!((crop.center[axis] - wanted.center[axis]).abs() < 1e-4, "{crop:?} {wanted:?}");
            assert!((crop.scale[axis] - wanted.scale[axis]).abs() < 1e-6, "{crop:?} {wanted:?}");
        }
    }

    #[test]
    fn missing_joints_have_no_label_and_hidden_ones_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut e = entry("a.png");
        e["joints"][4] = json!([-1, -1]);
        e["joints_vis"][5] = json!(0);
        e["joints_occluded"] = json!([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        e["head_size"] = json!(null);
        e["headbox"] = json!([10, 10, 40, 50]);
        write_set(dir.path(), json!([e]));
        let set = PoseSet::open(dir.path(), "val", Skeleton::mpii16()).unwrap();
        let p = &set.persons[0];
        let scores: Vec<f32> = p.keypoints.iter().take(7).map(|k| k.score).collect();
        assert_eq!(scores, [1.0, 2.0, 2.0, 2.0, 0.0, 0.0, 2.0]);
        assert_eq!(&p.weights[3..7], [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(p.head_size, Some(30.0));
    }

    #[test]
    fn the_official_mat_file_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mpii_human_pose_v1_u12_1.mat");
        std::fs::write(&file, b"MATLAB 5.0 MAT-file, Platform: GLNXA64 \0\x01IM").unwrap();
        let error = PoseSet::open(&file, "train", Skeleton::mpii16()).unwrap_err().to_string();
        assert!(error.contains("u12_1.mat") && error.contains("mpii_from_mat.py"), "{error}");
    }

    #[test]
    fn what_cannot_be_used_is_counted_and_named() {
        let dir = tempfile::tempdir().unwrap();
        write_set(
            dir.path(),
            json!([
                entry("a.png"),
                entry("gone.jpg"),
                entry("broken.jpg"),
                changed("joints", json!([])),
                changed("joints_vis", json!(vec![0; 16])),
                changed("joints_vis", json!([1, 1])),
                changed("center", json!([-1, -1])),
                changed("scale", json!(null)),
                changed("center", json!(7)),
            ]),
        );
        let set = PoseSet::open(dir.path(), "val", Skeleton::mpii16()).unwrap();
        let r = &set.report;
        assert_eq!((set.persons.len(), r.annotations), (1, 9));
        assert_eq!((r.unlabelled, r.empty_box, r.persons_without_image), (2, 2, 1));
        assert_eq!(r.missing_images, ["gone.jpg"]);
        assert_eq!(r.bad.len(), 3, "{:?}", r.bad);
        assert!(r.bad[0].contains("broken.jpg"), "{:?}", r.bad);
    }
}
