//! Random networks: the engine against [`reference`](super::reference), plans audited, bits independent of threads and
//! instruction set.

use super::audit::audit;
use super::net::{Net, NetBuilder};
use super::operation::{Epilogue, Filter, Part};
use super::plan::Plan;
use super::reference;
use super::rows::Norm;
use super::run::{Workspace, Workspaces};
use super::simd::all_available;
use super::team::Team;
use super::view::Activation;
use proptest::prelude::*;

/// Draws numbers that depend on a seed alone.
pub struct Draw(pub u64);

impl Draw {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % end
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub fn numbers(&mut self, count: usize, size: f32) -> Vec<f32> {
        (0..count).map(|_| (self.below(2001) as f32 / 1000.0 - 1.0) * size).collect()
    }

    pub fn filter(&mut self, outputs: usize, inputs: usize, kernel: usize) -> Filter {
        let count = outputs * inputs * kernel * kernel;
        let size = (3.0 / (inputs * kernel * kernel) as f32).sqrt();
        Filter { weights: self.numbers(count, size), bias: self.numbers(outputs, 0.1), kernel, origin: None }
    }

    pub fn activation(&mut self) -> Activation {
        self.of(&[Activation::None, Activation::Relu, Activation::Silu])
    }
}

/// A network of `length` random operations on maps of a few sizes.
#[allow(clippy::too_many_lines)] // An arm for each operation.
pub fn random_net(seed: u64, length: usize) -> Net {
    let mut draw = Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut net = NetBuilder::new();
    let (height, width) = (2 * (1 + draw.below(6)), 2 * (1 + draw.below(6)));
    let input = net.input(height, width, 3);
    let first = draw.filter(32, 3, 3);
    let mut parts = vec![input, net.convolution(&[input], first, 1, Epilogue::new(Activation::Relu))];
    for _ in 0..length {
        let last = parts[parts.len() - 1 - draw.below(parts.len().min(4))];
        let same: Vec<Part> = parts
            .iter()
            .copied()
            .filter(|part| net.size(*part) == net.size(last) && part.map != last.map)
            .collect();
        let outputs = draw.of(&[1, 7, 20, 32, 48]);
        let mut epilogue = Epilogue::new(draw.activation());
        // Something of the result's size and width is added, if there is such a map.
        let alike = same.iter().find(|part| part.channels == outputs);
        if let (Some(part), true) = (alike, draw.below(2) == 0) {
            epilogue = epilogue.plus(part.times(0.5));
        }
        let made = match draw.below(9) {
            0 => {
                let mut inputs = vec![last];
                inputs.extend(same.first());
                let total = inputs.iter().map(|part| part.channels).sum();
                let (filter, kernel) = (outputs, draw.of(&[1, 3]));
                let filter = draw.filter(filter, total, kernel);
                net.convolution(&inputs, filter, 1, epilogue)
            }
            1 => {
                let filter = draw.filter(outputs, last.channels, 3);
                net.convolution(&[last], filter, 2, Epilogue::new(draw.activation()))
            }
            2 => {
                let stride = 1 + draw.below(2);
                let kernel = draw.of(&[3, 5]);
                let filters = [draw.filter(last.channels, 1, kernel), draw.filter(outputs, last.channels, 1)];
                let epilogue = if stride == 1 { epilogue } else { Epilogue::new(draw.activation()) };
                net.separable(&[last], filters, stride, draw.activation(), epilogue)
            }
            3 if last.channels.is_multiple_of(2) => {
                // A unit of ShuffleNet.
                let [pass, work] = last.halves();
                let half = work.channels;
                let enter = draw.filter(half, half, 1);
                let seen = net.convolution(&[work], enter, 1, Epilogue::new(Activation::Relu));
                let filters = [draw.filter(half, 1, 3), draw.filter(half, half, 1)];
                let epilogue = Epilogue::new(Activation::Relu).shuffled(pass);
                net.separable(&[seen], filters, 1, Activation::None, epilogue)
            }
            4 => match draw.below(3) {
                2 => net.sum(vec![last.times(2.0), last.once()], draw.activation()),
                which => net.sum_and_rectified(vec![last.times(2.0), last.once()])[which],
            },
            5 => {
                // Added at twice the size, for nothing.
                let filter = draw.filter(outputs, last.channels, 1);
                let small = net.convolution(&[last], filter, 1, Epilogue::new(Activation::None));
                let own = draw.filter(outputs, last.channels, 1);
                let epilogue = Epilogue::new(Activation::Relu).plus(small.doubled().once());
                net.convolution(&[last.doubled()], own, 1, epilogue)
            }
            6 if net.size(last).0 <= 12 => {
                let (height, width) = net.size(last);
                let addend = draw.filter(last.channels, last.channels, 1);
                let addend = net.convolution(&[last.doubled()], addend, 1, Epilogue::new(Activation::None));
                let output = net.map(2 * height, 2 * width, last.channels);
                net.double_into(output, last, addend);
                output
            }
            7 => {
                let (height, width) = net.size(last);
                let both = net.map(height, width, 2 * last.channels);
                let [left, right] = both.halves();
                let filter = draw.filter(last.channels, last.channels, 1);
                net.convolution_into(left, &[last], filter, 1, Epilogue::new(Activation::Silu));
                net.max_pool_into(right, left);
                // Read by somebody else before it is overwritten.
                let filter = draw.filter(outputs, 2 * last.channels, 1);
                parts.push(net.convolution(&[left, right], filter, 1, Epilogue::new(draw.activation())));
                // In place, as a residual block.
                let filters =
                    [draw.filter(last.channels, 1, 3), draw.filter(last.channels, last.channels, 1)];
                let epilogue = match draw.below(2) {
                    0 => Epilogue::new(Activation::Silu).plus(left.once()),
                    _ => Epilogue::new(Activation::Silu).with_residual(left),
                };
                net.separable_into(left, &[right], filters, 1, Activation::Silu, epilogue);
                both
            }
            _ => {
                let matrix = draw.filter(last.channels, last.channels, 1);
                let filter = draw.filter(outputs, last.channels, 1);
                net.gated(last, matrix, filter, epilogue)
            }
        };
        if made.channels <= 64 && net.size(made).0 <= 24 {
            parts.push(made);
        }
    }
    let outputs: Vec<Part> = parts[1..].iter().rev().take(3).copied().collect();
    net.finish(&outputs)
}

