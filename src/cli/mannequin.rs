//! `tmpose mannequin`: draws people whose joints are known, as a set in COCO's layout.

use crate::pose::{Keypoint, Pose, Skeleton};
use crate::source::TruePerson;
use crate::source::mannequin::Mannequin;
use crate::vision::{
    Affine, BBox, BOX_PADDING, CropBox, Tile, contact_sheet, draw_box, draw_pose, joint_color, warp,
};
use anyhow::{Context, bail};
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Pictures of one figure: modelling it takes as long as drawing about twenty.
const PER_FIGURE: u64 = 12;
/// The part of the performance that random times are taken from.
const SECONDS: f64 = 3600.0;
/// Width and height of a crop (METHOD 5), doubled, so that training can still turn and scale it.
const CROP: [usize; 2] = [384, 512];
const QUALITY: u8 = 92;
/// Pictures on a contact sheet.
const SHEET: u64 = 24;

/// Arguments of `tmpose mannequin`.
#[derive(clap::Args)]
pub struct Args {
    /// Folder for images/SPLIT/ and annotations/person_keypoints_SPLIT.json
    out_dir: PathBuf,
    /// Number of pictures
    #[arg(long, default_value_t = 200, value_name = "N")]
    frames: u64,
    /// Width and height of a picture
    #[arg(long, default_value = "640x480", value_name = "WxH", value_parser = parse_size)]
    size: [u32; 2],
    /// Other figures, places and moments for another number
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Part of the set to write; training reads "train" and "val"
    #[arg(long, default_value = "train", value_parser = ["train", "val"])]
    split: String,
    /// Write the people cut out as the network sees them (twice its size), not whole pictures
    #[arg(long)]
    crops: bool,
    /// Take one figure and frames that follow at 30 a second, not random moments of many figures
    #[arg(long)]
    consecutive: bool,
    /// Also write a contact sheet of the first pictures with their joints
    #[arg(long, value_name = "PNG")]
    sheet: Option<PathBuf>,
}

fn parse_size(text: &str) -> Result<[u32; 2], String> {
    let parsed = text.split_once('x').and_then(|(w, h)| Some([w.parse().ok()?, h.parse().ok()?]));
    match parsed {
        Some(size) if size.iter().all(|s| (32..=4096).contains(s)) => Ok(size),
        _ => Err("give width and height from 32 to 4096, like 640x480".into()),
    }
}

/// One picture of the set.
struct Shot {
    picture: RgbImage,
    person: Option<(TruePerson, f32)>,
}

