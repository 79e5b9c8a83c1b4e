//! Features, tokens and heatmaps of every variant against the reference's.

use crate::common::{Fixture, assert_matches, reference_model};
use burn::module::Module;
use burn::prelude::*;
use std::process::Command;
use tmpose::model::backbone::{Backbone, HrNet};
use tmpose::model::{PositionMode, TmPose, TmPoseConfig, TokenSelection, Variant, sine_positions};
use tmpose::pose::{Size, Skeleton};

const CPU: f32 = 1e-4;
const GPU: f32 = 1e-3;
const AUTOTUNE: &str = "CUBECL_AUTOTUNE_LEVEL";

fn coco(variant: Variant) -> TmPoseConfig {
    TmPoseConfig::new(variant, Skeleton::coco17())
}

/// Where the fixture of one model takes its picture and its feature map from.
struct Case {
    config: TmPoseConfig,
    file: &'static str,
    /// The file with `feature` and `embedded`: variants with equal names share weights.
    shared: &'static str,
    input: &'static str,
}

impl Case {
    fn coco(variant: Variant, file: &'static str, shared: &'static str) -> Case {
        Case { config: coco(variant), file, shared, input: "input.256x192" }
    }

    fn check(&self, device: &Device, tolerance: f32) {
        let model = reference_model(&self.config, device);
        let (file, shared) = (Fixture::open(self.file), Fixture::open(self.shared));
        let images: Tensor<4> = Fixture::open("inputs").tensor(self.input, device);
        check_taps(&model, images.clone(), &shared, tolerance);

        let model = model.fold();
        let feature = model.backbone(images);
        assert_matches(feature.clone(), &shared, "feature", tolerance);
        assert_matches(model.embed(feature.clone(), &TokenSelection::all()), &shared, "embedded", tolerance);
        self.check_transformer(&model, feature, &file, tolerance);
    }

    fn check_transformer(&self, model: &TmPose, feature: Tensor<4>, file: &Fixture, tolerance: f32) {
        let device = feature.device();
        let full =
            model.encode(model.tokens(feature.clone(), &TokenSelection::all()), &TokenSelection::all());
        assert_matches(full.clone(), file, "kp.full", tolerance);
        if self.file == self.shared && self.input == "input.256x192" {
            assert_matches(model.head(full, feature.clone()), file, "heatmap.full", tolerance);
        }
        let modes = [("ref", PositionMode::Prefix), ("consistent", PositionMode::Gathered)];
        for mask in ["random06", "uniform06", "block06"] {
            let indices = file.indices(&format!("mask.{mask}"));
            for (name, positions) in modes {
                let keep = TokenSelection::same(&indices, 1, &device).with_positions(positions);
                let keypoints = model.encode(model.tokens(feature.clone(), &keep), &keep);
                // The block mask is a prefix: its true positions are the reference's.
                let name = if mask == "block06" { "ref" } else { name };
                assert_matches(keypoints.clone(), file, &format!("kp.{mask}.{name}"), tolerance);
                if mask == "random06" {
                    assert_matches(
                        model.head(keypoints, feature.clone()),
                        file,
                        &format!("heatmap.{mask}.{name}"),
                        tolerance,
                    );
                }
            }
        }
        check_layers(model, feature, file, tolerance);
    }
}

/// The unfolded backbone stage by stage.
fn check_taps(model: &TmPose, images: Tensor<4>, file: &Fixture, tolerance: f32) {
    let Backbone::HrNet(net) = &model.backbone else { panic!("an HRNet variant") };
    let corner = |x: &Tensor<4>| x.clone().slice([0..1, 0..4, 0..4, 0..4]).squeeze_dim::<3>(0);
    for (name, x) in stages(net, images) {
        assert_matches(corner(&x), file, &format!("tap.{name}.slice"), tolerance);
    }
}

fn stages(net: &HrNet, images: Tensor<4>) -> Vec<(String, Tensor<4>)> {
    use burn::tensor::activation::relu;
    let mut found = Vec::new();
    let stem1 = relu(net.stem.stem1.forward(images.clone()));
    let stem2 = relu(net.stem.stem2.forward(stem1.clone()));
    found.extend([("stem1".to_owned(), stem1), ("stem2".to_owned(), stem2)]);
    let x = net.stem.forward(images);
    found.push(("layer1".to_owned(), x.clone()));
    let mut xs: Vec<_> = net.transition1.iter().map(|conv| relu(conv.forward(x.clone()))).collect();
    found.extend(xs.iter().enumerate().map(|(i, x)| (format!("transition1.{i}"), x.clone())));
    xs = net.stage2[0].forward(xs);
    found.extend(xs.iter().enumerate().map(|(i, x)| (format!("stage2.{i}"), x.clone())));
    xs.push(relu(net.transition2[0].forward(xs[1].clone())));
    found.push(("transition2.2".to_owned(), xs[2].clone()));
    for (m, module) in net.stage3.iter().enumerate() {
        xs = module.forward(xs);
        found.extend(xs.iter().enumerate().map(|(i, x)| (format!("stage3.m{m}.{i}"), x.clone())));
    }
    found
}

