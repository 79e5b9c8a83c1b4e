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
}

impl CpuDetector {
    /// For square pictures of `side` pixels; `layout` orders the trained numbers of `net`.
    pub fn new(net: &DetectorNet, layout: &ParamLayout, side: usize) -> CpuDetector {
        let net = describe(net, Size::square(side as u32));
        let outputs: Vec<usize> = (0..net.outputs.len()).collect();
        let gradients = MapGradients { given: &outputs, ..MapGradients::default() };
        let plan = TrainPlan::new(&net, simd::kernels(), &|id| layout.start(id), &gradients);
        CpuDetector { plan, workspaces: Mutex::default() }
    }

    /// Lends memory for pictures, one after the other.
    pub fn with_workspace(&self, job: impl FnOnce(&mut TrainWorkspace)) {
        let workspaces = || self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workspace = workspaces().pop().unwrap_or_default();
        workspace.fit(&self.plan);
        job(&mut workspace);
        workspaces().push(workspace);
    }
}
