//! The closed-form weights and the names that they hang on.

use crate::common::{closed_form, fixture_path, fnv1a, rule};
use burn::prelude::*;
use serde_json::Value;
use std::collections::HashSet;
use tmpose::model::{NameStyle, TmPoseConfig, Variant, list_params, pytorch_name};
use tmpose::pose::Skeleton;

fn checks() -> Value {
    serde_json::from_slice(&std::fs::read(fixture_path("weights_check.json")).unwrap()).unwrap()
}

#[test]
fn the_generator_makes_the_listed_values() {
    for (model, entries) in checks().as_object().unwrap() {
        for entry in entries.as_array().unwrap() {
            let name = entry["name"].as_str().unwrap();
            if name.ends_with("pos_embedding") || name.ends_with("num_batches_tracked") {
                continue;
            }
            let shape: Vec<usize> = serde_json::from_value(entry["shape"].clone()).unwrap();
            assert_eq!(format!("{:016x}", fnv1a(name)), entry["fnv1a64"].as_str().unwrap());
            let (center, amp) = rule(name, &shape);
            assert_eq!(serde_json::json!([center, amp]), entry["rule"], "{model}: {name}");
            let values = closed_form(name, center, amp, shape.iter().product());
            let first: Vec<f64> = serde_json::from_value(entry["first"].clone()).unwrap();
            for (value, expected) in values.iter().zip(first) {
                assert_eq!(*value, expected as f32, "{model}: {name}");
            }
            let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
            let expected = entry["sum"].as_f64().unwrap();
            assert!((sum - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{model}: {name}: {sum}");
        }
    }
}

/// The numbers are those of the published state dicts; we have neither `num_batches_tracked` (one for each
/// batch norm) nor the position table.
#[test]
fn every_parameter_has_the_name_and_shape_of_the_state_dict() {
    let cases = [
        (Variant::B, "tmpose_b", 1074 - 155),
        (Variant::LD6, "tmpose_l_d6", 1004 - 155),
        (Variant::LD18, "tmpose_l_d6_yaml", 1136 - 155),
        (Variant::LD24, "tmpose_l_d24", 1202 - 155),
        (Variant::S, "tokenpose_s_v1", 234 - 15),
    ];
    let checks = checks();
    for (variant, key, entries) in cases {
        let config = TmPoseConfig::new(variant, Skeleton::coco17());
        let named: Vec<(String, Vec<usize>)> = list_params(&config.init(&Device::flex()))
            .into_iter()
            .map(|p| {
                let shape =
                    if p.shape.len() == 2 { p.shape.iter().rev().copied().collect() } else { p.shape };
                (pytorch_name(&p.path, &config.clone().into(), NameStyle::TokenPose).unwrap(), shape)
            })
            .collect();
        let unique: HashSet<_> = named.iter().map(|(name, _)| name).collect();
        assert_eq!(unique.len(), named.len(), "{variant}: a name is used twice");
        assert_eq!(named.len(), entries - 1, "{variant}");
        for entry in checks[key].as_array().unwrap() {
            let name = entry["name"].as_str().unwrap();
            if name.ends_with("pos_embedding") || name.ends_with("num_batches_tracked") {
                continue;
            }
            let shape: Vec<usize> = serde_json::from_value(entry["shape"].clone()).unwrap();
            assert!(named.contains(&(name.to_owned(), shape)), "{variant}: {name} is missing");
        }
    }
}

#[test]
fn ppt_and_imagenet_files_name_the_same_parameters_differently() {
    let config = TmPoseConfig::new(Variant::B, Skeleton::coco17());
    let name = |path, style| pytorch_name(path, &config.clone().into(), style);
    let qkv = "encoders.0.layers.3.qkv.weight";
    assert_eq!(
        name(qkv, NameStyle::TokenPose).unwrap(),
        "transformer.transformer.layers.3.0.fn.fn.to_qkv.weight"
    );
    assert_eq!(name(qkv, NameStyle::Ppt).unwrap(), "transformer.transformer.layers.3.0.fn.to_qkv.weight");
    assert_eq!(name(qkv, NameStyle::ImageNet), None);
    let fuse = "backbone.stage3.1.fuse_layers.2.0.convs.1.bn.gamma";
    assert_eq!(name(fuse, NameStyle::ImageNet).unwrap(), "stage3.1.fuse_layers.2.0.1.1.weight");
}
