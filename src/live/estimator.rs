//! What the inference thread runs, behind a small trait so that the pipeline can be tested without a
//! network.

use crate::gpu::{ComputeDevice, DeviceImage};
use crate::infer::{Estimator, InferError, PoseEstimate, Settings, StageTimes};
use crate::vision::BBox;
use crate::weights::WeightsInfo;
use std::path::PathBuf;
use std::sync::Arc;

/// Poses of one frame, the time each stage took, and the visual tokens that were kept.
pub type Estimated = (Vec<PoseEstimate>, StageTimes, Vec<usize>);

/// Finds the poses in a picture.
pub trait PoseEstimator {
    /// One pose for each box (pixels of the picture).
    ///
    /// # Errors
    /// One sentence for the user.
    fn estimate(
        &mut self,
        image: &DeviceImage,
        boxes: &[BBox],
        settings: &Settings,
        heatmaps: bool,
    ) -> Result<Estimated, InferError>;

    /// Runs once with every number of people that the device must have seen before, so that nothing is compiled
    /// in the middle of a video. `progress` hears how many of how many are done.
    ///
    /// # Errors
    /// As [`PoseEstimator::estimate`].
    fn warm_up(
        &mut self,
        settings: &Settings,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), InferError>;
}

impl PoseEstimator for Estimator {
    fn estimate(
        &mut self,
        image: &DeviceImage,
        boxes: &[BBox],
        settings: &Settings,
        heatmaps: bool,
    ) -> Result<Estimated, InferError> {
        self.estimate_image(image, boxes, settings, heatmaps)
    }

    fn warm_up(
        &mut self,
        settings: &Settings,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), InferError> {
        self.warm_up_for(settings, progress)
    }
}

/// The model that runs, as the window shows it.
#[derive(Clone)]
pub struct ModelSummary {
    /// The weights file.
    pub path: PathBuf,
    pub info: Arc<WeightsInfo>,
    pub device: ComputeDevice,
}

/// An estimator and its description, made on the inference thread: Burn orders work by thread.
pub type Loaded = (Box<dyn PoseEstimator>, ModelSummary);
/// Loads a model on the inference thread.
pub type ModelLoader = Box<dyn FnOnce() -> Result<Loaded, InferError> + Send>;

/// Where the model stands.
#[derive(Clone, Default)]
pub enum ModelStatus {
    /// None was asked for.
    #[default]
    None,
    /// The file is being read, the device started or its kernels prepared.
    Loading {
        /// Of the numbers of people that it is tried with, how many are done.
        done: usize,
        /// How many there are; 0 while the file is read.
        of: usize,
    },
    Ready(Arc<ModelSummary>),
    /// One sentence that says why not.
    Failed(String),
}
