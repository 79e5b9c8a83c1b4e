//! The network with everything around it.

use super::cpu::{CpuLevel, CpuNet, Map};
use super::decode::decode;
use super::letterbox::Letterbox;
use super::{DetectError, DetectSettings, DetectTimes, DetectorInfo, DetectorNet, Level, open};
use crate::gpu::ComputeDevice;
use crate::vision::Detection;
use burn::prelude::*;
use image::RgbImage;
use rayon::prelude::*;
use std::path::Path;
use std::time::Instant;

/// Pictures that go through the network at once; more go in several turns so that they cannot exhaust the device's
/// memory.
const MAX_BATCH: usize = 16;

/// A person detector on a device, ready for pictures.
pub struct Detector {
    runner: Runner,
    info: DetectorInfo,
    device: ComputeDevice,
}

/// The network in the form that is fastest where it runs.
#[allow(clippy::large_enum_variant)] // One of these exists per detector.
enum Runner {
    Burn(DetectorNet),
    Cpu(CpuNet),
}

impl Detector {
    /// Reads a detector's weights file, or RTMDet-nano's published `.onnx`, and moves the network to the device.
    ///
    /// # Errors
    /// The file is missing, damaged, of a pose network or of another format version.
    pub fn load(path: &Path, device: ComputeDevice) -> Result<Detector, DetectError> {
        let (net, info) = open(path, &device.device)?;
        Ok(Detector::from_parts(net, info, device))
    }

    /// Takes a network that lives on the device already.
    pub fn from_parts(net: DetectorNet, info: DetectorInfo, device: ComputeDevice) -> Detector {
        let runner = if device.is_gpu() { Runner::Burn(net) } else { Runner::Cpu(CpuNet::new(&net)) };
        Detector { runner, info, device }
    }

    /// What the weights were made of.
    pub fn info(&self) -> &DetectorInfo {
        &self.info
    }

    /// Where the network runs.
    pub fn device(&self) -> &ComputeDevice {
        &self.device
    }

    /// The people in a picture, best first, each once, their boxes inside the picture.
    ///
    /// # Errors
    /// The device fails.
    pub fn detect(
        &mut self,
        img: &RgbImage,
        settings: &DetectSettings,
    ) -> Result<(Vec<Detection>, DetectTimes), DetectError> {
        let (mut found, times) = self.detect_all(&[img], settings)?;
        Ok((found.pop().unwrap_or_default(), times))
    }

    /// [`Detector::detect`] for several pictures of any sizes, in their order; the durations are those of all.
    ///
    /// # Errors
    /// The device fails.
    pub fn detect_all(
        &mut self,
        pictures: &[&RgbImage],
        settings: &DetectSettings,
    ) -> Result<(Vec<Vec<Detection>>, DetectTimes), DetectError> {
        let started = Instant::now();
        let mut times = DetectTimes::default();
        let mut found = Vec::with_capacity(pictures.len());
        let side = self.info.config.input;
        for turn in pictures.chunks(MAX_BATCH) {
            let clock = Instant::now();
            let squares: Vec<Option<(Letterbox, Map)>> = turn
                .par_iter()
                .map(|picture| {
                    let letterbox = Letterbox::new(picture.dimensions().into(), side)?;
                    Some((letterbox, letterbox.square(picture)))
                })
                .collect();
            times.prepare += clock.elapsed();

            let clock = Instant::now();
            let seen: Vec<&Map> = squares.iter().flatten().map(|(_, square)| square).collect();
            let mut levels = self.run(&seen)?.into_iter();
            times.network += clock.elapsed();

            let clock = Instant::now();
            for (picture, square) in turn.iter().zip(&squares) {
                let said = square.as_ref().zip(square.as_ref().and_then(|_| levels.next()));
                found.push(said.map_or_else(Vec::new, |((letterbox, _), levels)| {
                    decode(&levels, letterbox, picture.dimensions().into(), settings)
                }));
            }
            times.decode += clock.elapsed();
        }
        times.whole = started.elapsed();
        Ok((found, times))
    }

    /// What the network says on squares of one size, picture by picture.
    fn run(&self, squares: &[&Map]) -> Result<Vec<Vec<CpuLevel>>, DetectError> {
        let net = match &self.runner {
            Runner::Cpu(net) => return Ok(squares.par_iter().map(|square| net.forward(square)).collect()),
            Runner::Burn(net) => net,
        };
        let Some([height, width]) = squares.first().map(|square| square.size()) else {
            return Ok(Vec::new());
        };
        let values: Vec<f32> = squares.iter().flat_map(|square| square.values.iter().copied()).collect();
        let data = TensorData::new(values, [squares.len(), height, width, 3]);
        let images = Tensor::<4>::from_data(data, &self.device.device).permute([0, 3, 1, 2]);
        let mut pictures = vec![Vec::new(); squares.len()];
        for level in net.forward(images) {
            for (picture, level) in pictures.iter_mut().zip(self.read_back(level)?) {
                picture.push(level);
            }
        }
        Ok(pictures)
    }

    /// One map of every picture of a batch.
    fn read_back(&self, level: Level) -> Result<Vec<CpuLevel>, DetectError> {
        let [_, _, height, width] = level.scores.dims();
        let scores = self.values(level.scores)?;
        let distances = self.values(level.distances.permute([0, 2, 3, 1]))?;
        let pictures = scores.chunks_exact(height * width).zip(distances.chunks_exact(4 * height * width));
        Ok(pictures
            .map(|(scores, distances)| CpuLevel {
                size: [height, width],
                scores: scores.to_vec(),
                distances: distances.as_chunks::<4>().0.to_vec(),
            })
            .collect())
    }

    fn values(&self, tensor: Tensor<4>) -> Result<Vec<f32>, DetectError> {
        let data = tensor.try_into_data().map_err(|e| self.failed(&e))?;
        data.try_into_vec::<f32>().map_err(|e| self.failed(&format!("{e:?}")))
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> DetectError {
        DetectError::Compute { name: self.device.name.clone(), reason: reason.to_string() }
    }
}
