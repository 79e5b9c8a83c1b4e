//! The layers, each over strips of rows that fit into a core's cache; the strips share the cores.

use super::kernels;
use super::map::{Map, Part};
use crate::cpu::{Mat, OutputMode, multiply};
use burn::nn::conv::Conv2d;
use rayon::prelude::*;

/// Pixels of a strip: what is computed for it stays in the cache until the next step needs it.
const STRIP: usize = 512;

/// Weights `[inputs of a pixel, outputs]` and bias of a convolution as a matrix product.
#[derive(Clone, Debug)]
pub struct Dense {
    weight: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Dense {
    /// Several convolutions of the same inputs side by side: rows of the kernel, pixels of a row, then channels.
    pub fn new(convolutions: &[&Conv2d]) -> Dense {
        let parts: Vec<Dense> = convolutions.iter().map(|conv| Dense::of_one(conv)).collect();
        if let [only] = parts.as_slice() {
            return only.clone();
        }
        let inputs = parts[0].inputs();
        let rows = (0..inputs).flat_map(|i| parts.iter().map(move |part| part.outputs_of(i)));
        Dense {
            weight: rows.flatten().copied().collect(),
            bias: parts.iter().flat_map(|part| part.bias.iter().copied()).collect(),
        }
    }

    fn of_one(conv: &Conv2d) -> Dense {
        let [outputs, channels, height, width] = conv.weight.dims();
        let stored = values(conv);
        let taps = height * width;
        let weight = (0..taps * channels).flat_map(|i| {
            let (tap, channel) = (i / channels, i % channels);
            let stored = &stored;
            (0..outputs).map(move |o| stored[(o * channels + channel) * taps + tap])
        });
        Dense { weight: weight.collect(), bias: bias(conv) }
    }

    fn inputs(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    fn outputs_of(&self, input: usize) -> &[f32] {
        &self.weight[input * self.outputs()..(input + 1) * self.outputs()]
    }

    /// The product of rows of inputs with the weights, without bias; rows of `out` lie `step` numbers apart.
    fn product(&self, inputs: &[f32], row_step: usize, pixels: usize, out: &mut [f32], step: usize) {
        let inputs = Mat::new(inputs, pixels, self.inputs(), row_step);
        let weight = Mat::new(&self.weight, self.inputs(), self.outputs(), self.outputs());
        multiply(inputs, weight, out, step, OutputMode::Replace);
    }

    /// The layer with each input `i` taken `gate[i]` times.
    pub fn gated(&self, gate: &[f32]) -> Dense {
        let rows = self.weight.chunks_exact(self.outputs()).zip(gate);
        let weight = rows.flat_map(|(row, g)| row.iter().map(move |w| w * g)).collect();
        Dense { weight, bias: self.bias.clone() }
    }

    /// For one pixel, without activation.
    pub fn of_pixel(&self, inputs: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; self.outputs()];
        self.product(inputs, inputs.len(), 1, &mut out, self.outputs());
        kernels::add_bias(&mut out, &self.bias);
        out
    }

    /// A convolution of single pixels with SiLU.
    pub fn pointwise(&self, from: Part) -> Map {
        let mut to = Map::new(from.map.size(), self.outputs());
        strips(&mut to, |first, rows, out| {
            self.product(from.row(first), from.step(), rows * from.map.width, out, self.outputs());
            kernels::bias_silu(out, &self.bias, self.outputs());
        });
        to
    }

    /// A convolution of single pixels without activation.
    pub fn linear(&self, from: Part) -> Map {
        let mut to = Map::new(from.map.size(), self.outputs());
        strips(&mut to, |first, rows, out| {
            self.product(from.row(first), from.step(), rows * from.map.width, out, self.outputs());
            kernels::add_bias(out, &self.bias);
        });
        to
    }

    /// A 3x3 convolution with SiLU: the pixels under the kernel side by side, then a matrix product.
    pub fn convolve(&self, from: &Map, stride: usize) -> Map {
        let mut to = Map::new(from.size().map(|side| side.div_ceil(stride)), self.outputs());
        let width = to.width;
        let line = 3 * from.channels;
        strips(&mut to, |first, rows, out| {
            let mut columns = vec![0.0; rows * width * self.inputs()];
            let row_of_columns = columns.chunks_exact_mut(width * self.inputs()).enumerate();
            for (y, row) in row_of_columns.map(|(i, row)| ((first + i) * stride, row)) {
                for tap in 0..3 {
                    // Outside of the map everything stays zero.
                    let Some(source) = (y + tap).checked_sub(1).filter(|&y| y < from.height) else {
                        continue;
                    };
                    let source = from.whole().row(source);
                    let source = &source[..from.width * from.channels];
                    for (x, pixel) in row.chunks_exact_mut(self.inputs()).enumerate() {
                        let into = &mut pixel[tap * line..(tap + 1) * line];
                        let left = (x * stride) as isize - 1;
                        let missing = usize::from(left < 0) * from.channels;
                        let start = left.max(0) as usize * from.channels;
                        let end = source.len().min(start + line - missing);
                        into[missing..missing + end - start].copy_from_slice(&source[start..end]);
                    }
                }
            }
            self.product(&columns, self.inputs(), rows * width, out, self.outputs());
            kernels::bias_silu(out, &self.bias, self.outputs());
        });
        to
    }
}

/// A depthwise and a pointwise convolution, each with SiLU.
#[derive(Clone, Debug)]
pub struct SeparableLayer {
    /// Tap by tap, all channels of a tap together.
    taps: Vec<f32>,
    bias: Vec<f32>,
    kernel: usize,
    stride: usize,
    pointwise: Dense,
}

/// What a layer does with the map that it writes into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Write {
    /// The result replaces what is there.
    Replace,
    /// The result is added to what is there.
    Add,
}

