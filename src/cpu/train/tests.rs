//! Gradients of random networks against slopes of the plain f64 program, for every instruction set.

use super::plan::MapGradients;
use super::{TrainPlan, TrainWorkspace};
use crate::cpu::net::{Net, NetBuilder};
use crate::cpu::net_tests::{Draw, input_of, random_net, transformer};
use crate::cpu::operation::{Epilogue, Filter, NormOrigin, Operation, Origin, WeightOrder};
use crate::cpu::reference;
use crate::cpu::simd::{InstructionSet, all_available};
use crate::cpu::view::Activation;
use proptest::prelude::*;
use std::sync::Arc;

/// Calls `with` for every filter of a network; a gate's own comes once, with its convolution.
fn each_filter(net: &mut Net, mut with: impl FnMut(&mut Filter)) {
    for operation in &mut net.operations {
        match operation {
            Operation::Convolution { filter, .. }
            | Operation::NormLinear { filter, .. }
            | Operation::Embed { filter, .. } => with(Arc::make_mut(filter)),
            Operation::Separable { depthwise, pointwise, .. } => {
                with(Arc::make_mut(depthwise));
                with(Arc::make_mut(pointwise));
            }
            Operation::Gate { matrix, .. } => with(Arc::make_mut(matrix)),
            _ => {}
        }
    }
}

/// Names the parameters of every filter and norm by where they begin in a flat vector, which is returned: every second
/// filter's weights with the inputs first.
fn flatten(net: &mut Net) -> Vec<f32> {
    let mut flat = Vec::new();
    let mut turn = 0;
    each_filter(net, |filter| {
        turn += 1;
        let order = match (turn % 2, filter.kernel) {
            (0, 1) => WeightOrder::InputsFirst,
            _ => WeightOrder::OutputsFirst,
        };
        let weights = flat.len() as u64;
        let (inputs, outputs) = (filter.inputs(), filter.outputs());
        match order {
            WeightOrder::OutputsFirst => flat.extend(&filter.weights),
            WeightOrder::InputsFirst => {
                flat.extend(
                    (0..inputs * outputs).map(|i| filter.weights[i % outputs * inputs + i / outputs]),
                );
            }
        }
        let bias = Some(flat.len() as u64);
        flat.extend(&filter.bias);
        filter.origin = Some(Origin::whole(weights, bias, outputs, order));
    });
    for operation in &mut net.operations {
        if let Operation::NormLinear { norm, .. } = operation {
            norm.origin = Some([flat.len(), flat.len() + norm.gamma.len()].map(|at| at as u64));
            flat.extend(&norm.gamma);
            flat.extend(&norm.beta);
        }
    }
    flat
}

/// The network with the numbers of a flat vector.
fn with_numbers(net: &Net, flat: &[f32]) -> Net {
    let mut net = net.clone();
    each_filter(&mut net, |filter| {
        let (inputs, outputs) = (filter.inputs(), filter.outputs());
        let block = &filter.origin.as_ref().unwrap().blocks[0];
        let (at, bias) = (block.weights as usize, block.bias.unwrap() as usize);
        for (i, weight) in filter.weights.iter_mut().enumerate() {
            *weight = match block.order {
                WeightOrder::OutputsFirst => flat[at + i],
                WeightOrder::InputsFirst => flat[at + i % inputs * outputs + i / inputs],
            };
        }
        filter.bias.copy_from_slice(&flat[bias..bias + outputs]);
    });
    for operation in &mut net.operations {
        if let Operation::NormLinear { norm, .. } = operation {
            let [gamma, beta] = norm.origin.unwrap().map(|at| at as usize);
            let count = norm.gamma.len();
            norm.gamma.copy_from_slice(&flat[gamma..gamma + count]);
            norm.beta.copy_from_slice(&flat[beta..beta + count]);
        }
    }
    net
}

/// A network's output 0 times `seed`, summed, by the plain program.
fn loss(net: &Net, inputs: &[Vec<f32>], tokens: &[u32], seed: &[f32]) -> f64 {
    let views: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    let reference = reference::run(net, &views, tokens);
    let part = net.outputs[0];
    let shape = net.maps[part.map];
    let value = |i: usize| {
        let (pixel, channel) = (i / shape.channels, i % shape.channels);
        reference.at(part, pixel / shape.width, pixel % shape.width, channel)
    };
    seed.iter().enumerate().map(|(i, s)| f64::from(*s) * value(i)).sum()
}

