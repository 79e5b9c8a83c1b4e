//! The network over many persons of many pictures, for several settings at once.

use super::EvalError;
use crate::data::{DatasetImage, read_image};
use crate::gpu::DeviceImage;
use crate::infer::{HeatmapRequest, Network, Settings, StageTimes};
use crate::pose::Keypoint;
use crate::vision::{CropBox, keypoints_to_image};
use image::RgbImage;
use rayon::prelude::*;

/// A person to estimate: the image, and the part of it that the network is shown.
#[derive(Clone, Copy, Debug)]
pub struct PersonCrop<'a> {
    /// The image that the person is in.
    pub image: &'a DatasetImage,
    /// The part of it that the network is shown.
    pub crop: CropBox,
    /// Confidence of the box that the crop is made from; 1 for an annotated box.
    pub box_score: f64,
    /// Index of the annotated person whose box it is; none for a detected box.
    pub annotated: Option<usize>,
}

/// Persons worked on at once where many small passes share the cores, and where one device takes all.
const SMALL: usize = 1;
const LARGE: usize = 64;

/// For each of `settings` the pose of each subject, in picture pixels. The backbone sees a person once,
/// whatever the number of settings. `done` hears numbers of persons as they are finished.
///
/// # Errors
/// A picture cannot be decoded, or the device fails.
pub fn estimate_crops(
    network: &Network,
    crops: &[PersonCrop],
    settings: &[Settings],
    done: impl Fn(usize) + Sync,
) -> Result<Vec<Vec<Vec<Keypoint>>>, EvalError> {
    let config = network.model.config();
    let settings: Vec<(&Settings, Vec<usize>)> =
        settings.iter().map(|s| (s, config.entering_tokens(&s.budget))).collect();
    // `pictures` are those of `crops`, one by one, or a single one for all of them.
    let part = |images: &[RgbImage], crops: &[PersonCrop]| {
        let images: Vec<DeviceImage> = images.iter().map(DeviceImage::new).collect();
        let shown: Vec<(&DeviceImage, CropBox)> =
            images.iter().cycle().zip(crops).map(|(image, s)| (image, s.crop)).collect();
        let poses = estimate_batch(network, &shown, &settings)?;
        done(crops.len());
        Ok(poses)
    };
    let parts: Result<Vec<Vec<Vec<Vec<Keypoint>>>>, EvalError> = if network.device.is_gpu() {
        let parts = crops.chunks(LARGE).map(|crops| {
            let images: Result<Vec<RgbImage>, _> = crops.par_iter().map(|s| read_image(s.image)).collect();
            part(&images?, crops)
        });
        parts.collect()
    } else {
        // A picture is decoded once for all its persons, which stand together.
        let images: Vec<&[PersonCrop]> = crops.chunk_by(|a, b| a.image.path == b.image.path).collect();
        let parts = images.par_iter().map(|crops| {
            let image = [read_image(crops[0].image)?];
            crops.chunks(SMALL).map(|crops| part(&image, crops)).collect::<Result<Vec<_>, _>>()
        });
        parts.collect::<Result<Vec<_>, _>>().map(|parts| parts.into_iter().flatten().collect())
    };
    let mut all = vec![Vec::with_capacity(crops.len()); settings.len()];
    for part in parts? {
        for (of_setting, poses) in all.iter_mut().zip(part) {
            of_setting.extend(poses);
        }
    }
    Ok(all)
}

