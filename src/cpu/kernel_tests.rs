//! Every kernel against sums in f64, on random shapes, for every instruction set of this machine; and the sets against
//! each other, to the bit.

use super::combine::{Double, Gate, MaxPool, Sum};
use super::convolution::{Convolution, ConvolutionSource};
use super::depthwise::DepthwiseRow;
use super::simd::{KernelTable, all_available};
use super::view::{Activation, Addend, View};
use super::winograd::{Winograd, scratch_of};
use proptest::prelude::*;

/// Written where no kernel may write.
const UNTOUCHED: f32 = -77.25;

/// Numbers between -1 and 1 that depend on `seed` alone.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A map with `before` channels in front of those that are looked at, and `after` behind them.
#[derive(Clone)]
struct TestMap {
    values: Vec<f32>,
    height: usize,
    width: usize,
    step: usize,
    first: usize,
    channels: usize,
    up: u32,
}

impl TestMap {
    fn new(height: usize, width: usize, channels: usize, [first, after]: [usize; 2], seed: u64) -> TestMap {
        let step = first + channels + after;
        let values = noise(height * width * step, seed);
        TestMap { values, height, width, step, first, channels, up: 0 }
    }

    fn blank(height: usize, width: usize, channels: usize, margins: [usize; 2]) -> TestMap {
        let mut map = TestMap::new(height, width, channels, margins, 1);
        map.values.fill(UNTOUCHED);
        map
    }

    fn view(&mut self) -> View {
        let TestMap { height, width, step, channels, up, .. } = *self;
        // Not through a slice, whose borrow would end that of other views of this map.
        View { at: self.values.as_mut_ptr().wrapping_add(self.first), step, height, width, channels, up }
    }

    fn at(&self, row: usize, column: usize, channel: usize) -> f64 {
        let pixel = (row >> self.up) * self.width + (column >> self.up);
        f64::from(self.values[pixel * self.step + self.first + channel])
    }

    /// The value at a pixel that may lie outside.
    fn padded(&self, row: isize, column: isize, channel: usize) -> f64 {
        let inside = |at: isize, end: usize| at >= 0 && at < (end << self.up) as isize;
        if inside(row, self.height) && inside(column, self.width) {
            self.at(row as usize, column as usize, channel)
        } else {
            0.0
        }
    }

    /// Compares all channels with `expected`, and what lies around them with what was there.
    fn check(&self, name: &str, tolerance: f64, expected: impl Fn(usize, usize, usize) -> f64) {
        for pixel in 0..self.height * self.width {
            let (row, column) = (pixel / self.width, pixel % self.width);
            for (at, &value) in self.values[pixel * self.step..][..self.step].iter().enumerate() {
                if at < self.first || at >= self.first + self.channels {
                    assert_eq!(
                        value, UNTOUCHED,
                        "{name}: wrote beside the channels, at {at} of pixel {pixel}"
                    );
                    continue;
                }
                let (found, wanted) = (f64::from(value), expected(row, column, at - self.first));
                let apart = (found - wanted).abs();
                assert!(
                    apart <= tolerance,
                    "{name}: ({row}, {column}, {}): {found}, not {wanted}",
                    at - self.first
                );
            }
        }
    }
}

fn activated(x: f64, activation: Activation) -> f64 {
    match activation {
        Activation::None => x,
        Activation::Relu => x.max(0.0),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu => x * normal_share(x),
    }
}

