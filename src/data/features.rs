//! Backbone features on disk: a frozen backbone need not see the same crop twice.
//!
//! A cache is a folder with `features.bin`, one record a sample, and `features.json`, which says what
//! the records were computed from. A record holds the visual tokens' patches in the order the
//! tokenizer reads them, [N, patch rows, patch columns, channels] as f16, so that a training step
//! touches only the tokens it keeps. The length of `features.bin` says how far a build came; an
//! interrupted one goes on from there.

use super::error::DataError;
use crate::pose::Size;
use half::f16;
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Samples computed between two writes; large enough to keep every core busy.
const CHUNK: usize = 64;

/// What a cache's records depend on. A cache with another key is thrown away and built anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheKey {
    /// Version of the file's layout.
    pub format: u32,
    /// Hash of the backbone's weights.
    pub backbone: String,
    /// Hash of the samples: their pictures, boxes and drawn crops.
    pub samples: String,
    /// Samples.
    pub count: usize,
    /// Visual tokens N of a sample.
    pub tokens: usize,
    /// Values of one token's patch.
    pub patch_values: usize,
    /// Channels, which lie innermost in a patch.
    pub channels: usize,
}

impl CacheKey {
    /// The layout written by this version.
    pub const FORMAT: u32 = 1;

    fn record_bytes(&self) -> usize {
        self.tokens * self.patch_values * size_of::<f16>()
    }

    /// Size of the complete cache in bytes.
    pub fn bytes(&self) -> u64 {
        self.record_bytes() as u64 * self.count as u64
    }
}

/// 64-bit FNV-1a, to tell caches apart; not a defence against forgery.
#[derive(Clone)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Fingerprint(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Adds bytes to what is hashed.
    pub fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The hash, 16 hexadecimal digits.
    pub fn text(&self) -> String {
        format!("{:016x}", self.0)
    }
}

/// A complete cache, mapped into memory.
pub struct FeatureCache {
    key: CacheKey,
    map: Mmap,
}

