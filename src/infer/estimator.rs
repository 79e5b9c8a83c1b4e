//! The network with everything around it.

use super::{InferError, Settings, StageTimes, Timing};
use crate::gpu::ComputeDevice;
use crate::model::{Keep, MaskKind, PositionMode, TmPose, kept_tokens, mirrored_tokens};
use crate::pose::{Keypoint, Pose};
use crate::vision::{
    Affine, BBox, BOX_PADDING, CropBox, Heatmaps, decode, keypoints_to_image, normalize_into, warp,
};
use crate::weights::{self, WeightsInfo};
use burn::prelude::*;
use image::RgbImage;
use rayon::prelude::*;
use std::path::Path;
use std::time::{Duration, Instant};

/// Persons that go through the network at once; a crowd goes in several turns so that it cannot
/// exhaust the device's memory.
const MAX_BATCH: usize = 16;
/// Joints below this score do not count for the person's score (METHOD 5, "COCO rescoring").
const RESCORING_MIN: f32 = 0.2;

/// One person's pose.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// In pixels of the picture.
    pub pose: Pose,
    /// The part of the picture that the network saw.
    pub crop: CropBox,
    /// What the network drew, if asked for.
    pub heatmaps: Option<Heatmaps>,
}

/// A model on a device, ready for pictures. Its batch norms are folded into the convolutions once, when
/// it is made.
pub struct Estimator {
    model: TmPose,
    info: WeightsInfo,
    device: ComputeDevice,
    timing: Timing,
    /// The mask of the last call: it rarely changes, and ranking the tokens takes a moment.
    mask: Option<(MaskKey, Vec<usize>)>,
}

/// What decides a mask: kind, ratio and seed.
type MaskKey = (MaskKind, f64, u64);

impl Estimator {
    /// Reads a weights file and moves the model to the device.
    ///
    /// # Errors
    /// The file is missing, truncated, of another kind or of another format version.
    pub fn load(path: &Path, device: ComputeDevice) -> Result<Estimator, InferError> {
        let (model, info) = weights::load(path, &device.device)?;
        Ok(Estimator::from_parts(model, info, device))
    }

    /// Takes a model that lives on the device already; folds it.
    pub fn from_parts(model: TmPose, info: WeightsInfo, device: ComputeDevice) -> Estimator {
        Estimator { model: model.fold(), info, device, timing: Timing::default(), mask: None }
    }

    /// What the weights were made of.
    pub fn info(&self) -> &WeightsInfo {
        &self.info
    }

    /// Where the network runs.
    pub fn device(&self) -> &ComputeDevice {
        &self.device
    }

    /// Chooses between true stage times and speed; see [`Timing`].
    pub fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// Estimates the pose of the person in each box (pixels of `img`), in the order of the boxes.
    /// Also returns the durations and the visual tokens that were kept, as ascending indices into the
    /// token grid. No boxes give no poses and cost nothing.
    ///
    /// # Errors
    /// A keep ratio outside (0, 1], a box without area, or a device that fails.
    pub fn estimate(
        &mut self,
        img: &RgbImage,
        boxes: &[BBox],
        settings: &Settings,
        want_heatmaps: bool,
    ) -> Result<(Vec<Estimate>, StageTimes, Vec<usize>), InferError> {
        let started = Instant::now();
        if !(settings.keep_ratio > 0.0 && settings.keep_ratio <= 1.0) {
            return Err(InferError::KeepRatio(settings.keep_ratio));
        }
        if let Some(bad) = boxes.iter().find(|b| !croppable(b)) {
            return Err(InferError::Box(*bad));
        }
        let kept = self.kept(settings);
        let config = &self.info.config;
        let aspect = config.input[1] as f64 / config.input[0] as f64;
        let crops: Vec<CropBox> = boxes.iter().map(|b| CropBox::from_bbox(b, aspect, BOX_PADDING)).collect();
        let mut times = StageTimes::default();
        let mut estimates = Vec::with_capacity(boxes.len());
        for turn in crops.chunks(MAX_BATCH) {
            let maps = self.heatmaps(img, turn, &kept, settings, &mut times)?;
            let clock = Instant::now();
            let decoded: Vec<Estimate> = maps
                .into_par_iter()
                .zip(turn)
                .map(|(maps, crop)| {
                    let found = decode(&maps, settings.decoding);
                    let keypoints = keypoints_to_image(&found, crop, [maps.width, maps.height]);
                    let score = pose_score(&keypoints);
                    let pose = Pose { keypoints, score };
                    Estimate { pose, crop: *crop, heatmaps: want_heatmaps.then_some(maps) }
                })
                .collect();
            estimates.extend(decoded);
            times.decode += clock.elapsed();
        }
        times.whole = started.elapsed();
        Ok((estimates, times, kept))
    }

    /// The kept tokens, ascending.
    fn kept(&mut self, settings: &Settings) -> Vec<usize> {
        let key = (settings.mask, settings.keep_ratio, settings.seed);
        match &self.mask {
            Some((known, kept)) if *known == key => kept.clone(),
            _ => {
                let kept = kept_tokens(key.0, key.1, self.info.config.grid, key.2);
                self.mask = Some((key, kept.clone()));
                kept
            }
        }
    }

