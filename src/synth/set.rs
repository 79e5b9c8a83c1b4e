//! The mannequin as a data set: pictures and annotations in COCO's layout, for training and tests.

use super::mannequin::Mannequin;
use super::truth::TruePerson;
use crate::files;
use crate::pose::{Keypoint, Size, Skeleton};
use crate::vision::{Affine, BBox, BOX_PADDING, CropBox, warp};
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Pictures of one figure: modelling it takes as long as drawing about twenty.
const PER_FIGURE: u64 = 12;
/// The part of the performance that random times are taken from.
const SECONDS: f64 = 3600.0;
/// Size of a crop in pixels (docs/METHOD.md, "Variants"), doubled, so that training can still turn and
/// scale it.
const CROP: Size = Size::new(384, 512);
const QUALITY: u8 = 92;

/// Which pictures a set consists of.
#[derive(Clone, Debug)]
pub struct SetPlan {
    /// Gets `images/SPLIT/` and `annotations/person_keypoints_SPLIT.json`.
    pub folder: PathBuf,
    /// `train` or `val`.
    pub split: String,
    /// Number of pictures, before those without anybody are left out of a set of crops.
    pub frames: u64,
    /// Size of a picture in pixels, before people are cut out.
    pub size: Size,
    /// Fixes all figures, scenes and times: the same plan writes the same files.
    pub seed: u64,
    /// Write the people cut out as the network sees them (twice its size), not whole pictures.
    pub crops: bool,
    /// One figure and frames that follow at 30 a second, not random times of many figures.
    pub consecutive: bool,
    /// How many of the first pictures are kept in memory too, e.g. for a contact sheet.
    pub keep: u64,
}

/// A picture of the set that was kept in memory.
#[derive(Clone, Debug)]
pub struct KeptPicture {
    /// File name, without its folder.
    pub name: String,
    /// As it was written, before JPEG compression.
    pub picture: RgbImage,
    /// `None` when nobody is in it; positions in pixels of this picture.
    pub person: Option<TruePerson>,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct RenderedSet {
    /// The annotation file.
    pub file: PathBuf,
    /// Number of pictures written.
    pub pictures: usize,
    /// Number of pictures that show the figure, and so of annotations.
    pub people: usize,
    /// The first pictures, at most [`SetPlan::keep`].
    pub kept: Vec<KeptPicture>,
}

/// Why a set cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {reason}; free some space or choose another folder")]
pub struct SetError {
    path: String,
    reason: String,
}

impl SetError {
    fn at(path: &Path, reason: impl ToString) -> SetError {
        SetError { path: path.display().to_string(), reason: reason.to_string() }
    }
}

/// Renders a set. `progress` is called for each picture; raising `stop` ends early, and what was drawn until
/// then is a set of its own.
///
/// # Errors
/// The folder cannot be written to.
pub fn render_set(
    plan: &SetPlan,
    progress: &(dyn Fn() + Sync),
    stop: &AtomicBool,
) -> Result<RenderedSet, SetError> {
    let images = plan.folder.join("images").join(&plan.split);
    let annotations = plan.folder.join("annotations");
    for folder in [&images, &annotations] {
        fs::create_dir_all(folder).map_err(|e| SetError::at(folder, e))?;
    }
    let each = if plan.consecutive { plan.frames.max(1) } else { PER_FIGURE };
    let figures: Vec<u64> = (0..plan.frames.div_ceil(each)).collect();
    let records: Vec<PictureRecord> = figures
        .par_iter()
        .map(|&figure| render_figure(plan, figure, each, &images, progress, stop))
        .collect::<Result<Vec<_>, SetError>>()?
        .into_iter()
        .flatten()
        .collect();
    let file = annotations.join(format!("person_keypoints_{}.json", plan.split));
    write_annotations(&file, &records)?;
    let people = records.iter().filter(|r| r.annotation.is_some()).count();
    let pictures = records.len();
    Ok(RenderedSet { file, pictures, people, kept: records.into_iter().filter_map(|r| r.kept).collect() })
}

/// One picture of the set.
struct LabelledPicture {
    picture: RgbImage,
    person: Option<(TruePerson, f32)>,
}

/// What the annotation file says about a picture.
struct PictureRecord {
    image: Value,
    annotation: Option<Value>,
    kept: Option<KeptPicture>,
}

/// Draws and writes the pictures of one figure.
fn render_figure(
    plan: &SetPlan,
    figure: u64,
    each: u64,
    images: &Path,
    progress: &(dyn Fn() + Sync),
    stop: &AtomicBool,
) -> Result<Vec<PictureRecord>, SetError> {
    // The seed's figures do not meet the next seed's.
    let mannequin = Mannequin::new(plan.seed.wrapping_mul(1_000_003).wrapping_add(figure), plan.size);
    let mut records = Vec::new();
    for index in figure * each..((figure + 1) * each).min(plan.frames) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let time = if plan.consecutive { index as f64 / 30.0 } else { sample_time(index) };
        let found = mannequin.render_with_truth(time);
        let whole = LabelledPicture {
            picture: found.pixels,
            person: found.truth.person.map(|p| (p, found.truth.area)),
        };
        let labelled = if plan.crops { crop(&whole) } else { Some(whole) };
        progress();
        let Some(labelled) = labelled else { continue };
        let name = format!("{index:06}.jpg");
        write_picture(&images.join(&name), &labelled.picture)?;
        let size = Size::from(labelled.picture.dimensions());
        let annotation = labelled.person.as_ref().map(|(p, area)| annotation(index, p, *area));
        records.push(PictureRecord {
            image: json!({"id": index, "file_name": name, "width": size.width, "height": size.height}),
            annotation,
            kept: (index < plan.keep).then(|| KeptPicture {
                name,
                picture: labelled.picture,
                person: labelled.person.map(|(person, _)| person),
            }),
        });
    }
    Ok(records)
}

