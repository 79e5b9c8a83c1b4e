//! What must hold of every masked model (docs/METHOD.md, "Masks"), on a small one with random weights.

use crate::common::{closed_form, largest_difference, numbers};
use burn::prelude::*;
use proptest::prelude::*;
use std::sync::LazyLock;
use tmpose::model::{
    KeepRatio, MaskKind, PositionMode, TmPose, TmPoseConfig, TokenSelection, Variant, fill_params,
    kept_tokens,
};
use tmpose::pose::{Size, Skeleton};

const TOLERANCE: f32 = 1e-4;
/// Of the feature of tmpose-t.
const CHANNELS: usize = 57;

/// tmpose-t with two chained transformers of two layers and weights large enough to show every fault.
fn small() -> TmPose {
    let mut config = TmPoseConfig::new(Variant::T, Skeleton::coco17());
    (config.depth, config.transformers) = (2, 2);
    config.head_hidden = None;
    let model = config.init(&Device::flex());
    fill_params(model, |param| {
        let count = param.shape.iter().product();
        let (center, amp) = match param.path.rsplit('.').next() {
            Some("gamma" | "running_var") => (1.0, 0.3),
            _ => (0.0, 0.12),
        };
        (!param.path.starts_with("backbone")).then(|| closed_form(&param.path, center, amp, count))
    })
}

static MODEL: LazyLock<TmPose> = LazyLock::new(small);

fn features(persons: usize) -> Tensor<4> {
    let values = closed_form("feature", 0.2, 1.5, persons * CHANNELS * 64 * 48);
    Tensor::from_data(TensorData::new(values, [persons, CHANNELS, 64, 48]), &Device::flex())
}

fn keep_ratio(share: f64) -> KeepRatio {
    KeepRatio::new(share).unwrap()
}

fn heatmaps(persons: usize, keep: &TokenSelection) -> Vec<f32> {
    numbers(MODEL.forward_features(features(persons), keep))
}

