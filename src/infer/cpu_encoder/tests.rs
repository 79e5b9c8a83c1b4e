//! The pass written by hand against the transformers as Burn computes them.

use super::*;
use crate::model::{
    KeepRatio, MaskKind, PositionMode, TmPoseConfig, TokenSelection, Variant, fill_params, kept_tokens,
};
use crate::pose::Skeleton;
use burn::prelude::*;

/// A model whose weights are large enough for every part of it to matter.
fn model(variant: Variant, depth: usize) -> TmPose {
    let device = Device::flex();
    device.seed(5);
    let config = TmPoseConfig { depth, ..TmPoseConfig::new(variant, Skeleton::coco17()) };
    fill_params(config.init(&device), |param| {
        let encoder = param.path.starts_with("encoders") || param.path == "keypoint_token";
        let count = param.shape.iter().product::<usize>();
        let middle = if param.path.ends_with("gamma") { 1.0 } else { 0.0 };
        let seed = param.path.bytes().map(f32::from).sum::<f32>();
        let value = |i: usize| middle + ((i as f32 * 12.9898 + seed).sin() * 437.585).fract() * 0.12;
        encoder.then(|| (0..count).map(value).collect())
    })
}

fn tokens(persons: usize, kept: usize, dim: usize) -> Vec<f32> {
    (0..persons * kept * dim).map(|i| ((i as f32 * 0.7391).sin() * 91.7).fract() * 2.0).collect()
}

fn by_burn(model: &TmPose, tokens: &[f32], kept: &[usize], positions: PositionMode) -> Vec<f32> {
    let (dim, device) = (model.config().dim, Device::flex());
    let persons = tokens.len() / dim / kept.len();
    let keep = TokenSelection::same(kept, persons, &device).with_positions(positions);
    let tokens = Tensor::from_data(TensorData::new(tokens.to_vec(), [persons, kept.len(), dim]), &device);
    numbers(model.encode(tokens, &keep))
}

#[track_caller]
fn agrees(model: &TmPose, persons: usize, kept: &[usize], positions: PositionMode) {
    let tokens = tokens(persons, kept.len(), model.config().dim);
    let prefix: Vec<usize> = (0..kept.len()).collect();
    let position_ids = if positions == PositionMode::Prefix { &prefix } else { kept };
    let found = CpuEncoder::new(model).encode(&tokens, position_ids);
    let expected = by_burn(model, &tokens, kept, positions);
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 1e-4 * largest, "differs by {worst} where the largest value is {largest}");
}

fn kept(model: &TmPose, ratio: f64) -> Vec<usize> {
    kept_tokens(MaskKind::Random, KeepRatio::new(ratio).unwrap(), model.config().grid, 3)
}

#[test]
fn every_variant_is_what_burn_computes() {
    for (variant, depth) in
        [(Variant::T, 6), (Variant::S, 2), (Variant::B, 1), (Variant::LD6, 2), (Variant::LD24, 2)]
    {
        let model = model(variant, depth);
        for ratio in [1.0, 0.6, 0.25] {
            agrees(&model, 1, &kept(&model, ratio), PositionMode::Gathered);
        }
        agrees(&model, 2, &kept(&model, 0.25), PositionMode::Prefix);
    }
}

#[test]
fn batches_of_any_size_and_tokens_in_any_order() {
    let model = model(Variant::LD6, 2);
    for persons in [1, 2, 3, 5] {
        let mut kept = kept(&model, 0.25);
        kept.reverse();
        agrees(&model, persons, &kept, PositionMode::Gathered);
        agrees(&model, persons, &kept, PositionMode::Prefix);
    }
    agrees(&model, 1, &[200], PositionMode::Gathered);
}

#[test]
fn neither_the_batch_nor_the_number_of_threads_changes_a_bit() {
    let model = model(Variant::T, 3);
    let encoder = CpuEncoder::new(&model);
    for ratio in [1.0, 0.6, 0.05] {
        let position_ids = kept(&model, ratio);
        let tokens = tokens(3, position_ids.len(), 192);
        let together = encoder.encode(&tokens, &position_ids);
        let alone: Vec<f32> = tokens
            .chunks(position_ids.len() * 192)
            .flat_map(|one| encoder.encode(one, &position_ids))
            .collect();
        assert_eq!(together, alone);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| encoder.encode(&tokens, &position_ids)), together);
        }
    }
}

#[test]
fn strips_hold_all_rows_in_whole_tiles() {
    for n in 1..1000 {
        let rows = strip_rows(n);
        assert!(rows.is_multiple_of(TILE) && rows <= STRIP && n.div_ceil(rows) <= n.div_ceil(STRIP));
    }
}
