//! What a transformer needs beside convolutions of single pixels: its tokens are maps one pixel wide.

use super::convolution::{load, store};
use super::lanes::Lanes;
use super::pack::{Packed, most_vectors};
use super::rows::{Norm, layer_norm, softmax, softmax_gradient};
use super::tile::{Sums, multiply_add_steps, with_tile};
use super::view::View;
use super::weight_gradient::{WeightGradient, dense_weights};
use std::ops::Range;

/// What [`norm_rows`] does: layer norms of some rows.
#[derive(Clone)]
pub struct NormRows<'a> {
    /// The rows.
    pub source: View,
    /// As long as a row.
    pub norm: &'a Norm,
    /// Which of them.
    pub rows: Range<usize>,
    /// Where they go, one behind the other.
    pub to: *mut f32,
}

/// Layer norms.
///
/// # Safety
/// As [`Lanes`]; the memory belongs to the caller for the time of the call, and nobody writes what is read.
#[inline(always)]
pub unsafe fn norm_rows<L: Lanes>(job: &NormRows) {
    for (i, row) in job.rows.clone().enumerate() {
        // SAFETY: as the caller says.
        unsafe {
            let from = job.source.at.add(row * job.source.step);
            layer_norm::<L>(from, job.norm, job.to.add(i * job.source.channels));
        }
    }
}

/// What [`transpose`] does: rows become columns.
#[derive(Clone)]
pub struct Transpose {
    /// Rows of `channels` numbers.
    pub source: View,
    /// A row for each of these channels.
    pub output: View,
    /// Which rows of the source.
    pub rows: Range<usize>,
    /// Added to what is there instead of taking its place.
    pub add: bool,
    /// Which channels.
    pub channels: Range<usize>,
}

/// Writes the source's rows as columns.
///
/// # Safety
/// As [`norm_rows`].
#[inline(always)]
#[allow(clippy::extra_unused_type_parameters)] // Compiled for each instruction set, as all kernels.
pub unsafe fn transpose<L: Lanes>(job: &Transpose) {
    for channel in job.channels.clone() {
        // SAFETY: as the caller says.
        unsafe {
            let from = job.source.at.add(channel);
            let to = job.output.at.add(channel * job.output.step);
            for row in job.rows.clone() {
                let value = *from.add(row * job.source.step);
                let to = to.add(row);
                *to = if job.add { *to + value } else { value };
            }
        }
    }
}

/// What [`attend`] does: some rows of a multi-head attention.
#[derive(Clone)]
pub struct Attend {
    /// Queries, row by row; head after head.
    pub queries: View,
    /// Keys, transposed: a row for each of their channels, at least as many numbers in it as there are tokens.
    pub keys: View,
    /// Values, row by row, a vector longer than their channels.
    pub values: View,
    /// Where the mixed values go.
    pub output: View,
    /// Tokens.
    pub tokens: usize,
    /// Heads, each of which has as many channels.
    pub heads: usize,
    /// Factor of a query's product with a key.
    pub scale: f32,
    /// Which rows.
    pub rows: Range<usize>,
    /// Where the probabilities are kept, for a gradient: in each row head after head, each as long as a row of the keys.
    pub probabilities: Option<View>,
    /// Memory for `rows * (keys.channels + 1)` numbers.
    pub scratch: *mut f32,
}