/// The normal distribution's share below x, by Simpson's rule.
fn normal_share(x: f64) -> f64 {
    let (steps, from) = (2000, -9.0);
    let width = (x - from) / f64::from(steps);
    let density = |i: i32| (-0.5 * (from + f64::from(i) * width).powi(2)).exp();
    let inner: f64 = (1..steps).map(|i| density(i) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
    (density(0) + inner + density(steps)) * width / 3.0 / (2.0 * std::f64::consts::PI).sqrt()
}

const ACTIVATIONS: [Activation; 4] = [Activation::None, Activation::Relu, Activation::Silu, Activation::Gelu];

/// Runs a kernel of each instruction set and compares the bits of what they write.
fn in_every_set(mut run: impl FnMut(&'static KernelTable) -> Vec<f32>) {
    let results: Vec<(String, Vec<f32>)> =
        all_available().into_iter().map(|kernels| (kernels.set.to_string(), run(kernels))).collect();
    let fuses = cfg!(target_feature = "fma");
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let (_, reference) = results.last().expect("the portable kernels are always there");
    for (i, (name, values)) in results.iter().enumerate() {
        // The portable set without fused products rounds otherwise.
        if name != "portable" || fuses || i + 1 == results.len() {
            assert_eq!(bits(values), bits(reference), "{name} gives other bits than plain Rust");
        }
    }
}

#[derive(Clone, Debug)]
struct ConvolutionCase {
    height: usize,
    width: usize,
    sources: Vec<(usize, usize)>,
    outputs: usize,
    kernel: usize,
    stride: usize,
    addends: usize,
    up: u32,
    shuffle: bool,
    activation: Activation,
    split: f64,
    seed: u64,
}

fn convolution_case() -> impl Strategy<Value = ConvolutionCase> {
    // Miri takes a thousand times the time; its tiles are those of the portable kernels, which are narrow.
    let (inputs, outputs, side) = if cfg!(miri) { (9, 20, 5) } else { (40, 75, 10) };
    let sizes = (
        1usize..side,
        1usize..side,
        prop::collection::vec((1usize..inputs, 0usize..3), 1..4),
        1usize..outputs,
    );
    let kind = (prop::sample::select(vec![1usize, 3, 5]), 1usize..3, 0usize..3, 0u32..2, any::<bool>());
    let rest = (prop::sample::select(ACTIVATIONS.to_vec()), 0.0..1.0f64, any::<u64>());
    (sizes, kind, rest).prop_map(|(sizes, kind, (activation, split, seed))| {
        let (height, width, sources, outputs) = sizes;
        let (kernel, stride, addends, up, shuffle) = kind;
        ConvolutionCase {
            height,
            width,
            sources,
            outputs,
            kernel,
            stride,
            addends,
            up,
            shuffle,
            activation,
            split,
            seed,
        }
    })
}

/// One convolution in all instruction sets, made in up to four pieces, against sums in f64.
#[allow(clippy::too_many_lines)] // Mostly the many parts of a case.
fn check_convolution(case: &ConvolutionCase) {
    let ConvolutionCase { height, width, outputs, kernel, stride, up, seed, activation, .. } = *case;
    let taps = kernel * kernel;
    let mut sources: Vec<TestMap> = (0..)
        .zip(&case.sources)
        .map(|(i, &(channels, margin))| {
            let mut map = TestMap::new(height, width, channels, [margin, 2 - margin], seed ^ i);
            map.up = up;
            map
        })
        .collect();
    let weights: Vec<Vec<f32>> = (0..)
        .zip(&case.sources)
        .map(|(i, &(channels, _))| noise(outputs * channels * taps, seed ^ (100 + i)))
        .collect();
    let bias = noise(outputs, seed ^ 200);
    let (height, width) = ((height << up).div_ceil(stride), (width << up).div_ceil(stride));
    let mut addends: Vec<TestMap> = (0..case.addends)
        .map(|i| {
            // The first lies at the output's size, the second at half of it.
            let halved = |side: usize| if i == 1 { side.div_ceil(2) } else { side };
            let mut map =
                TestMap::new(halved(height), halved(width), outputs, [1, 3], seed ^ (300 + i as u64));
            map.up = i as u32;
            map
        })
        .collect();
    let mut pass = TestMap::new(height, width, outputs, [2, 0], seed ^ 400);
    in_every_set(|kernels| {
        let made = if case.shuffle { 2 * outputs } else { outputs };
        let mut output = TestMap::blank(height, width, made, [3, 2]);
        let packed: Vec<_> = sources
            .iter()
            .zip(&weights)
            .map(|(map, weights)| (kernels.pack)(weights, &bias, map.channels, taps))
            .collect();
        let job = Convolution {
            sources: &sources
                .iter_mut()
                .zip(&packed)
                .map(|(map, packed)| ConvolutionSource {
                    view: map.view(),
                    packed,
                    weights: packed.values.as_ptr(),
                })
                .collect::<Vec<_>>(),
            output: output.view(),
            kernel,
            stride,
            addends: &addends
                .iter_mut()
                .map(|map| Addend { view: map.view(), times: 1.5 })
                .collect::<Vec<_>>(),
            shuffle: case.shuffle.then(|| pass.view()),
            activation,
            residual: (!case.shuffle).then(|| pass.view()),
            pixels: 0..0,
            offset: 0,
            panels: (0, 0),
        };
        let cut = |count: usize| (count as f64 * case.split) as usize;
        let (pixel, panel) = (cut(height * width), cut(packed[0].panels.len()));
        for pixels in [0..pixel, pixel..height * width] {
            for panels in [(0, panel), (panel, packed[0].panels.len())] {
                let job = Convolution { pixels: pixels.clone(), panels, ..job.clone() };
                // SAFETY: the views lie in the maps above, which nobody else uses.
                unsafe { (kernels.convolution)(&job) };
            }
        }
        let reach = (kernel / 2) as isize;
        let result = |row: usize, column: usize, channel: usize| {
            let mut sum = f64::from(bias[channel]);
            for (map, weights) in sources.iter().zip(&weights) {
                for (tap, input) in (0..taps).flat_map(|tap| (0..map.channels).map(move |input| (tap, input)))
                {
                    let y = (row * stride + tap / kernel) as isize - reach;
                    let x = (column * stride + tap % kernel) as isize - reach;
                    let weight = weights[(channel * map.channels + input) * taps + tap];
                    sum += map.padded(y, x, input) * f64::from(weight);
                }
            }
            sum += addends.iter().map(|map| map.at(row, column, channel) * 1.5).sum::<f64>();
            activated(sum, activation)
        };
        output.check(&kernels.set.to_string(), 2e-4, |row, column, channel| match case.shuffle {
            false => result(row, column, channel) + pass.at(row, column, channel),
            true if channel % 2 == 0 => pass.at(row, column, channel / 2),
            true => result(row, column, channel / 2),
        });
        output.values
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 96 }))]

    #[test]
    fn a_convolution_is_the_sum_of_its_products(case in convolution_case()) {
        check_convolution(&case);
    }

    #[test]
    fn winograds_tiles_give_the_convolution(
        height in 1usize..14, width in 1usize..14, inputs in 1usize..4, outputs in 1usize..6,
        side in prop::sample::select(vec![2usize, 4]), added in any::<bool>(), split in 0.0..1.0f64,
        activation in prop::sample::select(ACTIVATIONS.to_vec()), seed in any::<u64>(),
    ) {
        let (inputs, outputs) = (16 * inputs, 16 * outputs);
        let mut source = TestMap::new(height, width, inputs, [16, 0], seed);
        let mut addend = TestMap::new(height, width, outputs, [0, 16], seed ^ 1);
        let weights = noise(outputs * inputs * 9, seed ^ 2);
        let bias = noise(outputs, seed ^ 3);
        in_every_set(|kernels| {
            let packed = (kernels.pack_winograd)(&weights, &bias, inputs, side);
            let tiles = height.div_ceil(side) * width.div_ceil(side);
            let mut output = TestMap::blank(height, width, outputs, [16, 16]);
            let mut scratch = vec![0.0; scratch_of(tiles, side, inputs, outputs)];
            let addends = [Addend { view: addend.view(), times: 1.0 }];
            let cut = |count: usize| (count as f64 * split) as usize;
            let (tile, panel) = (cut(tiles), cut(packed.panels.len() - 1) + 1);
            for tiles in [0..tile, tile..tiles] {
                for panels in [(0, panel), (panel, packed.panels.len())] {
                    if panels.0 == panels.1 {
                        continue;
                    }
                    let job = Winograd {
                        source: source.view(), packed: &packed, side, output: output.view(),
                        addends: if added { &addends } else { &[] }, activation,
                        tiles: tiles.clone(), panels, scratch: scratch.as_mut_ptr(),
                    };
                    // SAFETY: the views lie in the maps above, which nobody else uses.
                    unsafe { (kernels.winograd)(&job) };
                }
            }
            output.check(&kernels.set.to_string(), 3e-4, |row, column, channel| {
                let mut sum = f64::from(bias[channel]);
                for (tap, input) in (0..9).flat_map(|tap| (0..inputs).map(move |input| (tap, input))) {
                    let (y, x) = ((row + tap / 3) as isize - 1, (column + tap % 3) as isize - 1);
                    sum += source.padded(y, x, input) * f64::from(weights[(channel * inputs + input) * 9 + tap]);
                }
                activated(sum + if added { addend.at(row, column, channel) } else { 0.0 }, activation)
            });
            output.values
        });
    }

    #[test]
    fn a_depthwise_convolution_is_one_of_each_channel(
        height in 1usize..10, width in 1usize..14, channels in 1usize..40, kernel in prop::sample::select(vec![3usize, 5]),
        stride in 1usize..3, margin in 0usize..4, activation in prop::sample::select(ACTIVATIONS.to_vec()),
        seed in any::<u64>(),
    ) {
        let mut source = TestMap::new(height, width, channels, [margin, 1], seed);
        let taps = kernel * kernel;
        let weights = noise(channels * taps, seed ^ 1);
        let bias = noise(channels, seed ^ 2);
        in_every_set(|kernels| {
            let packed = (kernels.pack_depthwise)(&weights, &bias, taps);
            let mut output =
                TestMap::blank(height.div_ceil(stride), width.div_ceil(stride), channels, [2, margin]);
            for row in 0..output.height {
                let view = output.view();
                let job = DepthwiseRow {
                    source: source.view(), packed: &packed, kernel, stride, row, width: view.width,
                    // SAFETY: the row lies in the output.
                    to: unsafe { view.pixel(row, 0) },
                    to_step: view.step, activation,
                };
                // SAFETY: the views lie in the maps above, which nobody else uses.
                unsafe { (kernels.depthwise)(&job) };
            }
            let reach = (kernel / 2) as isize;
            output.check(&kernels.set.to_string(), 1e-5, |row, column, channel| {
                let products = (0..taps).map(|tap| {
                    let y = (row * stride + tap / kernel) as isize - reach;
                    let x = (column * stride + tap % kernel) as isize - reach;
                    source.padded(y, x, channel) * f64::from(weights[channel * taps + tap])
                });
                activated(f64::from(bias[channel]) + products.sum::<f64>(), activation)
            });
            output.values
        });
    }

    #[test]
    fn sums_doublings_and_largest_values(
        height in 1usize..7, width in 1usize..7, channels in 1usize..40, margin in 0usize..4, seed in any::<u64>(),
    ) {
        let [mut own, mut pass] = [1, 2].map(|i| TestMap::new(2 * height, 2 * width, channels, [margin, 1], seed ^ i));
        let mut small = TestMap::new(height, width, channels, [1, margin], seed);
        in_every_set(|kernels| {
            let name = kernels.set.to_string();
            let blank = || TestMap::blank(2 * height, 2 * width, channels, [margin, 2]);
            let [mut output, mut rectified, mut doubled, mut largest] = [blank(), blank(), blank(), blank()];
            small.up = 1;
            let addends = [
                Addend { view: own.view(), times: 2.0 }, Addend { view: small.view(), times: 1.0 },
                Addend { view: pass.view(), times: 1.0 },
            ];
            small.up = 0;
            for rows in [0..height, height..2 * height] {
                let sum = Sum {
                    addends: &addends, activation: Activation::None, output: output.view(), rectified: Some(rectified.view()), rows: rows.clone(),
                };
                let double = Double {
                    source: small.view(), addend: own.view(), output: doubled.view(), rows: rows.clone(),
                };
                let pool = MaxPool { source: own.view(), output: largest.view(), rows };
                // SAFETY: the views lie in the maps above, which nobody else uses.
                unsafe {
                    (kernels.sum)(&sum);
                    (kernels.double)(&double);
                    (kernels.max_pool)(&pool);
                }
            }
            let total = |row: usize, column: usize, channel: usize| {
                2.0 * own.at(row, column, channel)
                    + small.at(row / 2, column / 2, channel)
                    + pass.at(row, column, channel)
            };
            output.check(&name, 1e-6, total);
            rectified.check(&name, 1e-6, |row, column, channel| total(row, column, channel).max(0.0));
            let place = |i: usize, side: usize| {
                let at = i as f64 * (side - 1) as f64 / (2 * side - 1) as f64;
                (at.floor() as usize, (at.floor() as usize + 1).min(side - 1), at.fract())
            };
            doubled.check(&name, 1e-5, |row, column, channel| {
                let ((above, below, fy), (left, right, fx)) = (place(row, height), place(column, width));
                own.at(row, column, channel)
                    + (1.0 - fy) * ((1.0 - fx) * small.at(above, left, channel) + fx * small.at(above, right, channel))
                    + fy * ((1.0 - fx) * small.at(below, left, channel) + fx * small.at(below, right, channel))
            });
            largest.check(&name, 0.0, |row, column, channel| {
                let rows = row.saturating_sub(2)..(row + 3).min(2 * height);
                let columns = column.saturating_sub(2)..(column + 3).min(2 * width);
                rows.flat_map(|y| columns.clone().map(move |x| (y, x)))
                    .map(|(y, x)| own.at(y, x, channel))
                    .fold(f64::NEG_INFINITY, f64::max)
            });
            [output.values, rectified.values, doubled.values, largest.values].concat()
        });
    }

    #[test]
    fn a_gate_scales_the_weights_of_each_input(
        height in 1usize..5, width in 1usize..5, channels in 1usize..40, outputs in 1usize..40, seed in any::<u64>(),
    ) {
        let mut source = TestMap::new(height, width, channels, [1, 0], seed);
        let (matrix, matrix_bias) = (noise(channels * channels, seed ^ 1), noise(channels, seed ^ 2));
        let (weights, bias) = (noise(outputs * channels, seed ^ 3), noise(outputs, seed ^ 4));
        let means: Vec<f64> = (0..channels)
            .map(|channel| {
                let pixels = (0..height * width).map(|p| source.at(p / width, p % width, channel));
                pixels.sum::<f64>() / (height * width) as f64
            })
            .collect();
        let openings: Vec<f64> = (0..channels)
            .map(|channel| {
                let row = &matrix[channel * channels..][..channels];
                let products = means.iter().zip(row).map(|(mean, weight)| mean * f64::from(*weight));
                let open = (f64::from(matrix_bias[channel]) + products.sum::<f64>()) / 6.0 + 0.5;
                open.clamp(0.0, 1.0)
            })
            .collect();
        for kernels in all_available() {
            let matrix = (kernels.pack)(&matrix, &matrix_bias, channels, 1);
            let packed = (kernels.pack)(&weights, &bias, channels, 1);
            let scaled: Vec<f32> = (0..outputs * channels)
                .map(|i| (f64::from(weights[i]) * openings[i % channels]) as f32)
                .collect();
            let expected = (kernels.pack)(&scaled, &bias, channels, 1).values;
            let (mut found, mut scratch) = (vec![0.0; packed.values.len()], vec![0.0; 3 * 64]);
            let job = Gate {
                source: source.view(), matrix: &matrix, packed: &packed,
                output: found.as_mut_ptr(), scratch: scratch.as_mut_ptr(),
            };
            // SAFETY: the views lie in the maps above, which nobody else uses.
            unsafe { (kernels.gate)(&job) };
            let worst = found.iter().zip(expected.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "{}: {worst}", kernels.set);
        }
    }
}
