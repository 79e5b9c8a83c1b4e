//! The stages of the network on a device, from a picture to keypoints. Frames ([`super::Estimator`]) and
//! whole sets (the evaluation) go through here, so they cannot disagree.
//!
//! Where tensors live behind wgpu, kernels of ours cut the crops and find the keypoints, so that of a
//! frame only its pixels go to the GPU (once, whoever else looks at it there) and three numbers a joint
//! come back. Elsewhere their twins in `vision/` do the same on the CPU.

use super::{
    CpuHeatmaps, CpuModel, DecodedHeatmaps, EnteringTokens, HeatmapBuffer, HeatmapRequest, InferError,
    Settings, StageTimes, Timing,
};
use crate::gpu::kernels::UploadedImage;
use crate::gpu::{ComputeDevice, DeviceImage};
use crate::model::{KeptTokens, PoseNet, PositionMode, TmPose, TokenSelection, mirrored_tokens};
use crate::pose::{Size, Skeleton};
use crate::vision::{Affine, CropBox, Decoding, Heatmaps, decode, normalize_into, normalized_pixels, warp};
use burn::prelude::*;
use image::RgbImage;
use rayon::prelude::*;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A folded model on its device.
#[derive(Clone, Copy)]
pub struct Network<'a> {
    /// Batch norms folded ([`PoseNet::fold`]).
    pub model: &'a PoseNet,
    /// The model for the CPU's engine ([`CpuModel::on`]); without it Burn runs the model.
    pub cpu: Option<&'a CpuModel>,
    /// Of the model's joints: the flip test swaps left and right.
    pub skeleton: &'a Skeleton,
    /// Where the model lives.
    pub device: &'a ComputeDevice,
    /// Which durations are measured.
    pub timing: Timing,
}

/// Crops or features of a batch.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // Made once a batch.
pub enum BatchMaps {
    /// `[B,C,H,W]` on the device.
    Device(Tensor<4>),
    /// Of each person `[H,W,C]`, for the CPU's engine.
    Memory(Vec<Vec<f32>>),
}

/// What the backbone saw in a batch of crops. Any number of settings can be run from it.
pub struct BackboneFeatures {
    /// C channels at a quarter of the crops' size.
    straight: BatchMaps,
    /// The same of the mirrored crops, for the flip test.
    mirrored: Option<BatchMaps>,
    /// How many of the batch are persons; the rest fills it up to a size that the device has seen.
    persons: usize,
}

/// What was found in a batch.
pub struct BatchKeypoints {
    /// Of each person, in the order of the crops.
    pub people: Vec<DecodedHeatmaps>,
    /// The visual tokens that the network worked on.
    pub kept: KeptTokens,
}

/// Heatmaps as they come out of the head: read back at once where the CPU computes.
#[allow(clippy::large_enum_variant)] // Made once a batch and taken apart at once.
pub(super) enum HeadOutput {
    Memory(Vec<Heatmaps>),
    Device(Tensor<4>),
}

/// What a pass through everything behind the backbone makes.
pub(super) struct PassOutput {
    pub(super) maps: HeadOutput,
    pub(super) kept: KeptTokens,
}

