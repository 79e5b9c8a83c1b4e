//! The forward pass of one person, step by step, on one thread.

use super::dense::{DenseEpilogue, DenseWeights};
use super::plan::TrainPlan;
use super::program::TrainStep;
use super::weights::StepWeights;
use super::workspace::TrainWorkspace;
use crate::cpu::attention::{Attend, NormRows, Transpose};
use crate::cpu::channel_gate::GateChannels;
use crate::cpu::combine::{Double, MaxPool, Sum};
use crate::cpu::depthwise::DepthwiseRow;
use crate::cpu::memory::Maps;
use crate::cpu::net::Tokens;
use crate::cpu::operation::Part;
use crate::cpu::pack::PackedDepthwise;
use crate::cpu::simd::KernelTable;
use crate::cpu::step::MOST_PARTS;
use crate::cpu::view::{Activation, Addend, View};
use std::ops::Range;

/// Some rows of a view, from `first` on.
pub fn rows_from(view: View, first: usize) -> View {
    View { at: view.at.wrapping_add(first * view.row_step()), height: view.height - first, ..view }
}

impl TrainPlan {
    /// Computes all maps of a person without batch norms.
    ///
    /// # Panics
    /// When the workspace is too small, or holds other tokens than the network needs.
    pub fn forward_one(&self, weights: &[StepWeights], workspace: &mut TrainWorkspace) {
        self.forward_steps(weights, workspace, 0..self.program.steps.len());
    }

    /// Runs some steps, none of which is a batch norm.
    pub(super) fn forward_steps(
        &self,
        weights: &[StepWeights],
        workspace: &mut TrainWorkspace,
        steps: Range<usize>,
    ) {
        self.check(workspace);
        let values = Maps { places: &self.values, at: workspace.values.as_mut_ptr() };
        let pass = Pass {
            kernels: self.kernels,
            values,
            scratch: workspace.scratch.as_mut_ptr(),
            tokens: &workspace.tokens,
        };
        for number in steps {
            // SAFETY: the workspace is large enough, and borrowed mutably; the plan's parts lie inside of its maps.
            unsafe { pass.step(&self.program.steps[number], &weights[number]) };
        }
    }

    /// # Panics
    /// When the workspace is not for this plan.
    pub(super) fn check(&self, workspace: &TrainWorkspace) {
        let lengths = [workspace.values.len(), workspace.gradients.len(), workspace.scratch.len()];
        let needed = [self.values_len, self.gradients_len, self.scratch];
        assert!(lengths.iter().zip(needed).all(|(len, needed)| *len >= needed), "memory of a person");
        if let Some(Tokens { count, patches }) = self.tokens {
            let tokens = &workspace.tokens;
            let fit = tokens.len() == count && tokens.iter().all(|t| (*t as usize) < patches);
            assert!(fit, "tokens of a person");
        }
    }
}

/// What the steps of a person work with.
struct Pass<'a> {
    kernels: &'static KernelTable,
    values: Maps<'a>,
    scratch: *mut f32,
    tokens: &'a [u32],
}

