//! Parameters and multiply-accumulates: docs/METHOD.md, "Variants" and "Multiply-adds".

use crate::common::fixture_path;
use burn::module::Module;
use burn::prelude::*;
use serde_json::Value;
use tmpose::model::{Counting, KeepRatio, MaskKind, TmPoseConfig, Variant, keep_count, list_params};
use tmpose::pose::{Size, Skeleton};

/// The models of flops.json that are ours.
fn configs() -> Vec<(&'static str, TmPoseConfig)> {
    let coco = |variant| TmPoseConfig::new(variant, Skeleton::coco17());
    let mut s_v2 = coco(Variant::S);
    (s_v2.patch, s_v2.grid) = (Size::square(2), Size::new(24, 32));
    vec![
        ("tokenpose_s_v1", coco(Variant::S)),
        ("tokenpose_s_v2", s_v2),
        ("tmpose_b", coco(Variant::B)),
        ("tmpose_l_d6", coco(Variant::LD6)),
        ("tmpose_l_d6_yaml", coco(Variant::LD18)),
        ("tmpose_l_d24", coco(Variant::LD24)),
        ("tmpose_l_d6_mpii", TmPoseConfig::new(Variant::LD6, Skeleton::mpii16())),
    ]
}

#[test]
fn macs_and_parameters_are_those_of_the_reference() {
    let rows: Value = serde_json::from_slice(&std::fs::read(fixture_path("flops.json")).unwrap()).unwrap();
    for (name, config) in configs() {
        // Running statistics are buffers, and the position table is counted although it is not trained.
        let model = config.init(&Device::flex());
        let buffers: usize = list_params(&model)
            .iter()
            .filter(|p| p.path.contains("running_"))
            .map(|p| p.shape.iter().product::<usize>())
            .sum();
        let parameters = model.num_params() - buffers + config.tokens() * config.dim;
        let mut seen = 0;
        for row in rows.as_array().unwrap().iter().filter(|row| row["model"] == name) {
            seen += 1;
            let ratio = KeepRatio::new(row["ratio"].as_f64().unwrap()).unwrap();
            let kept = keep_count(MaskKind::Random, ratio, config.tokens());
            if let Some(tokens) = row["visual_tokens"].as_u64() {
                assert_eq!(kept as u64, tokens, "{name}");
            }
            let macs = config.macs(kept, Counting::Reference);
            let part = |key: &str| row["macs"][key].as_u64().unwrap();
            assert_eq!(
                [macs.conv, macs.embed, macs.linear, macs.attention, macs.head],
                [part("conv"), part("embed"), part("linear"), part("attn"), part("head")],
                "{name} at {kept} tokens"
            );
            assert_eq!(macs.total(), row["total"].as_u64().unwrap());
            assert_eq!(parameters as u64, row["params"].as_u64().unwrap(), "{name}");

            let published = config.macs(kept, Counting::Repository);
            let gi = |n: u64| n as f64 / 1024f64.powi(3);
            let expected = row["repo_counter_total_gi"].as_f64().unwrap();
            assert!((gi(published.total()) - expected).abs() < 1e-9, "{name} at {kept} tokens");
            if let Some(expected) = row["repo_counter_transformer_gi"].as_f64() {
                assert!((gi(published.transformer()) - expected).abs() < 1e-9, "{name} at {kept} tokens");
            }
        }
        assert!(seen > 0, "{name} is not in flops.json");
    }
}

/// What the paper prints for TMPose-B at keep ratio 0.6 and TokenPose-B.
#[test]
fn the_paper_s_tables_follow_from_the_repository_s_counter() {
    let config = TmPoseConfig::new(Variant::B, Skeleton::coco17());
    let printed = |kept| {
        let macs = config.macs(kept, Counting::Repository);
        let gi = |n: u64| format!("{:.2}", n as f64 / 1024f64.powi(3));
        (gi(macs.total()), gi(macs.transformer()))
    };
    assert_eq!(printed(256), ("5.66".into(), "1.29".into()));
    assert_eq!(printed(153), ("4.87".into(), "0.51".into()));
}

#[test]
fn what_is_executed_is_less_by_the_dropped_tokens_and_the_last_layer() {
    let config = TmPoseConfig::new(Variant::B, Skeleton::coco17());
    let (reference, executed) = (config.macs(256, Counting::Reference), config.macs(256, Counting::Executed));
    // 75.5 M linear and 26.8 M attention MACs, those of the 256 visual tokens.
    assert_eq!(reference.linear - executed.linear, 256 * (2 * 192 * 192 + 2 * 192 * 576));
    assert_eq!(reference.attention - executed.attention, 2 * 256 * 273 * 192);
    assert_eq!(config.macs(128, Counting::Executed).embed * 2, reference.embed);
}

/// The compact variant must be small, and the slider must pay.
#[test]
fn tmpose_t_is_light_and_mostly_transformer() {
    for skeleton in [Skeleton::coco17(), Skeleton::mpii16()] {
        let macs = TmPoseConfig::new(Variant::T, skeleton).macs(256, Counting::Reference);
        assert!(macs.total() <= 1_300_000_000, "{macs:?}");
        assert!(2 * macs.transformer() >= macs.total(), "{macs:?}");
    }
}
