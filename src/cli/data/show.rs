//! `tmpose data show`: augmented crops as the network sees them, with their targets.

use crate::cli::choices::skeleton_help;
use crate::cli::mannequin_sets::path_to_train_on;
use crate::cli::output::write_picture;
use crate::cli::terminal::outln;
use crate::data::{AugmentedCrop, CropDataset, Mixture, SetSource, SetSpec};
use crate::draw::{Tile, contact_sheet, draw_pose, joint_color};
use crate::model::PoseNetConfig;
use crate::pose::{Keypoint, Pose, Size, Skeleton};
use crate::train::TrainConfig;
use crate::vision::{BOX_PADDING, CropBox, IMAGENET_MEAN, IMAGENET_STD, Targets, gaussian_targets};
use anyhow::{Context, bail};
use image::{Rgb, RgbImage, imageops};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Samples side by side.
const COLUMNS: usize = 4;
/// Space between a sample's two pictures in pixels.
const GAP: u32 = 4;
/// Brightness of the picture under the targets, relative to the crop's.
const DARKENED: f32 = 0.35;

/// Arguments of `tmpose data show`.
#[derive(clap::Args)]
pub struct DataShowArgs {
    /// Set to show: FOLDER (its train part), FOLDER/val, or an annotation file; COCO or MPII layout. `mannequin:N`
    /// renders the N pictures that a training with it uses into mannequin-N/ in the current folder, once
    #[arg(value_name = "FOLDER")]
    set: SetSource,
    /// File for the contact sheet
    #[arg(long, value_name = "PNG")]
    out: PathBuf,
    /// Samples to show, evenly spread over the set
    #[arg(long, default_value_t = 24, value_name = "N")]
    count: usize,
    /// Seed of the augmentation
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Settings file of `tmpose train`, for augmentation, skeleton, network and teacher labels
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// coco17, mpii16 or a skeleton file [default: that of the settings]
    #[arg(long, value_name = "NAME", help = skeleton_help("that of the settings"))]
    skeleton: Option<String>,
}

/// Runs `tmpose data show`.
///
/// # Errors
/// The settings or the set cannot be read, or the contact sheet cannot be written.
pub fn run(args: DataShowArgs) -> anyhow::Result<()> {
    if args.count == 0 {
        bail!("--count 0 draws nobody: give at least 1");
    }
    let mut config = match &args.config {
        Some(path) => settings(path)?,
        None => TrainConfig::default(),
    };
    if let Some(name) = args.skeleton {
        config.model.skeleton = name;
    }
    config.augmentation.check()?;
    let skeleton = Skeleton::named(&config.model.skeleton)?;
    let shape = PoseNetConfig::new(config.model.variant, &skeleton);
    let rules = config.data.teacher_labels.then_some(&config.data.teacher);
    let spec = SetSpec::from(path_to_train_on(&args.set, &AtomicBool::new(false))?);
    let mut mixture = Mixture::open(&[spec], "train", &skeleton, rules)?;
    for note in mixture.notes() {
        outln!("{note}");
    }
    mixture.thin_to(args.count);
    let (input, heatmap) = (shape.input(), shape.heatmap());
    let augmentation = config.augmentation.clone();
    let samples = CropDataset { mixture, skeleton, augmentation, seed: args.seed, input, heatmap };
    let tiles: Vec<Tile> =
        (0..samples.len()).map(|i| tile(&samples, i, config.loss.sigma)).collect::<Result<_, _>>()?;
    let cell = Size::new(2 * input.width + GAP, input.height);
    write_picture(&args.out, &contact_sheet(&tiles, COLUMNS, cell))?;
    outln!("{} samples: {}", tiles.len(), args.out.display());
    Ok(())
}

/// The settings of a file, which need not name sets.
fn settings(path: &Path) -> anyhow::Result<TrainConfig> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the settings {}", path.display()))?;
    toml::from_str(&text)
        .with_context(|| format!("{} is not a settings file of `tmpose train`", path.display()))
}

/// One sample: its crop with the joints, and beside it the crop, darkened, under its targets. Joints with less weight in
/// the loss are paler.
fn tile(samples: &CropDataset, index: usize, sigma: f32) -> anyhow::Result<Tile> {
    let sample = samples.draw(index, 0);
    let seen = colours(&samples.pixels(index, &sample)?, samples.input);
    let joints = samples.joints(index, &sample);
    let targets = gaussian_targets(&joints, samples.heatmap, sigma);
    let with_maps = overlaid(&seen, &targets, &samples.skeleton);
    let mut with_joints = seen;
    // Heatmap and input share their border pixels' centres (docs/METHOD.md, "Affine map").
    let Size { width, height } = samples.input;
    let zoom = [(width, samples.heatmap.width), (height, samples.heatmap.height)]
        .map(|(pixels, cells)| (pixels as f32 - 1.0) / (cells as f32 - 1.0));
    let joint = |&[x, y, weight]: &[f32; 3]| {
        // Opacity falls faster than weight, so that half a weight is visible.
        Keypoint { x: x * zoom[0], y: y * zoom[1], score: (weight * 1.4 - 0.4).max(weight * 0.2) }
    };
    let pose = Pose { keypoints: joints.iter().map(joint).collect(), score: 1.0 };
    draw_pose(&mut with_joints, &pose, &samples.skeleton, 0.0);
    let mut picture = RgbImage::new(2 * width + GAP, height);
    imageops::replace(&mut picture, &with_joints, 0, 0);
    imageops::replace(&mut picture, &with_maps, i64::from(width + GAP), 0);
    Ok(Tile { picture, caption: caption(samples, index, &sample) })
}