/// Softmax of queries times keys, times values.
///
/// # Safety
/// As [`norm_rows`]; behind the last value of a row lie as many numbers as a vector has.
#[inline(always)]
pub unsafe fn attend<L: Lanes>(job: &Attend) {
    // SAFETY: as the caller says.
    unsafe {
        let size = job.output.channels / job.heads;
        let wide = job.keys.step;
        let rows = job.rows.len();
        for head in 0..job.heads {
            let first = head * size;
            let queries = Matrix {
                at: job.queries.at.add(job.rows.start * job.queries.step + first).cast_const(),
                step: job.queries.step,
            };
            let keys = Matrix { at: job.keys.at.add(first * wide).cast_const(), step: wide };
            let (scores_at, step) = match &job.probabilities {
                Some(kept) => (kept.at.add(job.rows.start * kept.step + head * wide), kept.step),
                None => (job.scratch, wide),
            };
            let scores = Matrix { at: scores_at.cast_const(), step };
            let tokens = job.tokens.next_multiple_of(L::N);
            product::<L>(queries, rows, size, keys, tokens, scores_at, step);
            let factors = job.scratch.add(rows * wide);
            for row in 0..rows {
                let factor = softmax::<L>(scores_at.add(row * step), job.tokens, job.scale);
                *factors.add(row) = factor;
                if job.probabilities.is_some() {
                    scale_row::<L>(scores_at.add(row * step), job.tokens, factor);
                    *factors.add(row) = 1.0;
                }
            }
            let values = Matrix { at: job.values.at.add(first).cast_const(), step: job.values.step };
            let to = job.output.at.add(job.rows.start * job.output.step + first);
            product::<L>(scores, rows, job.tokens, values, size, to, job.output.step);
            for row in 0..rows {
                scale_row::<L>(to.add(row * job.output.step), size, *factors.add(row));
            }
        }
    }
}

/// Multiplies `count` numbers.
///
/// # Safety
/// As [`norm_rows`].
#[inline(always)]
unsafe fn scale_row<L: Lanes>(row: *mut f32, count: usize, factor: f32) {
    for at in (0..count).step_by(L::N) {
        let left = (count - at).min(L::N);
        // SAFETY: as the caller says.
        unsafe { store::<L>(row.add(at), left, L::mul(load::<L>(row.add(at), left), L::splat(factor))) };
    }
}

/// What [`attend_gradient`] does. All gradients are added to what is there.
#[derive(Clone)]
pub struct AttendGradient {
    /// Queries, row by row; head after head.
    pub queries: View,
    /// Keys, row by row, not transposed; behind the last of a row lie as many numbers as a vector has.
    pub keys: View,
    /// Values, row by row.
    pub values: View,
    /// As [`Attend::probabilities`].
    pub probabilities: View,
    /// The gradient of the probabilities that comes from elsewhere.
    pub probabilities_gradient: Option<View>,
    /// The gradient of the mixed values.
    pub gradient: View,
    /// Where the gradient of the queries goes; behind the last of a row lie as many numbers as a vector has.
    pub queries_gradient: View,
    /// Where that of the transposed keys goes.
    pub keys_gradient: View,
    /// Where that of the values goes.
    pub values_gradient: View,
    /// Tokens.
    pub tokens: usize,
    /// Heads, each of which has as many channels.
    pub heads: usize,
    /// Factor of a query's product with a key.
    pub scale: f32,
    /// Memory for a row of the keys' gradient times the number of queries and of a head's channels, and a head's channels
    /// times the number of queries.
    pub scratch: *mut f32,
}

/// Gradients of an attention.
///
/// # Safety
/// As [`norm_rows`].
#[inline(always)]
pub unsafe fn attend_gradient<L: Lanes>(job: &AttendGradient) {
    for head in 0..job.heads {
        // SAFETY: as the caller says.
        unsafe {
            gradient_of_scores::<L>(job, head);
            gradient_of_products::<L>(job, head);
        }
    }
}

/// Some channels of a view.
fn channels_of(view: &View, first: usize, channels: usize) -> View {
    View { at: view.at.wrapping_add(first), channels, ..*view }
}

