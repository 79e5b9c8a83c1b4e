//! Models on the engine against Burn's.

use super::*;
use crate::cpu::audit::audit;
use crate::model::{
    KeepRatio, MaskKind, PoseNetConfig, PositionMode, TokenSelection, Variant, fill_params, kept_tokens,
    numbers,
};
use crate::pose::Skeleton;
use burn::prelude::*;
use burn::tensor::Distribution;

/// A folded model in which every part matters and no map fades or grows.
fn model(variant: Variant, depth: usize) -> PoseNet {
    let device = Device::flex();
    device.seed(3);
    let config = PoseNetConfig::new(variant, Skeleton::coco17()).with_depth(depth);
    let model = fill_params(config.init(&device), |param| {
        let (count, fan_in) = (param.shape.iter().product(), param.shape[1..].iter().product::<usize>());
        let seed = param.path.bytes().map(f32::from).sum::<f32>();
        let noise = |i: usize| ((i as f32 * 12.9898 + seed).sin() * 43_758.547).fract();
        let numbers = |middle: f32, size: f32| Some((0..count).map(|i| middle + size * noise(i)).collect());
        match (param.shape.len(), param.path.starts_with("backbone")) {
            (4, true) => numbers(0.0, (3.0 / fan_in as f32).sqrt()),
            (_, true) => None,
            _ if param.path.contains("running") => None,
            _ => numbers(if param.path.ends_with("gamma") { 1.0 } else { 0.0 }, 0.12),
        }
    });
    model.fold()
}

/// Pictures `[B,3,H,W]`, and the same pixel by pixel.
fn pictures(model: &PoseNet, persons: usize) -> (Tensor<4>, Vec<Vec<f32>>) {
    let [height, width] = model.config().input().hw();
    let shape = [persons, 3, height, width];
    let pictures = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex());
    let pixels = numbers(pictures.clone().permute([0, 2, 3, 1]));
    (pictures, pixels.chunks(3 * height * width).map(<[f32]>::to_vec).collect())
}

fn close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(
        largest > 1e-3 && worst <= 1e-4 * largest,
        "{what}: differs by {worst} where the largest is {largest}"
    );
}

fn values(found: CpuHeatmaps) -> Vec<f32> {
    found.maps.into_iter().flat_map(|maps| maps.values).collect()
}

fn kept(model: &PoseNet, ratio: f64) -> Vec<usize> {
    let grid = model.as_tmpose().expect("it is of that family").config().grid;
    kept_tokens(MaskKind::Random, KeepRatio::new(ratio).unwrap(), grid, 3)
}

fn by_burn(
    model: &PoseNet,
    pictures: Tensor<4>,
    EnteringTokens { kept, positions }: EnteringTokens,
) -> Vec<f32> {
    let keep = TokenSelection::same(kept, pictures.dims()[0], &Device::flex()).with_positions(positions);
    numbers(model.as_tmpose().expect("it is of that family").forward(pictures, &keep))
}

fn gathered(kept: &[usize]) -> EnteringTokens<'_> {
    EnteringTokens { kept, positions: PositionMode::Gathered }
}

#[test]
fn every_backbone_is_what_burn_computes() {
    for variant in [Variant::T, Variant::S, Variant::B, Variant::LD24] {
        let model = model(variant, 1);
        let (pictures, pixels) = pictures(&model, 2);
        let expected = numbers(model.features(pictures).permute([0, 2, 3, 1]));
        let found = CpuModel::new(&model).unwrap().features(&pixels).concat();
        close(&variant.to_string(), &found, &expected);
    }
}

#[test]
fn every_variant_is_what_burn_computes() {
    for (variant, depth) in
        [(Variant::T, 6), (Variant::S, 2), (Variant::B, 1), (Variant::LD6, 2), (Variant::LD24, 2)]
    {
        let model = model(variant, depth);
        let engine = CpuModel::new(&model).unwrap();
        let (pictures, pixels) = pictures(&model, 1);
        for ratio in [1.0, 0.6, 0.25] {
            let kept = kept(&model, ratio);
            let expected = by_burn(&model, pictures.clone(), gathered(&kept));
            let what = format!("{variant} at {ratio}");
            close(&what, &values(engine.heatmaps(&pixels, gathered(&kept))), &expected);
            let features = engine.features(&pixels);
            close(&what, &values(engine.heatmaps_of_features(&features, gathered(&kept))), &expected);
        }
    }
}

#[test]
fn tokens_may_come_in_any_order_alone_and_with_the_positions_of_the_reference() {
    let model = model(Variant::T, 2);
    let engine = CpuModel::new(&model).unwrap();
    let (pictures, pixels) = pictures(&model, 3);
    let mut reversed = kept(&model, 0.25);
    reversed.reverse();
    for kept in [vec![200], reversed] {
        for positions in [PositionMode::Prefix, PositionMode::Gathered] {
            let entering = EnteringTokens { kept: &kept, positions };
            let expected = by_burn(&model, pictures.clone(), entering);
            close(&format!("{positions}"), &values(engine.heatmaps(&pixels, entering)), &expected);
        }
    }
}

#[test]
fn neither_the_batch_nor_the_cut_behind_the_backbone_changes_a_bit() {
    let model = model(Variant::T, 2);
    let engine = CpuModel::new(&model).unwrap();
    let (_, pixels) = pictures(&model, 5);
    let kept = kept(&model, 0.5);
    let together = values(engine.heatmaps(&pixels, gathered(&kept)));
    let alone: Vec<f32> =
        pixels.chunks(1).flat_map(|one| values(engine.heatmaps(one, gathered(&kept)))).collect();
    let in_two = values(engine.heatmaps_of_features(&engine.features(&pixels), gathered(&kept)));
    assert!(together == alone && together == in_two);
}

#[test]
fn plans_are_kept_and_their_stages_timed() {
    let model = model(Variant::T, 1);
    let engine = CpuModel::new(&model).unwrap();
    let (_, pixels) = pictures(&model, 1);
    for count in (1..=20).chain(15..=20) {
        let kept: Vec<usize> = (0..count).collect();
        let CpuTimes { backbone, tokens, transformer, head } =
            engine.heatmaps(&pixels, gathered(&kept)).times;
        assert!([backbone, tokens, transformer, head].iter().all(|time| *time > Duration::ZERO));
    }
    let plans = engine.plans.lock().unwrap();
    let stages: Vec<Stages> = plans.iter().map(|plan| plan.stages).collect();
    assert_eq!(stages, [13, 14, 15, 16, 17, 18, 19, 20].map(Stages::Whole));
    assert!(engine.workspace_bytes() > 0);
}

#[test]
fn plans_are_sound_and_count_the_same_multiply_adds() {
    for variant in [Variant::T, Variant::S, Variant::B, Variant::LD24] {
        let model = model(variant, 2);
        let engine = CpuModel::new(&model).unwrap();
        let backbone = engine.net(Stages::Backbone);
        assert_eq!(backbone.macs(), model.backbone().macs(model.config().input()), "{variant}");
        for (stages, members) in [
            (Stages::Backbone, 2),
            (Stages::Whole(256), 1),
            (Stages::Whole(64), 2),
            (Stages::Transformer(1), 3),
            (Stages::Whole(150), 8),
        ] {
            let net = engine.net(stages);
            audit(&net, &Plan::with_packs(&net, simd::kernels(), members, &engine.packs));
        }
    }
}