/// The slope at `at` of something, from both sides; `None` near a bend.
///
/// A bend between the places that are tried makes the two slopes differ. One right at `at` does not, as both are then
/// the mean of the slopes before and behind it; but there the one-sided slopes keep their distance, which shrinks with
/// the step where nothing bends.
fn slope(at: f32, of: impl Fn(f32) -> f64) -> Option<f64> {
    let middle = of(at);
    let sides = |h: f32| {
        let (above, below) = (at + h, at - h);
        let (at, above_at, below_at) = (f64::from(at), f64::from(above), f64::from(below));
        let (above, below) = (of(above), of(below));
        let apart = (above - middle) / (above_at - at) - (middle - below) / (at - below_at);
        ((above - below) / (above_at - below_at), apart)
    };
    let ((near, near_apart), (far, far_apart)) = (sides(1.0 / 4096.0), sides(1.0 / 1024.0));
    let allowed = 3e-4 * near.abs().max(far.abs()) + 1e-6;
    let smooth = (near - far).abs() <= allowed && (far_apart - 4.0 * near_apart).abs() <= 4.0 * allowed;
    smooth.then_some((16.0 * near - far) / 15.0)
}

/// Checks gradients of some numbers and of all inputs that are wanted; returns the gradients' bits.
#[allow(clippy::too_many_lines)] // One comparison, from the network to its slopes.
fn gradients_agree(
    net: &Net,
    flat: &[f32],
    inputs: &[Vec<f32>],
    tokens: &[u32],
    wanted: &[usize],
    draw: &mut Draw,
) -> Result<(), TestCaseError> {
    let shape = net.maps[net.outputs[0].map];
    let seed = draw.numbers(shape.numbers(), 1.0);
    let start = |parameter: u64| Some(parameter as usize);
    let mut made: Vec<Vec<f32>> = Vec::new();
    for (i, kernels) in all_available().into_iter().enumerate() {
        let plan =
            TrainPlan::new(net, kernels, &start, &MapGradients { given: &[0], wanted, probabilities: false });
        let weights = plan.pack(flat);
        let mut workspace = TrainWorkspace::default();
        workspace.fit(&plan);
        workspace.values.fill(f32::NAN);
        workspace.gradients.fill(f32::NAN);
        workspace.scratch.fill(f32::NAN);
        workspace.tokens = tokens.to_vec();
        inputs.iter().enumerate().for_each(|(i, values)| workspace.input(&plan, i).copy_from_slice(values));
        plan.forward_one(&weights, &mut workspace);
        workspace.given(&plan, 0).copy_from_slice(&seed);
        let mut gradient = plan.no_gradient();
        plan.backward_one(&weights, &mut workspace, &mut gradient);
        let mut all = vec![0.0; flat.len()];
        plan.add_gradient(&gradient, 1.0, &mut all);
        (0..wanted.len()).for_each(|w| all.extend_from_slice(workspace.wanted(&plan, w)));
        // Without fused products, plain Rust rounds otherwise.
        if kernels.set != InstructionSet::Portable || i + 1 == all_available().len() {
            made.push(all);
        }
    }
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
    prop_assert!(made.iter().all(|other| bits(other) == bits(&made[0])), "bits of the instruction sets");
    let largest = made[0].iter().fold(0f32, |most, v| most.max(v.abs()));
    prop_assert!(largest.is_finite(), "a gradient is not finite");
    let close = |what: &str, found: f32, wanted: Option<f64>| {
        let Some(wanted) = wanted else { return Ok(()) };
        let apart = (f64::from(found) - wanted).abs();
        let allowed = 3e-3 * wanted.abs() + 2e-4 * f64::from(largest) + 1e-5;
        prop_assert!(apart <= allowed, "{what}: {found}, not {wanted} (largest {largest})");
        Ok(())
    };
    for _ in 0..8 {
        let place = draw.below(flat.len());
        let of = |value: f32| {
            let mut flat = flat.to_vec();
            flat[place] = value;
            loss(&with_numbers(net, &flat), inputs, tokens, &seed)
        };
        close("a number", made[0][place], slope(flat[place], of))?;
    }
    let mut at = flat.len();
    let rows = net.inputs.get(1).map_or(1, |part| net.maps[part.map].height);
    for &input in wanted {
        for _ in 0..4 {
            // The rows of tokens behind those of the joints are overwritten.
            let place = draw.below(if input == 1 {
                inputs[1].len() - inputs[1].len() / rows * tokens.len()
            } else {
                inputs[0].len()
            });
            let of = |value: f32| {
                let mut inputs = inputs.to_vec();
                inputs[input][place] = value;
                loss(net, &inputs, tokens, &seed)
            };
            close("an input", made[0][at + place], slope(inputs[input][place], of))?;
        }
        at += inputs[input].len();
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 24 }))]

    #[test]
    fn gradients_are_the_slopes_of_the_network(seed in any::<u64>(), length in 1usize..16) {
        let net = random_net(seed, length);
        let outputs = net.outputs.clone();
        let mut draw = Draw(seed.wrapping_mul(7) | 1);
        // All outputs become one, at whatever size the first has.
        let mut builder = NetBuilder::behind(net);
        let size = builder.size(outputs[0]);
        let same: Vec<_> = outputs.into_iter().filter(|part| builder.size(*part) == size).collect();
        let filter = draw.filter(5, same.iter().map(|part| part.channels).sum(), 1);
        let last = builder.convolution(&same, filter, 1, Epilogue::new(Activation::None));
        let mut net = builder.finish(&[last]);
        let flat = flatten(&mut net);
        let input = input_of(&net, seed);
        gradients_agree(&net, &flat, &[input], &[], &[0], &mut draw)?;
    }

    #[test]
    fn gradients_are_the_slopes_of_a_transformer(
        seed in any::<u64>(), heads in 1usize..4, size in 1usize..27, joints in 1usize..6, tokens in 1usize..9,
    ) {
        let mut draw = Draw(seed | 1);
        let mut net = transformer(&mut draw, heads * size, heads, joints, tokens);
        let flat = flatten(&mut net);
        let inputs: Vec<Vec<f32>> =
            net.inputs.iter().map(|part| draw.numbers(net.maps[part.map].numbers(), 1.0)).collect();
        let kept: Vec<u32> = (0..tokens as u32).map(|i| (i * 3 + 1) % 8).collect();
        gradients_agree(&net, &flat, &inputs, &kept, &[0, 1], &mut draw)?;
    }
}

