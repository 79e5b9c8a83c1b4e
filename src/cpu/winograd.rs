//! 3x3 convolutions of stride 1 by Winograd's minimal filtering (arXiv 1509.09308): a tile of results needs a quarter
//! (F(4,3)) or less than a half (F(2,3)) of the multiplications.
//!
//! Exact to 17 bits with F(4,3), whose points are 0, 1, -1, 2, -2 and infinity; F(2,3) is as exact as direct sums.

use super::activation::activate;
use super::lanes::Lanes;
use super::pack::{Packed, pack};
use super::tile::{Sums, multiply_add, with_tile};
use super::view::{Activation, Addend, View};
use std::ops::Range;

/// What [`winograd`] does.
#[derive(Clone)]
pub struct Winograd<'a> {
    /// The map, of whole vectors of channels. Never up-sampled.
    pub source: View,
    /// Weights of [`pack_winograd`].
    pub packed: &'a Packed,
    /// Sides of a tile of results, 4 or 2.
    pub side: usize,
    /// Where the result goes, of whole vectors of channels.
    pub output: View,
    /// Added before the activation; never up-sampled.
    pub addends: &'a [Addend],
    /// Applied last.
    pub activation: Activation,
    /// Tiles that are made, row by row.
    pub tiles: Range<usize>,
    /// Which of the panels.
    pub panels: (usize, usize),
    /// Memory for [`scratch_of`] numbers.
    pub scratch: *mut f32,
}

/// Numbers of scratch memory for `tiles` tiles of `side`.
pub fn scratch_of(tiles: usize, side: usize, inputs: usize, outputs: usize) -> usize {
    let side = side + 2;
    side * side * tiles * (inputs + outputs)
}

/// Weights `[outputs][inputs][9]` in Winograd's domain for tiles of `side`, 4 or 2.
pub fn pack_winograd<L: Lanes>(weights: &[f32], bias: &[f32], inputs: usize, side: usize) -> Packed {
    const SIXTH: f64 = 1.0 / 6.0;
    let rows: &[[f64; 3]] = if side == 4 {
        &[
            [0.25, 0.0, 0.0],
            [-SIXTH, -SIXTH, -SIXTH],
            [-SIXTH, SIXTH, -SIXTH],
            [SIXTH / 4.0, SIXTH / 2.0, SIXTH],
            [SIXTH / 4.0, -SIXTH / 2.0, SIXTH],
            [0.0, 0.0, 1.0],
        ]
    } else {
        &[[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]]
    };
    let mut transformed = Vec::with_capacity(weights.len() / 9 * rows.len() * rows.len());
    for kernel in weights.as_chunks::<9>().0 {
        for a in rows {
            for b in rows {
                let products = (0..9).map(|tap| a[tap / 3] * b[tap % 3] * f64::from(kernel[tap]));
                transformed.push(products.sum::<f64>() as f32);
            }
        }
    }
    pack::<L>(&transformed, bias, inputs, rows.len() * rows.len())
}

/// Some tiles.
///
/// # Safety
/// As [`Lanes`]; the views and the scratch memory belong to the caller for the time of the call, and nobody writes what
/// is read.
#[inline(always)]
pub unsafe fn winograd<L: Lanes>(job: &Winograd) {
    // SAFETY: as the caller says.
    unsafe {
        if job.side == 4 {
            tiles_of::<L, 6, 4>(job);
        } else {
            tiles_of::<L, 4, 2>(job);
        }
    }
}

