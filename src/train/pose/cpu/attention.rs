//! Attention, forward and backward.

use super::kernels;
use super::layers::grow;
use super::network::{CpuNetwork, LinearParams};
use super::workspace::{BlockRows, BlockTrace, GradientBuffers};
use crate::cpu::{Mat, OutputMode, multiply};

impl CpuNetwork {
    /// Attention of the query rows to all rows, and the values mixed by it; `trace` keeps both.
    pub(super) fn attend(&self, w: &[f32], qkv: &LinearParams, rows: BlockRows, trace: &mut BlockTrace) {
        let (d, wide, BlockRows { all: n, queries }) = (self.dim, 3 * self.dim, rows);
        grow(&mut trace.qkv, n * wide);
        let normed = &trace.norm1.out;
        if queries == n {
            multiply(Mat::new(normed, n, d, d), qkv.matrix(w), &mut trace.qkv, wide, OutputMode::Replace);
        } else {
            let (few, all) = (Mat::new(normed, queries, d, d), Mat::new(normed, n, d, d));
            multiply(few, qkv.part(w, 0..d), &mut trace.qkv, wide, OutputMode::Replace);
            multiply(all, qkv.part(w, d..wide), &mut trace.qkv[d..], wide, OutputMode::Replace);
        }
        grow(&mut trace.attention, self.heads * queries * n);
        grow(&mut trace.mixed, queries * d);
        let size = d / self.heads;
        for (h, attention) in trace.attention.chunks_exact_mut(queries * n).enumerate() {
            let at = h * size;
            let q = Mat::new(&trace.qkv[at..], queries, size, wide);
            let k = Mat::new(&trace.qkv[d + at..], n, size, wide);
            let v = Mat::new(&trace.qkv[2 * d + at..], n, size, wide);
            multiply(q, k.t(), attention, n, OutputMode::Replace);
            kernels::softmax(attention, n, self.scale);
            multiply(Mat::new(attention, queries, n, n), v, &mut trace.mixed[at..], d, OutputMode::Replace);
        }
    }

    /// From the gradient of the mixed values, in `dnarrow`, computes that of queries, keys and values, in `dqkv`.
    pub(super) fn attend_backward(
        &self,
        rows: BlockRows,
        trace: &BlockTrace,
        gradients: &mut GradientBuffers,
    ) {
        let (d, wide, BlockRows { all: n, queries }) = (self.dim, 3 * self.dim, rows);
        let GradientBuffers { dnarrow: dmixed, dqkv, dattention, .. } = gradients;
        let size = d / self.heads;
        grow(dqkv, n * wide);
        grow(dattention, queries * n);
        for (h, attention) in trace.attention.chunks_exact(queries * n).enumerate() {
            let at = h * size;
            let q = Mat::new(&trace.qkv[at..], queries, size, wide);
            let k = Mat::new(&trace.qkv[d + at..], n, size, wide);
            let v = Mat::new(&trace.qkv[2 * d + at..], n, size, wide);
            let dout = Mat::new(&dmixed[at..], queries, size, d);
            let transposed = Mat::new(attention, queries, n, n).t();
            multiply(transposed, dout, &mut dqkv[2 * d + at..], wide, OutputMode::Replace);
            multiply(dout, v.t(), dattention, n, OutputMode::Replace);
            if !trace.attention_gradient.is_empty() {
                let distilled = trace.attention_gradient.chunks_exact(n - self.joints);
                for (row, from) in dattention.chunks_exact_mut(n).zip(distilled) {
                    kernels::add(&mut row[self.joints..], from);
                }
            }
            kernels::softmax_gradient(attention, dattention, n, self.scale);
            let dlogits = Mat::new(dattention, queries, n, n);
            multiply(dlogits, k, &mut dqkv[at..], wide, OutputMode::Replace);
            multiply(dlogits.t(), q, &mut dqkv[d + at..], wide, OutputMode::Replace);
        }
    }

    /// From the gradient of queries, keys and values, in `dqkv`, computes that of their input, in `dnarrow`; adds that of
    /// the weights to `g`.
    pub(super) fn qkv_backward(
        &self,
        w: &[f32],
        g: &mut [f32],
        qkv: &LinearParams,
        rows: BlockRows,
        trace: &BlockTrace,
        gradients: &mut GradientBuffers,
    ) {
        let (d, wide, BlockRows { all: n, queries }) = (self.dim, 3 * self.dim, rows);
        let GradientBuffers { dnarrow: dx, dqkv, .. } = gradients;
        let normed = &trace.norm1.out;
        if queries == n {
            qkv.gather(g, normed, dqkv);
            qkv.backward(w, dqkv, dx);
            return;
        }
        let (few, all) = (Mat::new(normed, queries, d, d), Mat::new(normed, n, d, d));
        let (dq, dkv) = (Mat::new(dqkv, queries, d, wide), Mat::new(&dqkv[d..], n, 2 * d, wide));
        let weight = &mut g[qkv.weight.clone()];
        multiply(few.t(), dq, weight, wide, OutputMode::Add);
        multiply(all.t(), dkv, &mut weight[d..], wide, OutputMode::Add);
        grow(dx, n * d);
        multiply(dkv, qkv.part(w, d..wide).t(), dx, d, OutputMode::Replace);
        multiply(dq, qkv.part(w, 0..d).t(), dx, d, OutputMode::Add);
    }
}
