//! Agreement with pycocotools and the reference's PCKh (docs/METHOD.md, "Evaluation").

use super::*;
use crate::pose::{Keypoint, Skeleton};
use crate::vision::fixture_tests::{Tensors, json, numbers};
use std::collections::BTreeMap;

fn raw_detections() -> Vec<ScoredPose> {
    let tensors = Tensors::open("coco_dets.safetensors");
    let (points, boxes) = (tensors.f32("preds"), tensors.f64("boxes"));
    let raws = tensors.i64("image_id").into_iter().enumerate().map(|(i, image)| {
        let triples = points[i * 51..(i + 1) * 51].as_chunks::<3>().0;
        let keypoints: Vec<Keypoint> =
            triples.iter().map(|k| Keypoint { x: k[0], y: k[1], score: k[2] }).collect();
        ScoredPose {
            image_id: image as u64,
            score: rescore(&keypoints, boxes[i * 6 + 5]),
            keypoints,
            crop_area: boxes[i * 6 + 4],
            annotated: None,
        }
    });
    raws.collect()
}

fn annotations() -> Vec<GroundTruth> {
    let text = json("coco_gt.json");
    let persons = text["annotations"].as_array().unwrap().iter().map(|a| GroundTruth {
        image_id: a["image_id"].as_u64().unwrap(),
        keypoints: numbers(&a["keypoints"]).as_chunks::<3>().0.to_vec(),
        bbox: numbers(&a["bbox"]).try_into().unwrap(),
        area: a["area"].as_f64().unwrap(),
        crowd: a["iscrowd"].as_u64() == Some(1),
        head_size: None,
    });
    persons.collect()
}

fn by_image(raws: &[ScoredPose]) -> BTreeMap<u64, Vec<usize>> {
    let mut images: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (i, raw) in raws.iter().enumerate() {
        images.entry(raw.image_id).or_default().push(i);
    }
    images
}

/// Indices into the raw detections that suppression keeps, image by image.
fn kept(raws: &[ScoredPose], soft: bool) -> BTreeMap<u64, Vec<usize>> {
    let sigmas = &Skeleton::coco17().sigmas;
    let run = if soft { soft_oks_nms } else { oks_nms };
    let keep = |members: Vec<usize>| -> Vec<usize> {
        let estimates: Vec<_> = members.iter().map(|&i| &raws[i]).collect();
        run(&estimates, sigmas, NMS_THRESHOLD).into_iter().map(|i| members[i]).collect()
    };
    by_image(raws).into_iter().map(|(image, members)| (image, keep(members))).collect()
}

fn detections() -> Vec<ScoredPose> {
    let raws = raw_detections();
    kept(&raws, false).into_values().flatten().map(|i| raws[i].clone()).collect()
}

#[test]
fn suppression_keeps_what_the_reference_keeps() {
    let (raws, expected) = (raw_detections(), json("coco_nms.json"));
    for (name, soft) in [("hard", false), ("soft", true)] {
        for (image, found) in kept(&raws, soft) {
            let expected = numbers(&expected[name][image.to_string()]);
            let found: Vec<f64> = found.iter().map(|i| *i as f64).collect();
            assert_eq!(found, expected, "{name}, image {image}");
        }
    }
}

#[test]
fn kept_detections_have_the_references_scores_in_its_order() {
    let expected = json("coco_expected.json");
    let expected = expected["kept"].as_array().unwrap();
    let found = detections();
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert_eq!(f.image_id, e["image_id"].as_u64().unwrap());
        assert!((f.score - e["score"].as_f64().unwrap()).abs() < 1e-6);
        assert!((f64::from(f.keypoints[0].x) - numbers(&e["keypoints_first3"])[0]).abs() < 1e-6);
    }
}

#[test]
fn similarities_agree_with_pycocotools() {
    let (gt, sigmas) = (annotations(), &Skeleton::coco17().sigmas);
    let expected = json("coco_expected.json");
    for (image, rows) in expected["oks_matrix_dt_by_gt"].as_object().unwrap() {
        let image: u64 = image.parse().unwrap();
        let mut dt: Vec<ScoredPose> = detections().into_iter().filter(|d| d.image_id == image).collect();
        dt.sort_by(|a, b| b.score.total_cmp(&a.score));
        // One row for each estimate by score, one column for each person as annotated.
        let persons: Vec<&GroundTruth> = gt.iter().filter(|g| g.image_id == image).collect();
        for (d, row) in dt.iter().zip(rows.as_array().unwrap()) {
            for (g, e) in persons.iter().zip(numbers(row)) {
                assert!((oks(g, &d.keypoints, sigmas) - e).abs() < 1e-9, "image {image}");
            }
        }
    }
}

#[test]
fn average_precision_agrees_with_pycocotools() {
    let stats = keypoint_ap(&annotations(), &detections(), &Skeleton::coco17().sigmas);
    let expected = json("coco_expected.json");
    for (name, value) in stats.named() {
        let e = expected["stats"][name].as_f64().unwrap();
        assert!((value - e).abs() < 1e-9, "{name}: {value} is not {e}");
    }
    for (f, e) in stats.ap_by_threshold.iter().zip(numbers(&expected["ap_per_oks_threshold"])) {
        assert!((f - e).abs() < 1e-9);
    }
}

#[test]
fn pckh_agrees_with_the_reference() {
    let tensors = Tensors::open("pckh.safetensors");
    let (pred, truth) = (tensors.f64("pred_0based"), tensors.f64("pos_gt_src"));
    let (missing, heads) = (tensors.bytes("jnt_missing"), tensors.f64("headboxes_src"));
    let persons: Vec<PckSample> = (0..40)
        .map(|i| PckSample {
            // The annotations count from 1, the predictions from 0.
            predicted: (0..16).map(|j| [0, 1].map(|a| pred[(i * 16 + j) * 2 + a] + 1.0)).collect(),
            truth: (0..16).map(|j| [0, 1].map(|a| truth[(j * 2 + a) * 40 + i])).collect(),
            visible: (0..16).map(|j| missing[j * 40 + i] == 0).collect(),
            length: head_size([0, 1].map(|corner| [0, 1].map(|a| heads[(corner * 2 + a) * 40 + i]))),
        })
        .collect();
    let found = pckh(&persons);
    let expected = tensors.f64("expected");
    let row = found.columns.iter().chain([&found.mean, &found.mean_at_011]);
    for (f, e) in row.zip(&expected) {
        assert!((f.unwrap() - e).abs() < 1e-9, "{f:?} is not {e}");
    }
    assert!((found.mean_at_010.unwrap() - 20.97760).abs() < 1e-5);
}