fn shuffled(count: usize, ratio: f64) -> impl Strategy<Value = Vec<usize>> {
    any::<u64>().prop_flat_map(move |seed| {
        assert_eq!(count, 256);
        Just(kept_tokens(MaskKind::Random, keep_ratio(ratio), Size::square(16), seed)).prop_shuffle()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn all_tokens_in_any_order_are_the_full_model(order in shuffled(256, 1.0)) {
        let keep = TokenSelection::same(&order, 1, &Device::flex());
        prop_assert!(largest_difference(&heatmaps(1, &keep), &heatmaps(1, &TokenSelection::all())) < TOLERANCE);
    }

    #[test]
    fn the_order_of_the_kept_tokens_does_not_matter(order in shuffled(256, 0.4)) {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        let of = |indices: &[usize]| heatmaps(1, &TokenSelection::same(indices, 1, &Device::flex()));
        prop_assert!(largest_difference(&of(&order), &of(&sorted)) < TOLERANCE);
    }

    #[test]
    fn with_a_block_mask_the_reference_s_positions_are_right(ratio in 0.02f64..=1.0) {
        let keep = TokenSelection::same(&kept_tokens(MaskKind::Block, keep_ratio(ratio), Size::square(16), 0), 1, &Device::flex());
        let prefix = keep.clone().with_positions(PositionMode::Prefix);
        prop_assert_eq!(heatmaps(1, &keep), heatmaps(1, &prefix));
    }

    #[test]
    fn a_batch_with_a_mask_for_each_person_is_the_persons_one_by_one(seed: u64, ratio in 0.05f64..=1.0) {
        let device = Device::flex();
        let rows: Vec<Vec<usize>> =
            (0..3).map(|i| kept_tokens(MaskKind::Random, keep_ratio(ratio), Size::square(16), seed ^ i)).collect();
        let together = heatmaps(3, &TokenSelection::per_person(&rows, &device));
        let all = features(3);
        let single: Vec<f32> = rows
            .iter()
            .enumerate()
            .flat_map(|(i, row)| {
                let feature = all.clone().narrow(0, i, 1);
                numbers(MODEL.forward_features(feature, &TokenSelection::same(row, 1, &device)))
            })
            .collect();
        prop_assert!(largest_difference(&together, &single) < TOLERANCE);
    }
}

/// Dropped tokens must not leak in: another feature in their cells changes nothing of what the transformer says.
/// The feature head draws at every cell, masked or not.
#[test]
fn dropped_tokens_have_no_influence_on_the_keypoint_tokens() {
    let device = Device::flex();
    let keep =
        TokenSelection::same(&kept_tokens(MaskKind::Block, keep_ratio(0.5), Size::square(16), 0), 1, &device);
    let feature = features(1);
    let top = feature.clone().slice([0..1, 0..CHANNELS, 0..32]);
    let other = Tensor::cat(vec![top.clone(), top.mul_scalar(3.0)], 2);
    let keypoints = |feature: &Tensor<4>| numbers(MODEL.encode(MODEL.tokens(feature.clone(), &keep), &keep));
    assert_eq!(keypoints(&feature), keypoints(&other));

    let heatmaps = |feature: &Tensor<4>| numbers(MODEL.forward_features(feature.clone(), &keep));
    let (one, two) = (heatmaps(&feature), heatmaps(&other));
    // The upper half of every map, whose tokens are kept, is the same; the lower one follows its feature.
    let halves = |maps: &[f32]| -> (Vec<f32>, Vec<f32>) {
        let maps = maps.chunks_exact(64 * 48).map(|map| map.split_at(32 * 48));
        let (above, below): (Vec<_>, Vec<_>) = maps.map(|(a, b)| (a.to_vec(), b.to_vec())).unzip();
        (above.concat(), below.concat())
    };
    assert_eq!(halves(&one).0, halves(&two).0);
    assert_ne!(halves(&one).1, halves(&two).1);
}

#[test]
fn folding_the_feature_norm_changes_nothing() {
    let keep = TokenSelection::all();
    let folded = numbers(small().fold().forward_features(features(1), &keep));
    assert!(largest_difference(&folded, &heatmaps(1, &keep)) < TOLERANCE);
}

/// Training from cached features reaches every parameter behind the backbone, with a mask for each
/// person, and updates the feature norm's statistics.
#[test]
fn gradients_reach_every_parameter_behind_the_backbone() {
    use burn::module::Module;
    let device = Device::flex();
    let model = small().train();
    let rows: Vec<Vec<usize>> =
        (0..2).map(|i| kept_tokens(MaskKind::Random, keep_ratio(0.4), Size::square(16), i)).collect();
    let feature = Tensor::from_inner(features(2));
    let loss =
        model.forward_features(feature, &TokenSelection::per_person(&rows, &device)).powf_scalar(2.0).mean();
    let gradients = loss.backward();
    let norm = model.feature_norm.as_ref().unwrap();
    assert!(norm.gamma.val().grad(&gradients).is_some());
    assert!(model.patch.weight.val().grad(&gradients).is_some());
    assert!(model.keypoint_token.val().grad(&gradients).is_some());
    assert!(model.head.fc1.weight.val().grad(&gradients).is_some());
    for layer in model.encoders.iter().flat_map(|encoder| &encoder.layers) {
        for linear in [&layer.qkv, &layer.proj, &layer.fc1, &layer.fc2] {
            assert!(linear.weight.val().grad(&gradients).is_some());
        }
    }
    let before = numbers(MODEL.feature_norm.as_ref().unwrap().running_mean.value_sync());
    assert_ne!(numbers(norm.running_mean.value_sync()), before);
}

/// The training path takes attention apart; it must compute what inference computes.
#[test]
fn training_and_inference_agree() {
    use burn::module::Module;
    let mut model = small();
    model.feature_norm = None;
    let keep = TokenSelection::same(
        &kept_tokens(MaskKind::Random, keep_ratio(0.4), Size::square(16), 3),
        1,
        &Device::flex(),
    );
    let plain = numbers(model.forward_features(features(1), &keep));
    let trained = model.train().forward_features(Tensor::from_inner(features(1)), &keep);
    assert!(largest_difference(&numbers(trained), &plain) < TOLERANCE);
}
