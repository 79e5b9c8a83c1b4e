//! One person's forward and backward pass.

use super::kernels;
use super::layers::{NormTrace, grow, zeroed};
use super::loss::{Example, LossFactors};
use super::network::{Line, Network};
use crate::cpu::{Into, Mat, multiply};
use crate::train::loss::LossParts;

/// What one person's pass works on.
pub struct Person<'a> {
    /// Kept tokens' patches, normalised, [k, patch values] row-major.
    pub patches: &'a [f32],
    /// The whole feature, normalised, [N, patch values]; read by a feature head only.
    pub feature: &'a [f32],
    /// Numbers of the kept tokens.
    pub keep: &'a [usize],
    /// Profiles of the targets along x, [J, W], and along y, [J, H].
    pub across: &'a [f32],
    pub down: &'a [f32],
    /// Weights of the joints, [J].
    pub weights: &'a [f32],
    pub example: Example<'a>,
}

/// What the backward pass needs from a block.
#[derive(Default)]
pub(super) struct BlockTrace {
    norm1: NormTrace,
    /// [n, 3 dim]; of a last block, the queries are those of the keypoint rows.
    qkv: Vec<f32>,
    /// Attention [heads, queries, n].
    pub(super) shares: Vec<f32>,
    mixed: Vec<f32>,
    norm2: NormTrace,
    hidden: Vec<f32>,
    slope: Vec<f32>,
    /// The keypoint tokens after the block, [J, dim].
    pub(super) keypoints: Vec<f32>,
    /// Gradients that come from an example; empty without one. [J, dim] and, for each head, [J, k].
    pub(super) dkeypoints: Vec<f32>,
    pub(super) dattention: Vec<f32>,
}

/// Memory of one thread's passes, reused from person to person.
#[derive(Default)]
pub struct Room {
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
    dshares: Vec<f32>,
    pub(super) pull: Vec<f32>,
}

impl Network {
    /// Runs one person through the network and back: adds the gradient of the weights `w` to `g` and
    /// returns the terms of the loss. The maps [J, cells] go into `drawn` when somebody wants them.
    pub fn pass(
        &self,
        w: &[f32],
        g: &mut [f32],
        person: &Person,
        by: LossFactors,
        drawn: Option<&mut Vec<f32>>,
        room: &mut Room,
    ) -> LossParts {
        self.forward(w, person.patches, person.feature, person.keep, room);
        if let Some(drawn) = drawn {
            drawn.clear();
            drawn.extend_from_slice(&room.maps);
        }
        let mut loss = self.loss(person, by, room);
        loss.teacher += self.imitate(person, by, room);
        self.backward(w, g, person, room);
        loss
    }