/// The gradient of a head's values, and, at the beginning of the scratch memory, that of its scores.
///
/// # Safety
/// As [`attend_gradient`].
#[inline(always)]
unsafe fn gradient_of_scores<L: Lanes>(job: &AttendGradient, head: usize) {
    // SAFETY: as the caller says.
    unsafe {
        let size = job.queries.channels / job.heads;
        let (wide, rows, tokens) = (job.keys_gradient.step, job.queries.height, job.tokens);
        let (first, scores) = (head * size, job.scratch);
        let transposed = scores.add(rows * wide);
        let probabilities = channels_of(&job.probabilities, head * wide, tokens);
        let gradient = channels_of(&job.gradient, first, size);
        dense_weights::<L>(&WeightGradient {
            source: probabilities,
            gradient,
            kernel: 1,
            stride: 1,
            to: job.values_gradient.at.add(first),
            tap_step: 0,
            row_step: job.values_gradient.step,
        });
        // The gradient of the probabilities: that of the mixed values times the values.
        transpose::<L>(&Transpose {
            source: channels_of(&job.values, first, size),
            output: View { at: transposed, step: wide, height: size, width: 1, channels: wide, up: 0 },
            rows: 0..tokens,
            add: false,
            channels: 0..size,
        });
        let from = Matrix { at: gradient.at.cast_const(), step: gradient.step };
        let values = Matrix { at: transposed.cast_const(), step: wide };
        product::<L>(from, rows, size, values, tokens.next_multiple_of(L::N), scores, wide);
        for row in 0..rows {
            let score = scores.add(row * wide);
            if let Some(other) = &job.probabilities_gradient {
                add_row::<L>(score, other.at.add(row * other.step + head * wide), tokens);
            }
            let p = probabilities.at.add(row * probabilities.step);
            softmax_gradient::<L>(p, score, tokens, job.scale);
        }
    }
}

/// The gradients of a head's keys and queries, from that of its scores.
///
/// # Safety
/// As [`attend_gradient`].
#[inline(always)]
unsafe fn gradient_of_products<L: Lanes>(job: &AttendGradient, head: usize) {
    // SAFETY: as the caller says.
    unsafe {
        let size = job.queries.channels / job.heads;
        let (wide, rows, tokens) = (job.keys_gradient.step, job.queries.height, job.tokens);
        let (first, scores) = (head * size, job.scratch);
        let mixed = scores.add((rows + size) * wide);
        dense_weights::<L>(&WeightGradient {
            source: channels_of(&job.queries, first, size),
            gradient: View { at: scores, step: wide, height: rows, width: 1, channels: tokens, up: 0 },
            kernel: 1,
            stride: 1,
            to: job.keys_gradient.at.add(first * wide),
            tap_step: 0,
            row_step: wide,
        });
        let keys = Matrix { at: job.keys.at.add(first).cast_const(), step: job.keys.step };
        let from = Matrix { at: scores.cast_const(), step: wide };
        product::<L>(from, rows, tokens, keys, size, mixed, size);
        for row in 0..rows {
            let to = job.queries_gradient.at.add(row * job.queries_gradient.step + first);
            add_row::<L>(to, mixed.add(row * size), size);
        }
    }
}

/// Adds `count` numbers.
///
/// # Safety
/// As [`norm_rows`].
#[inline(always)]
unsafe fn add_row<L: Lanes>(to: *mut f32, from: *const f32, count: usize) {
    for at in (0..count).step_by(L::N) {
        let left = (count - at).min(L::N);
        // SAFETY: as the caller says.
        unsafe {
            let sum = L::add(load::<L>(to.add(at), left), load::<L>(from.add(at), left));
            store::<L>(to.add(at), left, sum);
        }
    }
}

/// Rows of numbers, `step` apart.
#[derive(Clone, Copy)]
struct Matrix {
    at: *const f32,
    step: usize,
}

/// `rows` rows of `a`, of `count` numbers each, times `columns` columns of `b`. What lies behind the last column of `b`
/// is read up to a whole vector, and nothing made of it is written.
///
/// # Safety
/// As [`norm_rows`].
#[inline(always)]
unsafe fn product<L: Lanes>(
    a: Matrix,
    rows: usize,
    count: usize,
    b: Matrix,
    columns: usize,
    to: *mut f32,
    to_step: usize,
) {
    let vectors = columns.div_ceil(L::N);
    let panels = vectors.div_ceil(most_vectors::<L>());
    for panel in 0..panels {
        let (first, end) = (vectors * panel / panels, vectors * (panel + 1) / panels);
        let column = first * L::N;
        // SAFETY: as the caller says.
        with_tile!(L, end - first, |M, N| unsafe {
            let b = Matrix { at: b.at.add(column), step: b.step };
            product_panel::<L, M, N>(a, rows, count, b, columns - column, to.add(column), to_step);
        });
    }
}

