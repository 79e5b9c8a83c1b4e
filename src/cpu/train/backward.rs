//! The backward pass of one person, step by step, on one thread.

use super::dense::DenseEpilogue;
use super::forward::{each_patch_row, rows_from};
use super::plan::{BackStep, Touch, TrainPlan};
use super::program::TrainStep;
use super::weights::{BackWeights, StepWeights, masks};
use super::workspace::TrainWorkspace;
use crate::cpu::attention::{AttendGradient, Transpose};
use crate::cpu::channel_gate::{GateChannels, GateGradient};
use crate::cpu::combine::Sum;
use crate::cpu::input_gradient::{DepthwiseInput, StridedInput};
use crate::cpu::memory::Maps;
use crate::cpu::operation::{Filter, Part, Term};
use crate::cpu::pack::PackedDepthwise;
use crate::cpu::rows::{LayerNormGradient, Norm};
use crate::cpu::simd::KernelTable;
use crate::cpu::slope::{ActivationGradient, ColumnSums, Shrink, ShuffleGradient, SpreadGradient};
use crate::cpu::view::{Activation, Addend, View};
use crate::cpu::weight_gradient::WeightGradient;
use std::ops::Range;

impl TrainPlan {
    /// From the gradients that were given to those of the network's numbers, which are added to `gradient`, and of the
    /// inputs that are wanted; without batch norms.
    ///
    /// # Panics
    /// When the workspace is too small, or holds other tokens than the network needs.
    pub fn backward_one(
        &self,
        weights: &[StepWeights],
        workspace: &mut TrainWorkspace,
        gradient: &mut [f32],
    ) {
        self.backward_steps(weights, workspace, gradient, 0..self.back.len());
    }

    /// Runs some steps of the backward pass, none of which is a batch norm.
    pub(super) fn backward_steps(
        &self,
        weights: &[StepWeights],
        workspace: &mut TrainWorkspace,
        gradient: &mut [f32],
        steps: Range<usize>,
    ) {
        assert_eq!(gradient.len(), self.gradient_count, "numbers of a gradient");
        let pass = self.back_pass(workspace);
        for back in &self.back[steps] {
            let range = self.learned[back.step].range.clone();
            let own = &mut gradient[range];
            // SAFETY: the workspace is large enough, and borrowed mutably; the plan's parts lie inside of its maps.
            unsafe { pass.step(&self.program.steps[back.step], back, &weights[back.step], own) };
        }
    }

    pub(super) fn back_pass<'a>(&'a self, workspace: &'a mut TrainWorkspace) -> BackPass<'a> {
        self.check(workspace);
        BackPass {
            plan: self,
            kernels: self.kernels,
            values: Maps { places: &self.values, at: workspace.values.as_mut_ptr() },
            gradients: Maps { places: &self.gradients, at: workspace.gradients.as_mut_ptr() },
            scratch: workspace.scratch.as_mut_ptr(),
            tokens: &workspace.tokens,
        }
    }
}

/// What the steps of a person work with.
pub(super) struct BackPass<'a> {
    plan: &'a TrainPlan,
    pub kernels: &'static KernelTable,
    pub values: Maps<'a>,
    pub gradients: Maps<'a>,
    scratch: *mut f32,
    tokens: &'a [u32],
}