pub fn input_of(net: &Net, seed: u64) -> Vec<f32> {
    Draw(seed | 1).numbers(net.maps[net.inputs[0].map].numbers(), 1.5)
}

/// The outputs' bits after a run.
fn outputs_of(plan: &Plan, input: &[f32], team: &mut Team) -> Vec<u32> {
    let mut workspace = Workspace::new(plan, team.members());
    // Whatever was there before must not matter.
    workspace.fill_for_test(f32::NAN);
    workspace.map(plan, plan.inputs[0]).copy_from_slice(input);
    plan.run(&mut workspace, team);
    plan.outputs
        .iter()
        .flat_map(|part| workspace.map(plan, *part).iter().map(|v| v.to_bits()).collect::<Vec<_>>())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 48 }))]

    #[test]
    fn a_network_computes_what_its_operations_say(seed in any::<u64>(), length in 1usize..25) {
        let net = random_net(seed, length);
        let input = input_of(&net, seed);
        let reference = reference::run(&net, &[&input], &[]);
        for kernels in all_available() {
            let plan = Plan::new(&net, kernels, 2);
            audit(&net, &plan);
            let mut workspace = Workspace::new(&plan, 1);
            workspace.map(&plan, plan.inputs[0]).copy_from_slice(&input);
            plan.run_alone(&mut workspace);
            for part in &plan.outputs {
                let shape = net.maps[part.map];
                let found = workspace.map(&plan, *part);
                let largest = found.iter().fold(1.0f64, |most, v| most.max(f64::from(v.abs())));
                for (i, &value) in found.iter().enumerate() {
                    let (pixel, channel) = (i / shape.channels, i % shape.channels);
                    let wanted = reference.at(*part, pixel / shape.width, pixel % shape.width, channel);
                    let apart = (f64::from(value) - wanted).abs();
                    prop_assert!(apart <= 1e-3 * largest, "{}: {value}, not {wanted}", kernels.set);
                }
            }
        }
    }

    #[test]
    fn bits_depend_neither_on_threads_nor_on_the_instruction_set(seed in any::<u64>()) {
        let net = random_net(seed, 15);
        let input = input_of(&net, seed);
        let mut results = Vec::new();
        for (i, kernels) in all_available().into_iter().enumerate() {
            let last = i + 1 == all_available().len();
            // Without fused products, plain Rust rounds otherwise.
            if kernels.set == super::simd::InstructionSet::Portable && !last {
                continue;
            }
            for (planned, members) in [(1, 1), (2, 2), (3, 3), (4, 2), (2, 4)] {
                let plan = Plan::new(&net, kernels, planned);
                results.push(outputs_of(&plan, &input, &mut Team::new(members)));
            }
        }
        prop_assert!(results.iter().all(|result| *result == results[0]));
    }
}

