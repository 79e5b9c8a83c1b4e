//! A picture's way to the GPU.

use super::Kernels;
use crate::pose::Size;
use image::RgbImage;
use std::num::NonZeroU64;
use std::sync::{Arc, PoisonError};
use wgpu::{BufferDescriptor, BufferUsages};

/// Pictures that are kept ready for the next ones; more are given back to the driver.
const SPARE: usize = 4;

/// A picture in the GPU's memory. When it is dropped the next picture takes its place.
#[derive(Debug)]
pub struct UploadedImage {
    kernels: Arc<Kernels>,
    /// Always there until it is dropped.
    pub(super) buffer: Option<wgpu::Buffer>,
    pub(super) size: Size,
}

impl Drop for UploadedImage {
    fn drop(&mut self) {
        let mut spare = self.kernels.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.extend(self.buffer.take());
        }
    }
}

impl Kernels {
    /// Copies a picture to the GPU: width x height x 3 bytes. `None` when it is larger than the GPU lets a
    /// kernel see at once. [`DeviceImage`](crate::gpu::DeviceImage) does so once for all who look at a picture.
    pub fn upload(self: &Arc<Self>, img: &RgbImage) -> Option<UploadedImage> {
        let bytes = img.as_raw();
        let buffer_size = (bytes.len() as u64).next_multiple_of(4).max(4);
        let limits = self.device.limits();
        if buffer_size > limits.max_storage_buffer_binding_size.min(u64::from(u32::MAX))
            || buffer_size > limits.max_buffer_size
        {
            return None;
        }
        let spare = {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            spare
                .iter()
                .position(|buffer| buffer.size() == buffer_size)
                .map(|at| spare.swap_remove(at))
                .or_else(|| {
                    // Pictures of another size do not come back, as a rule.
                    spare.clear();
                    None
                })
        };
        let buffer = spare.unwrap_or_else(|| {
            self.device.create_buffer(&BufferDescriptor {
                label: Some("picture"),
                size: buffer_size,
                usage: BufferUsages::STORAGE | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        });
        if let (false, Some(buffer_size)) = (bytes.is_empty(), NonZeroU64::new(buffer_size)) {
            // Goes into the queue in front of the next submission.
            let mut view = self.queue.write_buffer_with(&buffer, 0, buffer_size)?;
            view.slice(..bytes.len()).copy_from_slice(bytes);
        }
        #[cfg(test)]
        self.uploads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Some(UploadedImage { kernels: self.clone(), buffer: Some(buffer), size: img.dimensions().into() })
    }
}