/// Two convolutions with batch norms, the second with something added, of which an inference would fold the norms.
fn normed(draw: &mut Draw) -> (Net, Vec<f32>) {
    let mut flat = Vec::new();
    let mut net = NetBuilder::new();
    let input = net.input(6, 4, 5);
    let mut filter = |draw: &mut Draw, outputs: usize, inputs: usize| {
        let mut filter = draw.filter(outputs, inputs, 3);
        let weights = flat.len() as u64;
        flat.extend(&filter.weights);
        let [gamma, beta] = [0, 1].map(|i| (flat.len() + i * outputs) as u64);
        flat.extend(draw.numbers(outputs, 1.5));
        flat.extend(draw.numbers(outputs, 0.5));
        let origin = Origin::whole(weights, None, outputs, WeightOrder::OutputsFirst);
        filter.origin = Some(Origin { norm: Some(NormOrigin { gamma, beta, epsilon: 1e-5 }), ..origin });
        filter
    };
    let first = filter(draw, 20, 5);
    let x = net.convolution(&[input], first, 1, Epilogue::new(Activation::Relu));
    let second = filter(draw, 20, 20);
    let y = net.convolution(&[x], second, 1, Epilogue::new(Activation::Relu).plus(x.once()));
    (net.finish(&[y]), flat)
}

