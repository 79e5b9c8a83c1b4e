//! Accuracy of a network over a whole set with its annotated boxes, as a training follows it.

use super::{EvalError, EvalTask, PoseAccuracy, Suppression, estimate_crops};
use crate::data::{Augmentation, CropDataset, Mixture, PoseSet};
use crate::gpu::ComputeDevice;
use crate::infer::{CpuModel, Network, Settings, Timing};
use crate::model::{PoseNet, PoseNetConfig};
use crate::pose::{Keypoint, Skeleton};
use crate::vision::{Decoding, Heatmaps, decode, keypoints_to_image};
use serde::{Deserialize, Serialize};

/// The numbers that a training follows. AP and PCK are fractions of 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetScore {
    /// As [`CocoStats`](super::CocoStats) has them, like the next five.
    pub ap: f64,
    /// AP at OKS 0.50.
    pub ap50: f64,
    /// AP at OKS 0.75.
    pub ap75: f64,
    /// AP of medium persons.
    pub ap_medium: f64,
    /// AP of large persons.
    pub ap_large: f64,
    /// Average recall.
    pub ar: f64,
    /// PCK at 0.05, 0.1 and 0.2 of the box's longer side, over all labelled joints.
    pub pck005: f64,
    /// At 0.1.
    pub pck01: f64,
    /// At 0.2.
    pub pck02: f64,
    /// Annotated persons that count.
    pub persons: usize,
}

impl From<PoseAccuracy> for SetScore {
    fn from(a: PoseAccuracy) -> SetScore {
        SetScore {
            ap: a.coco.ap,
            ap50: a.coco.ap50,
            ap75: a.coco.ap75,
            ap_medium: a.coco.ap_medium,
            ap_large: a.coco.ap_large,
            ar: a.coco.ar,
            pck005: a.pck005,
            pck01: a.pck01,
            pck02: a.pck02,
            persons: a.persons,
        }
    }
}

/// Scores one pose (picture pixels) for each of `samples`, in their order.
pub fn score(samples: &CropDataset, poses: &[Vec<Keypoint>]) -> SetScore {
    EvalTask::of_samples(samples).measure(poses, Suppression::default()).into()
}

/// The pose in picture pixels that heatmaps of a sample's plain crop say.
pub fn pose_of(samples: &CropDataset, index: usize, maps: &Heatmaps, decoding: Decoding) -> Vec<Keypoint> {
    let crop = samples.draw(index, 0).crop;
    keypoints_to_image(&decode(maps, decoding), &crop, samples.heatmap)
}

/// Poses of all `samples` (drawn without augmentation) for each of `settings`, from a folded model on
/// `device`. `done` hears the number of persons finished.
///
/// # Errors
/// A picture cannot be decoded, or the device fails.
pub fn estimate(
    model: &PoseNet,
    device: &ComputeDevice,
    samples: &CropDataset,
    settings: &[Settings],
    done: impl Fn(usize) + Sync,
) -> Result<Vec<Vec<Vec<Keypoint>>>, EvalError> {
    let cpu = CpuModel::on(device, model);
    let (cpu, skeleton) = (cpu.as_ref(), &samples.skeleton);
    let network = Network { model, cpu, skeleton, device, timing: Timing::WholeOnly };
    estimate_crops(&network, &EvalTask::of_samples(samples).crops, settings, done)
}

/// The set as samples that show each person's plain crop.
pub fn plain_samples(set: PoseSet, model: &PoseNetConfig, skeleton: &Skeleton) -> CropDataset {
    CropDataset {
        mixture: Mixture::single(set),
        skeleton: skeleton.clone(),
        augmentation: Augmentation::none(),
        seed: 0,
        input: model.input(),
        heatmap: model.heatmap(),
    }
}
