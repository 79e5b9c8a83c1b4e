//! COCO's keypoints: people with a box and joints.

use super::categories::{PersonCategories, category_name};
use super::coco::{CocoAnnotation, CocoCategory, CocoFile, CocoIds, file_names, split_of};
use super::files::{DatasetFiles, begins_with, exported, first_of, read_file, title_of};
use super::format::{Format, PoseFormat};
use super::images::ImageList;
use crate::data::error::DataError;
use crate::data::lenient::Numbers;
use crate::data::set::{IgnoredAnnotation, LoadReport, PersonAnnotation, PoseSet};
use crate::pose::{Keypoint, Skeleton};
use crate::vision::BBox;
use std::collections::HashSet;
use std::path::Path;

/// Part of a box that may lie outside of its picture: COCO's boxes were drawn inside.
const OUTSIDE_LIMIT: f32 = 0.1;

/// `annotations/person_keypoints_train.json`.
pub struct CocoKeypoints;

impl Format for CocoKeypoints {
    fn name(&self) -> &'static str {
        "COCO's keypoint layout"
    }

    fn find(&self, root: &Path, split: &str) -> Option<DatasetFiles> {
        first_of(root, file_names("person_keypoints", split))
            .or_else(|| exported(root, "person_keypoints", split))
    }

    fn expected_files(&self, split: &str) -> String {
        format!("annotations/person_keypoints_{split}.json (COCO)")
    }

    fn accepts(&self, head: &[u8]) -> bool {
        begins_with(head, b'{')
    }

    fn title(&self, file: &Path) -> String {
        title_of(file, split_of)
    }
}

impl PoseFormat for CocoKeypoints {
    fn read(&self, files: &DatasetFiles, expected: Option<&Skeleton>) -> Result<PoseSet, DataError> {
        let raw = CocoFile::parse(read_file(&files.file)?, &files.file, self.name())?;
        let CocoFile { images, annotations, categories } = raw;
        let people = PersonCategories::of(&categories, expected);
        let skeleton = declared_skeleton(&categories, &annotations, &people, files, expected)?;
        let ImageList { images, index, absent, nameless, unreadable, without_id } =
            ImageList::find(images, files)?;
        let report = LoadReport {
            annotations: annotations.len(),
            bad: without_id,
            images_folder: Some(files.images.clone()),
            ..LoadReport::default()
        };
        let mut set = PoseSet {
            file: files.file.clone(),
            title: self.title(&files.file),
            outside_limit: OUTSIDE_LIMIT,
            skeleton,
            images,
            persons: Vec::with_capacity(annotations.len()),
            ignored: Vec::new(),
            report,
        };
        let (mut named, mut ids) = (HashSet::new(), HashSet::with_capacity(annotations.len()));
        for (number, annotation) in annotations.into_iter().enumerate() {
            if !people.has(annotation.category_id) {
                set.report.count_other(category_name(annotation.category_id, &categories));
                continue;
            }
            let CocoIds { annotation: id, image } = match annotation.ids(number) {
                Ok(ids) => ids,
                Err(missing) => {
                    set.report.bad.push(missing);
                    continue;
                }
            };
            if !ids.insert(id) {
                set.report.repeated_ids.push(id);
            }
            let at = index.get(&image).copied();
            if annotation.is_crowd() {
                set.report.crowd += 1;
                set.ignored.extend(at.and_then(|at| ignored(&annotation, at, set.skeleton.len())));
            } else if let Some(at) = at {
                match unreadable.get(&at) {
                    Some(why) => set.report.bad.push(why.clone()),
                    None => add(&mut set, annotation, id, at),
                }
            } else if let Some(name) = absent.get(&image) {
                set.report.persons_without_image += 1;
                if named.insert(image) {
                    set.report.missing_images.push(name.clone());
                }
            } else if nameless.contains(&image) {
                set.report.bad.push(format!("annotation {id}: its picture {image} has no file name"));
            } else {
                set.report.bad.push(format!("annotation {id}: no image {image}"));
            }
        }
        set.persons.shrink_to_fit();
        Ok(set)
    }
}

