//! Cached features of a training, and how a step reads them.

use super::cpu::CpuNetwork;
use super::loss::TargetBatch;
use super::plan::BatchPlan;
use crate::data::{ChannelScale, FeatureCache};
use crate::pose::Size;
use crate::train::distill::{TeacherTargetsBatch, TeacherTargetsShape};
use burn::prelude::*;
use half::slice::HalfFloatSliceExt;

/// Cached features of a training with all that belongs to them.
pub struct CachedSet {
    pub cache: FeatureCache,
    /// Joints of every sample on the heatmap; weight 0 throughout for a picture that cannot be decoded.
    pub joints: Vec<Vec<[f32; 3]>>,
    /// The norm in front of the tokenizer.
    pub scale: ChannelScale,
    /// What a teacher says about the same crops.
    pub teacher_targets: Option<TeacherTargetsCache>,
}

impl CachedSet {
    pub fn new(cache: FeatureCache, mut joints: Vec<Vec<[f32; 3]>>, scale: ChannelScale) -> CachedSet {
        for (index, joints) in joints.iter_mut().enumerate() {
            if is_unreadable(&cache, index) {
                joints.iter_mut().for_each(|j| j[2] = 0.0);
            }
        }
        CachedSet { cache, joints, scale, teacher_targets: None }
    }

    /// The whole feature, normalised, token by token: [N, patch values].
    pub fn feature(&self, index: usize, out: &mut Vec<f32>) {
        let all: Vec<usize> = (0..self.cache.key().tokens).collect();
        self.patches(index, &all, out);
    }

    /// Patches of the kept tokens, [k, patch values].
    pub fn patches(&self, index: usize, keep: &[usize], out: &mut Vec<f32>) {
        out.resize(keep.len() * self.cache.key().patch_values, 0.0);
        if is_unreadable(&self.cache, index) {
            out.fill(0.0);
        } else {
            self.cache.gather(index, keep, &self.scale, out);
        }
    }
}

/// The teacher's rows of all samples of one draw, on disk in half precision beside the features.
pub struct TeacherTargetsCache {
    cache: FeatureCache,
    pub shape: TeacherTargetsShape,
}

impl TeacherTargetsCache {
    /// Rows of `shape` that are there already.
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
    /// Of one set for each draw of the crops, the one that sample `p` of the batch takes: every pass over the
    /// data takes the next.
    pub fn set<'a>(&self, sets: &'a [CachedSet], p: usize) -> &'a CachedSet {
        &sets[self.epochs[p] as usize % sets.len()]
    }

    /// Targets of the batch, for heatmaps of size `heatmap`.
    pub fn targets(&self, sets: &[CachedSet], heatmap: Size, sigma: f32) -> TargetBatch {
        let joints = self.samples.iter().enumerate();
        let joints = joints.map(|(p, &index)| self.set(sets, p).joints[index].as_slice());
        TargetBatch::new(joints, heatmap, sigma)
    }

    /// The whole features of the batch one after the other, and what a teacher says about it.
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

/// One person's input for the hand-written passes.
#[derive(Default)]
pub struct PersonFeatures {
    pub patches: Vec<f32>,
    pub feature: Vec<f32>,
}

impl PersonFeatures {
    /// Reads what `network` needs of a sample for the kept tokens.
    pub fn read(&mut self, network: &CpuNetwork, set: &CachedSet, index: usize, keep: &[usize]) {
        self.open(network, set, index);
        self.keep(network, set, index, keep);
    }

    /// Reads what all passes of a sample need; [`PersonFeatures::keep`] then chooses tokens.
    pub fn open(&mut self, network: &CpuNetwork, set: &CachedSet, index: usize) {
        if network.reads_whole_feature() {
            set.feature(index, &mut self.feature);
        }
    }

    /// Takes the kept tokens of the sample that was opened last.
    pub fn keep(&mut self, network: &CpuNetwork, set: &CachedSet, index: usize, keep: &[usize]) {
        if !network.reads_whole_feature() {
            return set.patches(index, keep, &mut self.patches);
        }
        let values = set.cache.key().patch_values;
        self.patches.clear();
        keep.iter().for_each(|t| self.patches.extend_from_slice(&self.feature[t * values..(t + 1) * values]));
    }
}
