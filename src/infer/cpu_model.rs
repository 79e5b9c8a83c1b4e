//! A model on the CPU, by its engine: from crops to heatmaps without a tensor in between.

use super::{CpuBackbone, CpuTransformer};
use crate::gpu::ComputeDevice;
use crate::model::PoseNet;

/// Backbone and transformer of a model, ready for crops.
pub struct CpuModel {
    /// From crops to features.
    pub backbone: CpuBackbone,
    /// From features to heatmaps.
    pub transformer: CpuTransformer,
}

impl CpuModel {
    /// Takes the weights of a folded `model` if the CPU computes it and the engine knows its family; elsewhere Burn runs
    /// it.
    pub fn on(device: &ComputeDevice, model: &PoseNet) -> Option<CpuModel> {
        let tmpose = model.as_tmpose().filter(|_| !device.is_gpu())?;
        Some(CpuModel { backbone: CpuBackbone::new(model), transformer: CpuTransformer::new(tmpose) })
    }
}