/// The time in seconds of picture `index`: spread over the performance by the golden ratio, which never
/// repeats and leaves no gap.
fn sample_time(index: u64) -> f64 {
    ((index as f64 + 1.0) * 0.618_033_988_749_895).fract() * SECONDS
}

/// The person as the network sees it; `None` without one.
fn crop(labelled: &LabelledPicture) -> Option<LabelledPicture> {
    let (person, area) = labelled.person.as_ref()?;
    let affine = Affine::from_crop(&CropBox::from_bbox(&person.bbox, CROP.aspect(), BOX_PADDING), 0.0, CROP);
    let picture = warp(&labelled.picture, &affine, CROP);
    let place = |x: f32, y: f32| affine.apply([f64::from(x), f64::from(y)]).map(|v| v as f32);
    let [w, h] = [CROP.width, CROP.height].map(|side| side as f32);
    let keypoints = person
        .keypoints
        .iter()
        .map(|k| {
            let [x, y] = place(k.x, k.y);
            let inside = x >= -0.5 && y >= -0.5 && x < w - 0.5 && y < h - 0.5;
            Keypoint { x, y, score: if inside { k.score } else { 0.0 } }
        })
        .collect();
    let b = &person.bbox;
    let ([x0, y0], [x1, y1]) = (place(b.x, b.y), place(b.x + b.w, b.y + b.h));
    let bbox =
        BBox { x: x0.max(0.0), y: y0.max(0.0), w: x1.min(w) - x0.max(0.0), h: y1.min(h) - y0.max(0.0) };
    let zoom = (x1 - x0) * (y1 - y0) / (b.w * b.h);
    Some(LabelledPicture { picture, person: Some((TruePerson { bbox, keypoints }, area * zoom)) })
}

fn annotation(image: u64, person: &TruePerson, area: f32) -> Value {
    // COCO writes 0, 0, 0 for a joint without a label.
    let labelled = |k: &Keypoint| k.score > 0.0;
    let round = |v: f32| (f64::from(v) * 100.0).round() / 100.0;
    let keypoints: Vec<Value> = person
        .keypoints
        .iter()
        .flat_map(|k| {
            if labelled(k) {
                [json!(round(k.x)), json!(round(k.y)), json!(k.score as u8)]
            } else {
                [json!(0), json!(0), json!(0)]
            }
        })
        .collect();
    let b = &person.bbox;
    json!({
        "id": image + 1,
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "area": round(area),
        "bbox": [round(b.x), round(b.y), round(b.w), round(b.h)],
        "num_keypoints": person.keypoints.iter().filter(|k| labelled(k)).count(),
        "keypoints": keypoints,
        "source": "mannequin",
    })
}

/// Written beside the file and renamed, so that a half-written file is not taken for a set.
fn write_annotations(file: &Path, records: &[PictureRecord]) -> Result<(), SetError> {
    let skeleton = Skeleton::coco17();
    // COCO counts joints from 1 here.
    let edges: Vec<[usize; 2]> = skeleton.edges.iter().map(|e| e.map(|j| j + 1)).collect();
    let failed = |e: std::io::Error| SetError::at(file, e);
    let text = serde_json::to_vec(&json!({
        "info": {"description": "tmpose mannequin: drawn people with known joints"},
        "images": records.iter().map(|r| &r.image).collect::<Vec<_>>(),
        "annotations": records.iter().filter_map(|r| r.annotation.as_ref()).collect::<Vec<_>>(),
        "categories": [{"id": 1, "name": "person", "supercategory": "person", "keypoints": skeleton.joints, "skeleton": edges}],
    }))
    .map_err(|e| failed(e.into()))?;
    files::write_whole(file, &text).map_err(failed)
}

fn write_picture(path: &Path, picture: &RgbImage) -> Result<(), SetError> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode_image(picture)
        .map_err(|e| SetError::at(path, e))?;
    fs::write(path, bytes).map_err(|e| SetError::at(path, e))
}