impl Network<'_> {
    /// Cuts crops out of their pictures, normalised, for the device or for the CPU's engine. On a GPU their number is a
    /// power of two, since kernels are compiled and tuned for each size.
    ///
    /// # Errors
    /// The device fails.
    pub fn crops(&self, crops: &[(&DeviceImage, CropBox)]) -> Result<BatchMaps, InferError> {
        let input = self.model.config().input();
        let [height, width] = input.hw();
        let slots = if self.device.is_gpu() { crops.len().next_power_of_two() } else { crops.len() };
        let to_crop = |crop: &CropBox| Affine::from_crop(crop, 0.0, input);
        let uploaded: Option<Vec<Rc<UploadedImage>>> =
            crops.iter().map(|(image, _)| image.on(self.device)).collect();
        if let (Some(kernels), Some(uploaded)) = (self.device.kernels(), uploaded) {
            let crops: Vec<(&UploadedImage, Affine)> = uploaded
                .iter()
                .zip(crops)
                .map(|(picture, (_, crop))| (picture.as_ref(), to_crop(crop)))
                .collect();
            let cut = kernels.crop(&crops, slots, input, &self.device.device);
            return cut.map(BatchMaps::Device).map_err(|e| self.failed(&e));
        }
        let crops: Vec<(&RgbImage, Affine)> =
            crops.iter().map(|(image, crop)| (image.pixels(), to_crop(crop))).collect();
        if self.cpu.is_some() {
            let cut =
                |(pixels, to_crop): &(&RgbImage, Affine)| normalized_pixels(&warp(pixels, to_crop, input));
            return Ok(BatchMaps::Memory(crops.par_iter().map(cut).collect()));
        }
        let mut values = vec![0.0; slots * 3 * height * width];
        values.par_chunks_mut(3 * height * width).zip(&crops).for_each(|(out, (pixels, to_crop))| {
            normalize_into(&warp(pixels, to_crop, input), out);
        });
        let data = TensorData::new(values, [slots, 3, height, width]);
        Ok(BatchMaps::Device(Tensor::from_data(data, &self.device.device)))
    }

    /// Runs the backbone over crops of which the first `persons` count; with `flip_test` over the mirrored
    /// crops too.
    ///
    /// # Errors
    /// The device fails.
    pub fn features(
        &self,
        images: BatchMaps,
        persons: usize,
        flip_test: bool,
        times: &mut StageTimes,
    ) -> Result<BackboneFeatures, InferError> {
        let clock = Instant::now();
        let width = self.model.config().input().width as usize;
        let flipped = flip_test.then(|| images.mirrored(width));
        let mut see = |images| self.stage(&mut times.backbone, || Ok(self.see(images)));
        let straight = see(images)?;
        let mirrored = flipped.map(see).transpose()?;
        times.network += clock.elapsed();
        Ok(BackboneFeatures { straight, mirrored, persons })
    }

    fn see(&self, images: BatchMaps) -> BatchMaps {
        match (images, self.cpu) {
            (BatchMaps::Memory(crops), Some(cpu)) => BatchMaps::Memory(cpu.features(&crops)),
            (BatchMaps::Device(images), _) => BatchMaps::Device(self.model.features(images)),
            (BatchMaps::Memory(_), None) => unreachable!("crops for the engine are made where there is one"),
        }
    }

    /// [`Network::features`] and [`Network::keypoints`] for one setting: without a flip test the CPU's engine runs both as
    /// one.
    ///
    /// # Errors
    /// The device fails.
    pub fn estimate(
        &self,
        crops: BatchMaps,
        persons: usize,
        entering: &[usize],
        settings: &Settings,
        wanted: HeatmapRequest,
        times: &mut StageTimes,
    ) -> Result<BatchKeypoints, InferError> {
        let (BatchMaps::Memory(crops), Some(cpu), false) = (&crops, self.cpu, settings.flip_test) else {
            let features = self.features(crops, persons, settings.flip_test, times)?;
            return self.keypoints(&features, entering, settings, wanted, times);
        };
        let clock = Instant::now();
        let tokens = EnteringTokens { kept: entering, positions: settings.budget.positions };
        let PassOutput { maps, kept } = on_cpu(tokens, times, || cpu.heatmaps(crops, tokens));
        let network = clock.elapsed();
        times.network += network;
        let people = self.find(maps, persons, settings.decoding, wanted)?;
        times.decode += clock.elapsed().saturating_sub(network);
        Ok(BatchKeypoints { people, kept })
    }

    /// The keypoints of each person of the batch, the heatmaps that they were found in, and the visual tokens that the
    /// network worked on. `entering` are the tokens that `settings` lets into the first layer; the flip test takes their
    /// mirror images in the mirrored crop, and runs only on features that have one.
    ///
    /// # Errors
    /// The device fails.
    pub fn keypoints(
        &self,
        features: &BackboneFeatures,
        entering: &[usize],
        settings: &Settings,
        wanted: HeatmapRequest,
        times: &mut StageTimes,
    ) -> Result<BatchKeypoints, InferError> {
        let clock = Instant::now();
        let persons = features.persons;
        let PassOutput { mut maps, kept } =
            self.pass(&features.straight, persons, entering, settings, times)?;
        let mirrored = features.mirrored.as_ref().filter(|_| settings.flip_test);
        let flipped = match mirrored {
            None => None,
            Some(feature) => {
                let entering = mirrored_tokens(entering, self.model.config().grid());
                Some(self.pass(feature, persons, &entering, settings, times)?.maps)
            }
        };
        let network = clock.elapsed();
        times.network += network;
        if let Some(flipped) = flipped {
            maps = self.averaged(maps, flipped);
        }
        let found = self.find(maps, persons, settings.decoding, wanted)?;
        let decode = clock.elapsed().saturating_sub(network);
        if self.timing == Timing::WholeOnly && self.device.is_gpu() {
            // What came before was only ordered; the device has done it by now.
            times.network += decode;
        } else {
            times.decode += decode;
        }
        Ok(BatchKeypoints { people: found, kept })
    }

    /// Everything behind the backbone.
    fn pass(
        &self,
        feature: &BatchMaps,
        persons: usize,
        entering: &[usize],
        settings: &Settings,
        times: &mut StageTimes,
    ) -> Result<PassOutput, InferError> {
        let feature = match (feature, self.cpu) {
            (BatchMaps::Memory(features), Some(cpu)) => {
                let entering = EnteringTokens { kept: entering, positions: settings.budget.positions };
                return Ok(on_cpu(entering, times, || cpu.heatmaps_of_features(features, entering)));
            }
            (BatchMaps::Device(feature), _) => feature.clone(),
            (BatchMaps::Memory(_), None) => unreachable!("only the engine's backbone makes such features"),
        };
        match self.model.as_tmpose() {
            Some(model) => {
                let positions = settings.budget.positions;
                let maps = self.pass_in_stages(model, feature, persons, entering, positions, times)?;
                Ok(PassOutput { maps, kept: KeptTokens::shared(entering.to_vec()) })
            }
            None => self.pass_as_a_whole(feature, persons, settings, times),
        }
    }

    /// The pass of a family that has no stages to be timed: all of it counts as the transformer's.
    pub(super) fn pass_as_a_whole(
        &self,
        feature: Tensor<4>,
        persons: usize,
        settings: &Settings,
        times: &mut StageTimes,
    ) -> Result<PassOutput, InferError> {
        self.stage(&mut times.transformer, || {
            let output = self.model.heatmaps(feature, &settings.budget);
            let maps = if self.device.is_gpu() {
                HeadOutput::Device(output.heatmaps)
            } else {
                HeadOutput::Memory(self.read_back(output.heatmaps, persons)?)
            };
            Ok(PassOutput { maps, kept: output.kept })
        })
    }

    /// The pass of a [`TmPose`], stage by stage.
    fn pass_in_stages(
        &self,
        model: &TmPose,
        feature: Tensor<4>,
        persons: usize,
        entering: &[usize],
        positions: PositionMode,
        times: &mut StageTimes,
    ) -> Result<HeadOutput, InferError> {
        let (all, device) = (model.config().tokens(), &self.device.device);
        let selection = TokenSelection::of_kept(entering, all, positions, feature.dims()[0], device);
        let tokens = self.stage(&mut times.mask, || Ok(model.tokens(feature.clone(), &selection)))?;
        let keypoints = self.stage(&mut times.transformer, || Ok(model.encode(tokens, &selection)))?;
        self.stage(&mut times.head, || {
            let maps = model.head(keypoints, feature);
            if self.device.is_gpu() {
                return Ok(HeadOutput::Device(maps));
            }
            Ok(HeadOutput::Memory(self.read_back(maps, persons)?))
        })
    }

    /// The mean of the heatmaps of a picture and those of its mirror image (docs/METHOD.md, "Flip test").
    fn averaged(&self, straight: HeadOutput, flipped: HeadOutput) -> HeadOutput {
        let mirror = self.skeleton.mirror();
        match (straight, flipped) {
            (HeadOutput::Memory(mut straight), HeadOutput::Memory(flipped)) => {
                for (map, flipped) in straight.iter_mut().zip(&flipped) {
                    map.average(&flipped.mirrored(&mirror));
                }
                HeadOutput::Memory(straight)
            }
            (HeadOutput::Device(straight), HeadOutput::Device(flipped)) => {
                HeadOutput::Device(mean(straight, flipped, &mirror))
            }
            // One device draws both.
            (straight, _) => straight,
        }
    }

    /// Finds the keypoints, where the maps are if there are kernels for it.
    pub(super) fn find(
        &self,
        maps: HeadOutput,
        persons: usize,
        decoding: Decoding,
        wanted: HeatmapRequest,
    ) -> Result<Vec<DecodedHeatmaps>, InferError> {
        let maps = match (maps, self.device.kernels()) {
            (HeadOutput::Memory(maps), _) => maps,
            (HeadOutput::Device(maps), None) => self.read_back(maps, persons)?,
            (HeadOutput::Device(maps), Some(kernels)) => {
                let copy = (wanted == HeatmapRequest::InMemory).then(|| maps.clone());
                let found = kernels.peaks(maps, persons, decoding).map_err(|e| self.failed(&e))?;
                let mut copies = match copy {
                    Some(maps) => self.read_back(maps, persons)?,
                    None => Vec::new(),
                }
                .into_iter();
                return Ok(found
                    .into_iter()
                    .map(|(keypoints, maps)| DecodedHeatmaps {
                        keypoints,
                        maps: match wanted {
                            HeatmapRequest::None => None,
                            HeatmapRequest::InMemory => copies.next().map(HeatmapBuffer::Memory),
                            HeatmapRequest::OnDevice => Some(HeatmapBuffer::Device(maps)),
                        },
                    })
                    .collect());
            }
        };
        let found = |maps: Heatmaps| {
            let keypoints = decode(&maps, decoding);
            DecodedHeatmaps {
                keypoints,
                maps: (wanted != HeatmapRequest::None).then_some(HeatmapBuffer::Memory(maps)),
            }
        };
        Ok(maps.into_par_iter().map(found).collect())
    }

    /// Brings the heatmaps of the first `persons` into the CPU's memory.
    fn read_back(&self, maps: Tensor<4>, persons: usize) -> Result<Vec<Heatmaps>, InferError> {
        let [batch, joints, height, width] = maps.dims();
        let maps = if persons < batch { maps.narrow(0, 0, persons) } else { maps };
        let values = self.memory(maps)?;
        Ok(values
            .chunks_exact(joints * height * width)
            .map(|person| Heatmaps { values: person.to_vec(), joints, size: Size::from_hw([height, width]) })
            .collect())
    }

    /// A tensor's numbers in the CPU's memory, row-major.
    fn memory<const D: usize>(&self, tensor: Tensor<D>) -> Result<Vec<f32>, InferError> {
        let data = tensor.try_into_data().map_err(|e| self.failed(&e))?;
        data.try_into_vec::<f32>().map_err(|e| self.failed(&format!("{e:?}")))
    }

    /// Runs a stage and adds its time, where the time can be known.
    fn stage<T>(
        &self,
        time: &mut Duration,
        work: impl FnOnce() -> Result<T, InferError>,
    ) -> Result<T, InferError> {
        let clock = Instant::now();
        let made = work()?;
        self.wait_for_stage()?;
        if self.timing == Timing::Stages || !self.device.is_gpu() {
            *time += clock.elapsed();
        }
        Ok(made)
    }

    /// Waits for the device when stages are timed on their own.
    ///
    /// # Errors
    /// The device fails.
    pub fn wait_for_stage(&self) -> Result<(), InferError> {
        if self.timing == Timing::Stages {
            self.device.device.sync().map_err(|e| self.failed(&e))
        } else {
            Ok(())
        }
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> InferError {
        InferError::Compute { name: self.device.name.clone(), reason: reason.to_string() }
    }
}

