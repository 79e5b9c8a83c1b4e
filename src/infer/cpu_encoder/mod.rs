//! The transformers on the CPU, written out by hand for inference: what [`TmPose::encode`] computes.
//!
//! A strip of token rows passes from the attention through the MLP to the next block's queries, keys and
//! values while it lies in a core's cache; the cores meet once a block. Persons of a batch are shared by the
//! cores first, and where there are fewer of them, their strips. How a person is cut depends on the number
//! of its tokens alone, so results are the same to the bit whatever the batch and the number of cores.
//!
//! The training's pass (`train/cpu/pass.rs`) takes a person as a whole and keeps what its gradient needs;
//! the two share their kernels, not the walk through a block.

mod block;
mod workspace;

use crate::cpu::transformer::add;
use crate::gpu::ComputeDevice;
use crate::model::{PoseNet, TmPose, numbers, sine_positions};
use block::EncoderBlock;
use rayon::prelude::*;
use workspace::{PersonWorkspace, StripWorkspace, WorkspacePool, first};

/// Rows of a strip at most: few enough to stay in the cache with all that is made of them, many enough
/// for the matrix products to be worth their preparation.
const STRIP: usize = 48;
/// Rows that the matrix product takes at once; a strip is a multiple of it.
const TILE: usize = 6;

/// The weights of a model's transformers, and memory that passes use again and again.
pub struct CpuEncoder {
    /// Of all transformers, one after the other.
    blocks: Vec<EncoderBlock>,
    /// `[J, dim]`.
    keypoint_tokens: Vec<f32>,
    /// `[N, dim]`.
    positions: Vec<f32>,
    dim: usize,
    joints: usize,
    transformers: usize,
    persons: WorkspacePool<PersonWorkspace>,
    strips: WorkspacePool<StripWorkspace>,
}

impl CpuEncoder {
    /// Copies the weights of `model` if it computes on the CPU and its family has this pass; elsewhere Burn runs it.
    pub fn on(device: &ComputeDevice, model: &PoseNet) -> Option<CpuEncoder> {
        model.as_tmpose().filter(|_| !device.is_gpu()).map(CpuEncoder::new)
    }

    /// Copies the weights of `model`, wherever it lives.
    pub fn new(model: &TmPose) -> CpuEncoder {
        let config = model.config();
        let blocks = model.encoders.iter().enumerate().flat_map(|(transformer, encoder)| {
            let last = encoder.layers.len().saturating_sub(1);
            encoder.layers.iter().enumerate().map(move |(i, layer)| {
                EncoderBlock::new(layer, config, i > 0, (i == last).then_some(transformer))
            })
        });
        CpuEncoder {
            blocks: blocks.collect(),
            keypoint_tokens: numbers(model.keypoint_token.val()),
            positions: sine_positions(config.grid, config.dim),
            dim: config.dim,
            joints: config.joints,
            transformers: model.encoders.len(),
            persons: WorkspacePool::default(),
            strips: WorkspacePool::default(),
        }
    }

    /// Runs the transformers over the keypoint tokens and the visual `tokens`, `[B,k,dim]` row-major with
    /// their positions added: `[B,J,dim * transformers]`, the keypoint tokens after each transformer side
    /// by side. `position_ids` is the row of the position table of each of the k tokens of any person.
    ///
    /// # Panics
    /// When `position_ids` is empty or names a row that the table does not have.
    pub fn encode(&self, tokens: &[f32], position_ids: &[usize]) -> Vec<f32> {
        assert!(!position_ids.is_empty(), "at least one visual token is kept");
        let (taken, made) = (position_ids.len() * self.dim, self.joints * self.dim * self.transformers);
        let mut out = vec![0.0; tokens.len() / taken * made];
        out.par_chunks_exact_mut(made).zip(tokens.par_chunks_exact(taken)).for_each(|(out, tokens)| {
            self.persons.lend(|workspace| self.person(tokens, position_ids, out, workspace));
        });
        out
    }

    fn person(
        &self,
        tokens: &[f32],
        position_ids: &[usize],
        out: &mut [f32],
        workspace: &mut PersonWorkspace,
    ) {
        let (d, joints) = (self.dim, self.joints);
        let n = joints + position_ids.len();
        let rows = strip_rows(n);
        let x = first(&mut workspace.x, n * d);
        x[..joints * d].copy_from_slice(&self.keypoint_tokens);
        x[joints * d..].copy_from_slice(tokens);
        let [now, next] = &mut workspace.qkv;
        let (mut now, mut next) = (first(now, n * 3 * d), first(next, n * 3 * d));
        for step in 0..=self.blocks.len() {
            let (left, entered) = (step.checked_sub(1).map(|i| &self.blocks[i]), self.blocks.get(step));
            // Nothing reads the visual rows behind the last block.
            let (x, queries) = match step + 1 {
                after if after > self.blocks.len() => (&mut x[..joints * d], joints),
                after if after == self.blocks.len() => (&mut *x, joints),
                _ => (&mut *x, n),
            };
            let strips = x.par_chunks_mut(rows * d).zip(next.par_chunks_mut(rows * 3 * d));
            strips.enumerate().for_each(|(i, (x, qkv))| {
                self.strips.lend(|workspace| {
                    let start = i * rows;
                    if let Some(block) = left {
                        block.leave(x, now, start, workspace);
                    }
                    if let Some(block) = entered {
                        if block.adds_positions {
                            self.add_positions(x, start, position_ids);
                        }
                        block.enter(x, qkv, queries.saturating_sub(start), workspace);
                    }
                });
            });
            if let Some(transformer) = left.and_then(|block| block.ends) {
                let wide = self.transformers * d;
                for (out, x) in out.chunks_exact_mut(wide).zip(x.chunks_exact(d)) {
                    out[transformer * d..(transformer + 1) * d].copy_from_slice(x);
                }
            }
            std::mem::swap(&mut now, &mut next);
        }
    }

    /// Adds their positions to the visual ones of the rows `x`, of which the first is row `start`.
    fn add_positions(&self, x: &mut [f32], start: usize, position_ids: &[usize]) {
        let d = self.dim;
        for (row, x) in x.chunks_exact_mut(d).enumerate() {
            if let Some(token) = (start + row).checked_sub(self.joints) {
                let place = position_ids[token];
                add(x, &self.positions[place * d..(place + 1) * d]);
            }
        }
    }
}

/// Rows of each strip of `n` rows but perhaps the last.
fn strip_rows(n: usize) -> usize {
    n.div_ceil(n.div_ceil(STRIP)).next_multiple_of(TILE)
}

#[cfg(test)]
mod tests;