impl Pass<'_> {
    /// # Safety
    /// The memory is that of the plan of this step, and nobody else uses it.
    unsafe fn step(&self, step: &TrainStep, weights: &StepWeights) {
        let Pass { kernels, values, .. } = *self;
        // SAFETY: the caller's.
        unsafe {
            match (step, weights) {
                (TrainStep::Convolution { .. }, StepWeights::Dense(dense, _)) => {
                    self.convolution(step, dense)
                }
                (TrainStep::Depthwise { .. }, StepWeights::Depthwise(packs)) => self.depthwise(step, packs),
                (TrainStep::Embed { .. }, StepWeights::Dense(dense, _)) => self.embed(step, dense),
                (TrainStep::LayerNorm { input, output, .. }, StepWeights::Norm(norm)) => {
                    let to = values.view(*output);
                    let (source, rows) = (values.view(*input), 0..to.height * to.width);
                    (kernels.norm_rows)(&NormRows { source, norm, rows, to: to.at });
                }
                (TrainStep::Gate { input, kept, output, .. }, StepWeights::Plain(filter)) => {
                    (kernels.gate_channels)(&GateChannels {
                        source: values.view(*input),
                        weights: &filter.weights,
                        bias: &filter.bias,
                        kept: values.view(*kept).at,
                        output: values.view(*output),
                    });
                }
                (step, _) => self.plain_step(step),
            }
        }
    }

    /// # Safety
    /// As [`Pass::step`].
    unsafe fn convolution(&self, step: &TrainStep, dense: &DenseWeights) {
        let TrainStep::Convolution { inputs, filter, stride, output, terms, activation, shuffle } = step
        else {
            return;
        };
        let view = |part: Part| self.values.view(part);
        let mut sources = [view(*output); MOST_PARTS];
        assert!(inputs.len() <= MOST_PARTS, "inputs of a convolution");
        inputs.iter().zip(&mut sources).for_each(|(&part, source)| *source = view(part));
        let (addends, count) = self.values.addends(terms);
        let epilogue =
            DenseEpilogue { addends: &addends[..count], activation: *activation, shuffle: shuffle.map(view) };
        let (sources, shape) = (&sources[..inputs.len()], [filter.kernel, *stride]);
        // SAFETY: the caller's.
        unsafe { dense.run(self.kernels, sources, view(*output), shape, &epilogue, self.scratch) };
    }

    /// # Safety
    /// As [`Pass::step`].
    unsafe fn depthwise(&self, step: &TrainStep, packs: &[PackedDepthwise]) {
        let TrainStep::Depthwise { inputs, filter, stride, output, activation } = step else { return };
        let mut first = 0;
        for (&part, packed) in inputs.iter().zip(packs) {
            let to = self.values.view(output.channels(first, part.channels));
            first += part.channels;
            for row in 0..to.height {
                let job = DepthwiseRow {
                    source: self.values.view(part),
                    packed,
                    kernel: filter.kernel,
                    stride: *stride,
                    row,
                    width: to.width,
                    to: to.at.wrapping_add(row * to.row_step()),
                    to_step: to.step,
                    activation: *activation,
                };
                // SAFETY: the caller's.
                unsafe { (self.kernels.depthwise)(&job) };
            }
        }
    }

    /// # Safety
    /// As [`Pass::step`].
    unsafe fn embed(&self, step: &TrainStep, dense: &DenseWeights) {
        let TrainStep::Embed { input, patch, positions, patches, output, first_row, .. } = step else {
            return;
        };
        let (source, to) = (self.values.view(*input), self.values.view(*patches));
        let positions = Addend { view: rows_from(self.values.view(*positions), *first_row), times: 1.0 };
        let epilogue = DenseEpilogue { addends: &[positions], activation: Activation::None, shuffle: None };
        let output = rows_from(self.values.view(*output), *first_row);
        // SAFETY: the caller's; the patches have a map of their own.
        unsafe {
            each_patch_row(source, *patch, self.tokens, |from, at, count| {
                std::ptr::copy_nonoverlapping(from, to.at.add(at), count);
            });
            dense.run(self.kernels, &[to], output, [1, 1], &epilogue, self.scratch);
        }
    }

    /// A step without numbers of its own.
    ///
    /// # Safety
    /// As [`Pass::step`].
    unsafe fn plain_step(&self, step: &TrainStep) {
        let Pass { kernels, values, scratch, .. } = *self;
        let view = |part: Part| values.view(part);
        // SAFETY: the caller's.
        unsafe {
            match step {
                TrainStep::Sum { terms, activation, output } => {
                    let (addends, count) = values.addends(terms);
                    let output = view(*output);
                    let (activation, rows) = (*activation, 0..output.height);
                    let addends = &addends[..count];
                    (kernels.sum)(&Sum { addends, activation, output, rectified: None, rows });
                }
                TrainStep::Activate { input, activation, output } => {
                    let addends = [Addend { view: view(*input), times: 1.0 }];
                    let output = view(*output);
                    let (activation, rows) = (*activation, 0..output.height);
                    (kernels.sum)(&Sum { addends: &addends, activation, output, rectified: None, rows });
                }
                TrainStep::Double { input, addend, output } => {
                    let output = view(*output);
                    let rows = 0..output.height;
                    let (source, addend) = (view(*input), view(*addend));
                    (kernels.double)(&Double { source, addend, output, rows });
                }
                TrainStep::MaxPool { input, output } => {
                    let output = view(*output);
                    (kernels.max_pool)(&MaxPool { source: view(*input), output, rows: 0..output.height });
                }
                TrainStep::Transpose { input, output, add } => {
                    let (source, output) = (view(*input), view(*output));
                    let (rows, channels) = (0..source.height * source.width, 0..source.channels);
                    (kernels.transpose)(&Transpose { source, output, rows, add: *add, channels });
                }
                TrainStep::Attend {
                    queries,
                    transposed,
                    values: of,
                    probabilities,
                    output,
                    tokens,
                    heads,
                    scale,
                    ..
                } => {
                    let output = view(*output);
                    (kernels.attend)(&Attend {
                        queries: view(*queries),
                        keys: view(*transposed),
                        values: view(*of),
                        output,
                        tokens: *tokens,
                        heads: *heads,
                        scale: *scale,
                        rows: 0..output.height,
                        probabilities: Some(view(*probabilities)),
                        scratch,
                    });
                }
                _ => unreachable!("a step whose numbers are others"),
            }
        }
    }
}

/// Calls `each` for every row of every patch of the map: where it lies, its place among the patches' numbers, and how many
/// numbers it has.
///
/// # Safety
/// The patches lie in the map.
pub unsafe fn each_patch_row(
    map: View,
    [height, width]: [usize; 2],
    tokens: &[u32],
    mut each: impl FnMut(*mut f32, usize, usize),
) {
    let (across, run) = (map.width / width, width * map.channels);
    for (place, &token) in tokens.iter().enumerate() {
        let (row, column) = (token as usize / across * height, token as usize % across * width);
        for y in 0..height {
            // SAFETY: the caller's patch lies in the map.
            let from = unsafe { map.pixel(row + y, column) };
            each(from, (place * height + y) * run, run);
        }
    }
}