/// Tiles of T x T results from S x S pixels.
///
/// # Safety
/// As [`winograd`].
#[inline(always)]
unsafe fn tiles_of<L: Lanes, const S: usize, const T: usize>(job: &Winograd) {
    // SAFETY: as the caller says.
    unsafe {
        let inputs = job.packed.inputs;
        let tiles = job.tiles.len();
        let products = job.scratch.add(S * S * tiles * inputs);
        enter::<L, S, T>(job);
        for index in job.panels.0..job.panels.1 {
            let panel = job.packed.panels[index];
            for f in 0..S * S {
                let rows = job.scratch.add(f * tiles * inputs).cast_const();
                let weights = job.packed.values.as_ptr().add(panel.at + f * inputs * panel.vectors * L::N);
                let to = products.add(f * tiles * job.packed.outputs + panel.first);
                with_tile!(L, panel.vectors, |M, N| multiply_rows::<L, M, N>(
                    rows,
                    tiles,
                    inputs,
                    weights,
                    to,
                    job.packed.outputs
                ));
            }
        }
        leave::<L, S, T>(job, products);
    }
}

/// Products of rows of scratch and a panel's weights.
///
/// # Safety
/// As [`winograd`].
#[inline(always)]
unsafe fn multiply_rows<L: Lanes, const M: usize, const N: usize>(
    rows: *const f32,
    count: usize,
    inputs: usize,
    weights: *const f32,
    to: *mut f32,
    to_step: usize,
) {
    // SAFETY: as the caller says.
    unsafe {
        let mut at = 0;
        while at < count {
            let valid = (count - at).min(M);
            let mut pointers = [rows; M];
            for m in 0..M {
                pointers[m] = rows.add((at + m.min(valid - 1)) * inputs);
            }
            let mut sums: Sums<L::V, M, N> = [[L::splat(0.0); N]; M];
            multiply_add::<L, M, N>(&mut sums, &pointers, inputs, weights);
            for m in 0..M {
                if m < valid {
                    for n in 0..N {
                        L::store(to.add((at + m) * to_step + n * L::N), sums[m][n]);
                    }
                }
            }
            at += valid;
        }
    }
}

/// Transforms the pixels of all tiles: `[S * S][tiles][inputs]` in scratch.
///
/// # Safety
/// As [`winograd`].
#[inline(always)]
unsafe fn enter<L: Lanes, const S: usize, const T: usize>(job: &Winograd) {
    // SAFETY: pixels outside of the map are zeros and not read.
    unsafe {
        let source = &job.source;
        let across = job.output.width.div_ceil(T);
        let (inputs, tiles) = (job.packed.inputs, job.tiles.len());
        let zero = L::splat(0.0);
        for (t, tile) in job.tiles.clone().enumerate() {
            let (top, left) = (tile / across * T, tile % across * T);
            let inside = top > 0 && left > 0 && top + S <= source.height + 1 && left + S <= source.width + 1;
            let mut channel = 0;
            while channel < inputs {
                let mut d = [[zero; S]; S];
                for i in 0..S {
                    for j in 0..S {
                        let (row, column) = ((top + i).wrapping_sub(1), (left + j).wrapping_sub(1));
                        if inside || (row < source.height && column < source.width) {
                            d[i][j] = L::load(source.pixel(row, column).add(channel));
                        }
                    }
                }
                for j in 0..S {
                    let mut column = [zero; S];
                    for i in 0..S {
                        column[i] = d[i][j];
                    }
                    let column = input_transform::<L, S>(&column);
                    for i in 0..S {
                        d[i][j] = column[i];
                    }
                }
                for i in 0..S {
                    let row = input_transform::<L, S>(&d[i]);
                    for j in 0..S {
                        let to = ((i * S + j) * tiles + t) * inputs + channel;
                        L::store(job.scratch.add(to), row[j]);
                    }
                }
                channel += L::N;
            }
        }
    }
}

