//! The heatmaps that come with a pose.

use crate::gpu::kernels::DeviceHeatmaps;
use crate::vision::Heatmaps;

/// Whether heatmaps are asked for, and where they are needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeatmapRequest {
    #[default]
    None,
    /// In the CPU's memory; from a GPU they are read back.
    InMemory,
    /// Where they were drawn: a handle on a wgpu device, the maps themselves elsewhere.
    OnDevice,
}

/// A person's heatmaps.
#[derive(Clone, Debug)]
pub enum HeatmapBuffer {
    /// In the CPU's memory.
    Memory(Heatmaps),
    /// Still in the network's own buffer on the wgpu device; [`crate::gpu::kernels::Kernels`] colours them.
    Device(DeviceHeatmaps),
}

impl HeatmapBuffer {
    /// The maps, if they are in the CPU's memory.
    pub fn in_memory(&self) -> Option<&Heatmaps> {
        match self {
            HeatmapBuffer::Memory(maps) => Some(maps),
            HeatmapBuffer::Device(_) => None,
        }
    }

    /// Height and width of a map.
    pub fn hw(&self) -> [usize; 2] {
        match self {
            HeatmapBuffer::Memory(maps) => [maps.height, maps.width],
            HeatmapBuffer::Device(maps) => [maps.height, maps.width],
        }
    }
}

/// What was found in a person's heatmaps.
#[derive(Clone, Debug)]
pub struct DecodedHeatmaps {
    /// In heatmap pixels.
    pub keypoints: Vec<crate::pose::Keypoint>,
    /// The maps, as far as they were wanted.
    pub maps: Option<HeatmapBuffer>,
}
