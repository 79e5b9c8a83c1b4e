//! The network in the CPU's engine, ready to learn.

use crate::cpu::simd;
use crate::cpu::train::plan::MapGradients;
use crate::cpu::train::{TrainPlan, TrainWorkspace};
use crate::detect::{DetectorNet, describe};
use crate::pose::Size;
use crate::train::parameters::ParamLayout;
use std::sync::{Mutex, PoisonError};

/// The engine's plan, and the memory of pictures that are learnt from at the same time.
pub struct CpuDetector {
    /// Its outputs are those of [`describe`], and the gradients of all of them are given.
    pub plan: TrainPlan,
    workspaces: Mutex<Vec<TrainWorkspace>>,
    /// Gradients of the engine's numbers that nobody uses.
    gradients: Mutex<Vec<Vec<f32>>>,
}

impl CpuDetector {
    /// For square pictures of `side` pixels; `layout` orders the trained numbers of `net`.
    pub fn new(net: &DetectorNet, layout: &ParamLayout, side: usize) -> CpuDetector {
        let net = describe(net, Size::square(side as u32));
        let outputs: Vec<usize> = (0..net.outputs.len()).collect();
        let gradients = MapGradients { given: &outputs, ..MapGradients::default() };
        let plan = TrainPlan::new(&net, simd::kernels(), &|id| layout.start(id), &gradients);
        CpuDetector { plan, workspaces: Mutex::default(), gradients: Mutex::default() }
    }

    /// Lends memory for pictures, one after the other.
    pub fn with_workspace(&self, job: impl FnOnce(&mut TrainWorkspace)) {
        let workspaces = || self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workspace = workspaces().pop().unwrap_or_default();
        workspace.fit(&self.plan);
        job(&mut workspace);
        workspaces().push(workspace);
    }

    /// Lends a gradient that is zero; [`CpuDetector::give_back`] takes it again.
    pub fn gradient(&self) -> Vec<f32> {
        let kept = self.gradients.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut gradient = kept.unwrap_or_else(|| self.plan.no_gradient());
        gradient.fill(0.0);
        gradient
    }

    /// Keeps a gradient for the next step.
    pub fn give_back(&self, gradient: Vec<f32>) {
        self.gradients.lock().unwrap_or_else(PoisonError::into_inner).push(gradient);
    }
}
