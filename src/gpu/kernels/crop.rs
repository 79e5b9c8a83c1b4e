//! A picture's way to the GPU, and crops cut out of it there.

use super::{Behind, KernelError, Kernels, constant};
use crate::vision::{Affine, SamplingGrid};
use burn::prelude::*;
use image::RgbImage;
use std::num::NonZeroU64;
use std::sync::PoisonError;
use wgpu::{BufferDescriptor, BufferUsages};

/// Pictures that are kept ready for the next ones; more are given back to the driver.
const SPARE: usize = 4;

/// A picture in the GPU's memory. When it is dropped the next picture takes its place.
#[derive(Debug)]
pub struct Uploaded<'a> {
    kernels: &'a Kernels,
    /// Always there until it is dropped.
    buffer: Option<wgpu::Buffer>,
    width: u32,
    height: u32,
}

impl Drop for Uploaded<'_> {
    fn drop(&mut self) {
        let mut spare = self.kernels.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.extend(self.buffer.take());
        }
    }
}

impl Kernels {
    /// Copies a picture to the GPU: width x height x 3 bytes. `None` when it is larger than the GPU lets a
    /// kernel see at once.
    pub fn upload(&self, img: &RgbImage) -> Option<Uploaded<'_>> {
        let bytes = img.as_raw();
        let size = (bytes.len() as u64).next_multiple_of(4).max(4);
        let limits = self.device.limits();
        if size > limits.max_storage_buffer_binding_size.min(u64::from(u32::MAX))
            || size > limits.max_buffer_size
        {
            return None;
        }
        let spare = {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            spare.iter().position(|buffer| buffer.size() == size).map(|at| spare.swap_remove(at)).or_else(
                || {
                    // Pictures of another size do not come back, as a rule.
                    spare.clear();
                    None
                },
            )
        };
        let buffer = spare.unwrap_or_else(|| {
            self.device.create_buffer(&BufferDescriptor {
                label: Some("picture"),
                size,
                usage: BufferUsages::STORAGE | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        });
        let (width, height) = img.dimensions();
        if let (false, Some(size)) = (bytes.is_empty(), NonZeroU64::new(size)) {
            // Goes into the queue in front of the next submission.
            let mut view = self.queue.write_buffer_with(&buffer, 0, size)?;
            view.slice(..bytes.len()).copy_from_slice(bytes);
        }
        Some(Uploaded { kernels: self, buffer: Some(buffer), width, height })
    }

    /// Cuts a crop of `hw` pixels (height, width) for each of `crops` and normalises it, into a new tensor
    /// `[slots, 3, H, W]` on `device`. Slots beyond the crops repeat the last one. Without crops the tensor
    /// has undefined values.
    ///
    /// # Errors
    /// The device fails.
    pub fn crop(
        &self,
        crops: &[(&Uploaded<'_>, Affine)],
        slots: usize,
        hw: [usize; 2],
        device: &Device,
    ) -> Result<Tensor<4>, KernelError> {
        let [height, width] = hw;
        let tensor = Tensor::<4>::empty([slots.max(crops.len()), 3, height, width], device);
        let Some(last) = crops.last() else { return Ok(tensor) };
        // `tensor` and its clone have one memory; nobody else knows it yet, so it may be written to.
        let behind = Behind::new(tensor.clone())?;
        let filled: Vec<_> =
            crops.iter().chain(std::iter::repeat(last)).take(slots.max(crops.len())).collect();
        let mut commands = self.device.create_command_encoder(&Default::default());
        let mut first = 0;
        for group in filled.chunk_by(|a, b| std::ptr::eq(a.0, b.0)) {
            let picture = group[0].0;
            let Some(pixels) = &picture.buffer else { continue };
            let mut plan = vec![picture.width as i32, picture.height as i32];
            plan.extend([width as i32, height as i32, first as i32]);
            for (_, image_to_crop) in group {
                let grid = SamplingGrid::new(image_to_crop, [width, height]);
                plan.extend(grid.columns.iter().chain(&grid.rows).flatten());
            }
            let plan = constant(&self.device, bytemuck::cast_slice(&plan), BufferUsages::STORAGE);
            self.crop.run(
                &self.device,
                &mut commands,
                [
                    plan.as_entire_binding(),
                    pixels.as_entire_binding(),
                    self.normalized.as_entire_binding(),
                    behind.binding(),
                ],
                [width.div_ceil(8) as u32, height.div_ceil(8) as u32, group.len() as u32],
            );
            first += group.len();
        }
        self.queue.submit([commands.finish()]);
        Ok(tensor)
    }
}