impl FeatureCache {
    /// Opens the cache in `folder`, computing what is missing. `compute` gets a range of samples and
    /// returns their records in order, `tokens * patch_values` numbers each; `progress` hears how many
    /// samples are done; `stop` ends the build early (the next call goes on).
    ///
    /// Returns `None` when it was stopped.
    ///
    /// # Errors
    /// The folder cannot be written to, the disk is full, or `compute` fails.
    pub fn open_or_build<E: From<DataError>>(
        folder: &Path,
        key: CacheKey,
        mut compute: impl FnMut(std::ops::Range<usize>) -> Result<Vec<f16>, E>,
        mut progress: impl FnMut(usize),
        stop: impl Fn() -> bool,
    ) -> Result<Option<FeatureCache>, E> {
        let failed = |path: &Path, source: std::io::Error| DataError::Write {
            path: path.display().to_string(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
        let (data, about) = (folder.join("features.bin"), folder.join("features.json"));
        let record = key.record_bytes() as u64;
        let known = std::fs::read(&about).ok().and_then(|b| serde_json::from_slice::<CacheKey>(&b).ok());
        if known.as_ref() != Some(&key) {
            // Remove the old records before the new key: a crash in between must not marry them.
            File::create(&data).map_err(|e| failed(&data, e))?;
            let text = serde_json::to_vec_pretty(&key).map_err(|e| failed(&about, e.into()))?;
            std::fs::write(&about, text).map_err(|e| failed(&about, e))?;
        }
        let mut file =
            OpenOptions::new().append(true).create(true).open(&data).map_err(|e| failed(&data, e))?;
        let length = file.metadata().map_err(|e| failed(&data, e))?.len();
        let mut done = (length / record.max(1)).min(key.count as u64) as usize;
        // Cut off a record that was written in part.
        file.set_len(done as u64 * record).map_err(|e| failed(&data, e))?;
        progress(done);
        while done < key.count {
            if stop() {
                return Ok(None);
            }
            let range = done..(done + CHUNK).min(key.count);
            let records = compute(range.clone())?;
            file.write_all(bytemuck::cast_slice(&records)).map_err(|e| full_or(&data, &key, done, e))?;
            done = range.end;
            progress(done);
        }
        drop(file);
        Ok(Some(FeatureCache::map(&data, key)?))
    }

    fn map(path: &PathBuf, key: CacheKey) -> Result<FeatureCache, DataError> {
        let failed = |source| DataError::Read { path: path.display().to_string(), source };
        let file = File::open(path).map_err(failed)?;
        // SAFETY: the file is this program's own cache, opened for reading after its last write; only
        // a second program that truncates it meanwhile could make a read fail, as with any mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
        Ok(FeatureCache { key, map })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.key.count
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.key.count == 0
    }

    /// What the records depend on.
    pub fn key(&self) -> &CacheKey {
        &self.key
    }

    /// All tokens of a sample, [tokens, patch_values] row-major.
    ///
    /// # Panics
    /// When there is no such sample.
    pub fn sample(&self, index: usize) -> &[f16] {
        let bytes = self.key.record_bytes();
        bytemuck::cast_slice(&self.map[index * bytes..(index + 1) * bytes])
    }

    /// Writes the kept tokens of a sample, (value - mean) * factor for each channel.
    ///
    /// # Panics
    /// When `out` is not `keep.len() * patch_values` long or an index is out of range.
    pub fn gather(&self, index: usize, keep: &[usize], scale: &ChannelScale, out: &mut [f32]) {
        let sample = self.sample(index);
        let values = self.key.patch_values;
        for (row, &token) in out.chunks_exact_mut(values).zip(keep) {
            let patch = &sample[token * values..(token + 1) * values];
            for (cell_out, cell) in
                row.chunks_exact_mut(self.key.channels).zip(patch.chunks_exact(self.key.channels))
            {
                for (c, (out, value)) in cell_out.iter_mut().zip(cell).enumerate() {
                    *out = (value.to_f32() - scale.mean[c]) * scale.factor[c];
                }
            }
        }
    }

    /// Mean and variance of every channel over about `samples` samples.
    pub fn statistics(&self, samples: usize) -> ChannelStatistics {
        let channels = self.key.channels;
        let (mut sum, mut squares) = (vec![0f64; channels], vec![0f64; channels]);
        let step = (self.key.count / samples.max(1)).max(1);
        let mut cells = 0usize;
        for index in (0..self.key.count).step_by(step) {
            for cell in self.sample(index).chunks_exact(channels) {
                for (c, value) in cell.iter().enumerate() {
                    let value = f64::from(value.to_f32());
                    sum[c] += value;
                    squares[c] += value * value;
                }
                cells += 1;
            }
        }
        let n = cells.max(1) as f64;
        let mean: Vec<f64> = sum.iter().map(|s| s / n).collect();
        let var = squares.iter().zip(&mean).map(|(q, m)| ((q / n - m * m).max(0.0)) as f32).collect();
        ChannelStatistics { mean: mean.into_iter().map(|m| m as f32).collect(), var }
    }
}

/// Statistics of the feature's channels.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelStatistics {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Variance of each channel.
    pub var: Vec<f32>,
}

/// What is applied to each channel while tokens are gathered.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelScale {
    /// Subtracted from each channel.
    pub mean: Vec<f32>,
    /// Multiplies each channel after that.
    pub factor: Vec<f32>,
}

impl ChannelScale {
    /// Leaves values as they are.
    pub fn identity(channels: usize) -> ChannelScale {
        ChannelScale { mean: vec![0.0; channels], factor: vec![1.0; channels] }
    }
}

fn full_or(path: &Path, key: &CacheKey, done: usize, error: std::io::Error) -> DataError {
    let shown = path.display().to_string();
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => DataError::DiskFull {
            path: shown,
            needed_gb: key.bytes() as f64 / 1e9,
            written_gb: (done * key.record_bytes()) as f64 / 1e9,
        },
        _ => DataError::Write { path: shown, source: error },
    }
}

