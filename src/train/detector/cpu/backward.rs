//! The gradient of what the network makes of one picture, back to the weights.

use super::forward::{DetectorTrace, SavedTensors, columns_of, halved, made_size};
use super::kernels;
use super::map::FeatureMap;
use super::program::{Conv, DetectorProgram, ProgramOp, ProgramStep};
use crate::cpu::{Mat, OutputMode, multiply};

/// The gradient of one map, in the order of its numbers.
pub struct MapGradient {
    /// The place of the map in [`DetectorTrace::maps`].
    pub map: usize,
    /// One for each number of the map.
    pub values: Vec<f32>,
}

impl DetectorProgram {
    /// Adds the gradient of the packed weights to `out`. `given` are gradients of some maps.
    pub fn backward(&self, packed: &[f32], trace: &DetectorTrace, given: Vec<MapGradient>, out: &mut [f32]) {
        let gradients = vec![Vec::new(); trace.maps.len()];
        let mut pass = BackwardPass { program: self, packed, maps: &trace.maps, gradients, out };
        for MapGradient { map, values } in given {
            pass.gradients[map] = values;
        }
        for (number, step) in self.steps.iter().enumerate().rev() {
            let gradient = std::mem::take(&mut pass.gradients[number + 1]);
            if self.learns[number + 1] && !gradient.is_empty() {
                pass.back(step, &trace.kept[number], gradient);
            }
        }
    }
}

/// Where the gradients of a picture gather.
struct BackwardPass<'a> {
    program: &'a DetectorProgram,
    packed: &'a [f32],
    maps: &'a [FeatureMap],
    /// The sum so far for each map; empty where there is none.
    gradients: Vec<Vec<f32>>,
    /// Of the packed weights.
    out: &'a mut [f32],
}