/// A transformer of two blocks over a map of `patches` patches, of which the first `tokens` numbers of a permutation are
/// kept, behind `joints` tokens of its own; the second block asks for those alone.
pub fn transformer(draw: &mut Draw, dim: usize, heads: usize, joints: usize, tokens: usize) -> Net {
    let mut net = NetBuilder::new();
    let feature = net.input(8, 6, 5);
    let n = joints + tokens;
    let (x, positions) = (net.input(n, 1, dim), net.input(n, 1, dim));
    let norm = |draw: &mut Draw, channels: usize| Norm {
        gamma: draw.numbers(channels, 1.5),
        beta: draw.numbers(channels, 0.5),
        epsilon: 1e-5,
        origin: None,
    };
    let filter = draw.filter(dim, 2 * 3 * 5, 1);
    net.embed_into(x, feature, [2, 3], filter, positions, joints);
    let linear = || Epilogue::new(Activation::None);
    let mut x = x;
    for rows in [n, joints] {
        let kv = net.map(n, 1, 2 * dim + NetBuilder::VALUE_MARGIN);
        let q = net.map(rows, 1, dim);
        let norm1 = norm(draw, dim);
        let (to_q, to_kv) = (draw.filter(dim, dim, 1), draw.filter(2 * dim, dim, 1));
        net.norm_linear_into(q, x, norm1.clone(), to_q, linear());
        net.norm_linear_into(kv.channels(0, 2 * dim), x, norm1, to_kv, linear());
        let keys = net.transposed_keys(kv.channels(0, dim));
        let mixed = net.attention(q, keys, kv.channels(dim, dim), heads, 0.7);
        let next = if rows == n { x } else { net.map(rows, 1, dim) };
        let proj = draw.filter(dim, dim, 1);
        net.convolution_into(next, &[mixed], proj, 1, linear().plus(x.once()));
        let hidden = net.map(rows, 1, 3 * dim);
        let (norm2, fc1) = (norm(draw, dim), draw.filter(3 * dim, dim, 1));
        net.norm_linear_into(hidden, next, norm2, fc1, Epilogue::new(Activation::Gelu));
        let fc2 = draw.filter(dim, 3 * dim, 1);
        let epilogue = linear().plus(next.once());
        let epilogue = if rows == n { epilogue.plus(positions.once()) } else { epilogue };
        net.convolution_into(next, &[hidden], fc2, 1, epilogue);
        x = next;
    }
    let head = draw.filter(48, dim, 1);
    let maps = net.convolution(&[x], head, 1, linear());
    let own = draw.filter(joints, 5, 1);
    let own = net.convolution(&[feature], own, 1, linear());
    net.transpose_into(maps, own, true);
    net.finish(&[maps])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 24 }))]

    #[test]
    fn a_transformer_computes_what_its_operations_say(
        seed in any::<u64>(), heads in 1usize..4, size in 1usize..27, joints in 1usize..20, tokens in 1usize..9,
    ) {
        let mut draw = Draw(seed | 1);
        let net = transformer(&mut draw, heads * size, heads, joints, tokens);
        let inputs: Vec<Vec<f32>> =
            net.inputs.iter().map(|part| draw.numbers(net.maps[part.map].numbers(), 1.0)).collect();
        let kept: Vec<u32> = (0..tokens as u32).map(|i| (i * 3 + 1) % 8).collect();
        let views: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
        let reference = reference::run(&net, &views, &kept);
        let mut bits = Vec::new();
        for (i, kernels) in all_available().into_iter().enumerate() {
            let plan = Plan::new(&net, kernels, 2);
            audit(&net, &plan);
            let mut workspace = Workspace::new(&plan, 2);
            workspace.fill_for_test(f32::NAN);
            plan.inputs.iter().zip(&inputs).for_each(|(part, values)| {
                workspace.map(&plan, *part).copy_from_slice(values);
            });
            workspace.tokens = kept.clone();
            plan.run(&mut workspace, &mut Team::new(1 + i % 2));
            let output = plan.outputs[0];
            let found = workspace.map(&plan, output);
            let largest = found.iter().fold(1.0f64, |most, v| most.max(f64::from(v.abs())));
            for (at, &value) in found.iter().enumerate() {
                let wanted = reference.at(output, at / 48, 0, at % 48);
                let apart = (f64::from(value) - wanted).abs();
                prop_assert!(apart <= 1e-3 * largest, "{}: {value}, not {wanted}", kernels.set);
            }
            let fused = kernels.set != super::simd::InstructionSet::Portable || i + 1 == all_available().len();
            if fused {
                bits.push(found.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
            }
        }
        prop_assert!(bits.iter().all(|result| *result == bits[0]));
    }
}

#[test]
fn several_pictures_give_what_each_gives_alone() {
    let net = random_net(5, 20);
    let kernels = all_available()[0];
    let plan = Plan::new(&net, kernels, 2);
    let inputs: Vec<Vec<f32>> = (0..7).map(|i| input_of(&net, 100 + i)).collect();
    let alone: Vec<Vec<u32>> =
        inputs.iter().map(|input| outputs_of(&plan, input, &mut Team::new(1))).collect();
    for count in [0, 1, 2, 3, 7] {
        let found = Workspaces::default().run(
            &plan,
            count,
            |i, workspace| workspace.map(&plan, plan.inputs[0]).copy_from_slice(&inputs[i]),
            |workspace| {
                let bits = plan.outputs.iter().flat_map(|part| {
                    workspace.map(&plan, *part).iter().map(|v| v.to_bits()).collect::<Vec<_>>()
                });
                bits.collect::<Vec<_>>()
            },
        );
        assert_eq!(found, alone[..count]);
    }
}
