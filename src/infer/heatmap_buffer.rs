//! The heatmaps that come with a pose.

use crate::gpu::kernels::DeviceHeatmaps;
use crate::pose::Size;
use crate::vision::Heatmaps;

/// Whether heatmaps are asked for, and where they are needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeatmapRequest {
    /// No heatmaps.
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

    /// Size of each map in cells.
    pub fn size(&self) -> Size {
        match self {
            HeatmapBuffer::Memory(maps) => maps.size,
            HeatmapBuffer::Device(maps) => maps.size,
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
