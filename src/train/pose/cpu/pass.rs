//! One person's forward and backward pass.

use super::kernels;
use super::layers::{NormTrace, grow, zeroed};
use super::loss::{DistillTargets, LossFactors};
use super::network::{CpuNetwork, LinearParams};
use crate::cpu::{Mat, OutputMode, multiply};
use crate::train::pose::loss::PoseLoss;

/// What one person's pass works on.
pub struct PassInput<'a> {
    /// Kept tokens' patches, normalised, [k, patch values] row-major.
    pub patches: &'a [f32],
    /// The whole feature, normalised, [N, patch values]; read by a feature head only.
    pub feature: &'a [f32],
    /// Numbers of the kept tokens.
    pub keep: &'a [usize],
    /// Profiles of the targets along x, [J, W], and along y, [J, H].
    pub target_x: &'a [f32],
    pub target_y: &'a [f32],
    /// Weights of the joints, [J].
    pub weights: &'a [f32],
    pub example: DistillTargets<'a>,
}

/// What the backward pass needs from a block.
#[derive(Default)]
pub(super) struct BlockTrace {
    norm1: NormTrace,
    /// [n, 3 dim]; of a last block, the queries are those of the keypoint rows.
    qkv: Vec<f32>,
    /// Attention [heads, queries, n].
    pub(super) attention: Vec<f32>,
    mixed: Vec<f32>,
    norm2: NormTrace,
    hidden: Vec<f32>,
    slope: Vec<f32>,
    /// The keypoint tokens after the block, [J, dim].
    pub(super) keypoints: Vec<f32>,
    /// Gradients that come from an example; empty without one. [J, dim] and, for each head, [J, k].
    pub(super) keypoint_gradient: Vec<f32>,
    pub(super) attention_gradient: Vec<f32>,
}

/// Memory of one thread's passes, reused from person to person.
#[derive(Default)]
pub struct Workspace {
    x: Vec<f32>,
    pub(super) blocks: Vec<BlockTrace>,
    head1: NormTrace,
    head_hidden: Vec<f32>,
    head2: NormTrace,
    pub(super) maps: Vec<f32>,
    pub(super) scratch: Vec<f32>,
    dx: Vec<f32>,
    dwide: Vec<f32>,
    dnarrow: Vec<f32>,
    dqkv: Vec<f32>,
    dattention: Vec<f32>,
    pub(super) pull: Vec<f32>,
}

impl CpuNetwork {
    /// Runs one person through the network and back: adds the gradient of the weights `w` to `g` and
    /// returns the terms of the loss. The maps [J, cells] go into `drawn` when somebody wants them.
    pub fn pass(
        &self,
        w: &[f32],
        g: &mut [f32],
        person: &PassInput,
        by: LossFactors,
        drawn: Option<&mut Vec<f32>>,
        workspace: &mut Workspace,
    ) -> PoseLoss {
        self.forward(w, person.patches, person.feature, person.keep, workspace);
        if let Some(drawn) = drawn {
            drawn.clear();
            drawn.extend_from_slice(&workspace.maps);
        }
        let mut loss = self.loss(person, by, workspace);
        loss.teacher += self.distill_inside(person, by, workspace);
        self.backward(w, g, person, workspace);
        loss
    }

