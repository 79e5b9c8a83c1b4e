//! Cached features of a training, and how a step reads them.

use super::cpu::CpuNetwork;
use super::loss::TargetBatch;
use super::plan::BatchPlan;
use crate::data::{ChannelScale, FeatureCache};
use crate::pose::Size;
use crate::train::distill::{TeacherTargetsBatch, TeacherTargetsShape};
use burn::prelude::*;
use half::slice::HalfFloatSliceExt;

/// The cached features of all samples in one draw of the crops, with joints and a teacher's targets.
pub struct CachedSet {
    /// Features of the backbone, one record for each sample.
    pub cache: FeatureCache,
    /// Joints of every sample, [x, y, weight] in heatmap cells; weight 0 throughout for a picture that cannot be decoded.
    pub joints: Vec<Vec<[f32; 3]>>,
    /// The norm in front of the tokenizer, which is applied while features are read.
    pub scale: ChannelScale,
    /// A teacher's targets for the same crops.
    pub teacher_targets: Option<TeacherTargetsCache>,
}

impl CachedSet {
    /// Features without targets of a teacher. The joints of unreadable pictures get weight 0.
    pub fn new(cache: FeatureCache, mut joints: Vec<Vec<[f32; 3]>>, scale: ChannelScale) -> CachedSet {
        for (index, joints) in joints.iter_mut().enumerate() {
            if is_unreadable(&cache, index) {
                joints.iter_mut().for_each(|j| j[2] = 0.0);
            }
        }
        CachedSet { cache, joints, scale, teacher_targets: None }
    }

    /// Writes the whole feature of a sample to `out`, normalised, token by token: [N, patch values].
    pub fn feature(&self, index: usize, out: &mut Vec<f32>) {
        let all: Vec<usize> = (0..self.cache.key().tokens).collect();
        self.patches(index, &all, out);
    }

    /// Writes the patches of the kept tokens of a sample to `out`, normalised: [k, patch values].
    pub fn patches(&self, index: usize, kept: &[usize], out: &mut Vec<f32>) {
        out.resize(kept.len() * self.cache.key().patch_values, 0.0);
        if is_unreadable(&self.cache, index) {
            out.fill(0.0);
        } else {
            self.cache.gather(index, kept, &self.scale, out);
        }
    }
}

/// The teacher's targets for all samples of one draw, on disk in half precision beside the features.
pub struct TeacherTargetsCache {
    cache: FeatureCache,
    /// Where the parts of a row lie.
    pub shape: TeacherTargetsShape,
}

impl TeacherTargetsCache {
    /// A cache whose records are rows of this `shape`.
    pub fn new(cache: FeatureCache, shape: TeacherTargetsShape) -> TeacherTargetsCache {
        TeacherTargetsCache { cache, shape }
    }

    /// Writes a sample's row to `out`; zeros for a picture that cannot be decoded.
    pub fn read(&self, index: usize, out: &mut Vec<f32>) {
        let row = self.cache.sample(index);
        out.resize(row.len(), 0.0);
        if is_unreadable(&self.cache, index) {
            out.fill(0.0);
        } else {
            row.convert_to_f32_slice(out);
        }
    }
}

impl BatchPlan {
    /// The features of sample number `p` of the batch: of `sets`, one for each draw of the crops, every epoch takes the next.
    pub fn set<'a>(&self, sets: &'a [CachedSet], p: usize) -> &'a CachedSet {
        &sets[self.epochs[p] as usize % sets.len()]
    }

    /// Targets of the batch, for heatmaps of `heatmap` cells and Gaussians with the standard deviation `sigma`,
    /// in cells.
    pub fn targets(&self, sets: &[CachedSet], heatmap: Size, sigma: f32) -> TargetBatch {
        let joints = self.samples.iter().enumerate();
        let joints = joints.map(|(p, &index)| self.set(sets, p).joints[index].as_slice());
        TargetBatch::new(joints, heatmap, sigma)
    }

    /// The whole features of the batch, [B, N, patch values], and a teacher's targets for it.
    pub fn features(&self, sets: &[CachedSet], device: &Device) -> (Vec<f32>, Option<TeacherTargetsBatch>) {
        let (mut values, mut rows, mut one) = (Vec::new(), Vec::new(), Vec::new());
        let mut shape = None;
        for (p, &index) in self.samples.iter().enumerate() {
            let set = self.set(sets, p);
            set.feature(index, &mut one);
            values.extend_from_slice(&one);
            if let Some(teacher_targets) = &set.teacher_targets {
                teacher_targets.read(index, &mut one);
                rows.extend_from_slice(&one);
                shape = Some(&teacher_targets.shape);
            }
        }
        (values, shape.map(|shape| TeacherTargetsBatch::new(rows, shape.clone(), device)))
    }
}

/// Whether the picture of sample `index` could not be decoded: its record then starts with NaN.
pub fn is_unreadable(cache: &FeatureCache, index: usize) -> bool {
    cache.sample(index).first().is_some_and(|v| v.is_nan())
}

/// One person's feature for the CPU's engine.
#[derive(Default)]
pub struct PersonFeatures {
    /// The feature, normalised, `[H, W, channels]`; patches that the network does not read may be another person's.
    pub feature: Vec<f32>,
    /// Patches as they lie in the cache.
    patches: Vec<f32>,
}

impl PersonFeatures {
    /// Reads what a pass of `network` that keeps these tokens needs of a sample.
    pub fn read(&mut self, network: &CpuNetwork, set: &CachedSet, index: usize, kept: &[usize]) {
        self.open(network, set, index);
        self.keep(network, set, index, kept);
    }

    /// Reads what all passes of a sample have in common; [`PersonFeatures::keep`] then reads what one pass needs.
    pub fn open(&mut self, network: &CpuNetwork, set: &CachedSet, index: usize) {
        if network.reads_whole_feature() {
            let all: Vec<usize> = (0..network.grid().area()).collect();
            self.put(network, set, index, &all);
        }
    }

    /// Reads the kept tokens of the sample that was opened last, if they were not read yet.
    pub fn keep(&mut self, network: &CpuNetwork, set: &CachedSet, index: usize, kept: &[usize]) {
        if !network.reads_whole_feature() {
            self.put(network, set, index, kept);
        }
    }

    /// Puts the patches of some tokens where they lie in the feature.
    fn put(&mut self, network: &CpuNetwork, set: &CachedSet, index: usize, tokens: &[usize]) {
        set.patches(index, tokens, &mut self.patches);
        let ([_, columns], [height, width]) = (network.grid().hw(), network.patch().hw());
        let values = set.cache.key().patch_values;
        self.feature.resize(network.grid().area() * values, 0.0);
        let run = values / height;
        for (patch, &token) in self.patches.chunks_exact(values).zip(tokens) {
            let (row, column) = (token / columns * height, token % columns);
            for (y, numbers) in patch.chunks_exact(run).enumerate() {
                self.feature[((row + y) * columns + column) * run..][..run].copy_from_slice(numbers);
            }
        }
        debug_assert_eq!(run % width, 0, "channels of a patch");
    }
}