/// Keypoint token 0 and visual token 0 after each layer, in the reference's position mode.
fn check_layers(model: &TmPose, feature: Tensor<4>, file: &Fixture, tolerance: f32) {
    let device = feature.device();
    let config = model.config();
    let indices = file.indices("mask.random06");
    let keep = TokenSelection::same(&indices, 1, &device).with_positions(PositionMode::Prefix);
    let table = TensorData::new(sine_positions(config.grid, config.dim), [1, config.tokens(), config.dim]);
    let rows = Tensor::<3>::from_data(table, &device).slice([0..1, 0..indices.len()]);
    let places = Tensor::cat(vec![Tensor::zeros([1, config.joints, config.dim], &device), rows], 1);
    let mut x = Tensor::cat(vec![model.keypoint_token.val(), model.tokens(feature, &keep)], 1);
    let mut taps = Vec::new();
    for encoder in &model.encoders {
        for (i, layer) in encoder.layers.iter().enumerate() {
            x = layer.forward(if i == 0 { x } else { x + places.clone() });
            let token = |n: usize| x.clone().slice([0..1, n..n + 1, 0..16]);
            taps.push(Tensor::cat(vec![token(0), token(config.joints)], 1));
        }
    }
    assert_matches(Tensor::cat(taps, 0), file, "tap.layers.random06.ref", tolerance);
}

#[test]
fn tmpose_b_on_the_cpu() {
    Case::coco(Variant::B, "tmpose_b", "tmpose_b").check(&Device::flex(), CPU);
}

#[test]
fn tmpose_l_d6_on_the_cpu() {
    Case::coco(Variant::LD6, "tmpose_l_d6", "tmpose_l_d6").check(&Device::flex(), CPU);
}

#[test]
fn tmpose_l_d6_for_mpii_on_the_cpu() {
    let config = TmPoseConfig::new(Variant::LD6, Skeleton::mpii16());
    let file = "tmpose_l_d6_mpii";
    Case { config, file, shared: file, input: "input.256x256" }.check(&Device::flex(), CPU);
}

/// L/D18 and L/D24 share L/D6's backbone weights, so that its feature map is their input.
#[test]
fn tmpose_l_d18_and_d24_on_the_cpu() {
    let device = Device::flex();
    let feature: Tensor<4> = Fixture::open("tmpose_l_d6").tensor("feature", &device);
    for (variant, file) in [(Variant::LD18, "tmpose_l_d6_yaml"), (Variant::LD24, "tmpose_l_d24")] {
        let case = Case::coco(variant, file, "tmpose_l_d6");
        let model = reference_model(&case.config, &device);
        case.check_transformer(&model, feature.clone(), &Fixture::open(file), CPU);
    }
}

fn check_s(device: &Device, tolerance: f32) {
    let file = Fixture::open("tokenpose_s_and_ppt");
    let images: Tensor<4> = Fixture::open("inputs").tensor("input.256x192", device);
    let model = reference_model(&coco(Variant::S), device).fold();
    let feature = model.backbone(images);
    let eighth = |n: i64| Tensor::<1, Int>::arange_step(0..n, 8, device);
    let sampled = feature.clone().select(2, eighth(64)).select(3, eighth(48));
    assert_matches(sampled, &file, "s.feature.stride8", tolerance);
    assert_matches(model.embed(feature.clone(), &TokenSelection::all()), &file, "s.embedded", tolerance);
    let heatmaps = model.forward_features(feature, &TokenSelection::all());
    assert_matches(heatmaps, &file, "s.heatmap.full", tolerance);
}

#[test]
fn tmpose_s_on_the_cpu() {
    check_s(&Device::flex(), CPU);
}

/// B and S on the graphics device of this machine, software Vulkan included.
#[test]
fn tmpose_b_and_s_on_wgpu() {
    // Software Vulkan would spend most of the test on choosing the fastest of many kernels, and the
    // choosing can be limited before the process starts only.
    if std::env::var_os(AUTOTUNE).is_none() {
        let test = Command::new(std::env::current_exe().unwrap())
            .args(["outputs::tmpose_b_and_s_on_wgpu", "--exact", "--nocapture"])
            .env(AUTOTUNE, "minimal")
            .status();
        assert!(test.unwrap().success());
        return;
    }
    let device = match Device::wgpu_options().init() {
        Ok(device) => device,
        Err(reason) => {
            println!("SKIPPED: no wgpu adapter on this machine ({reason})");
            return;
        }
    };
    check_s(&device, GPU);
    let file = Fixture::open("tmpose_b");
    let images: Tensor<4> = Fixture::open("inputs").tensor("input.256x192", &device);
    let model = reference_model(&coco(Variant::B), &device).fold();
    let feature = model.backbone(images);
    assert_matches(feature.clone(), &file, "feature", GPU);
    let keep = TokenSelection::same(&file.indices("mask.random06"), 1, &device);
    assert_matches(model.forward_features(feature, &keep), &file, "heatmap.random06.consistent", GPU);
}

#[test]
fn the_position_table_is_the_reference_s() {
    let (_, expected) = Fixture::open("tmpose_b").floats("pos_embedding.16x16x192");
    let difference = crate::common::largest_difference(&sine_positions(Size::square(16), 192), &expected);
    assert!(difference <= 2e-6, "{difference}");
}

/// The table is a constant: no file should carry it, no optimiser should move it.
#[test]
fn the_position_table_is_no_parameter() {
    let model = coco(Variant::T).init(&Device::flex());
    assert!(tmpose::model::list_params(&model).iter().all(|p| !p.path.contains("position")));
    assert!(model.valid().num_params() > 0);
}
