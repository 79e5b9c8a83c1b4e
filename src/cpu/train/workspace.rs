//! The memory in which one person is learnt from.

use super::plan::TrainPlan;
use crate::cpu::buffer::Buffer;
use crate::cpu::memory::Placed;
use crate::cpu::operation::Part;

/// Maps, their gradients and scratch memory of one person.
#[derive(Debug, Default)]
pub struct TrainWorkspace {
    /// The patches of which tokens are made, where the network has such.
    pub tokens: Vec<u32>,
    pub(super) values: Buffer,
    pub(super) gradients: Buffer,
    pub(super) scratch: Buffer,
    /// What this person adds to the statistics of the batch norm that is due.
    pub(super) sums: Vec<f32>,
}

impl TrainWorkspace {
    /// Makes it large enough for `plan`, whatever it was for.
    pub fn fit(&mut self, plan: &TrainPlan) {
        let grow = |buffer: &mut Buffer, len: usize| {
            if buffer.len() < len {
                *buffer = Buffer::zeros(len);
            }
        };
        grow(&mut self.values, plan.values_len);
        grow(&mut self.gradients, plan.gradients_len);
        grow(&mut self.scratch, plan.scratch);
    }

    /// The numbers of an input, to be written before a run.
    pub fn input(&mut self, plan: &TrainPlan, index: usize) -> &mut [f32] {
        whole(&mut self.values, &plan.values, plan.program.inputs[index])
    }

    /// The numbers of an output, to be read after a run.
    pub fn output(&mut self, plan: &TrainPlan, index: usize) -> &mut [f32] {
        whole(&mut self.values, &plan.values, plan.program.outputs[index])
    }

    /// The probabilities of an attention: in each row head after head, each as long as tokens filled up to 16.
    pub fn probabilities(&mut self, plan: &TrainPlan, index: usize) -> &mut [f32] {
        whole(&mut self.values, &plan.values, plan.program.probabilities[index])
    }

    /// The gradient of one of [`MapGradients::given`](super::plan::MapGradients), then of the probabilities; all of it is to
    /// be written before the backward pass.
    pub fn given(&mut self, plan: &TrainPlan, index: usize) -> &mut [f32] {
        whole(&mut self.gradients, &plan.gradients, plan.given[index])
    }

    /// The gradient of one of [`MapGradients::wanted`](super::plan::MapGradients), to be read after the backward pass.
    pub fn wanted(&mut self, plan: &TrainPlan, index: usize) -> &mut [f32] {
        whole(&mut self.gradients, &plan.gradients, plan.wanted[index])
    }
}

/// # Panics
/// When the part is not a whole map.
fn whole<'a>(buffer: &'a mut Buffer, places: &[Placed], part: Part) -> &'a mut [f32] {
    let placed = places[part.map];
    assert!((part.first, part.channels, part.up) == (0, placed.shape.channels, 0), "a part of a map");
    &mut buffer[placed.offset..][..placed.shape.numbers()]
}