impl BatchMaps {
    /// The mirrored pictures, `width` pixels wide.
    fn mirrored(&self, width: usize) -> BatchMaps {
        match self {
            BatchMaps::Device(images) => BatchMaps::Device(images.clone().flip([3])),
            BatchMaps::Memory(crops) => {
                let mirror = |crop: &Vec<f32>| -> Vec<f32> {
                    let rows = crop.as_chunks::<3>().0.chunks_exact(width);
                    rows.flat_map(|row| row.iter().rev().copied()).flatten().collect()
                };
                BatchMaps::Memory(crops.iter().map(mirror).collect())
            }
        }
    }
}

/// What the CPU's engine makes by `run`, and how long its stages took. Persons run beside each other: of the time that
/// passed, each stage gets its share.
fn on_cpu(entering: EnteringTokens, times: &mut StageTimes, run: impl FnOnce() -> CpuHeatmaps) -> PassOutput {
    let clock = Instant::now();
    let CpuHeatmaps { maps, times: stages } = run();
    let by = clock.elapsed().as_secs_f64() / stages.sum().as_secs_f64().max(f64::MIN_POSITIVE);
    times.backbone += stages.backbone.mul_f64(by);
    times.mask += stages.tokens.mul_f64(by);
    times.transformer += stages.transformer.mul_f64(by);
    times.head += stages.head.mul_f64(by);
    PassOutput { maps: HeadOutput::Memory(maps), kept: KeptTokens::shared(entering.kept.to_vec()) }
}

/// The mean of heatmaps and of those of the mirrored picture, `[B,J,H,W]`: the twin of
/// [`Heatmaps::mirrored`] and [`Heatmaps::average`].
pub(super) fn mean(straight: Tensor<4>, flipped: Tensor<4>, mirror: &[usize]) -> Tensor<4> {
    let joints: Vec<i64> = mirror.iter().map(|&j| j as i64).collect();
    let joints = Tensor::<1, Int>::from_data(joints.as_slice(), &straight.device());
    (straight + flipped.flip([3]).select(1, joints)) * 0.5
}