/// Transforms the products back, and adds, activates and writes the results.
///
/// # Safety
/// As [`winograd`].
#[inline(always)]
unsafe fn leave<L: Lanes, const S: usize, const T: usize>(job: &Winograd, products: *const f32) {
    // SAFETY: results beyond the output's border are not written.
    unsafe {
        let output = &job.output;
        let across = output.width.div_ceil(T);
        let (outputs, tiles) = (job.packed.outputs, job.tiles.len());
        let zero = L::splat(0.0);
        let first = job.packed.panels[job.panels.0];
        let last = job.packed.panels[job.panels.1 - 1];
        let mut channel = first.first;
        while channel < last.first + last.vectors * L::N {
            let bias = L::load(job.packed.bias.as_ptr().add(channel));
            for (t, tile) in job.tiles.clone().enumerate() {
                let (top, left) = (tile / across * T, tile % across * T);
                let mut half = [[zero; S]; T];
                for j in 0..S {
                    let mut column = [zero; S];
                    for i in 0..S {
                        column[i] = L::load(products.add(((i * S + j) * tiles + t) * outputs + channel));
                    }
                    let column = output_transform::<L, S, T>(&column);
                    for i in 0..T {
                        half[i][j] = column[i];
                    }
                }
                for i in 0..T {
                    if top + i >= output.height {
                        break;
                    }
                    let row = output_transform::<L, S, T>(&half[i]);
                    for j in 0..T {
                        if left + j >= output.width {
                            break;
                        }
                        let pixel = (top + i) * output.width + left + j;
                        let mut v = L::add(row[j], bias);
                        for addend in job.addends {
                            let added = L::load(addend.view.at.add(pixel * addend.view.step + channel));
                            v = L::fma(added, L::splat(addend.times), v);
                        }
                        let to = output.at.add(pixel * output.step + channel);
                        L::store(to, activate::<L>(v, job.activation));
                    }
                }
            }
            channel += L::N;
        }
    }
}

/// B^T d of F(4,3) (S = 6) or F(2,3) (S = 4).
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn input_transform<L: Lanes, const S: usize>(d: &[L::V; S]) -> [L::V; S] {
    // SAFETY: arithmetic on vectors; the caller has the instruction set.
    unsafe {
        let mut out = *d;
        if S == 4 {
            out[0] = L::sub(d[0], d[2]);
            out[1] = L::add(d[1], d[2]);
            out[2] = L::sub(d[2], d[1]);
            out[3] = L::sub(d[1], d[3]);
            return out;
        }
        let (four, minus_four, minus_five) = (L::splat(4.0), L::splat(-4.0), L::splat(-5.0));
        let even = L::fma(minus_four, d[2], d[4]);
        let odd = L::fma(minus_four, d[1], d[3]);
        let (c, e) = (L::sub(d[4], d[2]), L::sub(d[3], d[1]));
        out[0] = L::fma(four, d[0], L::fma(minus_five, d[2], d[4]));
        out[1] = L::add(even, odd);
        out[2] = L::sub(even, odd);
        out[3] = L::fma(L::splat(2.0), e, c);
        out[4] = L::fma(L::splat(-2.0), e, c);
        out[5] = L::fma(four, d[1], L::fma(minus_five, d[3], d[5]));
        out
    }
}

/// A^T m of F(4,3) (S = 6, T = 4) or F(2,3) (S = 4, T = 2).
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn output_transform<L: Lanes, const S: usize, const T: usize>(m: &[L::V; S]) -> [L::V; T] {
    // SAFETY: arithmetic on vectors; the caller has the instruction set.
    unsafe {
        let mut out = [m[0]; T];
        if T == 2 {
            out[0] = L::add(m[0], L::add(m[1], m[2]));
            out[1] = L::sub(L::sub(m[1], m[2]), m[3]);
            return out;
        }
        let (a, b) = (L::add(m[1], m[2]), L::sub(m[1], m[2]));
        let (c, d) = (L::add(m[3], m[4]), L::sub(m[3], m[4]));
        out[0] = L::add(m[0], L::add(a, c));
        out[1] = L::fma(L::splat(2.0), d, b);
        out[2] = L::fma(L::splat(4.0), c, a);
        out[3] = L::add(m[5], L::fma(L::splat(8.0), d, b));
        out
    }
}
