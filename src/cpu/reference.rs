//! A network in f64, operation by operation, written for being read: what tests compare the engine with.

use super::net::Net;
use super::operation::{Epilogue, Filter, Operation, Part, Term};
use super::view::Activation;

/// The numbers of every map.
pub struct Reference<'a> {
    net: &'a Net,
    maps: Vec<Vec<f64>>,
    /// How far the last gate let each channel through; its convolution is the next operation.
    open: Vec<f64>,
    /// Which patches become tokens.
    tokens: Vec<u32>,
}

/// Every map of `net` after a run with `inputs` and `tokens`.
pub fn run<'a>(net: &'a Net, inputs: &[&[f32]], tokens: &[u32]) -> Reference<'a> {
    let maps = net.maps.iter().map(|shape| vec![f64::NAN; shape.numbers()]).collect();
    let mut reference = Reference { net, maps, open: Vec::new(), tokens: tokens.to_vec() };
    for (part, values) in net.inputs.iter().zip(inputs) {
        reference.maps[part.map] = values.iter().map(|v| f64::from(*v)).collect();
    }
    net.operations.iter().for_each(|operation| reference.execute(operation));
    reference
}

impl Reference<'_> {
    /// A channel of a part.
    pub fn at(&self, part: Part, row: usize, column: usize, channel: usize) -> f64 {
        let shape = self.net.maps[part.map];
        let pixel = (row >> part.up) * shape.width + (column >> part.up);
        self.maps[part.map][pixel * shape.channels + part.first + channel]
    }

    fn size(&self, part: Part) -> (usize, usize) {
        let shape = self.net.maps[part.map];
        (shape.height << part.up, shape.width << part.up)
    }

    /// All channels of several parts at a pixel that may lie outside.
    fn padded(&self, parts: &[Part], row: isize, column: isize) -> Vec<f64> {
        let (height, width) = self.size(parts[0]);
        let inside = row >= 0 && column >= 0 && row < height as isize && column < width as isize;
        let value = |part: Part, channel: usize| {
            if inside { self.at(part, row as usize, column as usize, channel) } else { 0.0 }
        };
        parts.iter().flat_map(|&part| (0..part.channels).map(move |c| value(part, c))).collect()
    }

    /// Writes `make(row, column)`, the channels of each pixel, into a part.
    fn write(&mut self, part: Part, make: impl Fn(&Self, usize, usize) -> Vec<f64>) {
        let (height, width) = self.size(part);
        let made: Vec<Vec<f64>> =
            (0..height * width).map(|pixel| make(self, pixel / width, pixel % width)).collect();
        let channels = self.net.maps[part.map].channels;
        for (pixel, values) in made.into_iter().enumerate() {
            assert_eq!(values.len(), part.channels);
            self.maps[part.map][pixel * channels + part.first..][..part.channels].copy_from_slice(&values);
        }
    }

    fn convolved(
        &self,
        inputs: &[Part],
        filter: &Filter,
        stride: usize,
        row: usize,
        column: usize,
    ) -> Vec<f64> {
        let (kernel, reach) = (filter.kernel, (filter.kernel / 2) as isize);
        let mut sums: Vec<f64> = filter.bias.iter().map(|b| f64::from(*b)).collect();
        for tap in 0..kernel * kernel {
            let y = (row * stride + tap / kernel) as isize - reach;
            let x = (column * stride + tap % kernel) as isize - reach;
            let seen = self.padded(inputs, y, x);
            let depthwise = filter.inputs() == 1 && filter.outputs() == seen.len() && seen.len() > 1;
            for (output, sum) in sums.iter_mut().enumerate() {
                let weights = &filter.weights[output * filter.inputs() * kernel * kernel..];
                if depthwise {
                    *sum += seen[output] * f64::from(weights[tap]);
                    continue;
                }
                for (input, value) in seen.iter().enumerate() {
                    *sum += value * f64::from(weights[input * kernel * kernel + tap]);
                }
            }
        }
        sums
    }

    fn sum_of(&self, terms: &[Term], row: usize, column: usize, channel: usize) -> f64 {
        terms.iter().map(|t| self.at(t.part, row, column, channel) * f64::from(t.times)).sum()
    }

    fn finished(&self, values: Vec<f64>, epilogue: &Epilogue, row: usize, column: usize) -> Vec<f64> {
        let results = values.into_iter().enumerate().map(|(channel, value)| {
            let sum = value + self.sum_of(&epilogue.terms, row, column, channel);
            let residual = epilogue.residual.map_or(0.0, |part| self.at(part, row, column, channel));
            activated(sum, epilogue.activation) + residual
        });
        match epilogue.shuffle {
            None => results.collect(),
            Some(pass) => results
                .enumerate()
                .flat_map(|(channel, value)| [self.at(pass, row, column, channel), value])
                .collect(),
        }
    }

    #[allow(clippy::too_many_lines)] // An arm for each operation.
    fn execute(&mut self, operation: &Operation) {
        match operation {
            Operation::Convolution { inputs, filter, stride, gated, output, epilogue } => {
                let open = gated.map(|_| self.open.clone());
                self.write(*output, |net, row, column| {
                    let mut filter = Filter::clone(filter);
                    if let Some(open) = &open {
                        let inputs = filter.inputs();
                        for (i, weight) in filter.weights.iter_mut().enumerate() {
                            *weight = (f64::from(*weight) * open[i % inputs]) as f32;
                        }
                    }
                    let sums = net.convolved(inputs, &filter, *stride, row, column);
                    net.finished(sums, epilogue, row, column)
                });
            }
            Operation::Separable { inputs, depthwise, stride, inner, pointwise, output, epilogue } => {
                self.write(*output, |net, row, column| {
                    let seen: Vec<f64> = net
                        .convolved(inputs, depthwise, *stride, row, column)
                        .into_iter()
                        .map(|v| activated(v, *inner))
                        .collect();
                    net.finished(linear(&seen, pointwise), epilogue, row, column)
                });
            }
            Operation::Sum { terms, activation, output, rectified } => {
                let of = |net: &Self, row: usize, column: usize| -> Vec<f64> {
                    (0..output.channels).map(|c| net.sum_of(terms, row, column, c)).collect()
                };
                if let Some(rectified) = rectified {
                    self.write(*rectified, |net, row, column| {
                        of(net, row, column).into_iter().map(|v| v.max(0.0)).collect()
                    });
                }
                self.write(*output, |net, row, column| {
                    of(net, row, column).into_iter().map(|v| activated(v, *activation)).collect()
                });
            }
            Operation::Double { input, addend, output } => {
                let (height, width) = self.size(*input);
                let place = |i: usize, side: usize| {
                    let at = i as f64 * (side - 1) as f64 / (2 * side - 1) as f64;
                    (at as usize, (at as usize + 1).min(side - 1), at.fract())
                };
                self.write(*output, |net, row, column| {
                    let ((above, below, fy), (left, right, fx)) = (place(row, height), place(column, width));
                    let at = |y, x, c| net.at(*input, y, x, c);
                    let value = |c: usize| {
                        net.at(*addend, row, column, c)
                            + (1.0 - fy) * ((1.0 - fx) * at(above, left, c) + fx * at(above, right, c))
                            + fy * ((1.0 - fx) * at(below, left, c) + fx * at(below, right, c))
                    };
                    (0..output.channels).map(value).collect()
                });
            }
            Operation::NormLinear { input, norm, filter, output, epilogue } => {
                self.write(*output, |net, row, column| {
                    let seen = net.padded(&[*input], row as isize, column as isize);
                    let count = seen.len() as f64;
                    let mean = seen.iter().sum::<f64>() / count;
                    let variance = seen.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
                    let scale = 1.0 / (variance + f64::from(norm.epsilon)).sqrt();
                    let normed: Vec<f64> = (0..seen.len())
                        .map(|c| {
                            (seen[c] - mean) * scale * f64::from(norm.gamma[c]) + f64::from(norm.beta[c])
                        })
                        .collect();
                    net.finished(linear(&normed, filter), epilogue, row, column)
                });
            }
            Operation::Transpose { input, output, add } => {
                let (height, width) = self.size(*input);
                let filled = Part { channels: height * width, ..*output };
                self.write(filled, |net, row, _| {
                    let value = |pixel: usize| {
                        let there = if *add { net.at(filled, row, 0, pixel) } else { 0.0 };
                        there + net.at(*input, pixel / width, pixel % width, row)
                    };
                    (0..height * width).map(value).collect()
                });
            }
            Operation::Attend { queries, keys, values, output, tokens, heads, scale } => {
                let size = output.channels / heads;
                self.write(*output, |net, row, _| {
                    let mixed = |channel: usize| {
                        let head = channel / size * size;
                        let score = |token: usize| {
                            let products = (head..head + size)
                                .map(|c| net.at(*queries, row, 0, c) * net.at(*keys, c, 0, token));
                            products.sum::<f64>() * f64::from(*scale)
                        };
                        let weights: Vec<f64> = (0..*tokens).map(|token| score(token).exp()).collect();
                        let sum: f64 = weights.iter().sum();
                        let parts = weights.iter().enumerate();
                        parts.map(|(token, w)| w / sum * net.at(*values, token, 0, channel)).sum()
                    };
                    (0..output.channels).map(mixed).collect()
                });
            }
            Operation::Embed { input, patch, filter, positions, output, first_row } => {
                let (_, width) = self.size(*input);
                let tokens = self.tokens.clone();
                self.write(*output, |net, row, _| {
                    let Some(token) = row.checked_sub(*first_row) else {
                        return (0..output.channels).map(|c| net.at(*output, row, 0, c)).collect();
                    };
                    let across = width / patch[1];
                    let patch_at = tokens[token] as usize;
                    let mut seen = Vec::new();
                    for y in 0..patch[0] {
                        for x in 0..patch[1] {
                            let row = patch_at / across * patch[0] + y;
                            let column = patch_at % across * patch[1] + x;
                            seen.extend(net.padded(&[*input], row as isize, column as isize));
                        }
                    }
                    let made = linear(&seen, filter).into_iter().enumerate();
                    made.map(|(c, v)| v + net.at(*positions, row, 0, c)).collect()
                });
            }
            Operation::MaxPool { input, output } => {
                let (height, width) = self.size(*input);
                self.write(*output, |net, row, column| {
                    let largest = |channel: usize| {
                        let rows = row.saturating_sub(2)..(row + 3).min(height);
                        let columns = column.saturating_sub(2)..(column + 3).min(width);
                        rows.flat_map(|y| columns.clone().map(move |x| (y, x)))
                            .map(|(y, x)| net.at(*input, y, x, channel))
                            .fold(f64::NEG_INFINITY, f64::max)
                    };
                    (0..output.channels).map(largest).collect()
                });
            }
            Operation::Gate { input, matrix, .. } => {
                let (height, width) = self.size(*input);
                let mean = |channel: usize| {
                    let pixels = (0..height * width).map(|p| self.at(*input, p / width, p % width, channel));
                    pixels.sum::<f64>() / (height * width) as f64
                };
                let means: Vec<f64> = (0..input.channels).map(mean).collect();
                let rows = matrix.weights.chunks_exact(means.len()).zip(&matrix.bias);
                self.open = rows
                    .map(|(weights, bias)| {
                        let sum = weights.iter().zip(&means).map(|(w, m)| f64::from(*w) * m).sum::<f64>();
                        ((sum + f64::from(*bias)) / 6.0 + 0.5).clamp(0.0, 1.0)
                    })
                    .collect();
            }
        }
    }
}

/// A linear layer of some numbers.
fn linear(seen: &[f64], filter: &Filter) -> Vec<f64> {
    let rows = filter.weights.chunks_exact(seen.len()).zip(&filter.bias);
    let sum = |weights: &[f32]| seen.iter().zip(weights).map(|(v, w)| v * f64::from(*w)).sum::<f64>();
    rows.map(|(weights, bias)| f64::from(*bias) + sum(weights)).collect()
}

fn activated(x: f64, activation: Activation) -> f64 {
    match activation {
        Activation::None => x,
        Activation::Relu => x.max(0.0),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu => {
            // The normal distribution's share below x, by Simpson's rule.
            let (steps, from) = (2000, -9.0);
            let width = (x - from) / f64::from(steps);
            let density = |i: i32| (-0.5 * (from + f64::from(i) * width).powi(2)).exp();
            let inner: f64 = (1..steps).map(|i| density(i) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
            x * (density(0) + inner + density(steps)) * width / 3.0 / (2.0 * std::f64::consts::PI).sqrt()
        }
    }
}
