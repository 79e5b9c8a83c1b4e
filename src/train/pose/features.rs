//! The outputs of frozen networks for all samples, computed once and kept on disk: the backbone's features, a teacher's
//! targets.

use super::cached::TeacherTargetsCache;
use super::events::PoseEvent;
use crate::data::features::{Fingerprint, to_patches};
use crate::data::{CacheKey, CropDataset, DataError, FeatureCache};
use crate::gpu::ComputeDevice;
use crate::infer::CpuModel;
use crate::model::{PoseNet, PoseNetConfig, list_params, numbers};
use crate::pose::Size;
use crate::train::TrainError;
use crate::train::config::TrainConfig;
use crate::train::distill::Teacher;
use crate::train::parameters::hash_params;
use crate::train::run_folder::{SpaceNeed, file_size, size_text};
use burn::module::Module;
use burn::prelude::*;
use half::f16;
use rayon::prelude::*;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Number of crops that a GPU computes at once.
const GPU_BATCH: usize = 32;
/// Folders in the cache: features of the training and validation samples, targets of the teacher.
const TRAIN: &str = "train";
const VAL: &str = "val";
const TEACHER: &str = "teacher";

/// Reads and fills the cache of features.
pub struct FeatureBuilder<'a> {
    /// Computes the features; without autodiff.
    device: Device,
    on_gpu: bool,
    /// Height and width of a crop, in pixels.
    input: Size,
    /// Folder of the cache.
    folder: PathBuf,
    /// Gets the progress.
    pub emit: &'a mut dyn FnMut(PoseEvent),
    /// Ends the work when it is raised; the next run goes on from there.
    stop: &'a AtomicBool,
}

impl<'a> FeatureBuilder<'a> {
    /// For crops of `input` pixels, with the network on `device`.
    pub fn new(
        config: &TrainConfig,
        device: &ComputeDevice,
        input: Size,
        emit: &'a mut dyn FnMut(PoseEvent),
        stop: &'a AtomicBool,
    ) -> FeatureBuilder<'a> {
        let (on_gpu, device) = (device.is_gpu(), device.device.clone());
        FeatureBuilder { device, on_gpu, input, folder: cache_folder(config), emit, stop }
    }
    /// Features of the training samples in draw number `draw` of their crops; `None` when the work was stopped.
    ///
    /// The record of a picture that cannot be decoded starts with NaN ([`is_unreadable`](super::cached::is_unreadable)).
    ///
    /// # Errors
    /// The cache cannot be read or written.
    pub fn train_features(
        &mut self,
        samples: &CropDataset,
        draw: u64,
        model: &PoseNet,
    ) -> Result<Option<FeatureCache>, TrainError> {
        let part = draw_folder(TRAIN, draw);
        self.features(&part, samples, draw, model)
    }

    /// As [`FeatureBuilder::train_features`], for the validation samples.
    ///
    /// # Errors
    /// The cache cannot be read or written.
    pub fn val_features(
        &mut self,
        samples: &CropDataset,
        model: &PoseNet,
    ) -> Result<Option<FeatureCache>, TrainError> {
        self.features(VAL, samples, 0, model)
    }

    /// The targets of `teacher` for the crops of draw number `draw`; `None` when the work was stopped.
    ///
    /// # Errors
    /// The cache cannot be read or written.
    pub fn teacher_targets(
        &mut self,
        teacher: &Teacher,
        samples: &CropDataset,
        draw: u64,
    ) -> Result<Option<TeacherTargetsCache>, TrainError> {
        let shape = teacher.shape.clone();
        let row = shape.len();
        // A row of targets is one token with one patch of the row's numbers.
        let key = CacheKey {
            format: CacheKey::FORMAT,
            backbone: teacher.fingerprint.clone(),
            samples: samples.fingerprint(draw),
            count: samples.len(),
            tokens: 1,
            patch_values: row,
            channels: row,
        };
        let title = if draw == 0 { "the teacher".into() } else { format!("the teacher, draw {}", draw + 1) };
        let network = |images: Tensor<4>| {
            let rows: Vec<f32> = teacher.targets(images).into_data().iter::<f32>().collect();
            rows.into_iter().map(f16::from_f32).collect()
        };
        let part = draw_folder(TEACHER, draw);
        let cache = self.records(&title, &part, samples, draw, key, network)?;
        Ok(cache.map(|cache| TeacherTargetsCache::new(cache, shape)))
    }

    fn features(
        &mut self,
        part: &str,
        samples: &CropDataset,
        draw: u64,
        model: &PoseNet,
    ) -> Result<Option<FeatureCache>, TrainError> {
        let config = model.config().clone();
        let (channels, map) = (config.feature_channels(), config.feature_size());
        let key = CacheKey {
            format: CacheKey::FORMAT,
            backbone: backbone_fingerprint(model),
            samples: samples.fingerprint(draw),
            count: samples.len(),
            tokens: config.tokens(),
            patch_values: config.patch_values(),
            channels,
        };
        let model = model.valid().fold();
        let engine = if self.on_gpu { None } else { CpuModel::new(&model) };
        let crop = 3 * self.input.area();
        let network = |images: Tensor<4>| {
            let maps = match &engine {
                Some(engine) => {
                    let crops = numbers(images.permute([0, 2, 3, 1]));
                    let crops: Vec<Vec<f32>> = crops.chunks_exact(crop).map(<[f32]>::to_vec).collect();
                    engine.features(&crops).concat()
                }
                None => numbers(model.features(images).permute([0, 2, 3, 1])),
            };
            let mut out = Vec::with_capacity(maps.len());
            let crops = maps.chunks_exact(channels * map.area());
            crops.for_each(|values| to_patches(values, channels, map, config.patch(), &mut out));
            out
        };
        self.records(part, part, samples, draw, key, network)
    }

    /// The outputs of `network` for the crops, one record of `key`'s size for each. `network` gets normalised crops
    /// [B, 3, H, W] and returns their records one after the other. `title` is shown with the progress.
    fn records(
        &mut self,
        title: &str,
        part: &str,
        samples: &CropDataset,
        draw: u64,
        key: CacheKey,
        network: impl Fn(Tensor<4>) -> Vec<f16> + Sync,
    ) -> Result<Option<FeatureCache>, TrainError> {
        let FeatureBuilder { device, on_gpu, input, folder, emit, stop } = self;
        let (on_gpu, [height, width]) = (*on_gpu, input.hw());
        let record = key.tokens * key.patch_values;
        let total = key.count;
        let unreadable = vec![f16::NAN; record];
        let records = |indices: &[usize]| -> Vec<f16> {
            let pixels: Vec<Result<Vec<f32>, DataError>> =
                indices.par_iter().map(|&i| samples.pixels(i, &samples.draw(i, draw))).collect();
            let good: Vec<f32> = pixels.iter().flatten().flatten().copied().collect();
            let count = pixels.iter().filter(|p| p.is_ok()).count();
            if count == 0 {
                return unreadable.repeat(indices.len());
            }
            let images = TensorData::new(good, [count, 3, height, width]);
            let made = network(Tensor::<4>::from_data(images, &*device));
            let mut made = made.chunks_exact(record);
            let mut out = Vec::with_capacity(indices.len() * record);
            for pixel in &pixels {
                out.extend_from_slice(pixel.is_ok().then(|| made.next()).flatten().unwrap_or(&unreadable));
            }
            out
        };
        let compute = |range: Range<usize>| -> Result<Vec<f16>, TrainError> {
            let indices: Vec<usize> = range.collect();
            Ok(if on_gpu {
                indices.chunks(GPU_BATCH).flat_map(records).collect()
            } else {
                // One crop for each core: a small convolution gains little from several cores.
                let parts: Vec<Vec<f16>> = indices.par_chunks(1).map(records).collect();
                parts.concat()
            })
        };
        let progress = |done| emit(PoseEvent::Features { set: title.into(), done, total });
        FeatureCache::open_or_build(&folder.join(part), key, compute, progress, || {
            stop.load(Ordering::SeqCst)
        })
    }
}

