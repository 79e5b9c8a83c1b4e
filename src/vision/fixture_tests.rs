//! Agreement with the reference implementation's numbers in `tests/fixtures/`.

use super::*;
use crate::pose::Size;
use serde_json::Value;

/// A safetensors file of `tests/fixtures/`.
pub(crate) struct Tensors(Vec<u8>);

impl Tensors {
    pub(crate) fn open(name: &str) -> Tensors {
        Tensors(std::fs::read(path(name)).unwrap())
    }

    pub(crate) fn bytes(&self, key: &str) -> Vec<u8> {
        safetensors::SafeTensors::deserialize(&self.0).unwrap().tensor(key).unwrap().data().to_vec()
    }

    pub(crate) fn f32(&self, key: &str) -> Vec<f32> {
        self.bytes(key).as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    pub(crate) fn f64(&self, key: &str) -> Vec<f64> {
        self.bytes(key).as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
    }

    pub(crate) fn i64(&self, key: &str) -> Vec<i64> {
        self.bytes(key).as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect()
    }
}

fn path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub(crate) fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path(name)).unwrap()).unwrap()
}

pub(crate) fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
}

fn pair(v: &Value) -> [f64; 2] {
    numbers(v).try_into().unwrap()
}

fn aspect(v: &Value) -> f64 {
    match v.as_str().unwrap() {
        "256x192" => 0.75,
        "256x256" => 1.0,
        other => panic!("unknown aspect {other}"),
    }
}

#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found} is not {expected}");
}

struct AffineCase {
    affine: Affine,
    reference: Affine,
    reference_inverse: Affine,
    size: Size,
    crop_cv2: Vec<u8>,
}

fn affine_cases() -> (image::RgbImage, Vec<AffineCase>) {
    let (tensors, text) = (Tensors::open("affine.safetensors"), json("affine.json"));
    let img = image::RgbImage::from_raw(131, 97, tensors.bytes("image")).unwrap();
    let matrix = |key: String| {
        let v = tensors.f64(&key);
        Affine([[v[0], v[1], v[2]], [v[3], v[4], v[5]]])
    };
    let cases = text["cases"].as_array().unwrap().iter().enumerate();
    let cases = cases.map(|(k, case)| {
        let crop = CropBox { center: pair(&case["c"]), scale: pair(&case["s"]) };
        let [width, height] = pair(&case["size"]).map(|side| side as u32);
        let size = Size::new(width, height);
        AffineCase {
            affine: Affine::from_crop(&crop, case["r"].as_f64().unwrap(), size),
            reference: matrix(format!("trans.{k}")),
            reference_inverse: matrix(format!("trans_inv.{k}")),
            size,
            crop_cv2: tensors.bytes(&format!("crop_cv2.{k}")),
        }
    });
    (img, cases.collect())
}

#[test]
fn boxes_become_crops_as_in_the_reference() {
    for case in json("affine.json")["box2cs"].as_array().unwrap() {
        let b = numbers(&case["box"]).iter().map(|v| *v as f32).collect::<Vec<_>>();
        let bbox = BBox { x: b[0], y: b[1], w: b[2], h: b[3] };
        let crop = CropBox::from_bbox(&bbox, aspect(&case["aspect"]), BOX_PADDING);
        for axis in 0..2 {
            assert_close(crop.center[axis], pair(&case["center"])[axis], 1e-5, "centre");
            assert_close(crop.scale[axis], pair(&case["scale"])[axis], 1e-6, "scale");
        }
    }
}

#[test]
fn half_bodies_are_cropped_as_in_the_reference() {
    let text = json("affine.json");
    let text = &text["half_body"];
    let places: Vec<[f64; 2]> = text["joints"].as_array().unwrap().iter().map(pair).collect();
    let upper = upper_body(crate::pose::Skeleton::coco17());
    for (i, case) in text["cases"].as_array().unwrap().iter().enumerate() {
        let visible = numbers(&case["visible"]);
        let joints: Vec<[f32; 3]> =
            places.iter().zip(&visible).map(|(p, v)| [p[0] as f32, p[1] as f32, *v as f32]).collect();
        let normal = case["randn"].as_f64().unwrap();
        let crop = half_body_crop(&joints, &upper, aspect(&text["aspect"]), normal);
        if case["center"].is_null() {
            assert_eq!(crop, None, "case {i}");
            continue;
        }
        let crop = crop.unwrap();
        for axis in 0..2 {
            assert_close(crop.center[axis], pair(&case["center"])[axis], 1e-4, "centre");
            assert_close(crop.scale[axis], pair(&case["scale"])[axis], 1e-6, "scale");
        }
    }
}

