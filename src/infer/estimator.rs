//! The network with everything around it.

use super::{
    BatchKeypoints, CpuModel, DecodedHeatmaps, HeatmapBuffer, HeatmapRequest, InferError, Network, Settings,
    StageTimes, Timing,
};
use crate::gpu::{ComputeDevice, DeviceImage};
use crate::model::{KeptTokens, PoseNet, TokenBudget};
use crate::pose::{Keypoint, Pose};
use crate::vision::{BBox, BOX_PADDING, CropBox, keypoints_to_image};
use crate::weights::{self, WeightsInfo};
use image::RgbImage;
use std::path::Path;
use std::time::Instant;

/// Persons that go through the network at once; a crowd goes in several batches so that it cannot
/// exhaust the device's memory. A power of two: see [`Network::crops`].
const MAX_BATCH: usize = 16;
/// Joints below this score do not count for the person's score (docs/METHOD.md, "Rescoring and NMS").
const RESCORING_MIN: f32 = 0.2;

/// One person's pose.
#[derive(Clone, Debug)]
pub struct PoseEstimate {
    /// In pixels of the picture.
    pub pose: Pose,
    /// The part of the picture that the network saw.
    pub crop: CropBox,
    /// What the network drew, if asked for.
    pub heatmaps: Option<HeatmapBuffer>,
}

/// What is found in the boxes of a frame.
#[derive(Clone, Debug)]
pub struct EstimatorOutput {
    /// One for each box, in their order.
    pub estimates: Vec<PoseEstimate>,
    /// How long each stage took.
    pub times: StageTimes,
    /// The visual tokens that the network worked on.
    pub kept: KeptTokens,
}

