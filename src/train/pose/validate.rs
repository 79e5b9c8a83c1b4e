//! Accuracy of the averaged weights while a training runs.

use super::cached::{CachedSet, PersonFeatures};
use super::cpu::{CpuNetwork, Workspace};
use crate::data::CropDataset;
use crate::eval::set::pose_of;
use crate::model::{KeepRatio, TokenBudget};
use crate::pose::{Keypoint, Size};
use crate::vision::{Decoding, Heatmaps};
use rayon::prelude::*;

/// Poses by `weights` from cached features with hand-written passes, in picture pixels.
pub fn poses_by_cpu_network(
    network: &CpuNetwork,
    weights: &[f32],
    set: &CachedSet,
    samples: &CropDataset,
    grid: Size,
    ratio: f64,
    done: impl Fn() + Sync,
) -> Vec<Vec<Keypoint>> {
    let keep = TokenBudget::progressive(KeepRatio::new(ratio).unwrap_or_default()).kept_tokens(grid);
    let size = samples.heatmap;
    (0..samples.len())
        .into_par_iter()
        .map_init(
            || (Workspace::default(), PersonFeatures::default()),
            |(workspace, input), index| {
                input.read(network, set, index, &keep);
                let values = network.maps(weights, &input.patches, &input.feature, &keep, workspace).to_vec();
                let maps = Heatmaps { joints: values.len() / size.area(), values, size };
                done();
                pose_of(samples, index, &maps, Decoding::default())
            },
        )
        .collect()
}
