//! The pose network behind a small trait, so that the pipeline can be tested without a network.

use super::guard::DevicePanic;
use crate::gpu::{ComputeDevice, DeviceImage};
use crate::infer::{Estimator, EstimatorOutput, InferError, Settings};
use crate::pose::Skeleton;
use crate::vision::BBox;
use crate::weights::WeightsInfo;
use std::path::PathBuf;
use std::sync::Arc;

/// Estimates the poses in a picture.
pub trait PoseEstimator {
    /// One pose for each box (pixels of the picture).
    ///
    /// # Errors
    /// The device fails, or a box has no area.
    fn estimate(
        &mut self,
        image: &DeviceImage,
        boxes: &[BBox],
        settings: &Settings,
        heatmaps: bool,
    ) -> Result<EstimatorOutput, InferError>;

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

    /// The joints of its poses and how they are connected.
    fn skeleton(&self) -> &Skeleton;
}

impl PoseEstimator for Estimator {
    fn estimate(
        &mut self,
        image: &DeviceImage,
        boxes: &[BBox],
        settings: &Settings,
        heatmaps: bool,
    ) -> Result<EstimatorOutput, InferError> {
        self.estimate_image(image, boxes, settings, heatmaps)
    }

    fn warm_up(
        &mut self,
        settings: &Settings,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), InferError> {
        self.warm_up_for(settings, progress)
    }

    fn skeleton(&self) -> &Skeleton {
        &self.info().skeleton
    }
}

impl<T: PoseEstimator + ?Sized> PoseEstimator for Box<T> {
    fn estimate(
        &mut self,
        image: &DeviceImage,
        boxes: &[BBox],
        settings: &Settings,
        heatmaps: bool,
    ) -> Result<EstimatorOutput, InferError> {
        (**self).estimate(image, boxes, settings, heatmaps)
    }

    fn warm_up(
        &mut self,
        settings: &Settings,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), InferError> {
        (**self).warm_up(settings, progress)
    }

    fn skeleton(&self) -> &Skeleton {
        (**self).skeleton()
    }
}

/// The pose network could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum EstimatorError {
    /// It says why.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// It panicked.
    #[error(transparent)]
    Panic(#[from] DevicePanic),
}

/// The model that runs, as the window shows it.
#[derive(Clone)]
pub struct ModelSummary {
    /// The weights file.
    pub path: PathBuf,
    /// What the file says of the network and of its training.
    pub info: Arc<WeightsInfo>,
    /// Where it runs.
    pub device: ComputeDevice,
}

/// An estimator and its description, made on the inference thread: Burn orders work by thread.
pub type LoadedModel = (Box<dyn PoseEstimator>, ModelSummary);
/// Loads a model on the inference thread.
pub type ModelLoader = Box<dyn FnOnce() -> Result<LoadedModel, InferError> + Send>;

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
    /// It takes frames.
    Ready(Arc<ModelSummary>),
    /// One sentence that says why not.
    Failed(String),
}