/// Runs `tmpose mannequin`.
pub fn run(args: Args) -> anyhow::Result<()> {
    if args.frames == 0 {
        bail!("--frames 0 draws nothing: give at least 1");
    }
    let images = args.out_dir.join("images").join(&args.split);
    let annotations = args.out_dir.join("annotations");
    for folder in [&images, &annotations] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let stop = super::stop_flag()?;
    let bar = ProgressBar::new(args.frames);
    if let Ok(style) = ProgressStyle::with_template("drawing {bar:30} {pos}/{len}  {eta} left") {
        bar.set_style(style);
    }
    let each = if args.consecutive { args.frames } else { PER_FIGURE };
    let figures: Vec<u64> = (0..args.frames.div_ceil(each)).collect();
    let records: Vec<Record> = figures
        .par_iter()
        .map(|&figure| draw_figure(&args, figure, each, &images, &bar, &stop))
        .collect::<anyhow::Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    bar.finish_and_clear();
    let file = annotations.join(format!("person_keypoints_{}.json", args.split));
    write_annotations(&file, &records)?;
    if let Some(path) = &args.sheet {
        let tiles: Vec<Tile> = records.iter().filter_map(|r| r.tile.clone()).collect();
        let sheet = contact_sheet(&tiles, 6, if args.crops { [192, 256] } else { [320, 240] });
        sheet.save(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let people = records.iter().filter(|r| r.annotation.is_some()).count();
    println!("{} pictures, {people} people: {}", records.len(), file.display());
    Ok(())
}

/// What the annotation file says about a picture.
struct Record {
    image: Value,
    annotation: Option<Value>,
    tile: Option<Tile>,
}

/// Draws and writes the pictures of one figure.
fn draw_figure(
    args: &Args,
    figure: u64,
    each: u64,
    images: &Path,
    bar: &ProgressBar,
    stop: &AtomicBool,
) -> anyhow::Result<Vec<Record>> {
    // The seed's figures do not meet the next seed's.
    let mannequin = Mannequin::new(args.seed.wrapping_mul(1_000_003).wrapping_add(figure), args.size);
    let mut records = Vec::new();
    for index in figure * each..((figure + 1) * each).min(args.frames) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let time = if args.consecutive { index as f64 / 30.0 } else { moment(index) };
        let drawn = mannequin.draw(time);
        let whole =
            Shot { picture: drawn.pixels, person: drawn.person.person.map(|p| (p, drawn.person.area)) };
        let shot = if args.crops { cut_out(&whole) } else { Some(whole) };
        bar.inc(1);
        let Some(shot) = shot else { continue };
        let name = format!("{index:06}.jpg");
        write_picture(&images.join(&name), &shot.picture)?;
        let [width, height] = [shot.picture.width(), shot.picture.height()];
        records.push(Record {
            image: json!({"id": index, "file_name": name, "width": width, "height": height}),
            annotation: shot.person.as_ref().map(|(p, area)| annotation(index, p, *area)),
            tile: (args.sheet.is_some() && index < SHEET).then(|| tile(&shot, &name)),
        });
    }
    Ok(records)
}

/// A moment for picture `index`: spread over the performance by the golden ratio, which never
/// repeats and leaves no gap.
fn moment(index: u64) -> f64 {
    ((index as f64 + 1.0) * 0.618_033_988_749_895).fract() * SECONDS
}

/// The person as the network sees it; `None` without one.
fn cut_out(shot: &Shot) -> Option<Shot> {
    let (person, area) = shot.person.as_ref()?;
    let aspect = CROP[0] as f64 / CROP[1] as f64;
    let affine = Affine::from_crop(&CropBox::from_bbox(&person.bbox, aspect, BOX_PADDING), 0.0, CROP);
    let picture = warp(&shot.picture, &affine, CROP);
    let place = |x: f32, y: f32| affine.apply([f64::from(x), f64::from(y)]).map(|v| v as f32);
    let [w, h] = CROP.map(|s| s as f32);
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
    Some(Shot { picture, person: Some((TruePerson { bbox, keypoints }, area * zoom)) })
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

fn write_annotations(file: &Path, records: &[Record]) -> anyhow::Result<()> {
    let skeleton = Skeleton::coco17();
    // COCO counts joints from 1 here.
    let edges: Vec<[usize; 2]> = skeleton.edges.iter().map(|e| e.map(|j| j + 1)).collect();
    let text = serde_json::to_vec(&json!({
        "info": {"description": "tmpose mannequin: drawn people with known joints"},
        "images": records.iter().map(|r| &r.image).collect::<Vec<_>>(),
        "annotations": records.iter().filter_map(|r| r.annotation.as_ref()).collect::<Vec<_>>(),
        "categories": [{"id": 1, "name": "person", "supercategory": "person", "keypoints": skeleton.joints, "skeleton": edges}],
    }))?;
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn write_picture(path: &Path, picture: &RgbImage) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(picture)?;
    fs::File::create(path)
        .and_then(|mut f| f.write_all(&bytes))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The picture with its joints and box drawn in.
fn tile(shot: &Shot, caption: &str) -> Tile {
    let mut picture = shot.picture.clone();
    if let Some((person, _)) = &shot.person {
        let pose = Pose { keypoints: person.keypoints.clone(), score: 1.0 };
        draw_pose(&mut picture, &pose, Skeleton::coco17(), 0.5);
        draw_box(&mut picture, &person.bbox, joint_color(Skeleton::coco17(), 0), 1.0);
    }
    Tile { picture, caption: caption.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::CocoSet;

    fn args(out_dir: &Path) -> Args {
        Args {
            out_dir: out_dir.into(),
            frames: 5,
            size: [160, 120],
            seed: 4,
            split: "val".into(),
            crops: false,
            consecutive: false,
            sheet: Some(out_dir.join("sheet.png")),
        }
    }

    #[test]
    fn what_it_writes_is_a_set_that_training_reads() {
        let dir = tempfile::tempdir().unwrap();
        for crops in [false, true] {
            let out = dir.path().join(format!("crops_{crops}"));
            run(Args { crops, ..args(&out) }).unwrap();
            let set = CocoSet::open(&out, "val", Skeleton::coco17()).unwrap();
            assert_eq!(set.report.summary(), "");
            assert_eq!((set.pictures.len(), set.persons.len()), (5, 5));
            let wanted = if crops { [384, 512] } else { [160, 120] };
            assert!(set.pictures.iter().all(|p| p.size == wanted));
            assert!(set.persons.iter().all(|p| p.labelled() > 4 && p.area > 0.0));
            assert!(image::image_dimensions(out.join("sheet.png")).unwrap().0 > 300);
        }
    }

    #[test]
    fn sizes_are_read_and_checked() {
        assert_eq!(parse_size("640x480"), Ok([640, 480]));
        for wrong in ["640", "0x10", "640x480x3", "9999x32"] {
            assert!(parse_size(wrong).unwrap_err().contains("640x480"), "{wrong}");
        }
    }
}