/// A model on a device, ready for pictures. Its batch norms are folded into the convolutions once, when
/// it is made.
pub struct Estimator {
    model: PoseNet,
    /// The model for the CPU's engine, where that runs it.
    cpu: Option<CpuModel>,
    info: WeightsInfo,
    device: ComputeDevice,
    timing: Timing,
    /// Where heatmaps are left when they are asked for.
    maps: HeatmapRequest,
    /// The tokens that the last call's budget let in: it rarely changes, and ranking the tokens takes some time.
    entering: Option<(TokenBudget, Vec<usize>)>,
}

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
    pub fn from_parts(model: PoseNet, info: WeightsInfo, device: ComputeDevice) -> Estimator {
        let (timing, maps) = (Timing::default(), HeatmapRequest::InMemory);
        let model = model.fold();
        let cpu = CpuModel::on(&device, &model);
        Estimator { model, cpu, info, device, timing, maps, entering: None }
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

    /// Leaves heatmaps that are asked for on a wgpu device, for a window that draws with that device;
    /// otherwise they are read back.
    pub fn leave_heatmaps_on_device(&mut self, leave: bool) {
        self.maps = if leave { HeatmapRequest::OnDevice } else { HeatmapRequest::InMemory };
    }

    /// Runs the network once for each batch size that frames will have, so that nothing is compiled or
    /// tuned in the middle of a video. `progress` hears how many of how many sizes are done, at first 0.
    /// [`Settings::default`] are run; [`Estimator::warm_up_for`] takes others.
    ///
    /// # Errors
    /// The device fails.
    pub fn warm_up(&mut self, progress: impl FnMut(usize, usize)) -> Result<(), InferError> {
        self.warm_up_for(&Settings::default(), progress)
    }

    /// [`Estimator::warm_up`] for settings: masks and the flip test have kernels of their own.
    ///
    /// # Errors
    /// The device fails.
    pub fn warm_up_for(
        &mut self,
        settings: &Settings,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<(), InferError> {
        // The CPU compiles nothing, and an emulated GPU would take minutes for each size.
        let one_size = !self.device.is_gpu() || self.device.software;
        let sizes: Vec<usize> =
            (0..).map(|n| 1 << n).take_while(|&n| n == 1 || (n <= MAX_BATCH && !one_size)).collect();
        let input = self.info.config.input();
        let blank = RgbImage::new(input.width, input.height);
        progress(0, sizes.len());
        for (done, &persons) in sizes.iter().enumerate() {
            self.estimate(&blank, &vec![BBox::whole(input); persons], settings, false)?;
            progress(done + 1, sizes.len());
        }
        Ok(())
    }

    /// Estimates the pose of the person in each box (pixels of `img`). No boxes give no poses and cost nothing.
    ///
    /// # Errors
    /// A box without area, or a device that fails.
    pub fn estimate(
        &mut self,
        img: &RgbImage,
        boxes: &[BBox],
        settings: &Settings,
        want_heatmaps: bool,
    ) -> Result<EstimatorOutput, InferError> {
        self.estimate_image(&DeviceImage::new(img), boxes, settings, want_heatmaps)
    }

    /// [`Estimator::estimate`] in a picture that other networks look at too: it is uploaded to a device once.
    ///
    /// # Errors
    /// As [`Estimator::estimate`].
    pub fn estimate_image(
        &mut self,
        image: &DeviceImage,
        boxes: &[BBox],
        settings: &Settings,
        want_heatmaps: bool,
    ) -> Result<EstimatorOutput, InferError> {
        let started = Instant::now();
        if let Some(bad) = boxes.iter().find(|b| !croppable(b)) {
            return Err(InferError::Box(*bad));
        }
        let entering = self.entering(settings);
        let config = &self.info.config;
        let aspect = config.input().aspect();
        let crops: Vec<CropBox> = boxes.iter().map(|b| CropBox::from_bbox(b, aspect, BOX_PADDING)).collect();
        let mut times = StageTimes::default();
        let mut estimates = Vec::with_capacity(boxes.len());
        let mut kept = None::<KeptTokens>;
        let wanted = if want_heatmaps { self.maps } else { HeatmapRequest::None };
        for turn in crops.chunks(MAX_BATCH) {
            let found = self.turn(image, turn, &entering, settings, wanted, &mut times)?;
            let clock = Instant::now();
            kept = Some(match kept {
                None => found.kept,
                Some(kept) => kept.joined(estimates.len(), found.kept, turn.len()),
            });
            estimates.extend(found.people.into_iter().zip(turn).map(|(found, crop)| self.place(found, crop)));
            times.decode += clock.elapsed();
        }
        let kept = kept.unwrap_or_else(|| KeptTokens::shared(entering));
        times.whole = started.elapsed();
        Ok(EstimatorOutput { estimates, times, kept })
    }

    /// The tokens that enter the first layer, ascending.
    fn entering(&mut self, settings: &Settings) -> Vec<usize> {
        match &self.entering {
            Some((known, tokens)) if *known == settings.budget => tokens.clone(),
            _ => {
                let tokens = self.info.config.entering_tokens(&settings.budget);
                self.entering = Some((settings.budget, tokens.clone()));
                tokens
            }
        }
    }

    /// One turn through the network: what is found in each crop.
    fn turn(
        &self,
        image: &DeviceImage,
        crops: &[CropBox],
        entering: &[usize],
        settings: &Settings,
        wanted: HeatmapRequest,
        times: &mut StageTimes,
    ) -> Result<BatchKeypoints, InferError> {
        let network = self.network();
        let clock = Instant::now();
        let crops: Vec<(&DeviceImage, CropBox)> = crops.iter().map(|crop| (image, *crop)).collect();
        let images = network.crops(&crops)?;
        network.wait_for_stage()?;
        times.crop += clock.elapsed();
        network.estimate(images, crops.len(), entering, settings, wanted, times)
    }

    /// Brings keypoints from a crop's heatmaps into the picture.
    fn place(&self, found: DecodedHeatmaps, crop: &CropBox) -> PoseEstimate {
        let heatmap = self.info.config.heatmap();
        let keypoints = keypoints_to_image(&found.keypoints, crop, heatmap);
        let score = pose_score(&keypoints);
        PoseEstimate { pose: Pose { keypoints, score }, crop: *crop, heatmaps: found.maps }
    }

    /// The network by itself, for passes over many pictures.
    pub fn network(&self) -> Network<'_> {
        Network {
            model: &self.model,
            cpu: self.cpu.as_ref(),
            skeleton: &self.info.skeleton,
            device: &self.device,
            timing: self.timing,
        }
    }
}

/// A box from which a crop can be made: finite, and not smaller than a pixel.
fn croppable(b: &BBox) -> bool {
    [b.x, b.y, b.w, b.h].iter().all(|v| v.is_finite()) && b.w >= 1.0 && b.h >= 1.0
}

/// The person's score: the mean of the keypoint scores above 0.2, 0 if there are none
/// (docs/METHOD.md, "Rescoring and NMS", with a box score of 1).
pub fn pose_score(keypoints: &[Keypoint]) -> f32 {
    let confident: Vec<f32> = keypoints.iter().map(|k| k.score).filter(|&s| s > RESCORING_MIN).collect();
    if confident.is_empty() { 0.0 } else { confident.iter().sum::<f32>() / confident.len() as f32 }
}