    /// One turn through the network: a set of heatmaps for each crop.
    fn heatmaps(
        &self,
        img: &RgbImage,
        crops: &[CropBox],
        kept: &[usize],
        settings: &Settings,
        times: &mut StageTimes,
    ) -> Result<Vec<Heatmaps>, InferError> {
        let clock = Instant::now();
        let images = self.crop(img, crops);
        self.wait_if(self.timing == Timing::Stages)?;
        times.crop += clock.elapsed();

        let clock = Instant::now();
        let mirrored = settings.flip_test.then(|| images.clone().flip([3]));
        let mut maps = self.pass(images, kept, settings.positions, times)?;
        let Some(mirrored) = mirrored else {
            times.network += clock.elapsed();
            return Ok(maps);
        };
        let kept = mirrored_tokens(kept, self.info.config.grid);
        let flipped = self.pass(mirrored, &kept, settings.positions, times)?;
        times.network += clock.elapsed();

        let clock = Instant::now();
        let mirror = self.info.skeleton.mirror();
        for (map, flipped) in maps.iter_mut().zip(&flipped) {
            map.average(&flipped.mirrored(&mirror));
        }
        times.decode += clock.elapsed();
        Ok(maps)
    }

    /// [B,3,H,W] on the device: the crops, normalised.
    fn crop(&self, img: &RgbImage, crops: &[CropBox]) -> Tensor<4> {
        let [height, width] = self.info.config.input;
        let mut pixels = vec![0.0; crops.len() * 3 * height * width];
        pixels.par_chunks_mut(3 * height * width).zip(crops).for_each(|(out, crop)| {
            let to_crop = Affine::from_crop(crop, 0.0, [width, height]);
            normalize_into(&warp(img, &to_crop, [width, height]), out);
        });
        let data = TensorData::new(pixels, [crops.len(), 3, height, width]);
        Tensor::from_data(data, &self.device.device)
    }

    /// The network itself, stage by stage.
    fn pass(
        &self,
        images: Tensor<4>,
        kept: &[usize],
        positions: PositionMode,
        times: &mut StageTimes,
    ) -> Result<Vec<Heatmaps>, InferError> {
        let batch = images.dims()[0];
        let model = &self.model;
        let feature = self.stage(&mut times.backbone, || Ok(model.backbone(images)))?;
        let keep = self.keep(kept, batch, positions);
        let tokens = self.stage(&mut times.mask, || Ok(model.tokens(feature.clone(), &keep)))?;
        let keypoints = self.stage(&mut times.transformer, || Ok(model.encode(tokens, &keep)))?;
        self.stage(&mut times.head, || self.read_back(model.head(keypoints, feature)))
    }

    /// All tokens in their order need no selection; it is skipped.
    fn keep(&self, kept: &[usize], batch: usize, positions: PositionMode) -> Keep {
        let complete = kept.len() == self.info.config.tokens() && kept.is_sorted();
        if complete {
            return Keep::all();
        }
        Keep::same(kept, batch, &self.device.device).with_positions(positions)
    }

    fn read_back(&self, maps: Tensor<4>) -> Result<Vec<Heatmaps>, InferError> {
        let [_, joints, height, width] = maps.dims();
        let values = maps
            .try_into_data()
            .map_err(|e| self.failed(&e))?
            .try_into_vec::<f32>()
            .map_err(|e| self.failed(&format!("{e:?}")))?;
        Ok(values
            .chunks_exact(joints * height * width)
            .map(|person| Heatmaps { values: person.to_vec(), joints, height, width })
            .collect())
    }

    /// Runs a stage and adds its time, where the time can be known.
    fn stage<T>(
        &self,
        time: &mut Duration,
        work: impl FnOnce() -> Result<T, InferError>,
    ) -> Result<T, InferError> {
        let clock = Instant::now();
        let made = work()?;
        self.wait_if(self.timing == Timing::Stages)?;
        if self.timing == Timing::Stages || !self.device.is_gpu() {
            *time += clock.elapsed();
        }
        Ok(made)
    }

    fn wait_if(&self, wanted: bool) -> Result<(), InferError> {
        if wanted { self.device.device.sync().map_err(|e| self.failed(&e)) } else { Ok(()) }
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> InferError {
        InferError::Compute { name: self.device.name.clone(), reason: reason.to_string() }
    }
}

/// A box from which a crop can be made: finite, and not smaller than a pixel.
fn croppable(b: &BBox) -> bool {
    [b.x, b.y, b.w, b.h].iter().all(|v| v.is_finite()) && b.w >= 1.0 && b.h >= 1.0
}

/// The person's score: the mean of the keypoint scores above 0.2, 0 if there are none (METHOD 5, "COCO
/// rescoring", with a box score of 1).
pub fn pose_score(keypoints: &[Keypoint]) -> f32 {
    let sure: Vec<f32> = keypoints.iter().map(|k| k.score).filter(|&s| s > RESCORING_MIN).collect();
    if sure.is_empty() { 0.0 } else { sure.iter().sum::<f32>() / sure.len() as f32 }
}
