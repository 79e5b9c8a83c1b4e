//! Running a step on a part of its result: parts of maps become views, and the kernel is called.

use super::attention::{Attend, Embed, NormRows, Transpose};
use super::combine::{Double, Gate, MaxPool, Sum};
use super::convolution::{Convolution, ConvolutionSource};
use super::depthwise::DepthwiseRow;
use super::memory::Maps;
use super::operation::{Epilogue, Part};
use super::pack::Packed;
use super::simd::KernelTable;
use super::step::{MOST_PARTS, Step};
use super::view::View;
use super::winograd::Winograd;
use std::ops::Range;

/// Where a run's maps and a member's scratch memory lie.
#[derive(Clone, Copy)]
pub struct Memory<'a> {
    /// Maps.
    pub maps: Maps<'a>,
    /// Scratch memory of this thread.
    pub scratch: *mut f32,
    /// The tokens that the run chose, as many as the plan says and each one of its patches.
    pub tokens: &'a [u32],
}

impl Step {
    /// Makes a part of the result.
    ///
    /// # Safety
    /// Arena and scratch memory are as long as the plan says, no other thread uses this scratch memory, and none writes
    /// what this part reads or writes.
    pub unsafe fn run(
        &self,
        kernels: &KernelTable,
        memory: &Memory,
        range: Range<usize>,
        panels: (usize, usize),
    ) {
        // SAFETY: the caller's, and `kernels` are those of this processor.
        unsafe {
            match self {
                Step::Convolution { .. } => self.run_convolution(kernels, memory, range, panels),
                Step::Winograd { .. } => self.run_winograd(kernels, memory, range, panels),
                Step::Separable { .. } => self.run_separable(kernels, memory, range),
                Step::NormLinear { .. } => self.run_norm_linear(kernels, memory, range, panels),
                Step::Attend { .. } | Step::Embed { .. } | Step::Transpose { .. } => {
                    self.run_tokens(kernels, memory, range);
                }
                Step::Sum { .. } | Step::Double { .. } | Step::MaxPool { .. } | Step::Gate { .. } => {
                    self.run_combination(kernels, memory, range);
                }
            }
        }
    }

    /// # Safety
    /// As [`Step::run`].
    unsafe fn run_convolution(
        &self,
        kernels: &KernelTable,
        memory: &Memory,
        pixels: Range<usize>,
        panels: (usize, usize),
    ) {
        let Step::Convolution { sources, kernel, stride, gated, output, epilogue } = self else { return };
        let source = |i: usize| {
            let (part, packed) = &sources[i.min(sources.len() - 1)];
            let own = packed.values.as_ptr();
            let weights = gated.map_or(own, |part| memory.maps.view(part).at.cast_const());
            ConvolutionSource { view: memory.maps.view(*part), packed, weights }
        };
        let all: [ConvolutionSource; MOST_PARTS] = std::array::from_fn(source);
        let (addends, count) = memory.maps.addends(&epilogue.terms);
        let job = Convolution {
            sources: &all[..sources.len()],
            output: memory.maps.view(*output),
            kernel: *kernel,
            stride: *stride,
            addends: &addends[..count],
            shuffle: epilogue.shuffle.map(|part| memory.maps.view(part)),
            activation: epilogue.activation,
            residual: epilogue.residual.map(|part| memory.maps.view(part)),
            pixels,
            offset: 0,
            panels,
        };
        // SAFETY: the caller's.
        unsafe { (kernels.convolution)(&job) };
    }

    /// # Safety
    /// As [`Step::run`].
    unsafe fn run_winograd(
        &self,
        kernels: &KernelTable,
        memory: &Memory,
        tiles: Range<usize>,
        panels: (usize, usize),
    ) {
        let Step::Winograd { input, packed, side, output, epilogue } = self else { return };
        let (addends, count) = memory.maps.addends(&epilogue.terms);
        let job = Winograd {
            source: memory.maps.view(*input),
            packed,
            side: *side,
            output: memory.maps.view(*output),
            addends: &addends[..count],
            activation: epilogue.activation,
            tiles,
            panels,
            scratch: memory.scratch,
        };
        // SAFETY: the caller's.
        unsafe { (kernels.winograd)(&job) };
    }

    /// Rows of a separable convolution: the depthwise one into scratch memory, then the pointwise one from there.
    ///
    /// # Safety
    /// As [`Step::run`].
    unsafe fn run_separable(&self, kernels: &KernelTable, memory: &Memory, rows: Range<usize>) {
        let Step::Separable { sources, kernel, stride, inner, packed, output, epilogue } = self else {
            return;
        };
        let width = memory.maps.view(*output).width;
        let channels = packed.inputs;
        let mut first = 0;
        for (part, packed) in sources {
            for row in rows.clone() {
                let at = (row - rows.start) * width * channels + first;
                let job = DepthwiseRow {
                    source: memory.maps.view(*part),
                    packed,
                    kernel: *kernel,
                    stride: *stride,
                    row,
                    width,
                    to: memory.scratch.wrapping_add(at),
                    to_step: channels,
                    activation: *inner,
                };
                // SAFETY: the caller's; the rows fit the scratch memory (`Step::scratch`).
                unsafe { (kernels.depthwise)(&job) };
            }
            first += part.channels;
        }
        let seen = View { at: memory.scratch, step: channels, height: rows.len(), width, channels, up: 0 };
        let (pixels, panels) = (rows.start * width..rows.end * width, (0, packed.panels.len()));
        let behind = Linear { seen, packed, output: *output, epilogue };
        // SAFETY: the caller's.
        unsafe { behind.run(kernels, memory, pixels, panels) };
    }

