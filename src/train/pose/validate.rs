//! Poses of the validation set from cached features.

use super::cached::{CachedSet, PersonFeatures};
use super::cpu::{CpuNetwork, PassWorkspace};
use crate::data::CropDataset;
use crate::eval::set::pose_of;
use crate::model::{KeepRatio, TokenBudget};
use crate::pose::{Keypoint, Size};
use crate::vision::{Decoding, Heatmaps};
use rayon::prelude::*;

/// The poses that `weights` estimate from the cached features `set` of `samples`, in picture pixels: progressive mask at a
/// keep ratio, for visual tokens in this grid. `done` is called after each person.
pub fn poses_by_cpu_network(
    network: &CpuNetwork,
    weights: &[f32],
    set: &CachedSet,
    samples: &CropDataset,
    grid: Size,
    ratio: KeepRatio,
    done: impl Fn() + Sync,
) -> Vec<Vec<Keypoint>> {
    let kept = TokenBudget::progressive(ratio).kept_tokens(grid);
    let size = samples.heatmap;
    let packed = network.pack(weights);
    (0..samples.len())
        .into_par_iter()
        .map_init(
            || (PassWorkspace::default(), PersonFeatures::default()),
            |(workspace, input), index| {
                input.read(network, set, index, &kept);
                let values = network.maps(weights, &packed, &input.feature, &kept, workspace).to_vec();
                let maps = Heatmaps { joints: values.len() / size.area(), values, size };
                done();
                pose_of(samples, index, &maps, Decoding::default())
            },
        )
        .collect()
}