impl BackPass<'_> {
    /// What comes before a step's own part: zeros, and the gradient behind its activation, in place.
    ///
    /// # Safety
    /// The memory is that of the plan of this step, and nobody else uses it.
    pub unsafe fn prepare(&self, step: &TrainStep, back: &BackStep) {
        // SAFETY: the caller's.
        unsafe {
            for &part in &back.zero {
                let view = self.gradients.view(part);
                let rows = 0..view.height;
                let job =
                    Sum { addends: &[], activation: Activation::None, output: view, rectified: None, rows };
                (self.kernels.sum)(&job);
            }
            if masks(step) {
                let gradient = self.gradients.view(step.output());
                (self.kernels.activation_gradient)(&ActivationGradient {
                    gradient,
                    value: self.values.view(step.output()),
                    activation: Activation::Relu,
                    output: gradient,
                    add: false,
                });
            }
        }
    }

    /// `gradient` holds the step's own numbers.
    ///
    /// # Safety
    /// As [`BackPass::prepare`].
    unsafe fn step(&self, step: &TrainStep, back: &BackStep, weights: &StepWeights, gradient: &mut [f32]) {
        // SAFETY: the caller's.
        unsafe {
            self.prepare(step, back);
            match (step, weights) {
                (TrainStep::Convolution { .. }, StepWeights::Dense(_, inputs)) => {
                    self.convolution(step, back, inputs, gradient);
                }
                (TrainStep::Depthwise { .. }, StepWeights::Depthwise(packs)) => {
                    self.depthwise(step, back, packs, gradient);
                }
                (TrainStep::LayerNorm { .. }, StepWeights::Norm(norm)) => {
                    self.layer_norm(step, back, norm, gradient);
                }
                (TrainStep::Embed { .. }, StepWeights::Dense(_, inputs)) => {
                    self.embed(step, back, inputs, gradient);
                }
                (TrainStep::Gate { .. }, StepWeights::Plain(filter)) => {
                    self.gate(step, back, filter, gradient)
                }
                (TrainStep::Attend { .. }, _) => self.attend(step),
                _ => self.plain_step(step, back),
            }
        }
    }

    /// # Safety
    /// As [`BackPass::prepare`].
    unsafe fn layer_norm(&self, step: &TrainStep, back: &BackStep, norm: &Norm, gradient: &mut [f32]) {
        let TrainStep::LayerNorm { input, output, .. } = step else { return };
        let mut unused = vec![0.0; if gradient.is_empty() { 2 * norm.gamma.len() } else { 0 }];
        let own = if gradient.is_empty() { &mut unused[..] } else { gradient };
        let (gamma, beta) = own.split_at_mut(norm.gamma.len());
        let job = LayerNormGradient {
            source: self.values.view(*input),
            norm,
            gradient: self.gradients.view(*output),
            output: self.touched(back, 0, *input),
            add: back.touches[0] == Touch::Add,
            gamma: gamma.as_mut_ptr(),
            beta: beta.as_mut_ptr(),
        };
        // SAFETY: the caller's.
        unsafe { (self.kernels.layer_norm_gradient)(&job) };
    }

    /// # Safety
    /// As [`BackPass::prepare`].
    unsafe fn gate(&self, step: &TrainStep, back: &BackStep, filter: &Filter, gradient: &mut [f32]) {
        let TrainStep::Gate { input, kept, output, .. } = step else { return };
        let channels = filter.outputs();
        let mut unused = vec![0.0; if gradient.is_empty() { channels * (channels + 1) } else { 0 }];
        let own = if gradient.is_empty() { &mut unused[..] } else { gradient };
        let (weights, bias) = own.split_at_mut(channels * channels);
        let gate = GateChannels {
            source: self.values.view(*input),
            weights: &filter.weights,
            bias: &filter.bias,
            kept: self.values.view(*kept).at,
            output: self.gradients.view(*output),
        };
        let job = GateGradient {
            gate,
            output: self.touched(back, 0, *input),
            weights: weights.as_mut_ptr(),
            bias: bias.as_mut_ptr(),
            scratch: self.scratch,
        };
        // SAFETY: the caller's.
        unsafe { (self.kernels.gate_gradient)(&job) };
    }

    /// # Safety
    /// As [`BackPass::prepare`].
    unsafe fn attend(&self, step: &TrainStep) {
        let TrainStep::Attend {
            queries,
            keys,
            transposed,
            values,
            probabilities,
            output,
            tokens,
            heads,
            scale,
        } = step
        else {
            return;
        };
        let given = self.plan.given.contains(probabilities);
        let job = AttendGradient {
            queries: self.values.view(*queries),
            keys: self.values.view(*keys),
            values: self.values.view(*values),
            probabilities: self.values.view(*probabilities),
            probabilities_gradient: given.then(|| self.gradients.view(*probabilities)),
            gradient: self.gradients.view(*output),
            queries_gradient: self.gradients.view(*queries),
            keys_gradient: self.gradients.view(*transposed),
            values_gradient: self.gradients.view(*values),
            tokens: *tokens,
            heads: *heads,
            scale: *scale,
            scratch: self.scratch,
        };
        // SAFETY: the caller's.
        unsafe { (self.kernels.attend_gradient)(&job) };
    }

    /// The gradient of what was read in this place, if it is needed.
    fn touched(&self, back: &BackStep, read: usize, part: Part) -> Option<View> {
        (back.touches[read] != Touch::Unneeded).then(|| self.gradients.view(part))
    }

    /// A step without numbers of its own.
    ///
    /// # Safety
    /// As [`BackPass::prepare`].
    unsafe fn plain_step(&self, step: &TrainStep, back: &BackStep) {
        let BackPass { kernels, values, gradients, .. } = *self;
        let from = gradients.view(step.output());
        // SAFETY: the caller's.
        unsafe {
            match step {
                TrainStep::Sum { terms, .. } => self.terms(terms, &back.touches, from),
                TrainStep::Activate { input, activation, .. } => {
                    if let Some(output) = self.touched(back, 0, *input) {
                        (kernels.activation_gradient)(&ActivationGradient {
                            gradient: from,
                            value: values.view(*input),
                            activation: *activation,
                            output,
                            add: back.touches[0] == Touch::Add,
                        });
                    }
                }
                TrainStep::Double { input, addend, .. } => {
                    self.terms(&[addend.once()], &back.touches[..1], from);
                    if let Some(output) = self.touched(back, 1, *input) {
                        let value = values.view(*input);
                        (kernels.double_gradient)(&SpreadGradient { gradient: from, value, output });
                    }
                }
                TrainStep::MaxPool { input, .. } => {
                    if let Some(output) = self.touched(back, 0, *input) {
                        let value = values.view(*input);
                        (kernels.max_pool_gradient)(&SpreadGradient { gradient: from, value, output });
                    }
                }
                TrainStep::Transpose { input, .. } => {
                    if let Some(output) = self.touched(back, 0, *input) {
                        // A row of the gradient for each channel of what was read.
                        (kernels.transpose)(&Transpose {
                            source: from,
                            output,
                            rows: 0..input.channels,
                            add: back.touches[0] == Touch::Add,
                            channels: 0..output.height * output.width,
                        });
                    }
                }
                _ => unreachable!("a step whose numbers are others"),
            }
        }
    }

    /// Adds a gradient to what was added up.
    ///
    /// # Safety
    /// As [`BackPass::prepare`].
    pub unsafe fn terms(&self, terms: &[Term], touches: &[Touch], from: View) {
        for (term, touch) in terms.iter().zip(touches) {
            if *touch == Touch::Unneeded {
                continue;
            }
            let (add, times) = (*touch == Touch::Add, term.times);
            let output = self.gradients.view(term.part);
            // SAFETY: the caller's.
            unsafe {
                if output.up > 0 {
                    (self.kernels.shrink)(&Shrink { source: from, times, output, add });
                } else {
                    // Of a map one pixel wide perhaps the first rows alone.
                    let output = View { height: from.height, ..output };
                    let addends = [Addend { view: from, times }, Addend { view: output, times: 1.0 }];
                    let addends = &addends[..1 + usize::from(add)];
                    let rows = 0..from.height;
                    let activation = Activation::None;
                    (self.kernels.sum)(&Sum { addends, activation, output, rectified: None, rows });
                }
            }
        }
    }

    /// The gradient of a dense convolution and of what was added to it.
    ///
    /// # Safety
    /// As [`BackPass::prepare`].
    unsafe fn convolution(
        &self,
        step: &TrainStep,
        back: &BackStep,
        weights: &[Option<BackWeights>],
        gradient: &mut [f32],
    ) {
        let TrainStep::Convolution { inputs, filter, stride, output, terms, activation, shuffle } = step
        else {
            return;
        };
        let mut from = self.gradients.view(*output);
        let (mut scratch, mut touches) = (self.scratch, &back.touches[..]);
        // SAFETY: the caller's; scratch memory is as long as `plan::scratch` says.
        unsafe {
            if let Some(pass) = shuffle {
                let sums = View { at: scratch, step: filter.outputs(), channels: filter.outputs(), ..from };
                (self.kernels.shuffle_gradient)(&ShuffleGradient {
                    gradient: from,
                    value: self.values.view(*output),
                    rectified: *activation == Activation::Relu,
                    output: sums,
                    pass: self.touched(back, 0, *pass),
                    add: touches[0] == Touch::Add,
                });
                (from, touches) = (sums, &touches[1..]);
                scratch = scratch.add(from.height * from.width * from.channels);
            }
            self.terms(terms, &touches[..terms.len()], from);
            if !gradient.is_empty() {
                let (weights, bias) = gradient.split_at_mut(filter.weights.len());
                (self.kernels.column_sums)(&ColumnSums { source: from, to: bias.as_mut_ptr() });
                let mut first = 0;
                for &part in inputs {
                    let outputs = filter.outputs();
                    (self.kernels.dense_weights)(&WeightGradient {
                        source: self.values.view(part),
                        gradient: from,
                        kernel: filter.kernel,
                        stride: *stride,
                        to: weights[first * outputs..].as_mut_ptr(),
                        tap_step: filter.inputs() * outputs,
                        row_step: outputs,
                    });
                    first += part.channels;
                }
            }
            let inputs = inputs.iter().zip(weights).zip(&touches[terms.len()..]);
            for ((&part, weights), touch) in inputs {
                if let (Some(weights), true) = (weights, *touch != Touch::Unneeded) {
                    self.input(part, *touch == Touch::Add, weights, from, filter.kernel, scratch);
                }
            }
        }
    }

    /// The gradient of an input of a dense convolution.
    ///
    /// # Safety
    /// As [`BackPass::prepare`].
    unsafe fn input(
        &self,
        part: Part,
        add: bool,
        weights: &BackWeights,
        from: View,
        kernel: usize,
        scratch: *mut f32,
    ) {
        let output = self.gradients.view(part);
        // SAFETY: the caller's; scratch memory is as long as `plan::scratch` says.
        unsafe {
            let (mut to, mut scratch) = (output, scratch);
            if part.up > 0 {
                let (height, width) = (output.height << part.up, output.width << part.up);
                to = View { at: scratch, step: part.channels, height, width, up: 0, ..output };
                scratch = scratch.add(height * width * part.channels);
            }
            // At the size after up-sampling nothing is there yet.
            let adds = add && part.up == 0;
            match weights {
                BackWeights::Dense(dense) => {
                    let addends = [Addend { view: to, times: 1.0 }];
                    let epilogue = DenseEpilogue {
                        addends: &addends[..usize::from(adds)],
                        activation: Activation::None,
                        shuffle: None,
                    };
                    dense.run(self.kernels, &[from], to, [kernel, 1], &epilogue, scratch);
                }
                BackWeights::Strided(packed) => (self.kernels.strided_input)(&StridedInput {
                    gradient: from,
                    packed,
                    kernel,
                    output: to,
                    add: adds,
                }),
            }
            if part.up > 0 {
                (self.kernels.shrink)(&Shrink { source: to, times: 1.0, output, add });
            }
        }
    }

    /// The gradients of a depthwise convolution.
    ///
    /// # Safety
    /// As [`BackPass::prepare`].
    unsafe fn depthwise(
        &self,
        step: &TrainStep,
        back: &BackStep,
        packs: &[PackedDepthwise],
        gradient: &mut [f32],
    ) {
        let TrainStep::Depthwise { inputs, filter, stride, output, .. } = step else { return };
        let (kernel, stride, channels) = (filter.kernel, *stride, filter.outputs());
        let (weights, bias) = gradient.split_at_mut(gradient.len().min(filter.weights.len()));
        let mut first = 0;
        // SAFETY: the caller's.
        unsafe {
            if !bias.is_empty() {
                let source = self.gradients.view(*output);
                (self.kernels.column_sums)(&ColumnSums { source, to: bias.as_mut_ptr() });
            }
            for ((&part, packed), touch) in inputs.iter().zip(packs).zip(&back.touches) {
                let from = self.gradients.view(output.channels(first, part.channels));
                if !weights.is_empty() {
                    (self.kernels.depthwise_weights)(&WeightGradient {
                        source: self.values.view(part),
                        gradient: from,
                        kernel,
                        stride,
                        to: weights[first..].as_mut_ptr(),
                        tap_step: channels,
                        row_step: 0,
                    });
                }
                if *touch != Touch::Unneeded {
                    let (output, add) = (self.gradients.view(part), *touch == Touch::Add);
                    let job = DepthwiseInput { gradient: from, packed, kernel, stride, output, add };
                    (self.kernels.depthwise_input)(&job);
                }
                first += part.channels;
            }
        }
    }

    /// The gradient of tokens made of patches.
    ///
    /// # Safety
    /// As [`BackPass::prepare`].
    unsafe fn embed(
        &self,
        step: &TrainStep,
        back: &BackStep,
        weights: &[Option<BackWeights>],
        gradient: &mut [f32],
    ) {
        let TrainStep::Embed { input, patch, filter, patches, output, first_row, .. } = step else { return };
        let from = rows_from(self.gradients.view(*output), *first_row);
        let seen = self.values.view(*patches);
        // SAFETY: the caller's; scratch memory holds the patches.
        unsafe {
            if !gradient.is_empty() {
                let (weights, bias) = gradient.split_at_mut(filter.weights.len());
                (self.kernels.column_sums)(&ColumnSums { source: from, to: bias.as_mut_ptr() });
                (self.kernels.dense_weights)(&WeightGradient {
                    source: seen,
                    gradient: from,
                    kernel: 1,
                    stride: 1,
                    to: weights.as_mut_ptr(),
                    tap_step: 0,
                    row_step: filter.outputs(),
                });
            }
            let (Some(Some(BackWeights::Dense(dense))), Some(map)) =
                (weights.first(), self.touched(back, 0, *input))
            else {
                return;
            };
            let to = View { at: self.scratch, ..seen };
            let epilogue = DenseEpilogue { addends: &[], activation: Activation::None, shuffle: None };
            dense.run(self.kernels, &[from], to, [1, 1], &epilogue, self.scratch);
            each_patch_row(map, *patch, self.tokens, |row, at, count| {
                for i in 0..count {
                    *row.add(i) += *to.at.add(at + i);
                }
            });
        }
    }
}
