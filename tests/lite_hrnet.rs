//! The small backbone against ONNX Runtime (references from scripts/make_lite_hrnet_reference.py).

mod support;

use burn::prelude::*;
use burn::tensor::TensorData;
use support::{closed_form, reference, teachers};
use tmpose::model::backbone::{ConvMismatch, ConvWeights, LiteHrNet};
use tmpose::pose::Size;
use tmpose::weights::convolutions;

fn cpu() -> Device {
    Device::flex()
}

fn image(height: usize, width: usize, device: &Device) -> Tensor<4> {
    let values = closed_form("input.256x192", 0.0, 2.0, 3 * height * width);
    Tensor::from_data(TensorData::new(values, [1, 3, height, width]), device)
}

/// A network whose convolution `i` holds the closed form named `lite_hrnet.<i>`.
fn closed_form_weights() -> Vec<ConvWeights> {
    let shapes = LiteHrNet::new(&cpu()).weight_shapes();
    shapes
        .into_iter()
        .enumerate()
        .map(|(i, shape)| {
            let amp = (3.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
            let weight = closed_form(&format!("lite_hrnet.{i}.weight"), 0.0, amp, shape.iter().product());
            let bias_len = shape[0];
            let bias = closed_form(&format!("lite_hrnet.{i}.bias"), 0.0, 0.1, bias_len);
            ConvWeights {
                name: format!("lite_hrnet.{i}"),
                weight: TensorData::new(weight, shape),
                bias: TensorData::new(bias, [bias_len]),
            }
        })
        .collect()
}

fn assert_tap(value: &Tensor<4>, file: &str, tap: &str) {
    let [_, channels, height, width] = value.dims();
    let (rows, columns) = ((height / 8).max(1), (width / 8).max(1));
    let values: Vec<f32> = value.to_data().try_into_vec().expect("f32 on the CPU");
    let (shape, sample) = reference(file, &format!("{tap}.sample"));
    let (_, stat) = reference(file, &format!("{tap}.stat"));
    let picked = (0..channels).step_by(4).flat_map(|c| {
        (0..height).step_by(rows).flat_map(move |y| (0..width).step_by(columns).map(move |x| (c, y, x)))
    });
    let picked: Vec<f64> = picked.map(|(c, y, x)| f64::from(values[(c * height + y) * width + x])).collect();
    assert_eq!(picked.len(), shape.iter().product::<usize>());
    let worst = picked.iter().zip(&sample).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst < 1e-4 * stat[2], "{tap}: differs by {worst} where the largest value is {}", stat[2]);
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
    assert!((mean - stat[0]).abs() < 1e-4 * stat[2], "{tap}: mean {mean}, reference {}", stat[0]);
}

#[test]
fn agrees_with_onnx_runtime_on_closed_form_weights() {
    let device = cpu();
    let file = "lite_hrnet_reference.safetensors";
    let net = LiteHrNet::new(&device).with_weights(closed_form_weights()).unwrap();
    let picture = image(256, 192, &device);
    assert_tap(&net.stem.forward(picture.clone()), file, "stem");
    assert_tap(&net.forward(picture.clone()), file, "feature");
    assert_tap(&net.fold().forward(picture), file, "feature");
}

#[test]
fn agrees_with_onnx_runtime_on_the_published_weights_where_they_are() {
    let Some(folder) = teachers() else { return };
    let device = cpu();
    let mut weights = convolutions(&folder.join("pp_tinypose_256x192.onnx")).unwrap();
    weights.truncate(LiteHrNet::CONVOLUTIONS);
    let net = LiteHrNet::new(&device).with_weights(weights).unwrap();
    assert_tap(&net.forward(image(256, 192, &device)), "lite_hrnet_reference_trained.safetensors", "feature");
}

#[test]
fn a_batch_is_its_pictures_one_by_one() {
    let device = cpu();
    let net = LiteHrNet::new(&device).with_weights(closed_form_weights()).unwrap();
    let picture = image(256, 192, &device);
    let mirrored = picture.clone().flip([3]);
    let both = net.forward(Tensor::cat(vec![picture.clone(), mirrored.clone()], 0));
    let single = Tensor::cat(vec![net.forward(picture), net.forward(mirrored)], 0);
    let worst: f32 = (both - single).abs().max().into_scalar();
    assert!(worst < 1e-3, "differs by {worst}");
}

#[test]
fn other_input_sizes_give_a_quarter_of_their_size() {
    let device = cpu();
    let net = LiteHrNet::new(&device);
    assert_eq!(net.forward(image(256, 256, &device)).dims(), [1, 40, 64, 64]);
    assert_eq!(net.forward(image(192, 160, &device)).dims(), [1, 40, 48, 40]);
}

#[test]
fn size_and_cost_are_those_of_the_published_graph() {
    let net = LiteHrNet::new(&cpu());
    assert_eq!(net.num_params(), LiteHrNet::PARAMETERS);
    assert_eq!(net.weight_shapes().len(), LiteHrNet::CONVOLUTIONS);
    assert_eq!(net.macs(Size::new(192, 256)), 294_221_568);
    assert_eq!(net.macs(Size::square(256)), 294_221_568 / 3 * 4);
}

#[test]
fn weights_of_another_network_are_refused() {
    let mut weights = closed_form_weights();
    let last = weights.pop().unwrap();
    let error = LiteHrNet::new(&cpu()).with_weights(weights.clone()).unwrap_err();
    assert_eq!(error, ConvMismatch::Count { wanted: 266, found: 265 });
    weights.insert(0, last);
    let error = LiteHrNet::new(&cpu()).with_weights(weights).unwrap_err();
    assert!(matches!(error, ConvMismatch::Shape { index: 0, .. }), "{error}");
}

#[test]
fn it_can_be_trained_from_the_first_convolution_on() {
    let device = cpu().autodiff();
    let net = LiteHrNet::new(&device);
    let gradients = net.forward(image(64, 64, &device)).powf_scalar(2.0).sum().backward();
    let first = net.stem.conv.weight.val().grad(&gradients).expect("the first convolution has a gradient");
    assert!(first.abs().max().into_scalar::<f32>() > 0.0);
}