    /// Rows of a layer norm into scratch memory, then the linear layer from there.
    ///
    /// # Safety
    /// As [`Step::run`].
    unsafe fn run_norm_linear(
        &self,
        kernels: &KernelTable,
        memory: &Memory,
        rows: Range<usize>,
        panels: (usize, usize),
    ) {
        let Step::NormLinear { input, norm, packed, output, epilogue } = self else { return };
        let source = memory.maps.view(*input);
        let job = NormRows { source, norm, rows: rows.clone(), to: memory.scratch };
        let seen = View { at: memory.scratch, step: source.channels, height: rows.len(), ..source };
        let behind = Linear { seen, packed, output: *output, epilogue };
        // SAFETY: the caller's; the rows fit the scratch memory (`Step::scratch`).
        unsafe {
            (kernels.norm_rows)(&job);
            behind.run(kernels, memory, rows, panels);
        }
    }

    /// # Safety
    /// As [`Step::run`].
    unsafe fn run_tokens(&self, kernels: &KernelTable, memory: &Memory, range: Range<usize>) {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Step::Transpose { input, output, add } => {
                    let source = memory.maps.view(*input);
                    (kernels.transpose)(&Transpose {
                        source,
                        output: memory.maps.view(*output),
                        rows: 0..source.height * source.width,
                        add: *add,
                        channels: range,
                    });
                }
                Step::Attend { queries, keys, values, output, tokens, heads, scale } => {
                    (kernels.attend)(&Attend {
                        queries: memory.maps.view(*queries),
                        keys: memory.maps.view(*keys),
                        values: memory.maps.view(*values),
                        output: memory.maps.view(*output),
                        tokens: *tokens,
                        heads: *heads,
                        scale: *scale,
                        rows: range,
                        probabilities: None,
                        scratch: memory.scratch,
                    });
                }
                Step::Embed { input, patch, packed, positions, output, first_row } => {
                    (kernels.embed)(&Embed {
                        source: memory.maps.view(*input),
                        patch: *patch,
                        packed,
                        tokens: memory.tokens,
                        positions: memory.maps.view(*positions),
                        output: memory.maps.view(*output),
                        first_row: *first_row,
                        range,
                    });
                }
                _ => {}
            }
        }
    }

    /// # Safety
    /// As [`Step::run`].
    unsafe fn run_combination(&self, kernels: &KernelTable, memory: &Memory, rows: Range<usize>) {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Step::Sum { terms, activation, output, rectified } => {
                    let (addends, count) = memory.maps.addends(terms);
                    (kernels.sum)(&Sum {
                        addends: &addends[..count],
                        activation: *activation,
                        output: memory.maps.view(*output),
                        rectified: rectified.map(|part| memory.maps.view(part)),
                        rows,
                    });
                }
                Step::Double { input, addend, output } => (kernels.double)(&Double {
                    source: memory.maps.view(*input),
                    addend: memory.maps.view(*addend),
                    output: memory.maps.view(*output),
                    rows,
                }),
                Step::MaxPool { input, output } => (kernels.max_pool)(&MaxPool {
                    source: memory.maps.view(*input),
                    output: memory.maps.view(*output),
                    rows,
                }),
                Step::Gate { input, matrix, packed, output } => (kernels.gate)(&Gate {
                    source: memory.maps.view(*input),
                    matrix,
                    packed,
                    output: memory.maps.view(*output).at,
                    scratch: memory.scratch,
                }),
                _ => {}
            }
        }
    }
}

/// A pointwise convolution of what lies in scratch memory.
struct Linear<'a> {
    seen: View,
    packed: &'a Packed,
    output: Part,
    epilogue: &'a Epilogue,
}

impl Linear<'_> {
    /// What lies in scratch memory stands for `pixels` of the output.
    ///
    /// # Safety
    /// As [`Step::run`].
    unsafe fn run(
        &self,
        kernels: &KernelTable,
        memory: &Memory,
        pixels: Range<usize>,
        panels: (usize, usize),
    ) {
        let Linear { seen, packed, output, epilogue } = *self;
        let (addends, count) = memory.maps.addends(&epilogue.terms);
        let job = Convolution {
            sources: &[ConvolutionSource { view: seen, packed, weights: packed.values.as_ptr() }],
            output: memory.maps.view(output),
            kernel: 1,
            stride: 1,
            addends: &addends[..count],
            shuffle: epilogue.shuffle.map(|part| memory.maps.view(part)),
            activation: epilogue.activation,
            residual: epilogue.residual.map(|part| memory.maps.view(part)),
            offset: pixels.start,
            pixels,
            panels,
        };
        // SAFETY: the caller's.
        unsafe { (kernels.convolution)(&job) };
    }
}