/// The skeleton of a set: `skeleton.json` or `skeleton.toml` in its folder or beside the annotations,
/// else the joint names of its category, else what its number of joints suggests.
fn declared_skeleton(
    categories: &[CocoCategory],
    annotations: &[CocoAnnotation],
    people: &PersonCategories,
    files: &DatasetFiles,
    expected: Option<&Skeleton>,
) -> Result<Skeleton, DataError> {
    let beside = files.file.parent();
    for folder in [beside, beside.and_then(Path::parent)].into_iter().flatten() {
        for name in ["skeleton.json", "skeleton.toml"] {
            let path = folder.join(name);
            if path.is_file() {
                return Ok(Skeleton::load(&path)?);
            }
        }
    }
    let named = categories.iter().filter(|c| people.has(c.id));
    let named = named.into_iter().find_map(|c| Some((c, c.keypoints.as_ref().filter(|k| !k.is_empty())?)));
    if let Some((category, joints)) = named {
        let edge = |edge: &Numbers| match edge.0.as_slice() {
            // The casts make 0 and what is no number a joint that is not there.
            &[a, b] => Some([a as usize, b as usize].map(|j| j.wrapping_sub(1))),
            _ => None,
        };
        let edges: Vec<[usize; 2]> = category.skeleton.iter().filter_map(edge).collect();
        return Ok(Skeleton::of_joints(joints.clone(), &edges));
    }
    let persons = annotations.iter().filter(|a| people.has(a.category_id));
    let numbers = persons.map(|a| a.keypoints.0.len()).find(|&n| n > 0);
    let joints = numbers.filter(|n| n % 3 == 0).map(|n| n / 3);
    let known = [expected, Some(Skeleton::coco17()), Some(Skeleton::mpii16())];
    if let Some(fits) = known.into_iter().flatten().find(|s| Some(s.len()) == joints) {
        return Ok(fits.clone());
    }
    match (expected, joints) {
        (None, Some(joints)) => {
            let names = (1..=joints).map(|j| format!("joint {j}")).collect();
            Ok(Skeleton::of_joints(names, &[]))
        }
        (expected, _) => Ok(expected.unwrap_or(Skeleton::coco17()).clone()),
    }
}

/// What the evaluation must know of an annotation that is not trained on; none without a box.
fn ignored(annotation: &CocoAnnotation, image: usize, joints: usize) -> Option<IgnoredAnnotation> {
    let [x, y, w, h] = annotation.bbox().ok()?;
    let area = annotation.area_or(w, h);
    let mut keypoints = vec![[0.0; 3]; joints];
    for (to, from) in keypoints.iter_mut().zip(annotation.keypoints.0.chunks_exact(3)) {
        to.copy_from_slice(from);
    }
    let finite = keypoints.iter().flatten().chain(&[x, y, w, h, area]).all(|v| v.is_finite());
    finite.then_some(IgnoredAnnotation {
        image,
        bbox: [x, y, w, h],
        area,
        keypoints,
        crowd: annotation.is_crowd(),
    })
}

