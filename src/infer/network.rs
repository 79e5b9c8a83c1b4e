//! The stages of the network on a device, from a crop to heatmaps in the CPU's memory. Frames
//! ([`super::Estimator`]) and whole sets (the evaluation) go through here, so they cannot disagree.

use super::{InferError, Settings, StageTimes, Timing};
use crate::model::{Keep, PositionMode, TmPose, mirrored_tokens};
use crate::pose::Skeleton;
use crate::vision::{Affine, CropBox, Heatmaps, normalize_into, warp};
use burn::prelude::*;
use image::RgbImage;
use rayon::prelude::*;
use std::time::{Duration, Instant};

/// A folded model on its device.
#[derive(Clone, Copy)]
pub struct Network<'a> {
    /// Batch norms folded ([`TmPose::fold`]).
    pub model: &'a TmPose,
    /// Of the model's joints: the flip test swaps left and right.
    pub skeleton: &'a Skeleton,
    pub device: &'a Device,
    /// The device as users know it, for messages.
    pub device_name: &'a str,
    /// Whether work goes on there while the program goes on.
    pub on_gpu: bool,
    pub timing: Timing,
}

/// What the backbone saw in a batch of crops. Any number of settings can be run from it.
pub struct Features {
    /// `[B,C,H/4,W/4]`.
    straight: Tensor<4>,
    /// The same of the mirrored crops, for the flip test.
    mirrored: Option<Tensor<4>>,
}

impl Network<'_> {
    /// Cuts crops out of their pictures, normalised and on the device: `[B,3,H,W]`.
    pub fn crops(&self, crops: &[(&RgbImage, CropBox)]) -> Tensor<4> {
        let [height, width] = self.model.config().input;
        let mut pixels = vec![0.0; crops.len() * 3 * height * width];
        pixels.par_chunks_mut(3 * height * width).zip(crops).for_each(|(out, (picture, crop))| {
            let to_crop = Affine::from_crop(crop, 0.0, [width, height]);
            normalize_into(&warp(picture, &to_crop, [width, height]), out);
        });
        Tensor::from_data(TensorData::new(pixels, [crops.len(), 3, height, width]), self.device)
    }

    /// Runs the backbone; with `flip_test` over the mirrored crops too.
    ///
    /// # Errors
    /// The device fails.
    pub fn features(
        &self,
        images: Tensor<4>,
        flip_test: bool,
        times: &mut StageTimes,
    ) -> Result<Features, InferError> {
        let clock = Instant::now();
        let flipped = flip_test.then(|| images.clone().flip([3]));
        let mut see = |images| self.stage(&mut times.backbone, || Ok(self.model.backbone(images)));
        let straight = see(images)?;
        let mirrored = flipped.map(see).transpose()?;
        times.network += clock.elapsed();
        Ok(Features { straight, mirrored })
    }

    /// A set of heatmaps for each person of the batch. `kept` are the visual tokens of `settings`; the
    /// flip test keeps their mirror images in the mirrored crop, and runs only on features that have one.
    ///
    /// # Errors
    /// The device fails.
    pub fn heatmaps(
        &self,
        features: &Features,
        kept: &[usize],
        settings: &Settings,
        times: &mut StageTimes,
    ) -> Result<Vec<Heatmaps>, InferError> {
        let clock = Instant::now();
        let mut maps = self.pass(features.straight.clone(), kept, settings.positions, times)?;
        let Some(mirrored) = features.mirrored.as_ref().filter(|_| settings.flip_test) else {
            times.network += clock.elapsed();
            return Ok(maps);
        };
        let kept = mirrored_tokens(kept, self.model.config().grid);
        let flipped = self.pass(mirrored.clone(), &kept, settings.positions, times)?;
        times.network += clock.elapsed();

        let clock = Instant::now();
        let mirror = self.skeleton.mirror();
        for (map, flipped) in maps.iter_mut().zip(&flipped) {
            map.average(&flipped.mirrored(&mirror));
        }
        times.decode += clock.elapsed();
        Ok(maps)
    }

    /// Everything behind the backbone, stage by stage.
    fn pass(
        &self,
        feature: Tensor<4>,
        kept: &[usize],
        positions: PositionMode,
        times: &mut StageTimes,
    ) -> Result<Vec<Heatmaps>, InferError> {
        let keep = self.keep(kept, feature.dims()[0], positions);
        let tokens = self.stage(&mut times.mask, || Ok(self.model.tokens(feature.clone(), &keep)))?;
        let keypoints = self.stage(&mut times.transformer, || Ok(self.model.encode(tokens, &keep)))?;
        self.stage(&mut times.head, || self.read_back(self.model.head(keypoints, feature)))
    }

    /// All tokens in their order need no selection; it is skipped.
    fn keep(&self, kept: &[usize], batch: usize, positions: PositionMode) -> Keep {
        let complete = kept.len() == self.model.config().tokens() && kept.is_sorted();
        if complete {
            return Keep::all();
        }
        Keep::same(kept, batch, self.device).with_positions(positions)
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
        self.wait_for_stage()?;
        if self.timing == Timing::Stages || !self.on_gpu {
            *time += clock.elapsed();
        }
        Ok(made)
    }

    /// Waits for the device when stages are timed on their own.
    ///
    /// # Errors
    /// The device fails.
    pub fn wait_for_stage(&self) -> Result<(), InferError> {
        if self.timing == Timing::Stages { self.device.sync().map_err(|e| self.failed(&e)) } else { Ok(()) }
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> InferError {
        InferError::Compute { name: self.device_name.to_owned(), reason: reason.to_string() }
    }
}