#[test]
fn affine_maps_agree_with_the_reference() {
    for case in affine_cases().1 {
        let pairs = [(case.affine, case.reference), (case.affine.inverse(), case.reference_inverse)];
        for (found, expected) in pairs {
            for (f, e) in found.0.iter().flatten().zip(expected.0.iter().flatten()) {
                assert_close(*f, *e, 1e-4, "matrix element");
            }
        }
    }
}

#[test]
fn crops_equal_opencv_to_the_bit() {
    let (img, cases) = affine_cases();
    for (k, case) in cases.iter().enumerate() {
        assert_eq!(warp(&img, &case.reference, case.size).as_raw(), &case.crop_cv2, "case {k}");
    }
}

#[test]
fn normalised_pixels_agree_with_the_reference() {
    let tensors = Tensors::open("affine.safetensors");
    let crop = image::RgbImage::from_raw(48, 64, tensors.bytes("crop_cv2.0")).unwrap();
    let mut out = vec![0.0; 3 * 64 * 48];
    normalize_into(&crop, &mut out);
    for (f, e) in out.iter().zip(tensors.f32("normalized.0")) {
        assert_close(f64::from(*f), f64::from(e), 1e-6, "pixel");
    }
}

fn dark_maps() -> (Tensors, Heatmaps) {
    let tensors = Tensors::open("dark.safetensors");
    let maps = Heatmaps { values: tensors.f32("heatmap"), joints: 17, size: Size::new(48, 64) };
    (tensors, maps)
}

fn assert_keypoints(found: &[crate::pose::Keypoint], expected: &[f32], tolerance: f64, what: &str) {
    assert_eq!(found.len() * 2, expected.len());
    for (j, (k, e)) in found.iter().zip(expected.as_chunks::<2>().0).enumerate() {
        assert_close(f64::from(k.x), f64::from(e[0]), tolerance, &format!("{what}, x of joint {j}"));
        assert_close(f64::from(k.y), f64::from(e[1]), tolerance, &format!("{what}, y of joint {j}"));
    }
}

#[test]
fn dark_and_plain_decoding_agree_with_the_reference() {
    let (tensors, maps) = dark_maps();
    let dark = decode(&maps, Decoding::default());
    assert_keypoints(&dark, &tensors.f32("coords.dark"), 1e-4, "DARK");
    assert_keypoints(&decode(&maps, Decoding::Plain), &tensors.f32("coords.quarter"), 1e-6, "plain");
    let scores: Vec<f32> = dark.iter().map(|k| k.score).collect();
    assert_eq!(scores, tensors.f32("maxval"));
}

#[test]
fn keypoints_return_to_the_picture_as_in_the_reference() {
    let (tensors, _) = dark_maps();
    let two = |key| -> [f64; 2] { [0, 1].map(|i: usize| f64::from(tensors.f32(key)[i])) };
    let crop = CropBox { center: two("center"), scale: two("scale") };
    let coords = tensors.f32("coords.dark");
    let kp: Vec<_> = coords
        .as_chunks::<2>()
        .0
        .iter()
        .map(|c| crate::pose::Keypoint { x: c[0], y: c[1], score: 1.0 })
        .collect();
    let found = keypoints_to_image(&kp, &crop, Size::new(48, 64));
    assert_keypoints(&found, &tensors.f32("preds.image"), 1e-3, "image");
}

#[test]
fn mirrored_maps_agree_with_the_reference() {
    let (tensors, maps) = dark_maps();
    let back = maps.mirrored(&crate::pose::Skeleton::coco17().mirror());
    let found: Vec<f32> = (0..17).flat_map(|j| back.map(j)[10 * 48..14 * 48].to_vec()).collect();
    assert_eq!(found, tensors.f32("flip_back.sample"));
}

#[test]
fn targets_agree_with_the_reference() {
    let tensors = Tensors::open("target.safetensors");
    let (places, visible) = (tensors.f64("joints"), tensors.f32("vis"));
    let joints: Vec<[f32; 3]> =
        (0..17).map(|j| [places[2 * j] as f32, places[2 * j + 1] as f32, visible[j]]).collect();
    let t = gaussian_targets(&joints, Size::new(48, 64), 2.0);
    assert_eq!(t.weights, tensors.f32("target_weight"));
    for (f, e) in t.maps.values.iter().zip(tensors.f32("target")) {
        assert_close(f64::from(*f), f64::from(e), 2e-6, "target");
    }
}
