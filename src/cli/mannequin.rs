//! `tmpose mannequin`: renders people whose joints are known, as a data set in COCO's layout.

use crate::cli::terminal::outln;
use crate::draw::{Tile, contact_sheet, draw_box, draw_pose, joint_color};
use crate::pose::{Pose, Size, Skeleton};
use crate::synth::{KeptPicture, SetPlan, render_set};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;

/// Pictures on the contact sheet.
const SHEET: u64 = 24;

/// Arguments of `tmpose mannequin`.
#[derive(clap::Args)]
pub struct MannequinArgs {
    /// Folder for images/SPLIT/ and annotations/person_keypoints_SPLIT.json
    out_dir: PathBuf,
    /// Number of pictures
    #[arg(long, default_value_t = 200, value_name = "N")]
    frames: u64,
    /// Width and height of a picture in pixels
    #[arg(long, default_value = "640x480", value_name = "WxH", value_parser = parse_size)]
    size: Size,
    /// Seed of figures, backgrounds and poses
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Part of the set to write; training reads "train" and "val"
    #[arg(long, default_value = "train", value_parser = ["train", "val"])]
    split: String,
    /// Write crops of the people at twice the network's input size, not whole pictures
    #[arg(long)]
    crops: bool,
    /// Write successive frames of one figure at 30 fps, not random poses of many figures
    #[arg(long)]
    consecutive: bool,
    /// Also write a contact sheet of the first 24 pictures with their joints
    #[arg(long, value_name = "PNG")]
    sheet: Option<PathBuf>,
}

fn parse_size(text: &str) -> Result<Size, String> {
    match text.parse::<Size>() {
        Ok(size) if [size.width, size.height].iter().all(|side| (32..=4096).contains(side)) => Ok(size),
        _ => Err("give width and height from 32 to 4096, like 640x480".into()),
    }
}

/// Runs `tmpose mannequin`.
///
/// # Errors
/// A file cannot be written, or the user stopped it.
pub fn run(args: MannequinArgs) -> anyhow::Result<()> {
    if args.frames == 0 {
        bail!("--frames 0 draws nothing: give at least 1");
    }
    let stop = super::stop_flag()?;
    let bar = ProgressBar::new(args.frames);
    if let Ok(style) = ProgressStyle::with_template("rendering {bar:30} {pos}/{len}  {eta} left") {
        bar.set_style(style);
    }
    let plan = SetPlan {
        folder: args.out_dir.clone(),
        split: args.split.clone(),
        frames: args.frames,
        size: args.size,
        seed: args.seed,
        crops: args.crops,
        consecutive: args.consecutive,
        keep: if args.sheet.is_some() { SHEET } else { 0 },
    };
    let drawn = render_set(&plan, &|| bar.inc(1), &stop)?;
    bar.finish_and_clear();
    if let Some(path) = &args.sheet {
        let tiles: Vec<Tile> = drawn.kept.iter().map(tile).collect();
        let sheet =
            contact_sheet(&tiles, 6, if args.crops { Size::new(192, 256) } else { Size::new(320, 240) });
        sheet.save(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    outln!("{} pictures, {} people: {}", drawn.pictures, drawn.people, drawn.file.display());
    Ok(())
}

/// The picture with its joints and box drawn in.
fn tile(kept: &KeptPicture) -> Tile {
    let mut picture = kept.picture.clone();
    if let Some(person) = &kept.person {
        let pose = Pose { keypoints: person.keypoints.clone(), score: 1.0 };
        draw_pose(&mut picture, &pose, Skeleton::coco17(), 0.5);
        draw_box(&mut picture, &person.bbox, joint_color(Skeleton::coco17(), 0), 1.0);
    }
    Tile { picture, caption: kept.name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PoseSet;
    use crate::pose::Size;
    use std::path::Path;

    fn args(out_dir: &Path) -> MannequinArgs {
        MannequinArgs {
            out_dir: out_dir.into(),
            frames: 5,
            size: Size::new(160, 120),
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
            run(MannequinArgs { crops, ..args(&out) }).unwrap();
            let set = PoseSet::open(&out, "val", Skeleton::coco17()).unwrap();
            assert_eq!(set.report.summary(), "");
            assert_eq!((set.images.len(), set.persons.len()), (5, 5));
            let wanted = if crops { Size::new(384, 512) } else { Size::new(160, 120) };
            assert!(set.images.iter().all(|p| p.size == wanted));
            assert!(set.persons.iter().all(|p| p.labelled() > 4 && p.area > 0.0));
            assert!(image::image_dimensions(out.join("sheet.png")).unwrap().0 > 300);
        }
    }

    #[test]
    fn sizes_are_read_and_checked() {
        assert_eq!(parse_size("640x480"), Ok(Size::new(640, 480)));
        for wrong in ["640", "0x10", "640x480x3", "9999x32"] {
            assert!(parse_size(wrong).unwrap_err().contains("640x480"), "{wrong}");
        }
    }
}
