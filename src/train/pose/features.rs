//! What frozen networks make of all samples, computed once: the backbone's features, a teacher's outputs.

use super::cached::TeacherTargetsCache;
use super::events::PoseEvent;
use crate::data::features::{Fingerprint, to_patches};
use crate::data::{CacheKey, CropDataset, DataError, FeatureCache};
use crate::model::{TmPose, list_params};
use crate::train::TrainError;
use crate::train::distill::Teacher;
use crate::train::parameters::hash_params;
use burn::module::Module;
use burn::prelude::*;
use half::f16;
use rayon::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Crops a GPU takes at once.
const GPU_BATCH: usize = 32;

/// Where networks compute on crops of which size.
pub struct FeatureContext {
    pub device: Device,
    pub on_gpu: bool,
    /// Height and width of a crop.
    pub input: [usize; 2],
}

/// The features of `samples` in `folder`, each drawn as in pass `round` over the data; built where they
/// are missing. `None` when `stop` was raised.
///
/// A record of a picture that cannot be decoded starts with NaN ([`is_bad`]).
#[allow(clippy::too_many_arguments)] // Two callers; a struct would only repeat these names.
pub fn cached_features(
    title: &str,
    samples: &CropDataset,
    round: u64,
    model: &TmPose,
    with: &FeatureContext,
    folder: &Path,
    emit: &mut dyn FnMut(PoseEvent),
    stop: &AtomicBool,
) -> Result<Option<FeatureCache>, TrainError> {
    let config = model.config().clone();
    let (channels, hw) = (config.feature_channels, [config.input[0] / 4, config.input[1] / 4]);
    let key = CacheKey {
        format: CacheKey::FORMAT,
        backbone: backbone_print(model),
        samples: samples.fingerprint(round),
        count: samples.len(),
        tokens: config.tokens(),
        patch_values: config.patch_values(),
        channels,
    };
    let model = model.valid().fold();
    let network = |images: Tensor<4>| {
        let maps: Vec<f32> = model.backbone(images).into_data().iter::<f32>().collect();
        let mut out = Vec::with_capacity(maps.len());
        let crops = maps.chunks_exact(channels * hw[0] * hw[1]);
        crops.for_each(|map| to_patches(map, channels, hw, config.patch, &mut out));
        out
    };
    cached_records(title, samples, round, key, network, with, folder, emit, stop)
}

/// What `teacher` says about the crops of pass `round` over the data: opens the rows in `folder`, or lets the teacher
/// compute what is missing. `None` when `stop` was raised; the next call goes on.
pub fn cached_teacher_targets(
    teacher: &Teacher,
    samples: &CropDataset,
    round: u64,
    with: &FeatureContext,
    folder: &Path,
    emit: &mut dyn FnMut(PoseEvent),
    stop: &AtomicBool,
) -> Result<Option<TeacherTargetsCache>, TrainError> {
    let shape = teacher.shape.clone();
    let row = shape.len();
    // A row of targets is one token with one patch of the row's numbers.
    let key = CacheKey {
        format: CacheKey::FORMAT,
        backbone: teacher.print.clone(),
        samples: samples.fingerprint(round),
        count: samples.len(),
        tokens: 1,
        patch_values: row,
        channels: row,
    };
    let title = if round == 0 { "the teacher".into() } else { format!("the teacher, draw {}", round + 1) };
    let network = |images: Tensor<4>| {
        let rows: Vec<f32> = teacher.targets(images).into_data().iter::<f32>().collect();
        rows.into_iter().map(half::f16::from_f32).collect()
    };
    let cache = cached_records(&title, samples, round, key, network, with, folder, emit, stop)?;
    Ok(cache.map(|cache| TeacherTargetsCache::new(cache, shape)))
}

/// What `network` makes of the crops of pass `round` over the data, one record of `key`'s size for each;
/// `network` gets normalised pictures [B, 3, H, W] and returns their records one after the other.
#[allow(clippy::too_many_arguments)] // Two callers; a struct would only repeat these names.
fn cached_records(
    title: &str,
    samples: &CropDataset,
    round: u64,
    key: CacheKey,
    network: impl Fn(Tensor<4>) -> Vec<f16> + Sync,
    with: &FeatureContext,
    folder: &Path,
    emit: &mut dyn FnMut(PoseEvent),
    stop: &AtomicBool,
) -> Result<Option<FeatureCache>, TrainError> {
    let record = key.tokens * key.patch_values;
    let total = key.count;
    let bad = vec![f16::NAN; record];
    let records = |indices: &[usize]| -> Vec<f16> {
        let pixels: Vec<Result<Vec<f32>, DataError>> =
            indices.par_iter().map(|&i| samples.pixels(i, &samples.draw(i, round))).collect();
        let good: Vec<f32> = pixels.iter().flatten().flatten().copied().collect();
        let count = pixels.iter().filter(|p| p.is_ok()).count();
        if count == 0 {
            return bad.repeat(indices.len());
        }
        let shape = [count, 3, with.input[0], with.input[1]];
        let made = network(Tensor::<4>::from_data(TensorData::new(good, shape), &with.device));
        let mut made = made.chunks_exact(record);
        let mut out = Vec::with_capacity(indices.len() * record);
        for pixel in &pixels {
            out.extend_from_slice(pixel.is_ok().then(|| made.next()).flatten().unwrap_or(&bad));
        }
        out
    };
    let compute = |range: std::ops::Range<usize>| -> Result<Vec<f16>, TrainError> {
        let indices: Vec<usize> = range.collect();
        Ok(if with.on_gpu {
            indices.chunks(GPU_BATCH).flat_map(records).collect()
        } else {
            // One crop a core: small convolutions share their work badly among cores.
            let parts: Vec<Vec<f16>> = indices.par_chunks(1).map(records).collect();
            parts.concat()
        })
    };
    let progress = |done| emit(PoseEvent::Features { set: title.into(), done, total });
    FeatureCache::open_or_build(folder, key, compute, progress, || stop.load(Ordering::SeqCst))
}

/// True when the sample's picture could not be decoded.
pub fn is_bad(cache: &FeatureCache, index: usize) -> bool {
    cache.sample(index).first().is_some_and(|v| v.is_nan())
}

fn backbone_print(model: &TmPose) -> String {
    let mut print = Fingerprint::default();
    for param in list_params(model).iter().filter(|p| p.path.starts_with("backbone.")) {
        print.add(param.path.as_bytes());
    }
    hash_params(&model.backbone, &mut print);
    print.text()
}