/// # Safety
/// As [`product`].
#[inline(always)]
unsafe fn product_panel<L: Lanes, const M: usize, const N: usize>(
    a: Matrix,
    rows: usize,
    count: usize,
    b: Matrix,
    columns: usize,
    to: *mut f32,
    to_step: usize,
) {
    // SAFETY: as the caller says; rows behind the last are not written.
    unsafe {
        let mut at = 0;
        while at < rows {
            let valid = (rows - at).min(M);
            let mut pointers = [a.at; M];
            for m in 0..M {
                pointers[m] = a.at.add((at + m.min(valid - 1)) * a.step);
            }
            let mut sums: Sums<L::V, M, N> = [[L::splat(0.0); N]; M];
            multiply_add_steps::<L, M, N>(&mut sums, &pointers, count, b.at, b.step);
            for m in 0..M {
                for n in 0..N {
                    let column = n * L::N;
                    if m < valid && column < columns {
                        let count = (columns - column).min(L::N);
                        store::<L>(to.add((at + m) * to_step + column), count, sums[m][n]);
                    }
                }
            }
            at += valid;
        }
    }
}

/// What [`embed`] does: tokens from patches of a map.
#[derive(Clone)]
pub struct Embed<'a> {
    /// The map; its pixels have no other channels.
    pub source: View,
    /// Height and width of a patch in pixels.
    pub patch: [usize; 2],
    /// Weights, of a patch's numbers row by row.
    pub packed: &'a Packed,
    /// Which patch each token is made of, counted row by row.
    pub tokens: &'a [u32],
    /// Added to each token.
    pub positions: View,
    /// Where tokens go.
    pub output: View,
    /// The row of the first token there and in the positions.
    pub first_row: usize,
    /// Which tokens.
    pub range: Range<usize>,
}

/// Some tokens.
///
/// # Safety
/// As [`norm_rows`]; patches lie in the map.
#[inline(always)]
pub unsafe fn embed<L: Lanes>(job: &Embed) {
    for panel in &job.packed.panels {
        // SAFETY: as the caller says.
        with_tile!(L, panel.vectors, |M, N| unsafe {
            let weights = job.packed.values.as_ptr().add(panel.at);
            embed_panel::<L, M, N>(job, weights, panel.first);
        });
    }
}

/// # Safety
/// As [`embed`].
#[inline(always)]
unsafe fn embed_panel<L: Lanes, const M: usize, const N: usize>(
    job: &Embed,
    weights: *const f32,
    first: usize,
) {
    // SAFETY: as the caller says; tokens behind the last are not written.
    unsafe {
        let Embed { source, patch: [height, width], packed, .. } = *job;
        let across = source.width / width;
        let run = width * source.channels;
        let bias = packed.bias.as_ptr().add(first);
        let mut at = job.range.start;
        while at < job.range.end {
            let valid = (job.range.end - at).min(M);
            let mut patches = [source.at.cast_const(); M];
            for m in 0..M {
                let token = *job.tokens.as_ptr().add(at + m.min(valid - 1)) as usize;
                patches[m] = source.pixel(token / across * height, token % across * width).cast_const();
            }
            let mut sums: Sums<L::V, M, N> = [[L::splat(0.0); N]; M];
            for n in 0..N {
                let b = L::load(bias.add(n * L::N));
                for m in 0..M {
                    sums[m][n] = b;
                }
            }
            for y in 0..height {
                let mut rows = patches;
                for m in 0..M {
                    rows[m] = patches[m].add(y * source.row_step());
                }
                let weights = weights.add(y * run * N * L::N);
                multiply_add_steps::<L, M, N>(&mut sums, &rows, run, weights, N * L::N);
            }
            for m in 0..M {
                for n in 0..N {
                    let channel = first + n * L::N;
                    if m < valid && channel < packed.outputs {
                        let count = (packed.outputs - channel).min(L::N);
                        let row = job.first_row + at + m;
                        let position = job.positions.at.add(row * job.positions.step + channel);
                        let v = L::add(sums[m][n], load::<L>(position, count));
                        store::<L>(job.output.at.add(row * job.output.step + channel), count, v);
                    }
                }
            }
            at += valid;
        }
    }
}
