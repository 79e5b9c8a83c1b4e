//! Keypoints found where the heatmaps are, so that a few numbers come back instead of the maps.

use super::{DeviceHeatmaps, KernelError, Kernels, TensorBuffer, constant};
use crate::pose::{Keypoint, Size};
use crate::vision::{Decoding, gaussian_kernel};
use burn::prelude::*;
use std::sync::{Arc, mpsc};
use wgpu::{BufferDescriptor, BufferUsages};

/// Numbers that come back for a map: x, y, score.
const NUMBERS: usize = 3;

impl Kernels {
    /// The keypoints in the first `persons` of `maps` (`[B,J,H,W]`), in heatmap pixels as
    /// [`crate::vision::decode`] finds them, with a handle to each person's maps. Waits for them.
    ///
    /// # Errors
    /// The device fails.
    pub fn peaks(
        &self,
        maps: Tensor<4>,
        persons: usize,
        decoding: Decoding,
    ) -> Result<Vec<(Vec<Keypoint>, DeviceHeatmaps)>, KernelError> {
        let [batch, joints, height, width] = maps.dims();
        let size = Size::from_hw([height, width]);
        let persons = persons.min(batch);
        if persons * joints * size.area() == 0 {
            return Err(KernelError("there are no heatmaps to look at".into()));
        }
        let buffer = Arc::new(TensorBuffer::new(maps)?);
        let taps: Vec<f32> = match decoding {
            Decoding::Plain => Vec::new(),
            Decoding::Dark { blur } => gaussian_kernel(blur).iter().map(|&v| v as f32).collect(),
        };
        let params = [size.width, size.height, taps.len() as u32, 0];
        let params = constant(&self.device, bytemuck::cast_slice(&params), BufferUsages::UNIFORM);
        // A binding must not be empty.
        let shown = if taps.is_empty() { &[0.0][..] } else { &taps };
        let taps = constant(&self.device, bytemuck::cast_slice(shown), BufferUsages::STORAGE);
        let found =
            self.buffer("keypoints", persons * joints, BufferUsages::STORAGE | BufferUsages::COPY_SRC);
        let back =
            self.buffer("keypoints back", persons * joints, BufferUsages::MAP_READ | BufferUsages::COPY_DST);

        let mut commands = self.device.create_command_encoder(&Default::default());
        self.peaks.run(
            &self.device,
            &mut commands,
            [
                params.as_entire_binding(),
                buffer.binding(),
                taps.as_entire_binding(),
                found.as_entire_binding(),
            ],
            [joints as u32, persons as u32, 1],
        );
        commands.copy_buffer_to_buffer(&found, 0, &back, 0, back.size());
        let submission = self.queue.submit([commands.finish()]);
        let numbers = self.read(&back, submission)?;

        let person = |(person, numbers): (usize, &[f32])| {
            let keypoints: Vec<Keypoint> = numbers
                .as_chunks::<NUMBERS>()
                .0
                .iter()
                .map(|&[x, y, score]| Keypoint { x, y, score })
                .collect();
            let highest = keypoints.iter().map(|k| k.score).collect();
            let maps = DeviceHeatmaps { buffer: buffer.clone(), person, highest, joints, size };
            (keypoints, maps)
        };
        Ok(numbers.chunks_exact(joints * NUMBERS).enumerate().map(person).collect())
    }

    /// A buffer for the keypoints of `maps` maps.
    fn buffer(&self, label: &str, maps: usize, usage: BufferUsages) -> wgpu::Buffer {
        self.device.create_buffer(&BufferDescriptor {
            label: Some(label),
            size: (maps * NUMBERS * size_of::<f32>()) as u64,
            usage,
            mapped_at_creation: false,
        })
    }

    /// Waits for `submission` and reads what it left in `buffer`.
    fn read(
        &self,
        buffer: &wgpu::Buffer,
        submission: wgpu::SubmissionIndex,
    ) -> Result<Vec<f32>, KernelError> {
        let failed = |reason: &dyn std::fmt::Display| KernelError(reason.to_string());
        let (sender, receiver) = mpsc::channel();
        buffer.map_async(wgpu::MapMode::Read, .., move |mapped| {
            // Nobody listens any more when waiting has failed.
            let _ = sender.send(mapped);
        });
        let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: None };
        self.device.poll(wait).map_err(|e| failed(&e))?;
        receiver.recv().map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
        let view = buffer.get_mapped_range(..).map_err(|e| failed(&e))?;
        Ok(view.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }
}
