//! Shared by the model's tests: fixture files and the closed-form weights that they were made with.

mod closed_form;

pub use closed_form::{closed_form, fnv1a};

use burn::prelude::*;
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};
use tmpose::model::{NameStyle, TmPose, TmPoseConfig, fill_params, pytorch_name};

/// A file of `tests/fixtures`.
pub fn fixture_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A `.safetensors` fixture in memory.
pub struct Fixture {
    name: String,
    bytes: Vec<u8>,
}

impl Fixture {
    /// Reads `tests/fixtures/{name}.safetensors`.
    pub fn open(name: &str) -> Fixture {
        let path = fixture_path(&format!("{name}.safetensors"));
        Fixture { name: name.to_owned(), bytes: std::fs::read(path).unwrap() }
    }

    /// The shape and numbers of one f32 tensor.
    pub fn floats(&self, key: &str) -> (Vec<usize>, Vec<f32>) {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(key).unwrap_or_else(|_| panic!("{} has no tensor {key}", self.name));
        assert_eq!(view.dtype(), Dtype::F32);
        let values = view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        (view.shape().to_vec(), values)
    }

    /// One f32 tensor on a device.
    pub fn tensor<const D: usize>(&self, key: &str, device: &Device) -> Tensor<D> {
        let (shape, values) = self.floats(key);
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// One i64 tensor as indices.
    pub fn indices(&self, key: &str) -> Vec<usize> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(key).unwrap();
        assert_eq!(view.dtype(), Dtype::I64);
        view.data().as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as usize).collect()
    }
}

/// Centre and amplitude of a state-dict key with its PyTorch shape.
pub fn rule(name: &str, shape: &[usize]) -> (f64, f64) {
    let fan_in: usize = shape.iter().skip(1).product();
    let tail = (name.contains(".branches.") && name.ends_with("bn2.weight"))
        || name.ends_with("bn3.weight")
        || name.contains(".fuse_layers.");
    match shape.len() {
        _ if name.ends_with("running_var") => (1.0, 0.5),
        _ if name.ends_with("running_mean") => (0.0, 0.1),
        _ if name.ends_with("keypoint_token") => (0.0, 1.0),
        4 | 2 => (0.0, (3.0 / fan_in as f64).sqrt()),
        _ if name.ends_with("bias") => (0.0, 0.1),
        _ if tail => (0.3, 0.1),
        _ => (1.0, 0.2),
    }
}

/// The model with the closed-form weights of its PyTorch names.
pub fn reference_model(config: &TmPoseConfig, device: &Device) -> TmPose {
    fill_params(config.init(device), |param| {
        let name = pytorch_name(&param.path, &config.clone().into(), NameStyle::TokenPose)
            .unwrap_or_else(|| panic!("{} has no PyTorch name", param.path));
        let torch_shape: Vec<usize> = match param.shape[..] {
            [inputs, outputs] => vec![outputs, inputs],
            _ => param.shape.clone(),
        };
        let (center, amp) = rule(&name, &torch_shape);
        let values = closed_form(&name, center, amp, torch_shape.iter().product());
        Some(match torch_shape[..] {
            [outputs, inputs] => transposed(&values, outputs, inputs),
            _ => values,
        })
    })
}

/// A `[rows, columns]` matrix turned.
pub fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}

/// The numbers of a tensor.
pub fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_to_vec().unwrap()
}

/// The largest absolute difference; NaN counts as infinite.
pub fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| if (a - b).is_nan() { f32::INFINITY } else { (a - b).abs() })
        .fold(0.0, f32::max)
}

/// Asserts that a tensor has the shape and, within `tolerance`, the numbers of a fixture.
pub fn assert_matches<const D: usize>(actual: Tensor<D>, fixture: &Fixture, key: &str, tolerance: f32) {
    let (shape, expected) = fixture.floats(key);
    assert_eq!(actual.dims().to_vec(), shape, "{}: {key}", fixture.name);
    let difference = largest_difference(&numbers(actual), &expected);
    println!("{}: {key}: largest difference {difference:.1e}", fixture.name);
    assert!(difference <= tolerance, "{}: {key} differs by {difference}", fixture.name);
}