/// The person's id, and how the crop was augmented.
fn caption(samples: &CropDataset, index: usize, sample: &AugmentedCrop) -> String {
    let person = samples.person(index);
    let plain = CropBox::from_bbox(&person.bbox, samples.input.aspect(), BOX_PADDING);
    let mut text = format!("{} x{:.2}", person.id, sample.crop.scale[0] / plain.scale[0]);
    if sample.rotation != 0.0 {
        text += &format!(" {:+.0} deg", sample.rotation);
    }
    if sample.mirrored {
        text += " mirrored";
    }
    text
}

/// The picture that normalised pixels [3, H, W] were made from.
fn colours(pixels: &[f32], size: Size) -> RgbImage {
    RgbImage::from_fn(size.width, size.height, |x, y| {
        let at = y as usize * size.width as usize + x as usize;
        let value = |c: usize| (pixels[c * size.area() + at] * IMAGENET_STD[c] + IMAGENET_MEAN[c]) * 255.0;
        // The cast saturates.
        Rgb(std::array::from_fn(|c| value(c).round() as u8))
    })
}

/// The picture, darkened, with every target in its joint's colour, as strong as its weight in the loss.
fn overlaid(seen: &RgbImage, targets: &Targets, skeleton: &Skeleton) -> RgbImage {
    let (width, height) = seen.dimensions();
    let maps = &targets.maps;
    let zoom = [
        (maps.size.width.max(1) as f32 - 1.0) / (width.max(2) as f32 - 1.0),
        (maps.size.height.max(1) as f32 - 1.0) / (height.max(2) as f32 - 1.0),
    ];
    RgbImage::from_fn(width, height, |x, y| {
        let [u, v] = [x as f32 * zoom[0], y as f32 * zoom[1]];
        let mut color = seen.get_pixel(x, y).0.map(|c| f32::from(c) * DARKENED);
        for (j, &weight) in targets.weights.iter().enumerate() {
            let ink = weight * between(maps.map(j), maps.size, u, v);
            let joint = joint_color(skeleton, j);
            for (c, &full) in color.iter_mut().zip(&joint) {
                *c += (f32::from(full) - *c) * ink;
            }
        }
        Rgb(color.map(|c| c.round() as u8))
    })
}

/// The value of a map [H, W] at (u, v), bilinear.
fn between(map: &[f32], size: Size, u: f32, v: f32) -> f32 {
    let [height, width] = size.hw();
    let (x, y) = (u.floor() as usize, v.floor() as usize);
    let (fx, fy) = (u - x as f32, v - y as f32);
    let at = |x: usize, y: usize| map[y.min(height - 1) * width + x.min(width - 1)];
    let row = |y: usize| at(x, y) * (1.0 - fx) + at(x + 1, y) * fx;
    row(y) * (1.0 - fy) + row(y + 1) * fy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::normalize_into;

    #[test]
    fn colours_come_back_as_they_went_in() {
        let picture = RgbImage::from_fn(5, 4, |x, y| Rgb([x as u8 * 50, y as u8 * 60, (x + y) as u8 * 30]));
        let mut pixels = vec![0.0; 3 * 5 * 4];
        normalize_into(&picture, &mut pixels);
        assert_eq!(colours(&pixels, Size::new(5, 4)), picture);
    }

    #[test]
    fn a_target_is_drawn_at_its_joint_as_strong_as_its_weight() {
        let skeleton = Skeleton::coco17();
        let mut joints = vec![[0.0; 3]; 17];
        joints[0] = [10.0, 20.0, 1.0];
        joints[5] = [40.0, 50.0, 0.5];
        let targets = gaussian_targets(&joints, Size::new(48, 64), 2.0);
        let out = overlaid(&RgbImage::new(189, 253), &targets, skeleton);
        assert_eq!(out.get_pixel(40, 80).0, joint_color(skeleton, 0));
        assert_eq!(
            out.get_pixel(160, 200).0,
            joint_color(skeleton, 5).map(|c| (f32::from(c) / 2.0).round() as u8)
        );
        assert_eq!(out.get_pixel(160, 20).0, [0; 3]);
    }
}
