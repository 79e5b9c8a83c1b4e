//! One picture through the network, and the gradient of what it says back to the weights.

use super::kernels;
use super::map::FeatureMap;
use super::program::{Conv, DetectorProgram, ProgramOp, ProgramStep};
use crate::cpu::{Mat, OutputMode, multiply};

/// Pixels that a pooled pixel looks at to each side.
const POOL_REACH: usize = 2;
/// Side of what it looks at.
const POOL: usize = 2 * POOL_REACH + 1;

/// The maps that a picture makes, and what the way back needs besides.
pub struct DetectorTrace {
    pub maps: Vec<FeatureMap>,
    kept: Vec<SavedTensors>,
}

/// What a step keeps for the way back.
enum SavedTensors {
    Nothing,
    /// Sums before SiLU.
    Sums(Vec<f32>),
    /// The place of each largest value.
    Largest(Vec<u32>),
    /// Means of the channels, and what the gate opens them to.
    Gate {
        mean: Vec<f32>,
        open: Vec<f32>,
    },
}

impl DetectorProgram {
    /// Everything that `picture` makes with `packed` weights.
    pub fn forward(&self, packed: &[f32], picture: FeatureMap) -> DetectorTrace {
        let mut trace = DetectorTrace { maps: vec![picture], kept: Vec::with_capacity(self.steps.len()) };
        for step in &self.steps {
            let (map, kept) = self.make(step, packed, &trace.maps);
            trace.maps.push(map);
            trace.kept.push(kept);
        }
        trace
    }

    fn make(&self, step: &ProgramStep, packed: &[f32], maps: &[FeatureMap]) -> (FeatureMap, SavedTensors) {
        let from = &maps[step.from[0]];
        match step.op {
            ProgramOp::Dense { conv, silu } => {
                let conv = &self.convs[conv];
                let mut to = made_by(conv, from);
                let (weight, bias) = (&packed[conv.weight.clone()], &packed[conv.bias.clone()]);
                let columns = columns_of(conv, from, &to);
                let inputs = conv.inputs * conv.kernel * conv.kernel;
                let seen = Mat::new(columns.as_deref().unwrap_or(&from.values), to.cells(), inputs, inputs);
                let weight = Mat::new(weight, inputs, conv.outputs, conv.outputs);
                if !silu {
                    multiply(seen, weight, &mut to.values, conv.outputs, OutputMode::Replace);
                    kernels::add_bias(&mut to.values, bias);
                    return (to, SavedTensors::Nothing);
                }
                let mut sums = vec![0.0; to.values.len()];
                multiply(seen, weight, &mut sums, conv.outputs, OutputMode::Replace);
                kernels::bias_silu(&mut sums, bias, &mut to.values);
                (to, SavedTensors::Sums(sums))
            }
            ProgramOp::Depthwise { conv } => {
                let conv = &self.convs[conv];
                let mut to = made_by(conv, from);
                let mut sums = vec![0.0; to.values.len()];
                kernels::depthwise(
                    &from.values,
                    from.height,
                    from.width,
                    &packed[conv.weight.clone()],
                    conv.kernel,
                    conv.stride,
                    conv.outputs,
                    to.width,
                    &mut sums,
                );
                kernels::bias_silu(&mut sums, &packed[conv.bias.clone()], &mut to.values);
                (to, SavedTensors::Sums(sums))
            }
            ProgramOp::Add => {
                let mut to = from.clone();
                kernels::add(&maps[step.from[1]].values, &mut to.values);
                (to, SavedTensors::Nothing)
            }
            ProgramOp::Join => {
                let channels = step.from.iter().map(|&map| maps[map].channels).sum();
                let mut to = FeatureMap::new(from.height, from.width, channels);
                let mut first = 0;
                for part in step.from.iter().map(|&map| &maps[map]) {
                    let pixels =
                        to.values.chunks_exact_mut(channels).zip(part.values.chunks_exact(part.channels));
                    pixels.for_each(|(to, from)| to[first..first + part.channels].copy_from_slice(from));
                    first += part.channels;
                }
                (to, SavedTensors::Nothing)
            }
            ProgramOp::Double => {
                let mut to = FeatureMap::new(2 * from.height, 2 * from.width, from.channels);
                for (pixel, to) in to.values.chunks_exact_mut(from.channels).enumerate() {
                    let source = halved(pixel, from.width) * from.channels;
                    to.copy_from_slice(&from.values[source..][..from.channels]);
                }
                (to, SavedTensors::Nothing)
            }
            ProgramOp::Pool => pooled(from),
            ProgramOp::Gate { conv } => {
                let conv = &self.convs[conv];
                let mut mean = vec![0.0; from.channels];
                kernels::add_rows(&from.values, &mut mean);
                mean.iter_mut().for_each(|v| *v /= from.cells() as f32);
                let mut open = packed[conv.bias.clone()].to_vec();
                for (row, m) in packed[conv.weight.clone()].chunks_exact(conv.outputs).zip(&mean) {
                    open.iter_mut().zip(row).for_each(|(o, w)| *o += w * m);
                }
                open.iter_mut().for_each(|v| *v = (*v / 6.0 + 0.5).clamp(0.0, 1.0));
                let mut to = from.clone();
                for pixel in to.values.chunks_exact_mut(open.len()) {
                    pixel.iter_mut().zip(&open).for_each(|(v, o)| *v *= o);
                }
                (to, SavedTensors::Gate { mean, open })
            }
        }
    }