    /// The heatmaps of one person, [J, cells] row-major; they stay in `workspace`. `patches` and `feature` are
    /// those of [`PassInput`].
    pub fn maps<'r>(
        &self,
        w: &[f32],
        patches: &[f32],
        feature: &[f32],
        keep: &[usize],
        workspace: &'r mut Workspace,
    ) -> &'r [f32] {
        self.forward(w, patches, feature, keep, workspace);
        &workspace.maps
    }

    fn place(&self, keep: &[usize], x: &mut [f32]) {
        let d = self.dim;
        for (row, &token) in x[self.joints * d..].chunks_exact_mut(d).zip(keep) {
            kernels::add(row, &self.positions[token * d..(token + 1) * d]);
        }
    }

    fn forward(
        &self,
        w: &[f32],
        patches: &[f32],
        feature: &[f32],
        keep: &[usize],
        workspace: &mut Workspace,
    ) {
        let (d, joints, kept) = (self.dim, self.joints, keep.len());
        let n = joints + kept;
        workspace.blocks.resize_with(self.blocks.len(), BlockTrace::default);
        let x = &mut workspace.x;
        grow(x, n * d);
        x[..joints * d].copy_from_slice(&w[self.keypoint_token.clone()]);
        let patches = Mat::new(patches, kept, self.patch.inputs, self.patch.inputs);
        multiply(patches, self.patch.matrix(w), &mut x[joints * d..], d, OutputMode::Replace);
        kernels::add_bias(&mut x[joints * d..], &w[self.patch.bias.clone()]);
        self.place(keep, x);
        let last = self.blocks.len() - 1;
        for (i, (block, trace)) in self.blocks.iter().zip(&mut workspace.blocks).enumerate() {
            if i > 0 {
                self.place(keep, x);
            }
            // Nothing reads the visual rows of the last block.
            let queries = if i == last { joints } else { n };
            trace.norm1.forward(w, &block.norm1, x);
            self.attend(w, &block.qkv, trace, n, queries);
            x.truncate(queries * d);
            block.proj.forward(w, &trace.mixed, &mut workspace.scratch);
            kernels::add_bias(x, &w[block.proj.bias.clone()]);
            kernels::add(x, &workspace.scratch);
            trace.norm2.forward(w, &block.norm2, x);
            block.fc1.forward(w, &trace.norm2.out, &mut trace.hidden);
            grow(&mut trace.slope, trace.hidden.len());
            kernels::bias_gelu(&mut trace.hidden, &w[block.fc1.bias.clone()], &mut trace.slope);
            block.fc2.forward(w, &trace.hidden, &mut workspace.scratch);
            kernels::add_bias(x, &w[block.fc2.bias.clone()]);
            kernels::add(x, &workspace.scratch);
            trace.keypoints.clear();
            trace.keypoints.extend_from_slice(&x[..joints * d]);
        }
        workspace.head1.forward(w, &self.head_norm1, x);
        self.head_fc1.forward(w, &workspace.head1.out, &mut workspace.head_hidden);
        kernels::add_bias(&mut workspace.head_hidden, &w[self.head_fc1.bias.clone()]);
        workspace.head2.forward(w, &self.head_norm2, &workspace.head_hidden);
        self.head_fc2.forward(w, &workspace.head2.out, &mut workspace.maps);
        kernels::add_bias(&mut workspace.maps, &w[self.head_fc2.bias.clone()]);
        if let Some(head) = &self.feature_head {
            self.add_feature_maps(w, head, feature, workspace);
        }
    }

    /// Adds the maps that the feature itself draws.
    fn add_feature_maps(&self, w: &[f32], head: &LinearParams, feature: &[f32], workspace: &mut Workspace) {
        head.forward(w, feature, &mut workspace.scratch);
        let (joints, cells) = (self.joints, self.cells.len());
        for (drawn, &cell) in workspace.scratch.chunks_exact(joints).zip(&self.cells) {
            for (j, v) in drawn.iter().enumerate() {
                workspace.maps[j * cells + cell] += v;
            }
        }
        for (map, bias) in workspace.maps.chunks_exact_mut(cells).zip(&w[head.bias.clone()]) {
            map.iter_mut().for_each(|v| *v += bias);
        }
    }

    /// Gradient of [`CpuNetwork::add_feature_maps`]; the feature's own is not needed.
    fn feature_head_backward(
        &self,
        g: &mut [f32],
        head: &LinearParams,
        feature: &[f32],
        workspace: &mut Workspace,
    ) {
        let (joints, cells) = (self.joints, self.cells.len());
        grow(&mut workspace.scratch, joints * cells);
        for (drawn, &cell) in workspace.scratch.chunks_exact_mut(joints).zip(&self.cells) {
            for (j, v) in drawn.iter_mut().enumerate() {
                *v = workspace.maps[j * cells + cell];
            }
        }
        head.gather(g, feature, &workspace.scratch);
    }

    /// Attention of the first `queries` rows to all `n`.
    fn attend(&self, w: &[f32], qkv: &LinearParams, trace: &mut BlockTrace, n: usize, queries: usize) {
        let (d, wide) = (self.dim, 3 * self.dim);
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

    fn backward(&self, w: &[f32], g: &mut [f32], person: &PassInput, workspace: &mut Workspace) {
        let (d, joints) = (self.dim, self.joints);
        let n = joints + person.keep.len();
        if let Some(head) = &self.feature_head {
            self.feature_head_backward(g, head, person.feature, workspace);
        }
        // Head.
        self.head_fc2.gather(g, &workspace.head2.out, &workspace.maps);
        self.head_fc2.backward(w, &workspace.maps, &mut workspace.dwide);
        zeroed(&mut workspace.dnarrow, workspace.head_hidden.len());
        workspace.head2.backward(w, g, &self.head_norm2, &workspace.dwide, &mut workspace.dnarrow);
        self.head_fc1.gather(g, &workspace.head1.out, &workspace.dnarrow);
        self.head_fc1.backward(w, &workspace.dnarrow, &mut workspace.dwide);
        zeroed(&mut workspace.dx, joints * d);
        workspace.head1.backward(w, g, &self.head_norm1, &workspace.dwide, &mut workspace.dx);
        // Blocks.
        for (block, trace) in self.blocks.iter().zip(&workspace.blocks).rev() {
            let dx = &mut workspace.dx;
            if !trace.keypoint_gradient.is_empty() {
                kernels::add(dx, &trace.keypoint_gradient);
            }
            // MLP: x + fc2(gelu(fc1(norm2(x))))
            block.fc2.gather(g, &trace.hidden, dx);
            block.fc2.backward(w, dx, &mut workspace.dwide);
            kernels::scale_by(&mut workspace.dwide, &trace.slope);
            block.fc1.gather(g, &trace.norm2.out, &workspace.dwide);
            block.fc1.backward(w, &workspace.dwide, &mut workspace.dnarrow);
            trace.norm2.backward(w, g, &block.norm2, &workspace.dnarrow, dx);
            // Attention: x + proj(attend(norm1(x)))
            block.proj.gather(g, &trace.mixed, dx);
            block.proj.backward(w, dx, &mut workspace.dnarrow);
            let queries = trace.mixed.len() / d;
            self.attend_backward(
                trace,
                &workspace.dnarrow,
                n,
                queries,
                &mut workspace.dqkv,
                &mut workspace.dattention,
            );
            self.qkv_backward(w, g, &block.qkv, trace, n, queries, &workspace.dqkv, &mut workspace.dnarrow);
            // Below a last block the visual rows have no gradient of their own.
            dx.resize(n * d, 0.0);
            trace.norm1.backward(w, g, &block.norm1, &workspace.dnarrow, dx);
        }
        // Tokens. Positions are constants.
        kernels::add(&mut g[self.keypoint_token.clone()], &workspace.dx[..joints * d]);
        self.patch.gather(g, person.patches, &workspace.dx[joints * d..]);
    }

    fn attend_backward(
        &self,
        trace: &BlockTrace,
        dmixed: &[f32],
        n: usize,
        queries: usize,
        dqkv: &mut Vec<f32>,
        dattention: &mut Vec<f32>,
    ) {
        let (d, wide) = (self.dim, 3 * self.dim);
        let size = d / self.heads;
        grow(dqkv, n * wide);
        grow(dattention, queries * n);
        for (h, attention) in trace.attention.chunks_exact(queries * n).enumerate() {
            let at = h * size;
            let q = Mat::new(&trace.qkv[at..], queries, size, wide);
            let k = Mat::new(&trace.qkv[d + at..], n, size, wide);
            let v = Mat::new(&trace.qkv[2 * d + at..], n, size, wide);
            let dout = Mat::new(&dmixed[at..], queries, size, d);
            multiply(
                Mat::new(attention, queries, n, n).t(),
                dout,
                &mut dqkv[2 * d + at..],
                wide,
                OutputMode::Replace,
            );
            multiply(dout, v.t(), dattention, n, OutputMode::Replace);
            if !trace.attention_gradient.is_empty() {
                let joints = self.joints;
                for (row, from) in
                    dattention.chunks_exact_mut(n).zip(trace.attention_gradient.chunks_exact(n - joints))
                {
                    kernels::add(&mut row[joints..], from);
                }
            }
            kernels::softmax_gradient(attention, dattention, n, self.scale);
            let dlogits = Mat::new(dattention, queries, n, n);
            multiply(dlogits, k, &mut dqkv[at..], wide, OutputMode::Replace);
            multiply(dlogits.t(), q, &mut dqkv[d + at..], wide, OutputMode::Replace);
        }
    }

    /// Gradient of the map to queries, keys and values: adds the weight's and writes the input's.
    #[allow(clippy::too_many_arguments)] // One call; a struct for it would only repeat these names.
    fn qkv_backward(
        &self,
        w: &[f32],
        g: &mut [f32],
        qkv: &LinearParams,
        trace: &BlockTrace,
        n: usize,
        queries: usize,
        dqkv: &[f32],
        dx: &mut Vec<f32>,
    ) {
        let (d, wide) = (self.dim, 3 * self.dim);
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
