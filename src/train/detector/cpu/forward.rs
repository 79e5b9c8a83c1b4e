//! One picture through the network.

use super::kernels;
use super::map::FeatureMap;
use super::program::{Conv, DetectorProgram, ProgramOp, ProgramStep};
use crate::cpu::{Mat, OutputMode, multiply};

/// Pixels that a pooled pixel looks at to each side.
const POOL_REACH: usize = 2;
/// Side of what it looks at, in pixels.
const POOL: usize = 2 * POOL_REACH + 1;

/// The maps that a picture makes, and what the backward pass needs besides.
pub struct DetectorTrace {
    /// Map 0 is the picture, map `i + 1` what step `i` makes.
    pub maps: Vec<FeatureMap>,
    /// One for each step.
    pub(super) kept: Vec<SavedTensors>,
}

/// What a step keeps for the backward pass.
pub(super) enum SavedTensors {
    Nothing,
    /// Sums before SiLU, as many as the map has numbers.
    Sums(Vec<f32>),
    /// The index of each largest value among the numbers of the pooled map.
    Largest(Vec<u32>),
    /// One number for each channel.
    Gate {
        /// Means of the channels.
        mean: Vec<f32>,
        /// What the gate opens them to, 0 to 1.
        open: Vec<f32>,
    },
}

/// What a step makes.
struct Made {
    map: FeatureMap,
    kept: SavedTensors,
}

impl From<FeatureMap> for Made {
    fn from(map: FeatureMap) -> Made {
        Made { map, kept: SavedTensors::Nothing }
    }
}

impl DetectorProgram {
    /// Everything that `picture` makes with `packed` weights.
    pub fn forward(&self, packed: &[f32], picture: FeatureMap) -> DetectorTrace {
        let mut trace = DetectorTrace { maps: vec![picture], kept: Vec::with_capacity(self.steps.len()) };
        for step in &self.steps {
            let Made { map, kept } = self.make(step, packed, &trace.maps);
            trace.maps.push(map);
            trace.kept.push(kept);
        }
        trace
    }

    fn make(&self, step: &ProgramStep, packed: &[f32], maps: &[FeatureMap]) -> Made {
        let from = &maps[step.from[0]];
        match step.op {
            ProgramOp::Dense { conv, silu } => dense(&self.convs[conv], silu, packed, from),
            ProgramOp::Depthwise { conv } => depthwise(&self.convs[conv], packed, from),
            ProgramOp::Add => {
                let mut to = from.clone();
                kernels::add(&maps[step.from[1]].values, &mut to.values);
                to.into()
            }
            ProgramOp::Join => {
                let parts: Vec<&FeatureMap> = step.from.iter().map(|&map| &maps[map]).collect();
                joined(&parts).into()
            }
            ProgramOp::Double => doubled(from).into(),
            ProgramOp::Pool => pooled(from),
            ProgramOp::Gate { conv } => gated(&self.convs[conv], packed, from),
        }
    }
}

/// A convolution over all channels, with SiLU or without.
fn dense(conv: &Conv, silu: bool, packed: &[f32], from: &FeatureMap) -> Made {
    let mut to = made_by(conv, from);
    let (weight, bias) = (&packed[conv.weight.clone()], &packed[conv.bias.clone()]);
    let columns = columns_of(conv, from, &to);
    let inputs = conv.inputs * conv.kernel * conv.kernel;
    let seen = Mat::new(columns.as_deref().unwrap_or(&from.values), to.cells(), inputs, inputs);
    let weight = Mat::new(weight, inputs, conv.outputs, conv.outputs);
    if !silu {
        multiply(seen, weight, &mut to.values, conv.outputs, OutputMode::Replace);
        kernels::add_bias(&mut to.values, bias);
        return to.into();
    }
    let mut sums = vec![0.0; to.values.len()];
    multiply(seen, weight, &mut sums, conv.outputs, OutputMode::Replace);
    kernels::bias_silu(&mut sums, bias, &mut to.values);
    Made { map: to, kept: SavedTensors::Sums(sums) }
}

/// A convolution of each channel by itself, with SiLU.
fn depthwise(conv: &Conv, packed: &[f32], from: &FeatureMap) -> Made {
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
    Made { map: to, kept: SavedTensors::Sums(sums) }
}

/// The channels of maps of one size side by side.
fn joined(parts: &[&FeatureMap]) -> FeatureMap {
    let channels = parts.iter().map(|part| part.channels).sum();
    let mut to = FeatureMap::new(parts[0].height, parts[0].width, channels);
    let mut first = 0;
    for part in parts {
        let pixels = to.values.chunks_exact_mut(channels).zip(part.values.chunks_exact(part.channels));
        pixels.for_each(|(to, from)| to[first..first + part.channels].copy_from_slice(from));
        first += part.channels;
    }
    to
}

/// Every pixel 2 x 2 times.
fn doubled(from: &FeatureMap) -> FeatureMap {
    let mut to = FeatureMap::new(2 * from.height, 2 * from.width, from.channels);
    for (pixel, to) in to.values.chunks_exact_mut(from.channels).enumerate() {
        let source = halved(pixel, from.width) * from.channels;
        to.copy_from_slice(&from.values[source..][..from.channels]);
    }
    to
}

/// Every channel times the hard sigmoid of what `conv` makes of the channels' means.
fn gated(conv: &Conv, packed: &[f32], from: &FeatureMap) -> Made {
    let mut mean = vec![0.0; from.channels];
    kernels::add_rows(&from.values, &mut mean);
    mean.iter_mut().for_each(|v| *v /= from.cells() as f32);
    let mut open = packed[conv.bias.clone()].to_vec();
    for (row, m) in packed[conv.weight.clone()].chunks_exact(conv.outputs).zip(&mean) {
        open.iter_mut().zip(row).for_each(|(o, w)| *o += w * m);
    }
    open.iter_mut().for_each(|v| *v = (*v / 6.0 + 0.5).clamp(0.0, 1.0));
    let mut map = from.clone();
    for pixel in map.values.chunks_exact_mut(open.len()) {
        pixel.iter_mut().zip(&open).for_each(|(v, o)| *v *= o);
    }
    Made { map, kept: SavedTensors::Gate { mean, open } }
}

/// The largest values within 5 x 5 pixels, and their places.
fn pooled(from: &FeatureMap) -> Made {
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
    Made { map: to, kept: SavedTensors::Largest(places) }
}

/// The map that a convolution makes, without numbers.
pub(super) fn made_size(conv: &Conv, from: &FeatureMap) -> FeatureMap {
    let [height, width] = [from.height, from.width].map(|side| side.div_ceil(conv.stride));
    FeatureMap { values: Vec::new(), height, width, channels: conv.outputs }
}

/// The map that a convolution makes, all zero.
fn made_by(conv: &Conv, from: &FeatureMap) -> FeatureMap {
    let size = made_size(conv, from);
    FeatureMap::new(size.height, size.width, size.channels)
}

/// The pixels under a convolution's kernel; none where that is a single pixel.
pub(super) fn columns_of(conv: &Conv, from: &FeatureMap, to: &FeatureMap) -> Option<Vec<f32>> {
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
pub(super) fn halved(pixel: usize, width: usize) -> usize {
    let (y, x) = (pixel / (2 * width), pixel % (2 * width));
    y / 2 * width + x / 2
}