    /// Adds the gradient of the packed weights to `out`. `given` are gradients of some maps.
    pub fn backward(
        &self,
        packed: &[f32],
        trace: &DetectorTrace,
        given: Vec<(usize, Vec<f32>)>,
        out: &mut [f32],
    ) {
        let mut gradients: Vec<Vec<f32>> = vec![Vec::new(); trace.maps.len()];
        for (map, gradient) in given {
            gradients[map] = gradient;
        }
        for (number, step) in self.steps.iter().enumerate().rev() {
            let gradient = std::mem::take(&mut gradients[number + 1]);
            if self.learns[number + 1] && !gradient.is_empty() {
                self.back(step, &trace.kept[number], packed, &trace.maps, gradient, &mut gradients, out);
            }
        }
    }

    /// From the gradient of what a step made to those of its weights and of what it looked at.
    #[allow(clippy::too_many_arguments)] // One caller; a struct would only repeat these names.
    fn back(
        &self,
        step: &ProgramStep,
        kept: &SavedTensors,
        packed: &[f32],
        maps: &[FeatureMap],
        mut gradient: Vec<f32>,
        gradients: &mut [Vec<f32>],
        out: &mut [f32],
    ) {
        let source = step.from[0];
        let from = &maps[source];
        if let SavedTensors::Sums(sums) = kept {
            kernels::silu_back(sums, &mut gradient);
        }
        // The sum of the gradients of a map that learns, to be added to.
        let learns = |map: usize| self.learns[map];
        let room = |gradients: &mut [Vec<f32>], map: usize| {
            let mut sum = std::mem::take(&mut gradients[map]);
            if learns(map) {
                sum.resize(maps[map].values.len(), 0.0);
            }
            sum
        };
        match step.op {
            ProgramOp::Dense { conv, .. } => {
                let conv = &self.convs[conv];
                let (inputs, outputs) = (conv.inputs * conv.kernel * conv.kernel, conv.outputs);
                let cells = gradient.len() / outputs;
                let given = Mat::new(&gradient, cells, outputs, outputs);
                if conv.is_trained() {
                    let to = FeatureMap { values: Vec::new(), ..made_size(conv, from) };
                    let columns = columns_of(conv, from, &to);
                    let seen = Mat::new(columns.as_deref().unwrap_or(&from.values), cells, inputs, inputs);
                    multiply(seen.t(), given, &mut out[conv.weight.clone()], outputs, OutputMode::Add);
                    kernels::add_rows(&gradient, &mut out[conv.bias.clone()]);
                }
                if learns(source) {
                    let mut sum = room(gradients, source);
                    let weight = Mat::new(&packed[conv.weight.clone()], inputs, outputs, outputs);
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
                    gradients[source] = sum;
                }
            }
            ProgramOp::Depthwise { conv } => {
                let conv = &self.convs[conv];
                let mut sum = room(gradients, source);
                let mut taps = vec![0.0; conv.weight.len()];
                kernels::depthwise_back(
                    &from.values,
                    from.height,
                    from.width,
                    &packed[conv.weight.clone()],
                    conv.kernel,
                    conv.stride,
                    conv.outputs,
                    made_size(conv, from).width,
                    &gradient,
                    &mut taps,
                    &mut sum,
                );
                if conv.is_trained() {
                    kernels::add(&taps, &mut out[conv.weight.clone()]);
                    kernels::add_rows(&gradient, &mut out[conv.bias.clone()]);
                }
                gradients[source] = sum;
            }
            ProgramOp::Add => {
                for &map in step.from.iter().filter(|&&map| learns(map)) {
                    let mut sum = room(gradients, map);
                    kernels::add(&gradient, &mut sum);
                    gradients[map] = sum;
                }
            }
            ProgramOp::Join => {
                let all: usize = step.from.iter().map(|&map| maps[map].channels).sum();
                let mut first = 0;
                for &map in &step.from {
                    let channels = maps[map].channels;
                    if learns(map) {
                        let mut sum = room(gradients, map);
                        for (s, g) in sum.chunks_exact_mut(channels).zip(gradient.chunks_exact(all)) {
                            s.iter_mut().zip(&g[first..]).for_each(|(s, g)| *s += g);
                        }
                        gradients[map] = sum;
                    }
                    first += channels;
                }
            }
            ProgramOp::Double => {
                let mut sum = room(gradients, source);
                for (pixel, g) in gradient.chunks_exact(from.channels).enumerate() {
                    let at = halved(pixel, from.width) * from.channels;
                    sum[at..][..from.channels].iter_mut().zip(g).for_each(|(s, g)| *s += g);
                }
                gradients[source] = sum;
            }
            ProgramOp::Pool => {
                let mut sum = room(gradients, source);
                if let SavedTensors::Largest(places) = kept {
                    places.iter().zip(&gradient).for_each(|(&place, g)| sum[place as usize] += g);
                }
                gradients[source] = sum;
            }
            ProgramOp::Gate { conv } => {
                let SavedTensors::Gate { mean, open } = kept else { return };
                let conv = &self.convs[conv];
                let channels = from.channels;
                let mut wanted = vec![0.0; channels];
                for (g, v) in gradient.chunks_exact(channels).zip(from.values.chunks_exact(channels)) {
                    wanted.iter_mut().zip(g).zip(v).for_each(|((w, g), v)| *w += g * v);
                }
                // Where the gate is wholly open or shut, its slope is 0.
                for (w, o) in wanted.iter_mut().zip(open) {
                    *w = if *o > 0.0 && *o < 1.0 { *w / 6.0 } else { 0.0 };
                }
                let weight = &packed[conv.weight.clone()];
                if conv.is_trained() {
                    for (row, m) in out[conv.weight.clone()].chunks_exact_mut(channels).zip(mean) {
                        row.iter_mut().zip(&wanted).for_each(|(o, w)| *o += m * w);
                    }
                    kernels::add(&wanted, &mut out[conv.bias.clone()]);
                }
                if learns(source) {
                    let cells = from.cells() as f32;
                    let through =
                        |row: &[f32]| row.iter().zip(&wanted).map(|(a, b)| a * b).sum::<f32>() / cells;
                    let by_mean: Vec<f32> = weight.chunks_exact(channels).map(through).collect();
                    let mut sum = room(gradients, source);
                    for (s, g) in sum.chunks_exact_mut(channels).zip(gradient.chunks_exact(channels)) {
                        for (((s, g), o), m) in s.iter_mut().zip(g).zip(open).zip(&by_mean) {
                            *s += g * o + m;
                        }
                    }
                    gradients[source] = sum;
                }
            }
        }
    }
}