impl SeparableLayer {
    pub fn new(depthwise: &Conv2d, pointwise: &Conv2d) -> SeparableLayer {
        let [channels, _, kernel, _] = depthwise.weight.dims();
        let stored = values(depthwise);
        let taps = (0..kernel * kernel).flat_map(|tap| {
            let stored = &stored;
            (0..channels).map(move |c| stored[c * kernel * kernel + tap])
        });
        SeparableLayer {
            taps: taps.collect(),
            bias: bias(depthwise),
            kernel,
            stride: depthwise.stride[0],
            pointwise: Dense::new(&[pointwise]),
        }
    }

    /// Channels of the result.
    pub fn outputs(&self) -> usize {
        self.pointwise.outputs()
    }

    /// Cells of the input from one cell of the result to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Into the channels of `to` from `first_channel` on.
    pub fn forward_into(&self, from: Part, to: &mut Map, first_channel: usize, write: Write) {
        let (width, step, outputs) = (to.width, to.channels, self.pointwise.outputs());
        let channels = self.bias.len();
        strips(to, |first, rows, out| {
            let pixels = rows * width;
            let mut seen = vec![0.0; pixels * channels];
            for (y, seen) in seen.chunks_exact_mut(width * channels).enumerate() {
                self.depthwise_row(from, first + y, seen);
            }
            let out = &mut out[first_channel..];
            match write {
                Write::Replace => {
                    self.pointwise.product(&seen, channels, pixels, out, step);
                    kernels::bias_silu(out, &self.pointwise.bias, step);
                }
                Write::Add => {
                    let mut made = vec![0.0; pixels * outputs];
                    self.pointwise.product(&seen, channels, pixels, &mut made, outputs);
                    kernels::add_bias_silu(&made, &self.pointwise.bias, out, step);
                }
            }
        });
    }

    fn depthwise_row(&self, from: Part, y: usize, out: &mut [f32]) {
        let reach = self.kernel / 2;
        let under = (0..self.kernel).filter_map(|k| {
            let y = (y * self.stride + k).checked_sub(reach).filter(|&y| y < from.map.height)?;
            Some((y * from.map.width * from.step(), k))
        });
        let under: Vec<(usize, usize)> = under.collect();
        let (source, width) = (from.row(0), from.map.width);
        let (kernel, stride) = (self.kernel, self.stride);
        kernels::depthwise_row(
            source,
            &under,
            from.step(),
            width,
            kernel,
            stride,
            &self.taps,
            &self.bias,
            out,
        );
    }
}

/// Runs `work` for each strip of rows: its first row, its number of rows, and its part of the map.
fn strips(to: &mut Map, work: impl Fn(usize, usize, &mut [f32]) + Sync) {
    let [height, width] = to.size();
    let threads = rayon::current_num_threads();
    let rows = (STRIP / width).min(height.div_ceil(threads)).max(1);
    let row = width * to.channels;
    to.values
        .par_chunks_mut(rows * row)
        .enumerate()
        .for_each(|(i, out)| work(i * rows, out.len() / row, out));
}

/// The weights as stored: `[outputs, inputs / groups, height, width]`.
fn values(conv: &Conv2d) -> Vec<f32> {
    let data = conv.weight.val().into_data().convert::<f32>();
    data.try_into_vec().expect("the data were converted to f32 just now")
}

/// The biases; zero where there are none.
fn bias(conv: &Conv2d) -> Vec<f32> {
    let [outputs, ..] = conv.weight.dims();
    conv.bias.as_ref().map_or_else(
        || vec![0.0; outputs],
        |bias| {
            let data = bias.val().into_data().convert::<f32>();
            data.try_into_vec().expect("the data were converted to f32 just now")
        },
    )
}