/// For each setting the poses of a batch.
fn estimate_batch(
    network: &Network,
    shown: &[(&DeviceImage, CropBox)],
    settings: &[(&Settings, Vec<usize>)],
) -> Result<Vec<Vec<Vec<Keypoint>>>, EvalError> {
    let mut times = StageTimes::default();
    let flip_test = settings.iter().any(|(setting, _)| setting.flip_test);
    let features = network.features(network.crops(shown)?, shown.len(), flip_test, &mut times)?;
    let heatmap = network.model.config().heatmap();
    let of = |(setting, entering): &(&Settings, Vec<usize>)| {
        let mut times = StageTimes::default();
        let found = network.keypoints(&features, entering, setting, HeatmapRequest::None, &mut times)?;
        let poses = found.people.iter().zip(shown);
        Ok(poses.map(|(f, (_, crop))| keypoints_to_image(&f.keypoints, crop, heatmap)).collect())
    };
    settings.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::ComputeDevice;
    use crate::infer::Estimator;
    use crate::model::{KeepRatio, MaskKind, PoseNetConfig, TokenBudget, Variant};
    use crate::pose::{Size, Skeleton};
    use crate::vision::{BBox, BOX_PADDING};
    use crate::weights::{TrainingRecord, WeightsInfo};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_set_is_estimated_as_its_frames_are() {
        let device = ComputeDevice::cpu();
        device.device.seed(7);
        let skeleton = Skeleton::coco17().clone();
        let config = PoseNetConfig::new(Variant::T, &skeleton).with_depth(1);
        let model = config.init(&device.device);
        let info = WeightsInfo::new(config, skeleton, TrainingRecord::default());
        let mut estimator = Estimator::from_parts(model, info, device);

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        let img = RgbImage::from_fn(160, 120, |x, y| image::Rgb([x as u8, (y * 2) as u8, (x ^ y) as u8]));
        img.save(&path).unwrap();
        let image = DatasetImage { id: 1, path, size: Size::new(160, 120) };
        let boxes =
            [BBox { x: 10.0, y: 5.0, w: 50.0, h: 100.0 }, BBox { x: 70.0, y: 20.0, w: 60.0, h: 80.0 }];
        // 76 of the random tokens are not their own mirror image: the flip test must mirror them.
        let keep = |share| TokenBudget::progressive(KeepRatio::new(share).unwrap());
        let random = TokenBudget { mask: MaskKind::Random, ..keep(0.3) };
        let flipped = Settings { budget: random, flip_test: true, ..Settings::default() };
        let settings = [flipped, Settings { budget: keep(0.6), ..Settings::default() }];
        let crop = |b| CropBox::from_bbox(b, 0.75, BOX_PADDING);
        let crops: Vec<PersonCrop> = boxes
            .iter()
            .map(|b| PersonCrop { image: &image, crop: crop(b), box_score: 1.0, annotated: None })
            .collect();
        let count = AtomicUsize::new(0);
        let done = |n| {
            count.fetch_add(n, Ordering::SeqCst);
        };
        let sets = estimate_crops(&estimator.network(), &crops, &settings, done).unwrap();
        assert_eq!(count.into_inner(), 2);
        for (setting, poses) in settings.iter().zip(&sets) {
            for (bbox, pose) in boxes.iter().zip(poses) {
                let frame = estimator.estimate(&img, &[*bbox], setting, false).unwrap().estimates;
                for (a, b) in frame[0].pose.keypoints.iter().zip(pose) {
                    assert!((a.x - b.x).abs() < 1e-3 && (a.y - b.y).abs() < 1e-3, "{a:?} is not {b:?}");
                    assert!((a.score - b.score).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn a_picture_that_is_gone_is_named() {
        let device = ComputeDevice::cpu();
        let config = PoseNetConfig::new(Variant::T, Skeleton::coco17()).with_depth(1);
        let info = WeightsInfo::new(config.clone(), Skeleton::coco17().clone(), TrainingRecord::default());
        let estimator = Estimator::from_parts(config.init(&device.device), info, device);
        let image = DatasetImage { id: 1, path: "gone.png".into(), size: Size::new(9, 9) };
        let crop = CropBox { center: [4.0, 4.0], scale: [0.1, 0.1] };
        let crops = [PersonCrop { image: &image, crop, box_score: 1.0, annotated: None }];
        let error = estimate_crops(&estimator.network(), &crops, &[Settings::default()], |_| ());
        assert!(error.unwrap_err().to_string().contains("gone.png"));
    }
}
