//! Batches of pictures: crops with their joints.

use super::loss::TargetBatch;
use super::plan::{BatchPlan, BatchPlanner};
use crate::data::{CropDataset, DataError};
use crate::model::numbers;
use crate::pose::Size;
use crate::train::distill::Teacher;
use crate::train::loader::Loader;
use burn::prelude::*;
use rayon::prelude::*;
use std::sync::Arc;

/// The crops of a batch and their joints.
pub struct PictureBatch {
    /// Samples and tokens.
    pub plan: BatchPlan,
    /// Normalised crops, [B, 3, H, W]; zeros for a picture that cannot be decoded, whose joints then have weight 0.
    pub pixels: Vec<f32>,
    /// Joints of each person, [x, y, weight] in heatmap cells.
    pub joints: Vec<Vec<[f32; 3]>>,
    /// For each picture that could not be decoded, why not.
    pub unreadable: Vec<String>,
}

impl Loader<PictureBatch> {
    /// Makes batches of crops, from batch number `first` on; `ahead` and `threads` are those of [`Loader::start`].
    pub fn of_crops(
        samples: Arc<CropDataset>,
        mut planner: BatchPlanner,
        first: u64,
        ahead: usize,
        threads: usize,
    ) -> Loader<PictureBatch> {
        let plan = move |number| planner.plan(number);
        Loader::start(first, ahead, threads, plan, move |plan| batch(&samples, plan))
    }
}

impl PictureBatch {
    /// A row of `teacher`'s targets for each crop, which has this `size`.
    pub fn teacher_rows(&self, teacher: &Teacher, size: Size, device: &Device) -> Vec<f32> {
        let [height, width] = size.hw();
        let pixels = TensorData::new(self.pixels.clone(), [self.joints.len(), 3, height, width]);
        numbers(teacher.targets(Tensor::from_data(pixels, device)))
    }

    /// Targets of the batch for heatmaps of `heatmap` cells and Gaussians with the standard deviation `sigma`, in cells.
    pub fn targets(&self, heatmap: Size, sigma: f32) -> TargetBatch {
        TargetBatch::new(self.joints.iter().map(Vec::as_slice), heatmap, sigma)
    }
}

fn batch(samples: &CropDataset, plan: BatchPlan) -> PictureBatch {
    type One = (Result<Vec<f32>, DataError>, Vec<[f32; 3]>);
    let made: Vec<One> = plan
        .samples
        .par_iter()
        .zip(&plan.epochs)
        .map(|(&index, &epoch)| {
            let sample = samples.draw(index, epoch);
            (samples.pixels(index, &sample), samples.joints(index, &sample))
        })
        .collect();
    let size = 3 * samples.input.area();
    let mut batch = PictureBatch { pixels: Vec::new(), joints: Vec::new(), unreadable: Vec::new(), plan };
    for (pixels, mut joints) in made {
        match pixels {
            Ok(pixels) => batch.pixels.extend(pixels),
            Err(error) => {
                batch.pixels.resize(batch.pixels.len() + size, 0.0);
                joints.iter_mut().for_each(|j| j[2] = 0.0);
                batch.unreadable.push(error.to_string());
            }
        }
        batch.joints.push(joints);
    }
    batch
}
