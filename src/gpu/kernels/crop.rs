//! Crops cut out of pictures that are on the GPU.

use super::{KernelError, Kernels, TensorBuffer, UploadedImage, constant};
use crate::pose::Size;
use crate::vision::{Affine, SamplingGrid};
use burn::prelude::*;
use wgpu::BufferUsages;

impl Kernels {
    /// Cuts a crop of `size` pixels for each of `crops` and normalises it, into a new tensor
    /// `[slots, 3, H, W]` on `device`. Slots beyond the crops repeat the last one. Without crops the tensor
    /// has undefined values.
    ///
    /// # Errors
    /// The device fails.
    pub fn crop(
        &self,
        crops: &[(&UploadedImage, Affine)],
        slots: usize,
        size: Size,
        device: &Device,
    ) -> Result<Tensor<4>, KernelError> {
        let [height, width] = size.hw();
        let tensor = Tensor::<4>::empty([slots.max(crops.len()), 3, height, width], device);
        let Some(last) = crops.last() else { return Ok(tensor) };
        // `tensor` and its clone have one memory; nobody else knows it yet, so it may be written to.
        let buffer = TensorBuffer::new(tensor.clone())?;
        let filled: Vec<_> =
            crops.iter().chain(std::iter::repeat(last)).take(slots.max(crops.len())).collect();
        let mut commands = self.device.create_command_encoder(&Default::default());
        let mut first = 0;
        for group in filled.chunk_by(|a, b| std::ptr::eq(a.0, b.0)) {
            let picture = group[0].0;
            let Some(pixels) = &picture.buffer else { continue };
            let mut plan = vec![picture.size.width as i32, picture.size.height as i32];
            plan.extend([size.width as i32, size.height as i32, first as i32]);
            for (_, image_to_crop) in group {
                let grid = SamplingGrid::new(image_to_crop, size);
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
                    buffer.binding(),
                ],
                [size.width.div_ceil(8), size.height.div_ceil(8), group.len() as u32],
            );
            first += group.len();
        }
        self.queue.submit([commands.finish()]);
        Ok(tensor)
    }
}
