//! How long each operation of a network takes, and how near it comes to what a core can do.

use super::execute::Memory;
use super::peak::{PEAK_SUMS, Peak};
use super::plan::Plan;
use super::run::Workspace;
use super::simd::KernelTable;
use super::step::Step;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The operations of one kind and shape in a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationTime {
    /// Kind, channels and size of the result.
    pub name: String,
    /// How many there are.
    pub count: usize,
    /// Multiply-adds of all of them.
    pub macs: u64,
    /// Time of all of them on one thread.
    pub time: Duration,
}

impl OperationTime {
    /// 10^9 floating point operations a second; a multiply-add is two.
    pub fn gflops(&self) -> f64 {
        2.0 * self.macs as f64 / self.time.as_secs_f64().max(f64::MIN_POSITIVE) / 1e9
    }
}

impl Plan {
    /// The fastest of `runs` runs of each operation on this thread, the slowest kind first. What lies in the workspace's
    /// inputs is run.
    ///
    /// # Panics
    /// As [`Plan::run`].
    pub fn profile(&self, workspace: &mut Workspace, runs: usize) -> Vec<OperationTime> {
        self.run_alone(workspace);
        let mut best = vec![Duration::MAX; self.steps.len()];
        for _ in 0..runs.max(1) {
            let mut spent = vec![Duration::ZERO; self.steps.len()];
            let memory: Memory = workspace.memory(self);
            for item in self.waves.iter().flat_map(|wave| &wave.items) {
                let started = Instant::now();
                // SAFETY: the memory is that of this plan and borrowed mutably, the items are in their order.
                unsafe {
                    self.steps[item.step].run(self.kernels, &memory, item.range.clone(), item.panels);
                }
                spent[item.step] += started.elapsed();
            }
            best.iter_mut().zip(spent).for_each(|(best, spent)| *best = spent.min(*best));
        }
        let mut kinds: BTreeMap<String, OperationTime> = BTreeMap::new();
        for (step, time) in self.steps.iter().zip(best) {
            let name = self.name_of(step);
            let kind = kinds.entry(name.clone()).or_insert(OperationTime {
                name,
                count: 0,
                macs: 0,
                time: Duration::ZERO,
            });
            kind.count += 1;
            kind.macs += self.macs_of(step);
            kind.time += time;
        }
        let mut kinds: Vec<OperationTime> = kinds.into_values().collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.time));
        kinds
    }

    /// Multiply-adds of a step as the convolution is defined; Winograd's tiles need fewer.
    fn macs_of(&self, step: &Step) -> u64 {
        let pixels = self.maps[step.output().map].shape.pixels();
        let macs = match step {
            Step::Convolution { sources, kernel, .. } => {
                let inputs: usize = sources.iter().map(|(part, _)| part.channels).sum();
                pixels * kernel * kernel * inputs * sources[0].1.outputs
            }
            Step::Winograd { packed, .. } => pixels * 9 * packed.inputs * packed.outputs,
            Step::Separable { packed, kernel, .. } => {
                pixels * packed.inputs * (kernel * kernel + packed.outputs)
            }
            Step::NormLinear { packed, .. } => pixels * packed.inputs * packed.outputs,
            Step::Attend { output, tokens, .. } => 2 * pixels * tokens * output.channels,
            Step::Embed { packed, first_row, .. } => (pixels - first_row) * packed.inputs * packed.outputs,
            Step::Gate { matrix, .. } => matrix.inputs * matrix.outputs,
            Step::Sum { .. } | Step::Double { .. } | Step::MaxPool { .. } | Step::Transpose { .. } => 0,
        };
        macs as u64
    }

    fn name_of(&self, step: &Step) -> String {
        let shape = self.maps[step.output().map].shape;
        let size = format!("{}x{}", shape.width, shape.height);
        let outputs = step.output().channels;
        match step {
            Step::Convolution { sources, kernel, stride, .. } => {
                let inputs: usize = sources.iter().map(|(part, _)| part.channels).sum();
                format!("convolution {kernel}x{kernel}/{stride} {inputs} -> {outputs}, {size}")
            }
            Step::Winograd { packed, side, .. } => {
                format!("Winograd F({side},3) {} -> {outputs}, {size}", packed.inputs)
            }
            Step::Separable { packed, kernel, stride, .. } => {
                format!("separable {kernel}x{kernel}/{stride} {} -> {outputs}, {size}", packed.inputs)
            }
            Step::NormLinear { packed, .. } => {
                format!("norm and linear {} -> {outputs}, {} rows", packed.inputs, shape.height)
            }
            Step::Attend { heads, tokens, .. } => {
                format!("attention {outputs} in {heads} heads, {} of {tokens} rows", shape.height)
            }
            Step::Embed { packed, .. } => format!("patches {} -> {outputs}", packed.inputs),
            Step::Transpose { .. } => format!("transpose {} x {}", shape.height, shape.channels),
            Step::Sum { .. } => format!("sum {outputs}, {size}"),
            Step::Double { .. } => format!("doubling {outputs}, {size}"),
            Step::MaxPool { .. } => format!("maximum 5x5 {outputs}, {size}"),
            Step::Gate { input, .. } => format!("gate {}", input.channels),
        }
    }
}

/// 10^9 floating point operations a second that a core of this machine reaches with multiply-adds in registers alone:
/// the fastest of some short runs.
pub fn peak_gflops(kernels: &KernelTable) -> f64 {
    const TURNS: usize = 200_000;
    let run = || {
        let started = Instant::now();
        // SAFETY: `kernels` are those of this processor.
        unsafe { (kernels.peak)(&Peak { turns: TURNS }) };
        let macs = TURNS * PEAK_SUMS * kernels.lanes;
        2.0 * macs as f64 / started.elapsed().as_secs_f64() / 1e9
    };
    (0..8).map(|_| run()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::simd::{all_available, kernels};
    use crate::cpu::{Activation, Epilogue, Filter, NetBuilder};

    #[test]
    fn operations_of_a_kind_are_added_up() {
        let mut net = NetBuilder::new();
        let input = net.input(8, 6, 4);
        let filter = || Filter { weights: vec![0.1; 4 * 4 * 9], bias: vec![0.0; 4], kernel: 3, origin: None };
        let relu = || Epilogue::new(Activation::Relu);
        let first = net.convolution(&[input], filter(), 1, relu());
        let second = net.convolution(&[first], filter(), 1, relu());
        let third = net.convolution(&[second], filter(), 2, relu());
        let net = net.finish(&[third]);
        let plan = Plan::new(&net, kernels(), 2);
        let found = plan.profile(&mut Workspace::new(&plan, 1), 2);
        let mut names: Vec<(&str, usize)> = found.iter().map(|o| (o.name.as_str(), o.count)).collect();
        names.sort_unstable();
        assert_eq!(names, [("convolution 3x3/1 4 -> 4, 6x8", 2), ("convolution 3x3/2 4 -> 4, 3x4", 1)]);
        assert_eq!(found.iter().map(|o| o.macs).sum::<u64>(), net.macs());
        assert!(found.iter().all(|o| o.time > Duration::ZERO && o.gflops() > 0.0));
    }

    #[test]
    fn every_set_has_a_peak() {
        for kernels in all_available() {
            assert!(peak_gflops(kernels) > 0.0, "{}", kernels.set);
        }
    }
}
