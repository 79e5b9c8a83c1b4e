//! Backbone features of all samples, computed once.

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

/// The cache of `samples` in `folder`, each drawn as in pass `round` over the data; built where it is
/// missing. `None` when `stop` was raised.
///
/// A record of a picture that cannot be decoded starts with NaN ([`is_bad`]).
#[allow(clippy::too_many_arguments)] // Two callers; a struct would only repeat these names.
pub fn cached_features(
    title: &str,
    samples: &Samples,
    round: u64,
    model: &TmPose,
    on_gpu: bool,
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
    let record = key.tokens * key.patch_values;
    let model = model.valid().fold();
    let device = model.patch.weight.val().device();
    let total = key.count;
    let bad = vec![f16::NAN; record];
    let features = |indices: &[usize]| -> Vec<f16> {
        let pixels: Vec<Result<Vec<f32>, DataError>> =
            indices.par_iter().map(|&i| samples.pixels(i, &samples.draw(i, round))).collect();
        let good: Vec<f32> = pixels.iter().flatten().flatten().copied().collect();
        let count = pixels.iter().filter(|p| p.is_ok()).count();
        let mut out = Vec::with_capacity(indices.len() * record);
        if count == 0 {
            return bad.repeat(indices.len());
        }
        let shape = [count, 3, config.input[0], config.input[1]];
        let maps = model.backbone(Tensor::<4>::from_data(TensorData::new(good, shape), &device));
        let maps: Vec<f32> = maps.into_data().iter::<f32>().collect();
        let mut maps = maps.chunks_exact(channels * hw[0] * hw[1]);
        for pixel in &pixels {
            match pixel.is_ok().then(|| maps.next()).flatten() {
                Some(map) => to_patches(map, channels, hw, config.patch, &mut out),
                None => out.extend_from_slice(&bad),
            }
        }
        out
    };
    let compute = |range: std::ops::Range<usize>| -> Result<Vec<f16>, TrainError> {
        let indices: Vec<usize> = range.collect();
        Ok(if on_gpu {
            indices.chunks(GPU_BATCH).flat_map(features).collect()
        } else {
            // One crop a core: small convolutions share their work badly among cores.
            let parts: Vec<Vec<f16>> = indices.par_chunks(1).map(features).collect();
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
    struct Hasher(Fingerprint);
    impl ModuleVisitor for Hasher {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            for value in param.val().inner().into_data().iter::<f32>() {
                self.0.add(&value.to_le_bytes());
            }
        }
    }
    let mut hasher = Hasher(Fingerprint::default());
    for param in list_params(model).iter().filter(|p| p.path.starts_with("backbone.")) {
        hasher.0.add(param.path.as_bytes());
    }
    model.backbone.visit(&mut hasher);
    hasher.0.text()
}