/// Adds one person, or counts why not.
fn add(set: &mut PoseSet, mut annotation: CocoAnnotation, id: u64, image: usize) {
    let joints = set.skeleton.len();
    // Where an unlabelled joint would be says nothing, whatever stands there.
    for unlabelled in annotation.keypoints.0.as_chunks_mut::<3>().0.iter_mut().filter(|k| k[2] <= 0.0) {
        *unlabelled = [0.0; 3];
    }
    let (triples, rest) = annotation.keypoints.0.as_chunks::<3>();
    if rest.is_empty() && triples.iter().all(|k| k[2] <= 0.0) {
        set.report.unlabelled += 1;
        set.ignored.extend(ignored(&annotation, image, joints));
        return;
    }
    let numbers = &annotation.keypoints.0;
    let mut bad = |why: String| set.report.bad.push(format!("annotation {id}: {why}"));
    if numbers.len() != 3 * joints {
        return bad(format!("{} keypoint numbers, not {}", numbers.len(), 3 * joints));
    }
    let [x, y, w, h] = match annotation.bbox() {
        Ok(bbox) => bbox,
        Err(why) => return bad(why),
    };
    if numbers.iter().chain(&[x, y, w, h]).any(|v| !v.is_finite()) {
        return bad("a coordinate is not a number".into());
    }
    let keypoints: Vec<Keypoint> =
        triples.iter().map(|k| Keypoint { x: k[0] as f32, y: k[1] as f32, score: k[2] as f32 }).collect();
    let given = BBox { x: x as f32, y: y as f32, w: w as f32, h: h as f32 };
    let area = annotation.area_or(w, h);
    let size = set.images[image].size;
    let Some(bbox) = given.clipped(size).filter(|_| area > 0.0) else {
        set.report.empty_box += 1;
        return;
    };
    let outside = given.outside_share(size);
    let weights = keypoints.iter().map(|k| if k.score > 0.0 { 1.0 } else { 0.0 }).collect();
    let source = annotation.source;
    let head_size = None;
    set.persons.push(PersonAnnotation {
        id,
        image,
        bbox,
        outside,
        area,
        keypoints,
        weights,
        source,
        head_size,
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
        assert_eq!(r.missing_images, ["gone.jpg"]);
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
            assert!(set.title.ends_with("/train"), "{}", set.title);
        }
        let error = PoseSet::open(dir.path(), "val", Skeleton::coco17()).unwrap_err().to_string();
        assert!(error.contains("person_keypoints_val.json"), "{error}");
    }

    #[test]
    fn one_wrong_value_costs_one_annotation() {
        let dir = tempfile::tempdir().unwrap();
        let good = |id: u64| json!({"id": id, "image_id": 1, "bbox": [5, 5, 40, 60], "keypoints": joints(2)});
        let mut all = vec![good(1), good(1)];
        for (key, value) in [
            ("id", json!([])),
            ("image_id", json!(null)),
            ("bbox", json!("wide")),
            ("bbox", json!([1, 2, null, 4])),
            ("keypoints", json!(7)),
            ("keypoints", json!([1, 2])),
        ] {
            let mut bad = good(all.len() as u64);
            bad[key] = value;
            all.push(bad);
        }
        write_set(dir.path(), all.into());
        let set = PoseSet::open(dir.path(), "train", Skeleton::coco17()).unwrap();
        let r = &set.report;
        assert_eq!((set.persons.len(), r.repeated_ids.as_slice()), (2, &[1][..]));
        // Keypoints that are no list count as no labels.
        assert_eq!((r.bad.len(), r.unlabelled), (5, 1), "{:?}", r.bad);
    }

    /// A set whose category names `names`, with one person per list of joints.
    fn write_named_set(dir: &Path, names: &[&str], persons: &[Vec<f64>]) {
        let annotations: Vec<_> = (0..persons.len())
            .map(|i| json!({"id": i, "image_id": 1, "bbox": [5, 5, 40, 60], "keypoints": persons[i]}))
            .collect();
        write_set(dir, annotations.into());
        let path = dir.join("annotations/person_keypoints_train.json");
        let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        file["categories"] = json!([{"id": 1, "keypoints": names, "skeleton": [[1, 2], [0, 1]]}]);
        std::fs::write(&path, file.to_string()).unwrap();
    }

    #[test]
    fn joints_are_found_by_the_names_that_the_set_declares() {
        let dir = tempfile::tempdir().unwrap();
        let person = vec![10.0, 11.0, 2.0, 20.0, 21.0, 1.0, 7.0, 7.0, 2.0];
        let only_tail = vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0, 7.0, 2.0];
        write_named_set(dir.path(), &["r_hip", "l_hip", "tail"], &[person, only_tail]);
        let set = PoseSet::open(dir.path(), "train", Skeleton::mpii16()).unwrap();
        assert_eq!((set.persons.len(), set.report.unlabelled), (1, 1));
        let p = &set.persons[0];
        let at = |name: &str| Skeleton::mpii16().joints.iter().position(|j| j == name).unwrap();
        assert_eq!(p.keypoints[at("right_hip")], Keypoint { x: 10.0, y: 11.0, score: 2.0 });
        assert_eq!(p.keypoints[at("pelvis")], Keypoint { x: 15.0, y: 16.0, score: 1.0 });
        assert_eq!((p.weights[at("left_hip")], p.weights[at("pelvis")], p.labelled()), (1.0, 0.5, 3));
        let told = set.report.summary();
        assert!(told.contains("as mpii16: 2 joints mapped by name, 1 derived (pelvis), 13 masked"), "{told}");
        // Without a wish the set is as it says.
        let own = PoseSet::open_as_declared(dir.path(), "train", None).unwrap();
        assert_eq!((own.persons.len(), own.skeleton.edges.as_slice()), (2, &[[0, 1]][..]));
        assert_eq!(own.skeleton.flip_pairs, [[0, 1]]);
    }

    #[test]
    fn a_skeleton_file_in_the_sets_folder_decides() {
        let dir = tempfile::tempdir().unwrap();
        write_named_set(dir.path(), &["a", "b"], &[vec![10.0, 11.0, 2.0, 20.0, 21.0, 1.0]]);
        let error = PoseSet::open(dir.path(), "train", Skeleton::coco17()).unwrap_err().to_string();
        assert!(error.contains("no joint in common") && error.contains("a, b"), "{error}");
        let mine = Skeleton {
            name: "mine".into(),
            sigmas: vec![0.1, 0.2],
            ..Skeleton::of_joints(vec!["nose".into(), "left_eye".into()], &[])
        };
        std::fs::write(dir.path().join("skeleton.toml"), toml::to_string(&mine).unwrap()).unwrap();
        let set = PoseSet::open_as_declared(dir.path(), "train", None).unwrap();
        assert_eq!(set.skeleton, mine);
        let set = PoseSet::open(dir.path(), "train", Skeleton::coco17()).unwrap();
        assert_eq!(set.persons[0].keypoints[1].x, 20.0);
        std::fs::write(dir.path().join("skeleton.toml"), "name = 3").unwrap();
        let error = PoseSet::open(dir.path(), "train", Skeleton::coco17()).unwrap_err().to_string();
        assert!(error.contains("skeleton.toml"), "{error}");
    }

    #[test]
    fn names_that_say_nothing_leave_the_order() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..17).map(|j| format!("kp{j}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        write_named_set(dir.path(), &names, &[joints(2)]);
        let set = PoseSet::open(dir.path(), "train", Skeleton::coco17()).unwrap();
        assert_eq!(set.persons[0].keypoints[3].x, 13.0);
        assert_eq!(set.report.summary(), "");
    }

    #[test]
    fn a_hundred_and_fifty_thousand_persons_load() {
        let dir = tempfile::tempdir().unwrap();
        write_set(dir.path(), json!([]));
        let path = dir.path().join("annotations/person_keypoints_train.json");
        // Written as text: building 150,000 JSON values takes far longer than reading them.
        let mut all = String::new();
        for id in 0..150_000 {
            let (y, v) = (id % 80, 1 + id % 2);
            let joints: Vec<String> = (0..17).map(|j| format!("{}, {y}, {v}", 10 + j)).collect();
            all += &format!(
                r#"{}{{"id": {id}, "image_id": 1, "bbox": [5, 5, 40, 60], "area": {}, "keypoints": [{}]}}"#,
                if id > 0 { "," } else { "" },
                1 + id,
                joints.join(", ")
            );
        }
        let file = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, file.replace("\"annotations\":[]", &format!("\"annotations\":[{all}]")))
            .unwrap();
        let set = PoseSet::open(dir.path(), "train", Skeleton::coco17()).unwrap();
        assert_eq!((set.persons.len(), set.report.summary().as_str()), (150_000, ""));
        for (id, p) in set.persons.iter().enumerate() {
            assert_eq!((p.id, p.area, p.labelled()), (id as u64, 1.0 + id as f64, 17));
            let last = Keypoint { x: 26.0, y: (id % 80) as f32, score: 1.0 + (id % 2) as f32 };
            assert_eq!(p.keypoints[16], last);
        }
    }
}
