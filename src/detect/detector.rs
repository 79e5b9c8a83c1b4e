//! The network with everything around it.

use super::cpu_net::CpuNet;
use super::decode::{LevelValues, decode};
use super::letterbox::Letterbox;
use super::{DetectError, DetectSettings, DetectTimes, DetectorInfo, DetectorNet, Level, open, squares};
use crate::gpu::{ComputeDevice, DeviceImage};
use crate::pose::Size;
use crate::vision::Detection;
use burn::prelude::*;
use image::RgbImage;
use std::path::Path;
use std::time::Instant;

/// Pictures that go through the network at once; more go in several batches so that they cannot exhaust the device's
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
        let input = Size::square(info.config.input as u32);
        let runner = if device.is_gpu() { Runner::Burn(net) } else { Runner::Cpu(CpuNet::new(&net, input)) };
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
        self.detect_image(&DeviceImage::new(img), settings)
    }

    /// [`Detector::detect`] for a picture that other networks look at too: it is uploaded to a device once.
    ///
    /// # Errors
    /// The device fails.
    pub fn detect_image(
        &mut self,
        image: &DeviceImage,
        settings: &DetectSettings,
    ) -> Result<(Vec<Detection>, DetectTimes), DetectError> {
        let started = Instant::now();
        let mut times = DetectTimes::default();
        let mut found = self.turn(&[image], settings, &mut times)?;
        times.whole = started.elapsed();
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
        for turn in pictures.chunks(MAX_BATCH) {
            let images: Vec<DeviceImage> = turn.iter().map(|picture| DeviceImage::new(picture)).collect();
            found.extend(self.turn(&images.iter().collect::<Vec<_>>(), settings, &mut times)?);
        }
        times.whole = started.elapsed();
        Ok((found, times))
    }

    /// The people in each of some pictures, which go through the network as one batch.
    fn turn(
        &self,
        pictures: &[&DeviceImage],
        settings: &DetectSettings,
        times: &mut DetectTimes,
    ) -> Result<Vec<Vec<Detection>>, DetectError> {
        let size = |image: &DeviceImage| Size::from(image.pixels().dimensions());
        let letterboxes: Vec<Option<Letterbox>> =
            pictures.iter().map(|image| Letterbox::new(size(image), self.info.config.input)).collect();
        let placed: Vec<(&DeviceImage, Letterbox)> = pictures
            .iter()
            .zip(&letterboxes)
            .filter_map(|(image, letterbox)| Some((*image, (*letterbox)?)))
            .collect();
        let mut levels = self.levels(&placed, times)?.into_iter();
        let clock = Instant::now();
        let mut found = Vec::with_capacity(pictures.len());
        for (image, letterbox) in pictures.iter().zip(&letterboxes) {
            let said = letterbox.as_ref().and_then(|letterbox| Some((letterbox, levels.next()?)));
            found.push(said.map_or_else(Vec::new, |(letterbox, levels)| {
                decode(&levels, letterbox, size(image), settings)
            }));
        }
        times.decode += clock.elapsed();
        Ok(found)
    }

    /// What the network says, picture by picture.
    fn levels(
        &self,
        placed: &[(&DeviceImage, Letterbox)],
        times: &mut DetectTimes,
    ) -> Result<Vec<Vec<LevelValues>>, DetectError> {
        if placed.is_empty() {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        let (levels, prepared) = match &self.runner {
            Runner::Cpu(net) => {
                let squares = squares::in_memory(placed);
                let prepared = started.elapsed();
                (net.forward(&squares), prepared)
            }
            Runner::Burn(net) => {
                let images = squares::on_device(placed, self.info.config.input, &self.device)
                    .map_err(|e| self.failed(&e))?;
                let prepared = started.elapsed();
                let mut pictures = vec![Vec::new(); placed.len()];
                for level in net.forward(images) {
                    for (picture, level) in pictures.iter_mut().zip(self.read_back(level)?) {
                        picture.push(level);
                    }
                }
                (pictures, prepared)
            }
        };
        times.prepare += prepared;
        times.network += started.elapsed().saturating_sub(prepared);
        Ok(levels)
    }

    /// One map of every picture of a batch.
    fn read_back(&self, level: Level) -> Result<Vec<LevelValues>, DetectError> {
        let [_, _, height, width] = level.scores.dims();
        let scores = self.values(level.scores)?;
        let distances = self.values(level.distances.permute([0, 2, 3, 1]))?;
        let pictures = scores.chunks_exact(height * width).zip(distances.chunks_exact(4 * height * width));
        Ok(pictures
            .map(|(scores, distances)| LevelValues {
                size: Size::from_hw([height, width]),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::DetectorConfig;
    use crate::weights::TrainingRecord;

    #[test]
    fn burns_network_and_the_one_written_by_hand_say_the_same_of_pictures() {
        let cpu = ComputeDevice::cpu();
        cpu.device.seed(11);
        let noise = Tensor::random([2, 3, 64, 64], burn::tensor::Distribution::Default, &cpu.device);
        let net = DetectorConfig::default().init(&cpu.device).settled(noise);
        let info = DetectorInfo::new(DetectorConfig::default(), TrainingRecord::default());
        let pictures = [[70, 90], [0, 3], [400, 300]].map(|[w, h]: [u32; 2]| {
            RgbImage::from_fn(w, h, |x, y| image::Rgb([x as u8, y as u8, (x ^ y) as u8]))
        });
        // The second has the form of a GPU, but Burn's CPU backend.
        let [ours, burns] = [cpu, ComputeDevice::emulated_for_test()].map(|device| {
            let detector = Detector::from_parts(net.clone(), info.clone(), device);
            let images = pictures.each_ref().map(DeviceImage::new);
            let letterbox =
                |image| Some((image, Letterbox::new(DeviceImage::pixels(image).dimensions().into(), 320)?));
            let placed: Vec<(&DeviceImage, Letterbox)> = images.iter().filter_map(letterbox).collect();
            let mut times = DetectTimes::default();
            let levels = detector.levels(&placed, &mut times).unwrap();
            assert!(times.prepare > std::time::Duration::ZERO && times.network > std::time::Duration::ZERO);
            levels
        });
        assert_eq!((ours.len(), burns.len()), (2, 2));
        for (ours, burns) in ours.iter().flatten().zip(burns.iter().flatten()) {
            assert_eq!(ours.size, burns.size);
            let largest = ours.scores.iter().fold(1.0, |most: f32, v| most.max(v.abs()));
            let apart = ours.scores.iter().zip(&burns.scores).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-3 * largest, "{apart} of {largest}");
        }
    }
}
