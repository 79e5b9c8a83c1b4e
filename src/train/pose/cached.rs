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

/// One person's input for the hand-written passes.
#[derive(Default)]
pub struct PersonFeatures {
    /// Patches of the kept tokens, normalised, [k, patch values].
    pub patches: Vec<f32>,
    /// The whole feature, normalised, [N, patch values]; empty where the network does not read it.
    pub feature: Vec<f32>,
}

impl PersonFeatures {
    /// Reads what `network` needs of a sample for the kept tokens.
    pub fn read(&mut self, network: &CpuNetwork, set: &CachedSet, index: usize, kept: &[usize]) {
        self.open(network, set, index);
        self.keep(network, set, index, kept);
    }

    /// Reads what all passes of a sample have in common; [`PersonFeatures::keep`] then selects the tokens of a pass.
    pub fn open(&mut self, network: &CpuNetwork, set: &CachedSet, index: usize) {
        if network.reads_whole_feature() {
            set.feature(index, &mut self.feature);
        }
    }

    /// Selects the kept tokens of the sample that was opened last.
    pub fn keep(&mut self, network: &CpuNetwork, set: &CachedSet, index: usize, kept: &[usize]) {
        if !network.reads_whole_feature() {
            return set.patches(index, kept, &mut self.patches);
        }
        let values = set.cache.key().patch_values;
        self.patches.clear();
        kept.iter().for_each(|t| self.patches.extend_from_slice(&self.feature[t * values..(t + 1) * values]));
    }
}
