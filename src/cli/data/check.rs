//! `tmpose data check`: what sets hold, and what looks wrong in them.

use super::table;
use crate::cli::errors::sentence;
use crate::cli::mannequin_sets::path_to_train_on;
use crate::cli::output::{refuse_overwriting, write_file, write_picture};
use crate::cli::stop_flag;
use crate::cli::terminal::{errln, outln};
use crate::data::health::pick;
use crate::data::samples::read_image;
use crate::data::{DataError, Health, PoseSet, SetSource, TeacherLabels, splits};
use crate::draw::{Tile, contact_sheet, draw_box, draw_pose};
use crate::pose::{Keypoint, Pose, Size};
use crate::vision::{Affine, BBox, CropBox, warp};
use anyhow::bail;
use image::RgbImage;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// Size of a tile of the contact sheet in pixels.
const TILE: Size = Size::new(240, 320);
/// Size of the part of the picture that a tile shows, relative to the person's box.
const TILE_MARGIN: f64 = 1.4;
/// Tiles side by side.
const COLUMNS: usize = 8;
/// Colour of the frame of a person with a finding.
const FRAME: [u8; 3] = [255, 64, 64];
/// Width of that frame in pixels.
const FRAME_WIDTH: f32 = 6.0;

/// Arguments of `tmpose data check`.
#[derive(clap::Args)]
pub struct DataCheckArgs {
    /// Sets to check: FOLDER (all its parts), FOLDER/train, or an annotation file; COCO or MPII layout. `mannequin:N`
    /// renders the N pictures that a training with it uses into mannequin-N/ in the current folder, once
    #[arg(required = true, value_name = "FOLDER")]
    sets: Vec<SetSource>,
    /// Also draw a contact sheet of persons with their joints, those with findings first and framed in red
    #[arg(long, value_name = "PNG", num_args = 0..=1, default_missing_value = "contact-sheet.png")]
    sheet: Option<PathBuf>,
    /// Persons of each set on the sheet
    #[arg(long, default_value_t = 32, value_name = "N")]
    count: usize,
    /// Also write the findings to this JSON file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Do not decode the pictures
    #[arg(long)]
    quick: bool,
}

/// Runs `tmpose data check`. Findings are no errors.
///
/// # Errors
/// A set cannot be used at all, or a report cannot be written.
pub fn run(args: DataCheckArgs) -> anyhow::Result<()> {
    if args.count == 0 {
        bail!("--count 0 draws nobody: give at least 1");
    }
    let read = args.sets.iter().filter_map(|source| source.path().ok());
    refuse_overwriting([&args.sheet, &args.json].into_iter().filter_map(Option::as_deref), read)?;
    let stop = stop_flag()?;
    let (mut reports, mut tiles, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
    let sets =
        args.sets.iter().map(|source| path_to_train_on(source, &stop)).collect::<Result<Vec<_>, _>>()?;
    for part in sets.iter().flat_map(|wanted| splits(wanted)) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        match check_part(&part, &args) {
            Ok((health, of_set)) => {
                if !reports.is_empty() {
                    outln!();
                }
                outln!("{}", table::text(&health));
                reports.push(health);
                tiles.extend(of_set);
            }
            Err(error) => {
                // Its message names this command.
                let text = match error.downcast_ref::<DataError>() {
                    Some(DataError::Empty { joints, left_out, .. }) => {
                        format!("nobody in it can be used, with {joints} joints{left_out}")
                    }
                    _ => sentence(&error),
                };
                errln!("{}: cannot be used: {text}", part.display());
                unusable.push(part.display().to_string());
            }
        }
    }
    if let Some(path) = args.sheet.as_ref().filter(|_| !tiles.is_empty()) {
        write_picture(path, &contact_sheet(&tiles, COLUMNS, TILE))?;
        outln!("\n{} persons drawn: {}", tiles.len(), path.display());
    }
    if let Some(path) = &args.json {
        write_file(path, &serde_json::to_vec_pretty(&reports)?)?;
    }
    if !unusable.is_empty() {
        bail!("{} of the sets cannot be used: {}", unusable.len(), unusable.join(", "));
    }
    Ok(())
}

/// The findings in a part of a set, and its tiles of the contact sheet.
fn check_part(part: &Path, args: &DataCheckArgs) -> anyhow::Result<(Health, Vec<Tile>)> {
    let set = PoseSet::open_as_declared(part, "train", None)?;
    let teacher = TeacherLabels::beside(&set).map(|path| TeacherLabels::load(&path)).transpose()?;
    let mut health = Health::of(&set, teacher.as_ref());
    if !args.quick {
        let bar = ProgressBar::new(set.images.len() as u64).with_prefix(set.title.clone());
        if let Ok(style) = ProgressStyle::with_template("{prefix}: decoding {bar:30} {pos}/{len}  {eta} left")
        {
            bar.set_style(style);
        }
        health.decode(&set, |n| bar.inc(n as u64));
        bar.finish_and_clear();
    }
    let mut tiles = Vec::new();
    if args.sheet.is_some() {
        tiles = pick(&set, &health, args.count).into_iter().map(|i| tile(&set, &health, i)).collect();
    }
    Ok((health, tiles))
}

/// A person with joints and box; grey when the picture cannot be read.
fn tile(set: &PoseSet, health: &Health, index: usize) -> Tile {
    let person = &set.persons[index];
    let crop = CropBox::from_bbox(&person.bbox, TILE.aspect(), TILE_MARGIN);
    let map = Affine::from_crop(&crop, 0.0, TILE);
    let place = |x: f32, y: f32| map.apply([f64::from(x), f64::from(y)]).map(|v| v as f32);
    let mut picture = match read_image(set.image_of(person)) {
        Ok(picture) => warp(&picture, &map, TILE),
        Err(_) => RgbImage::from_pixel(TILE.width, TILE.height, image::Rgb([90, 90, 90])),
    };
    let b = &person.bbox;
    let ([x0, y0], [x1, y1]) = (place(b.x, b.y), place(b.x + b.w, b.y + b.h));
    draw_box(&mut picture, &BBox { x: x0, y: y0, w: x1 - x0, h: y1 - y0 }, [236, 240, 232], 1.0);
    let joint = |k: &Keypoint| {
        let [x, y] = place(k.x, k.y);
        // Hidden joints are paler.
        Keypoint { x, y, score: if k.score >= 2.0 { 1.0 } else { k.score.min(1.0) * 0.3 } }
    };
    let pose = Pose { keypoints: person.keypoints.iter().map(joint).collect(), score: 1.0 };
    draw_pose(&mut picture, &pose, &set.skeleton, 0.0);
    let finding = health.of_person(index);
    if finding.is_some() {
        let half = FRAME_WIDTH / 2.0;
        let [w, h] = [TILE.width, TILE.height].map(|side| side as f32 - FRAME_WIDTH + 1.0);
        draw_box(&mut picture, &BBox { x: half - 0.5, y: half - 0.5, w, h }, FRAME, FRAME_WIDTH);
    }
    let caption = match finding {
        Some(found) => format!("{} {}", person.id, found.kind.short()),
        None => person.id.to_string(),
    };
    Tile { picture, caption }
}