/// Adds one sample's feature map `[H, W, C]` to `out` as a record: `[grid rows, grid columns, patch rows, patch
/// columns, C]` in f16. `map` and `patch` are their sizes in cells; what does not fill a patch is left out.
pub fn to_patches(feature: &[f32], channels: usize, map: Size, patch: Size, out: &mut Vec<f16>) {
    let ([height, width], [ph, pw]) = (map.hw(), patch.hw());
    for row in 0..height / ph {
        for column in 0..width / pw {
            for y in row * ph..(row + 1) * ph {
                let values = &feature[(y * width + column * pw) * channels..][..pw * channels];
                out.extend(values.iter().map(|value| f16::from_f32(*value)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(count: usize) -> CacheKey {
        let (backbone, samples) = ("b".into(), "s".into());
        CacheKey {
            format: CacheKey::FORMAT,
            backbone,
            samples,
            count,
            tokens: 2,
            patch_values: 4,
            channels: 2,
        }
    }

    fn record(range: std::ops::Range<usize>) -> Result<Vec<f16>, DataError> {
        Ok(range.flat_map(|s| (0..8).map(move |i| f16::from_f32((s * 8 + i) as f32))).collect())
    }

    #[test]
    fn an_interrupted_build_goes_on_and_another_key_starts_anew() {
        let dir = tempfile::tempdir().unwrap();
        let asked = std::cell::RefCell::new(Vec::new());
        let build = |key: CacheKey, stop_after: usize| {
            let done = std::cell::Cell::new(0);
            FeatureCache::open_or_build(
                dir.path(),
                key,
                |range| {
                    asked.borrow_mut().push(range.clone());
                    record(range)
                },
                |n| done.set(n),
                || done.get() >= stop_after,
            )
            .unwrap()
        };
        assert!(build(key(150), 64).is_none());
        // A crash in the middle of a record.
        let path = dir.path().join("features.bin");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&[1, 2, 3]).unwrap();
        let cache = build(key(150), usize::MAX).unwrap();
        assert_eq!(*asked.borrow(), [0..64, 64..128, 128..150]);
        assert_eq!(cache.sample(149)[7], f16::from_f32(149.0 * 8.0 + 7.0));
        asked.borrow_mut().clear();
        build(CacheKey { backbone: "other".into(), ..key(3) }, usize::MAX).unwrap();
        assert_eq!(*asked.borrow(), std::slice::from_ref(&(0..3)));
    }

    #[test]
    fn only_kept_tokens_are_read_and_scaled() {
        let dir = tempfile::tempdir().unwrap();
        let cache =
            FeatureCache::open_or_build(dir.path(), key(2), record, |_| (), || false).unwrap().unwrap();
        let scale = ChannelScale { mean: vec![0.0, 1.0], factor: vec![1.0, 10.0] };
        let mut out = [0.0; 4];
        cache.gather(1, &[1], &scale, &mut out);
        assert_eq!(out, [12.0, 120.0, 14.0, 140.0]);
        let s = cache.statistics(2);
        assert_eq!(s.mean, [7.0, 8.0]);
        assert!((s.var[0] - 21.0).abs() < 1e-3);
    }

    #[test]
    fn a_patch_lists_its_cells_row_by_row_with_the_channels_innermost() {
        // Two channels of 2x4, patches of 2x2: channel 1 is channel 0 plus 100.
        let feature: Vec<f32> = (0..8).flat_map(|i| [i as f32, i as f32 + 100.0]).collect();
        let mut out = Vec::new();
        to_patches(&feature, 2, Size::new(4, 2), Size::square(2), &mut out);
        let expected = [0, 100, 1, 101, 4, 104, 5, 105, 2, 102, 3, 103, 6, 106, 7, 107];
        assert_eq!(out, expected.map(|v| f16::from_f32(v as f32)));
    }
}
