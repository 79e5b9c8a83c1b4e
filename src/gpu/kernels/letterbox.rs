//! Pictures put into the person detector's squares.

use super::{KernelError, Kernels, TensorBuffer, UploadedImage, constant};
use crate::pose::Size;
use crate::vision::{IMAGENET_MEAN, IMAGENET_STD, ResampleWeights, resample_weights};
use burn::prelude::*;
use wgpu::BufferUsages;

impl Kernels {
    /// Puts each picture, resized to the size beside it, at the top left of a square of `side` pixels
    /// whose rest is `padding` (0 to 255), and normalises it: a new tensor `[pictures, 3, side, side]` on `device`.
    /// What does not fit into the square is left out; a picture without pixels is all padding.
    ///
    /// # Errors
    /// The device fails.
    pub fn letterbox(
        &self,
        pictures: &[(&UploadedImage, Size)],
        side: usize,
        padding: u8,
        device: &Device,
    ) -> Result<Tensor<4>, KernelError> {
        let tensor = Tensor::<4>::empty([pictures.len(), 3, side, side], device);
        if pictures.is_empty() {
            return Ok(tensor);
        }
        // `tensor` and its clone have one memory; nobody else knows it yet, so it may be written to.
        let buffer = TensorBuffer::new(tensor.clone())?;
        let mut commands = self.device.create_command_encoder(&Default::default());
        for (slot, (picture, resized)) in pictures.iter().enumerate() {
            let Some(pixels) = &picture.buffer else { continue };
            let columns = resample_weights(picture.size.width as usize, resized.width as usize);
            let rows = resample_weights(picture.size.height as usize, resized.height as usize);
            let numbers = [picture.size.width as usize, columns.len(), rows.len(), side, slot];
            let mut params: Vec<u32> = numbers.iter().map(|&n| n as u32).collect();
            // WGSL aligns a vector of three numbers as one of four.
            params.extend([f32::from(padding), 0.0, 0.0].map(f32::to_bits));
            for [r, g, b] in [IMAGENET_MEAN, IMAGENET_STD] {
                params.extend([r, g, b, 0.0].map(f32::to_bits));
            }
            let params = constant(&self.device, bytemuck::cast_slice(&params), BufferUsages::UNIFORM);
            let plan =
                constant(&self.device, bytemuck::cast_slice(&plan(&columns, &rows)), BufferUsages::STORAGE);
            let groups = side.div_ceil(8) as u32;
            self.letterbox.run(
                &self.device,
                &mut commands,
                [
                    params.as_entire_binding(),
                    plan.as_entire_binding(),
                    pixels.as_entire_binding(),
                    buffer.binding(),
                ],
                [groups, groups, 1],
            );
        }
        self.queue.submit([commands.finish()]);
        Ok(tensor)
    }
}

/// The weights as the shader reads them: first index and place of the weights for each column and one end, the same
/// for rows, then the weights. About as many words as the picture is wide and high.
fn plan(columns: &[ResampleWeights], rows: &[ResampleWeights]) -> Vec<u32> {
    let mut weights = Vec::new();
    let mut plan = Vec::new();
    let begin = 2 * (columns.len() + 1 + rows.len() + 1);
    for list in [columns, rows] {
        for taps in list {
            plan.extend([taps.first as u32, (begin + weights.len()) as u32]);
            weights.extend(taps.weights.iter().map(|w| w.to_bits()));
        }
        plan.extend([0, (begin + weights.len()) as u32]);
    }
    plan.extend(weights);
    plan
}