/// The map that a convolution makes, without numbers.
fn made_size(conv: &Conv, from: &FeatureMap) -> FeatureMap {
    let [height, width] = [from.height, from.width].map(|side| side.div_ceil(conv.stride));
    FeatureMap { values: Vec::new(), height, width, channels: conv.outputs }
}

/// The map that a convolution makes, all zero.
fn made_by(conv: &Conv, from: &FeatureMap) -> FeatureMap {
    let size = made_size(conv, from);
    FeatureMap::new(size.height, size.width, size.channels)
}

/// The pixels under a convolution's kernel; none where that is a single pixel.
fn columns_of(conv: &Conv, from: &FeatureMap, to: &FeatureMap) -> Option<Vec<f32>> {
    (conv.kernel > 1).then(|| {
        let (kernel, stride) = (conv.kernel, conv.stride);
        kernels::columns(
            &from.values,
            from.height,
            from.width,
            from.channels,
            kernel,
            stride,
            to.width,
            to.height,
        )
    })
}

/// The pixel of a map of `width` that pixel `pixel` of the doubled map shows.
fn halved(pixel: usize, width: usize) -> usize {
    let (y, x) = (pixel / (2 * width), pixel % (2 * width));
    y / 2 * width + x / 2
}

/// The largest values within 5 x 5 pixels, and their places.
fn pooled(from: &FeatureMap) -> (FeatureMap, SavedTensors) {
    let mut to = FeatureMap::new(from.height, from.width, from.channels);
    let mut places = vec![0u32; to.values.len()];
    let channels = from.channels;
    for y in 0..from.height {
        for x in 0..from.width {
            let at = (y * from.width + x) * channels;
            to.values[at..at + channels].fill(f32::NEG_INFINITY);
            for sy in y.saturating_sub(POOL_REACH)..(y + POOL - POOL_REACH).min(from.height) {
                for sx in x.saturating_sub(POOL_REACH)..(x + POOL - POOL_REACH).min(from.width) {
                    let source = (sy * from.width + sx) * channels;
                    for c in 0..channels {
                        if from.values[source + c] > to.values[at + c] {
                            to.values[at + c] = from.values[source + c];
                            places[at + c] = (source + c) as u32;
                        }
                    }
                }
            }
        }
    }
    (to, SavedTensors::Largest(places))
}