/// The loss of a batch by the plain program: [`normed`], with the batch's statistics.
fn normed_loss(flat: &[f32], batch: &[Vec<f32>], seeds: &[Vec<f32>]) -> f64 {
    let mut at = 0;
    let mut layer = |maps: &[Vec<f64>], inputs: usize| -> Vec<Vec<f64>> {
        let outputs = 20;
        let weights = &flat[at..at + outputs * inputs * 9];
        let norm = &flat[at + weights.len()..][..2 * outputs];
        at += weights.len() + 2 * outputs;
        let convolved = |map: &Vec<f64>| {
            let mut made = vec![0.0; 24 * outputs];
            for (i, value) in made.iter_mut().enumerate() {
                let (row, column, output) = (i / outputs / 4, i / outputs % 4, i % outputs);
                for tap in 0..9 {
                    let (y, x) = ((row + tap / 3).wrapping_sub(1), (column + tap % 3).wrapping_sub(1));
                    for input in (0..inputs).filter(|_| y < 6 && x < 4) {
                        let weight = f64::from(weights[(output * inputs + input) * 9 + tap]);
                        *value += weight * map[(y * 4 + x) * inputs + input];
                    }
                }
            }
            made
        };
        let mut made: Vec<Vec<f64>> = maps.iter().map(convolved).collect();
        for output in 0..outputs {
            let values = || made.iter().flat_map(|map| map.iter().skip(output).step_by(outputs));
            let count = values().count() as f64;
            let mean = values().sum::<f64>() / count;
            let variance = values().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
            let scale = f64::from(norm[output]) / (variance + 1e-5).sqrt();
            for map in &mut made {
                map.iter_mut().skip(output).step_by(outputs).for_each(|v| {
                    *v = (*v - mean) * scale + f64::from(norm[outputs + output]);
                });
            }
        }
        made
    };
    let inputs: Vec<Vec<f64>> = batch.iter().map(|map| map.iter().map(|v| f64::from(*v)).collect()).collect();
    let rectified = |maps: Vec<Vec<f64>>| -> Vec<Vec<f64>> {
        maps.into_iter().map(|map| map.into_iter().map(|v| v.max(0.0)).collect()).collect()
    };
    let first = rectified(layer(&inputs, 5));
    let mut second = layer(&first, 20);
    second
        .iter_mut()
        .zip(&first)
        .for_each(|(map, first)| map.iter_mut().zip(first).for_each(|(v, x)| *v += x));
    let second = rectified(second);
    let products = second.iter().zip(seeds).flat_map(|(map, seed)| map.iter().zip(seed));
    products.map(|(v, s)| v * f64::from(*s)).sum()
}

#[test]
fn batch_norms_learn_from_the_whole_batch() {
    let mut draw = Draw(77);
    let (net, flat) = normed(&mut draw);
    let batch: Vec<Vec<f32>> = (0..5).map(|_| draw.numbers(120, 2.0)).collect();
    let seeds: Vec<Vec<f32>> = (0..5).map(|_| draw.numbers(480, 1.0)).collect();
    let start = |parameter: u64| Some(parameter as usize);
    let gradients = MapGradients { given: &[0], ..MapGradients::default() };
    let plan = TrainPlan::new(&net, all_available()[0], &start, &gradients);
    assert!(plan.has_batch_norms());
    let weights = plan.pack(&flat);
    let run = |parts: usize| {
        let mut workspaces: Vec<TrainWorkspace> = (0..5).map(|_| TrainWorkspace::default()).collect();
        for (workspace, input) in workspaces.iter_mut().zip(&batch) {
            workspace.fit(&plan);
            workspace.input(&plan, 0).copy_from_slice(input);
        }
        let seen = plan.forward_batch(&weights, &mut workspaces);
        for (workspace, seed) in workspaces.iter_mut().zip(&seeds) {
            workspace.given(&plan, 0).copy_from_slice(seed);
        }
        let mut gradients = vec![plan.no_gradient(); parts];
        plan.backward_batch(&weights, &mut workspaces, &seen, &mut gradients);
        let mut all = vec![0.0; flat.len()];
        gradients.iter().for_each(|gradient| plan.add_gradient(gradient, 1.0, &mut all));
        (seen, all)
    };
    let (seen, found) = run(2);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].count, 5 * 24);
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(alone.install(|| run(2).1), found, "bits do not depend on the number of threads");
    let largest = found.iter().fold(0f32, |most, v| most.max(v.abs()));
    for place in (0..flat.len()).step_by(37) {
        let of = |value: f32| {
            let mut flat = flat.clone();
            flat[place] = value;
            normed_loss(&flat, &batch, &seeds)
        };
        if let Some(wanted) = slope(flat[place], of) {
            let apart = (f64::from(found[place]) - wanted).abs();
            let allowed = 2e-3 * wanted.abs() + 2e-4 * f64::from(largest);
            assert!(apart <= allowed, "number {place}: {}, not {wanted}", found[place]);
        }
    }
}
