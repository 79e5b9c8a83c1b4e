//! What a frame needs beside the networks, on the GPU: the detector's squares and the pose network's crops cut
//! straight into their inputs, keypoints found in heatmaps, and heatmaps coloured for the window. The shaders
//! are in `shaders/`; each has a CPU twin in `vision/` (the detector's square: in `detect/`), and both give the
//! same numbers.
//!
//! Burn keeps its own list of work that is not submitted yet. Kernels here are submitted beside it, to the
//! same queue: what a kernel reads is flushed first ([`tensor::TensorBuffer`]), and what Burn does next is
//! submitted later, so the order is that of the calls. A tensor must be used on the thread that made it,
//! since Burn orders work by thread.

mod crop;
mod heat;
mod launch;
mod letterbox;
mod peaks;
mod tensor;
#[cfg(test)]
mod tests;
mod upload;

pub use heat::HeatTexture;
pub use tensor::DeviceHeatmaps;
pub use upload::UploadedImage;

use launch::ComputeKernel;
use std::sync::Mutex;
use tensor::TensorBuffer;
use wgpu::util::{BufferInitDescriptor, DeviceExt};

/// A kernel could not run, in the driver's words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct KernelError(pub(crate) String);

/// The compiled kernels of the wgpu device.
#[derive(Debug)]
pub struct Kernels {
    device: wgpu::Device,
    queue: wgpu::Queue,
    crop: ComputeKernel,
    letterbox: ComputeKernel,
    peaks: ComputeKernel,
    heat: ComputeKernel,
    /// [`crate::vision::normalization_table`].
    normalized: wgpu::Buffer,
    /// Buffers of pictures that are no longer in use; the next picture takes one.
    spare: Mutex<Vec<wgpu::Buffer>>,
    /// How many pictures went up.
    #[cfg(test)]
    pub(super) uploads: std::sync::atomic::AtomicUsize,
}

impl Kernels {
    /// Compiles the kernels for a device.
    pub(super) fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Kernels {
        let table = crate::vision::normalization_table().as_flattened();
        Kernels {
            crop: ComputeKernel::new(device, "crop", include_str!("../../../shaders/crop.wgsl")),
            letterbox: ComputeKernel::new(
                device,
                "letterbox",
                include_str!("../../../shaders/letterbox.wgsl"),
            ),
            peaks: ComputeKernel::new(device, "peaks", include_str!("../../../shaders/peaks.wgsl")),
            heat: ComputeKernel::new(device, "heat layer", include_str!("../../../shaders/heat_layer.wgsl")),
            normalized: constant(device, bytemuck::cast_slice(table), wgpu::BufferUsages::STORAGE),
            device: device.clone(),
            queue: queue.clone(),
            spare: Mutex::default(),
            #[cfg(test)]
            uploads: Default::default(),
        }
    }

    /// Whether a window that draws with `device` can draw what these kernels made.
    pub fn draws_with(&self, device: &wgpu::Device) -> bool {
        self.device == *device
    }
}

/// A small buffer that is written once.
fn constant(device: &wgpu::Device, contents: &[u8], usage: wgpu::BufferUsages) -> wgpu::Buffer {
    device.create_buffer_init(&BufferInitDescriptor { label: None, contents, usage })
}