    /// The heatmaps of one person, [J, cells] row-major; they stay in `room`. `patches` and `feature` are
    /// those of [`Person`].
    pub fn maps<'r>(
        &self,
        w: &[f32],
        patches: &[f32],
        feature: &[f32],
        keep: &[usize],
        room: &'r mut Room,
    ) -> &'r [f32] {
        self.forward(w, patches, feature, keep, room);
        &room.maps
    }

    fn place(&self, keep: &[usize], x: &mut [f32]) {
        let d = self.dim;
        for (row, &token) in x[self.joints * d..].chunks_exact_mut(d).zip(keep) {
            kernels::add(row, &self.positions[token * d..(token + 1) * d]);
        }
    }

    fn forward(&self, w: &[f32], patches: &[f32], feature: &[f32], keep: &[usize], room: &mut Room) {
        let (d, joints, kept) = (self.dim, self.joints, keep.len());
        let n = joints + kept;
        room.blocks.resize_with(self.blocks.len(), BlockTrace::default);
        let x = &mut room.x;
        grow(x, n * d);
        x[..joints * d].copy_from_slice(&w[self.keypoint_token.clone()]);
        let patches = Mat::new(patches, kept, self.patch.inputs, self.patch.inputs);
        multiply(patches, self.patch.matrix(w), &mut x[joints * d..], d, Into::Replace);
        kernels::add_bias(&mut x[joints * d..], &w[self.patch.bias.clone()]);
        self.place(keep, x);
        let last = self.blocks.len() - 1;
        for (i, (block, trace)) in self.blocks.iter().zip(&mut room.blocks).enumerate() {
            if i > 0 {
                self.place(keep, x);
            }
            // Nothing reads the visual rows of the last block.
            let queries = if i == last { joints } else { n };
            trace.norm1.forward(w, &block.norm1, x);
            self.attend(w, &block.qkv, trace, n, queries);
            x.truncate(queries * d);
            block.proj.forward(w, &trace.mixed, &mut room.scratch);
            kernels::add_bias(x, &w[block.proj.bias.clone()]);
            kernels::add(x, &room.scratch);
            trace.norm2.forward(w, &block.norm2, x);
            block.fc1.forward(w, &trace.norm2.out, &mut trace.hidden);
            grow(&mut trace.slope, trace.hidden.len());
            kernels::bias_gelu(&mut trace.hidden, &w[block.fc1.bias.clone()], &mut trace.slope);
            block.fc2.forward(w, &trace.hidden, &mut room.scratch);
            kernels::add_bias(x, &w[block.fc2.bias.clone()]);
            kernels::add(x, &room.scratch);
            trace.keypoints.clear();
            trace.keypoints.extend_from_slice(&x[..joints * d]);
        }
        room.head1.forward(w, &self.head_norm1, x);
        self.head_fc1.forward(w, &room.head1.out, &mut room.head_hidden);
        kernels::add_bias(&mut room.head_hidden, &w[self.head_fc1.bias.clone()]);
        room.head2.forward(w, &self.head_norm2, &room.head_hidden);
        self.head_fc2.forward(w, &room.head2.out, &mut room.maps);
        kernels::add_bias(&mut room.maps, &w[self.head_fc2.bias.clone()]);
        if let Some(head) = &self.feature_head {
            self.add_feature_maps(w, head, feature, room);
        }
    }

    /// Adds the maps that the feature itself draws.
    fn add_feature_maps(&self, w: &[f32], head: &Line, feature: &[f32], room: &mut Room) {
        head.forward(w, feature, &mut room.scratch);
        let (joints, cells) = (self.joints, self.cells.len());
        for (drawn, &cell) in room.scratch.chunks_exact(joints).zip(&self.cells) {
            for (j, v) in drawn.iter().enumerate() {
                room.maps[j * cells + cell] += v;
            }
        }
        for (map, bias) in room.maps.chunks_exact_mut(cells).zip(&w[head.bias.clone()]) {
            map.iter_mut().for_each(|v| *v += bias);
        }
    }

    /// Gradient of [`Network::add_feature_maps`]; the feature's own is not needed.
    fn feature_head_backward(&self, g: &mut [f32], head: &Line, feature: &[f32], room: &mut Room) {
        let (joints, cells) = (self.joints, self.cells.len());
        grow(&mut room.scratch, joints * cells);
        for (drawn, &cell) in room.scratch.chunks_exact_mut(joints).zip(&self.cells) {
            for (j, v) in drawn.iter_mut().enumerate() {
                *v = room.maps[j * cells + cell];
            }
        }
        head.gather(g, feature, &room.scratch);
    }

    /// Attention of the first `queries` rows to all `n`.
    fn attend(&self, w: &[f32], qkv: &Line, trace: &mut BlockTrace, n: usize, queries: usize) {
        let (d, wide) = (self.dim, 3 * self.dim);
        grow(&mut trace.qkv, n * wide);
        let normed = &trace.norm1.out;
        if queries == n {
            multiply(Mat::new(normed, n, d, d), qkv.matrix(w), &mut trace.qkv, wide, Into::Replace);
        } else {
            let (few, all) = (Mat::new(normed, queries, d, d), Mat::new(normed, n, d, d));
            multiply(few, qkv.part(w, 0..d), &mut trace.qkv, wide, Into::Replace);
            multiply(all, qkv.part(w, d..wide), &mut trace.qkv[d..], wide, Into::Replace);
        }
        grow(&mut trace.shares, self.heads * queries * n);
        grow(&mut trace.mixed, queries * d);
        let size = d / self.heads;
        for (h, shares) in trace.shares.chunks_exact_mut(queries * n).enumerate() {
            let at = h * size;
            let q = Mat::new(&trace.qkv[at..], queries, size, wide);
            let k = Mat::new(&trace.qkv[d + at..], n, size, wide);
            let v = Mat::new(&trace.qkv[2 * d + at..], n, size, wide);
            multiply(q, k.t(), shares, n, Into::Replace);
            kernels::softmax(shares, n, self.scale);
            multiply(Mat::new(shares, queries, n, n), v, &mut trace.mixed[at..], d, Into::Replace);
        }
    }

    fn backward(&self, w: &[f32], g: &mut [f32], person: &Person, room: &mut Room) {
        let (d, joints) = (self.dim, self.joints);
        let n = joints + person.keep.len();
        if let Some(head) = &self.feature_head {
            self.feature_head_backward(g, head, person.feature, room);
        }
        // Head.
        self.head_fc2.gather(g, &room.head2.out, &room.maps);
        self.head_fc2.backward(w, &room.maps, &mut room.dwide);
        zeroed(&mut room.dnarrow, room.head_hidden.len());
        room.head2.backward(w, g, &self.head_norm2, &room.dwide, &mut room.dnarrow);
        self.head_fc1.gather(g, &room.head1.out, &room.dnarrow);
        self.head_fc1.backward(w, &room.dnarrow, &mut room.dwide);
        zeroed(&mut room.dx, joints * d);
        room.head1.backward(w, g, &self.head_norm1, &room.dwide, &mut room.dx);
        // Blocks.
        for (block, trace) in self.blocks.iter().zip(&room.blocks).rev() {
            let dx = &mut room.dx;
            if !trace.dkeypoints.is_empty() {
                kernels::add(dx, &trace.dkeypoints);
            }
            // MLP: x + fc2(gelu(fc1(norm2(x))))
            block.fc2.gather(g, &trace.hidden, dx);
            block.fc2.backward(w, dx, &mut room.dwide);
            kernels::scale_by(&mut room.dwide, &trace.slope);
            block.fc1.gather(g, &trace.norm2.out, &room.dwide);
            block.fc1.backward(w, &room.dwide, &mut room.dnarrow);
            trace.norm2.backward(w, g, &block.norm2, &room.dnarrow, dx);
            // Attention: x + proj(attend(norm1(x)))
            block.proj.gather(g, &trace.mixed, dx);
            block.proj.backward(w, dx, &mut room.dnarrow);
            let queries = trace.mixed.len() / d;
            self.attend_backward(trace, &room.dnarrow, n, queries, &mut room.dqkv, &mut room.dshares);
            self.qkv_backward(w, g, &block.qkv, trace, n, queries, &room.dqkv, &mut room.dnarrow);
            // Below a last block the visual rows have no gradient of their own.
            dx.resize(n * d, 0.0);
            trace.norm1.backward(w, g, &block.norm1, &room.dnarrow, dx);
        }
        // Tokens. Positions are constants.
        kernels::add(&mut g[self.keypoint_token.clone()], &room.dx[..joints * d]);
        self.patch.gather(g, person.patches, &room.dx[joints * d..]);
    }

    fn attend_backward(
        &self,
        trace: &BlockTrace,
        dmixed: &[f32],
        n: usize,
        queries: usize,
        dqkv: &mut Vec<f32>,
        dshares: &mut Vec<f32>,
    ) {
        let (d, wide) = (self.dim, 3 * self.dim);
        let size = d / self.heads;
        grow(dqkv, n * wide);
        grow(dshares, queries * n);
        for (h, shares) in trace.shares.chunks_exact(queries * n).enumerate() {
            let at = h * size;
            let q = Mat::new(&trace.qkv[at..], queries, size, wide);
            let k = Mat::new(&trace.qkv[d + at..], n, size, wide);
            let v = Mat::new(&trace.qkv[2 * d + at..], n, size, wide);
            let dout = Mat::new(&dmixed[at..], queries, size, d);
            multiply(Mat::new(shares, queries, n, n).t(), dout, &mut dqkv[2 * d + at..], wide, Into::Replace);
            multiply(dout, v.t(), dshares, n, Into::Replace);
            if !trace.dattention.is_empty() {
                let joints = self.joints;
                for (row, from) in dshares.chunks_exact_mut(n).zip(trace.dattention.chunks_exact(n - joints))
                {
                    kernels::add(&mut row[joints..], from);
                }
            }
            kernels::softmax_gradient(shares, dshares, n, self.scale);
            let dlogits = Mat::new(dshares, queries, n, n);
            multiply(dlogits, k, &mut dqkv[at..], wide, Into::Replace);
            multiply(dlogits.t(), q, &mut dqkv[d + at..], wide, Into::Replace);
        }
    }

    /// Gradient of the map to queries, keys and values: adds the weight's and writes the input's.
    #[allow(clippy::too_many_arguments)] // One call; a struct for it would only repeat these names.
    fn qkv_backward(
        &self,
        w: &[f32],
        g: &mut [f32],
        qkv: &Line,
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
        multiply(few.t(), dq, weight, wide, Into::Add);
        multiply(all.t(), dkv, &mut weight[d..], wide, Into::Add);
        grow(dx, n * d);
        multiply(dkv, qkv.part(w, d..wide).t(), dx, d, Into::Replace);
        multiply(dq, qkv.part(w, 0..d).t(), dx, d, Into::Add);
    }
}
