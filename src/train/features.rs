//! What frozen networks make of all samples, computed once: the backbone's features, a teacher's lessons.

use super::TrainError;
use super::events::TrainEvent;
use crate::data::features::{Fingerprint, to_patches};
use crate::data::{CacheKey, DataError, FeatureCache, Samples};
use crate::model::{TmPose, list_params};
use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use half::f16;
use rayon::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Crops a GPU takes at once.
const GPU_BATCH: usize = 32;

/// Where networks compute on crops of which size.
pub struct Networking {
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
    samples: &Samples,
    round: u64,
    model: &TmPose,
    with: &Networking,
    folder: &Path,
    tell: &mut dyn FnMut(TrainEvent),
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
    cached_records(title, samples, round, key, network, with, folder, tell, stop)
}

/// What `network` makes of the crops of pass `round` over the data, one record of `key`'s size for each;
/// `network` gets normalised pictures [B, 3, H, W] and returns their records one after the other.
#[allow(clippy::too_many_arguments)] // Two callers; a struct would only repeat these names.
pub fn cached_records(
    title: &str,
    samples: &Samples,
    round: u64,
    key: CacheKey,
    network: impl Fn(Tensor<4>) -> Vec<f16> + Sync,
    with: &Networking,
    folder: &Path,
    tell: &mut dyn FnMut(TrainEvent),
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
    let progress = |done| tell(TrainEvent::Features { set: title.into(), done, total });
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
    add_numbers(&model.backbone, &mut print);
    print.text()
}

/// Adds every number of a network's parameters to a fingerprint.
pub fn add_numbers(network: &impl Module, print: &mut Fingerprint) {
    struct Adder<'a>(&'a mut Fingerprint);
    impl ModuleVisitor for Adder<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            for value in param.val().inner().into_data().iter::<f32>() {
                self.0.add(&value.to_le_bytes());
            }
        }
    }
    network.visit(&mut Adder(print));
}