impl BackwardPass<'_> {
    /// From the gradient of what a step made to those of its weights and of what it looked at.
    fn back(&mut self, step: &ProgramStep, kept: &SavedTensors, mut gradient: Vec<f32>) {
        let source = step.from[0];
        if let SavedTensors::Sums(sums) = kept {
            kernels::silu_back(sums, &mut gradient);
        }
        let program = self.program;
        match step.op {
            ProgramOp::Dense { conv, .. } => self.dense(&program.convs[conv], source, &gradient),
            ProgramOp::Depthwise { conv } => self.depthwise(&program.convs[conv], source, &gradient),
            ProgramOp::Add => self.add(&step.from, &gradient),
            ProgramOp::Join => self.join(&step.from, &gradient),
            ProgramOp::Double => self.double(source, &gradient),
            ProgramOp::Pool => self.pool(kept, source, &gradient),
            ProgramOp::Gate { conv } => self.gate(&program.convs[conv], kept, source, &gradient),
        }
    }

    fn learns(&self, map: usize) -> bool {
        self.program.learns[map]
    }

    /// The sum of a map's gradients, to be added to; empty for a map of which nothing is trained.
    fn take_sum(&mut self, map: usize) -> Vec<f32> {
        let mut sum = std::mem::take(&mut self.gradients[map]);
        if self.learns(map) {
            sum.resize(self.maps[map].values.len(), 0.0);
        }
        sum
    }

    fn dense(&mut self, conv: &Conv, source: usize, gradient: &[f32]) {
        let from = &self.maps[source];
        let (inputs, outputs) = (conv.inputs * conv.kernel * conv.kernel, conv.outputs);
        let cells = gradient.len() / outputs;
        let given = Mat::new(gradient, cells, outputs, outputs);
        if conv.is_trained() {
            let columns = columns_of(conv, from, &made_size(conv, from));
            let seen = Mat::new(columns.as_deref().unwrap_or(&from.values), cells, inputs, inputs);
            multiply(seen.t(), given, &mut self.out[conv.weight.clone()], outputs, OutputMode::Add);
            kernels::add_rows(gradient, &mut self.out[conv.bias.clone()]);
        }
        if !self.learns(source) {
            return;
        }
        let mut sum = self.take_sum(source);
        let weight = Mat::new(&self.packed[conv.weight.clone()], inputs, outputs, outputs);
        if conv.kernel == 1 {
            multiply(given, weight.t(), &mut sum, inputs, OutputMode::Add);
        } else {
            let to = made_size(conv, from);
            let mut columns = vec![0.0; cells * inputs];
            multiply(given, weight.t(), &mut columns, inputs, OutputMode::Replace);
            kernels::columns_back(
                &columns,
                from.height,
                from.width,
                from.channels,
                conv.kernel,
                conv.stride,
                to.width,
                to.height,
                &mut sum,
            );
        }
        self.gradients[source] = sum;
    }

    fn depthwise(&mut self, conv: &Conv, source: usize, gradient: &[f32]) {
        let from = &self.maps[source];
        let mut sum = self.take_sum(source);
        let mut taps = vec![0.0; conv.weight.len()];
        kernels::depthwise_back(
            &from.values,
            from.height,
            from.width,
            &self.packed[conv.weight.clone()],
            conv.kernel,
            conv.stride,
            conv.outputs,
            made_size(conv, from).width,
            gradient,
            &mut taps,
            &mut sum,
        );
        if conv.is_trained() {
            kernels::add(&taps, &mut self.out[conv.weight.clone()]);
            kernels::add_rows(gradient, &mut self.out[conv.bias.clone()]);
        }
        self.gradients[source] = sum;
    }

    fn add(&mut self, sources: &[usize], gradient: &[f32]) {
        for &map in sources {
            if self.learns(map) {
                let mut sum = self.take_sum(map);
                kernels::add(gradient, &mut sum);
                self.gradients[map] = sum;
            }
        }
    }

    fn join(&mut self, sources: &[usize], gradient: &[f32]) {
        let all: usize = sources.iter().map(|&map| self.maps[map].channels).sum();
        let mut first = 0;
        for &map in sources {
            let channels = self.maps[map].channels;
            if self.learns(map) {
                let mut sum = self.take_sum(map);
                for (s, g) in sum.chunks_exact_mut(channels).zip(gradient.chunks_exact(all)) {
                    s.iter_mut().zip(&g[first..]).for_each(|(s, g)| *s += g);
                }
                self.gradients[map] = sum;
            }
            first += channels;
        }
    }

    fn double(&mut self, source: usize, gradient: &[f32]) {
        let from = &self.maps[source];
        let mut sum = self.take_sum(source);
        for (pixel, g) in gradient.chunks_exact(from.channels).enumerate() {
            let at = halved(pixel, from.width) * from.channels;
            sum[at..][..from.channels].iter_mut().zip(g).for_each(|(s, g)| *s += g);
        }
        self.gradients[source] = sum;
    }

    fn pool(&mut self, kept: &SavedTensors, source: usize, gradient: &[f32]) {
        let mut sum = self.take_sum(source);
        if let SavedTensors::Largest(places) = kept {
            places.iter().zip(gradient).for_each(|(&place, g)| sum[place as usize] += g);
        }
        self.gradients[source] = sum;
    }

    fn gate(&mut self, conv: &Conv, kept: &SavedTensors, source: usize, gradient: &[f32]) {
        let SavedTensors::Gate { mean, open } = kept else { return };
        let from = &self.maps[source];
        let channels = from.channels;
        let mut wanted = vec![0.0; channels];
        for (g, v) in gradient.chunks_exact(channels).zip(from.values.chunks_exact(channels)) {
            wanted.iter_mut().zip(g).zip(v).for_each(|((w, g), v)| *w += g * v);
        }
        // Where the gate is wholly open or shut, its slope is 0.
        for (w, o) in wanted.iter_mut().zip(open) {
            *w = if *o > 0.0 && *o < 1.0 { *w / 6.0 } else { 0.0 };
        }
        if conv.is_trained() {
            for (row, m) in self.out[conv.weight.clone()].chunks_exact_mut(channels).zip(mean) {
                row.iter_mut().zip(&wanted).for_each(|(o, w)| *o += m * w);
            }
            kernels::add(&wanted, &mut self.out[conv.bias.clone()]);
        }
        if !self.learns(source) {
            return;
        }
        let cells = from.cells() as f32;
        let through = |row: &[f32]| row.iter().zip(&wanted).map(|(a, b)| a * b).sum::<f32>() / cells;
        let by_mean: Vec<f32> =
            self.packed[conv.weight.clone()].chunks_exact(channels).map(through).collect();
        let mut sum = self.take_sum(source);
        for (s, g) in sum.chunks_exact_mut(channels).zip(gradient.chunks_exact(channels)) {
            for (((s, g), o), m) in s.iter_mut().zip(g).zip(open).zip(&by_mean) {
                *s += g * o + m;
            }
        }
        self.gradients[source] = sum;
    }
}