/// The folder of the cache.
fn cache_folder(config: &TrainConfig) -> PathBuf {
    config.data.cache.clone().unwrap_or_else(|| config.run.out.join("features"))
}

/// The space for the cache of a training with a frozen backbone: features of `train` samples in every draw and of `val`
/// samples, and `teacher_values` numbers of a teacher for each crop.
pub fn cache_need(
    config: &TrainConfig,
    model: &PoseNetConfig,
    [train, val]: [usize; 2],
    teacher_values: usize,
) -> SpaceNeed {
    let record = (model.tokens() * model.patch_values() * 2) as u64;
    let folder = cache_folder(config);
    let draws = config.data.draws.max(1);
    let parts = std::iter::once(VAL.to_owned())
        .chain((0..draws).flat_map(|draw| [draw_folder(TRAIN, draw), draw_folder(TEACHER, draw)]));
    let written: u64 = parts.map(|part| file_size(&folder.join(part).join("features.bin"))).sum();
    let all = record * (train as u64 * draws + val as u64) + 2 * teacher_values as u64 * train as u64 * draws;
    let what = match teacher_values {
        0 => format!("{} for cached features", size_text(all)),
        _ => format!("{} for cached features and the teacher's outputs", size_text(all)),
    };
    SpaceNeed { folder, bytes: all.saturating_sub(written), what, flag: "--cache" }
}

/// The folder in the cache for one draw of the crops; that of the first draw has no number.
fn draw_folder(part: &str, draw: u64) -> String {
    if draw == 0 { part.into() } else { format!("{part}-{draw}") }
}

/// Identifies the weights of the backbone, for the key of a cache.
fn backbone_fingerprint(model: &PoseNet) -> String {
    let mut fingerprint = Fingerprint::default();
    for param in list_params(model).iter().filter(|p| p.path.starts_with("backbone.")) {
        fingerprint.add(param.path.as_bytes());
    }
    hash_params(model.backbone(), &mut fingerprint);
    fingerprint.text()
}
