//! The forward and backward pass of one person.

use super::input::{LossFactors, PassInput};
use super::kernels;
use super::layers::{grow, zeroed};
use super::network::{BlockParams, CpuNetwork, LinearParams};
use super::workspace::{BlockRows, BlockTrace, GradientBuffers, PassWorkspace};
use crate::cpu::{Mat, OutputMode, multiply};
use crate::train::pose::loss::PoseLoss;

impl CpuNetwork {
    /// Runs one person through the network and back: adds the gradient of the weights `w` to `g` and
    /// returns the terms of the loss. The heatmaps [J, cells] are copied to `maps` where given.
    pub fn pass(
        &self,
        w: &[f32],
        g: &mut [f32],
        input: &PassInput,
        factors: LossFactors,
        maps: Option<&mut Vec<f32>>,
        workspace: &mut PassWorkspace,
    ) -> PoseLoss {
        self.forward(w, input.patches, input.feature, input.kept, workspace);
        if let Some(maps) = maps {
            maps.clear();
            maps.extend_from_slice(&workspace.maps);
        }
        let mut loss = self.map_losses(input, factors, workspace);
        loss.teacher += self.distill_layers(input, factors, workspace);
        self.backward(w, g, input, workspace);
        loss
    }

    /// The heatmaps of one person, [J, cells] row-major; they stay in `workspace`. `patches` and `feature` are
    /// those of [`PassInput`].
    pub fn maps<'r>(
        &self,
        w: &[f32],
        patches: &[f32],
        feature: &[f32],
        kept: &[usize],
        workspace: &'r mut PassWorkspace,
    ) -> &'r [f32] {
        self.forward(w, patches, feature, kept, workspace);
        &workspace.maps
    }

    /// Computes the heatmaps of a person; everything that the backward pass reads stays in `workspace`.
    fn forward(
        &self,
        w: &[f32],
        patches: &[f32],
        feature: &[f32],
        kept: &[usize],
        workspace: &mut PassWorkspace,
    ) {
        let (joints, all) = (self.joints, self.joints + kept.len());
        let PassWorkspace { x, blocks, scratch, .. } = workspace;
        self.embed(w, patches, kept, x);
        blocks.resize_with(self.blocks.len(), BlockTrace::default);
        let last = self.blocks.len() - 1;
        for (i, (block, trace)) in self.blocks.iter().zip(blocks).enumerate() {
            if i > 0 {
                self.add_positions(kept, x);
            }
            // Nothing reads the visual rows of the last block.
            let rows = BlockRows { all, queries: if i == last { joints } else { all } };
            self.block_forward(w, block, rows, x, trace, scratch);
        }
        self.head_forward(w, workspace);
        if let Some(head) = &self.feature_head {
            self.add_feature_maps(w, head, feature, workspace);
        }
    }

    /// The tokens in front of the first block, keypoints first.
    fn embed(&self, w: &[f32], patches: &[f32], kept: &[usize], x: &mut Vec<f32>) {
        let (d, joints, count) = (self.dim, self.joints, kept.len());
        grow(x, (joints + count) * d);
        x[..joints * d].copy_from_slice(&w[self.keypoint_token.clone()]);
        let patches = Mat::new(patches, count, self.patch.inputs, self.patch.inputs);
        multiply(patches, self.patch.matrix(w), &mut x[joints * d..], d, OutputMode::Replace);
        kernels::add_bias(&mut x[joints * d..], &w[self.patch.bias.clone()]);
        self.add_positions(kept, x);
    }

    /// Adds the position of each count token to its row.
    fn add_positions(&self, kept: &[usize], x: &mut [f32]) {
        let d = self.dim;
        for (row, &token) in x[self.joints * d..].chunks_exact_mut(d).zip(kept) {
            kernels::add(row, &self.positions[token * d..(token + 1) * d]);
        }
    }

    /// One block: replaces the rows `x` by those behind it; `trace` keeps what the backward pass reads.
    fn block_forward(
        &self,
        w: &[f32],
        block: &BlockParams,
        rows: BlockRows,
        x: &mut Vec<f32>,
        trace: &mut BlockTrace,
        scratch: &mut Vec<f32>,
    ) {
        let d = self.dim;
        // Attention: x + proj(attend(norm1(x)))
        trace.norm1.forward(w, &block.norm1, x);
        self.attend(w, &block.qkv, rows, trace);
        x.truncate(rows.queries * d);
        block.proj.forward(w, &trace.mixed, scratch);
        kernels::add_bias(x, &w[block.proj.bias.clone()]);
        kernels::add(x, scratch);
        // MLP: x + fc2(gelu(fc1(norm2(x))))
        trace.norm2.forward(w, &block.norm2, x);
        block.fc1.forward(w, &trace.norm2.out, &mut trace.hidden);
        grow(&mut trace.slope, trace.hidden.len());
        kernels::bias_gelu(&mut trace.hidden, &w[block.fc1.bias.clone()], &mut trace.slope);
        block.fc2.forward(w, &trace.hidden, scratch);
        kernels::add_bias(x, &w[block.fc2.bias.clone()]);
        kernels::add(x, scratch);
        trace.keypoints.clear();
        trace.keypoints.extend_from_slice(&x[..self.joints * d]);
    }

    /// The heatmaps of the keypoint rows.
    fn head_forward(&self, w: &[f32], workspace: &mut PassWorkspace) {
        let PassWorkspace { x, head1, head_hidden, head2, maps, .. } = workspace;
        head1.forward(w, &self.head_norm1, x);
        self.head_fc1.forward(w, &head1.out, head_hidden);
        kernels::add_bias(head_hidden, &w[self.head_fc1.bias.clone()]);
        head2.forward(w, &self.head_norm2, head_hidden);
        self.head_fc2.forward(w, &head2.out, maps);
        kernels::add_bias(maps, &w[self.head_fc2.bias.clone()]);
    }

    /// Adds the heatmaps of the feature head.
    fn add_feature_maps(
        &self,
        w: &[f32],
        head: &LinearParams,
        feature: &[f32],
        workspace: &mut PassWorkspace,
    ) {
        head.forward(w, feature, &mut workspace.scratch);
        let (joints, cells) = (self.joints, self.cells.len());
        for (cell_maps, &cell) in workspace.scratch.chunks_exact(joints).zip(&self.cells) {
            for (j, v) in cell_maps.iter().enumerate() {
                workspace.maps[j * cells + cell] += v;
            }
        }
        for (map, bias) in workspace.maps.chunks_exact_mut(cells).zip(&w[head.bias.clone()]) {
            map.iter_mut().for_each(|v| *v += bias);
        }
    }

    /// Gradient of [`CpuNetwork::add_feature_maps`]; that of the feature is not needed, since the backbone is frozen.
    fn feature_head_backward(
        &self,
        g: &mut [f32],
        head: &LinearParams,
        feature: &[f32],
        workspace: &mut PassWorkspace,
    ) {
        let (joints, cells) = (self.joints, self.cells.len());
        grow(&mut workspace.scratch, joints * cells);
        for (cell_maps, &cell) in workspace.scratch.chunks_exact_mut(joints).zip(&self.cells) {
            for (j, v) in cell_maps.iter_mut().enumerate() {
                *v = workspace.maps[j * cells + cell];
            }
        }
        head.gather(g, feature, &workspace.scratch);
    }

    /// Adds the gradient of the weights to `g`, from that of the heatmaps and the distillation in `workspace`.
    fn backward(&self, w: &[f32], g: &mut [f32], input: &PassInput, workspace: &mut PassWorkspace) {
        let (d, joints) = (self.dim, self.joints);
        let all = joints + input.kept.len();
        if let Some(head) = &self.feature_head {
            self.feature_head_backward(g, head, input.feature, workspace);
        }
        self.head_backward(w, g, workspace);
        let PassWorkspace { blocks, gradients, .. } = workspace;
        for (block, trace) in self.blocks.iter().zip(blocks).rev() {
            let rows = BlockRows { all, queries: trace.mixed.len() / d };
            self.block_backward(w, g, block, rows, trace, gradients);
        }
        // Tokens. Positions are constants.
        kernels::add(&mut g[self.keypoint_token.clone()], &gradients.dx[..joints * d]);
        self.patch.gather(g, input.patches, &gradients.dx[joints * d..]);
    }

    /// From the gradient of the heatmaps computes that of the keypoint rows behind the last block.
    fn head_backward(&self, w: &[f32], g: &mut [f32], workspace: &mut PassWorkspace) {
        let PassWorkspace { head1, head_hidden, head2, maps, gradients, .. } = workspace;
        let GradientBuffers { dx, dwide, dnarrow, .. } = gradients;
        self.head_fc2.gather(g, &head2.out, maps);
        self.head_fc2.backward(w, maps, dwide);
        zeroed(dnarrow, head_hidden.len());
        head2.backward(w, g, &self.head_norm2, dwide, dnarrow);
        self.head_fc1.gather(g, &head1.out, dnarrow);
        self.head_fc1.backward(w, dnarrow, dwide);
        zeroed(dx, self.joints * self.dim);
        head1.backward(w, g, &self.head_norm1, dwide, dx);
    }

    /// From the gradient of the rows behind a block computes that of the rows in front of it.
    fn block_backward(
        &self,
        w: &[f32],
        g: &mut [f32],
        block: &BlockParams,
        rows: BlockRows,
        trace: &BlockTrace,
        gradients: &mut GradientBuffers,
    ) {
        let GradientBuffers { dx, dwide, dnarrow, .. } = gradients;
        if !trace.keypoint_gradient.is_empty() {
            kernels::add(dx, &trace.keypoint_gradient);
        }
        // MLP: x + fc2(gelu(fc1(norm2(x))))
        block.fc2.gather(g, &trace.hidden, dx);
        block.fc2.backward(w, dx, dwide);
        kernels::scale_by(dwide, &trace.slope);
        block.fc1.gather(g, &trace.norm2.out, dwide);
        block.fc1.backward(w, dwide, dnarrow);
        trace.norm2.backward(w, g, &block.norm2, dnarrow, dx);
        // Attention: x + proj(attend(norm1(x)))
        block.proj.gather(g, &trace.mixed, dx);
        block.proj.backward(w, dx, dnarrow);
        self.attend_backward(rows, trace, gradients);
        self.qkv_backward(w, g, &block.qkv, rows, trace, gradients);
        // Below the last block the visual rows have no gradient of their own.
        let GradientBuffers { dx, dnarrow, .. } = gradients;
        dx.resize(rows.all * self.dim, 0.0);
        trace.norm1.backward(w, g, &block.norm1, dnarrow, dx);
    }
}
