//! What the weight tests share: the fixtures' number generator and a reader of reference files.
#![allow(dead_code)] // each test binary uses its own part

#[path = "../common/closed_form.rs"]
mod closed_form;

#[allow(unused_imports)] // each test binary uses its own part
pub use closed_form::{closed_form, fnv1a};

use std::collections::HashMap;
use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::TensorData;
use burn_store::ModuleSnapshot;
use safetensors::SafeTensors;

pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The public models, where a developer has them beside the repository; tests that want them say so and pass
/// without.
pub fn teachers() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/teachers");
    let folder = std::env::var_os("TMPOSE_TEACHERS").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// One f32 or f64 tensor of a reference file: shape and values.
pub fn reference(file: &str, name: &str) -> (Vec<usize>, Vec<f64>) {
    let bytes = std::fs::read(fixture(file)).expect("the fixture is committed");
    let tensors = SafeTensors::deserialize(&bytes).expect("the fixture is safetensors");
    let view = tensors.tensor(name).expect("the fixture holds the tensor");
    let values = match view.dtype() {
        safetensors::Dtype::F32 => {
            view.data().as_chunks::<4>().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect()
        }
        safetensors::Dtype::F64 => {
            view.data().as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b)).collect()
        }
        other => panic!("unexpected type {other:?}"),
    };
    (view.shape().to_vec(), values)
}

/// All float tensors of a network by their path: shape and values.
pub fn params(model: &impl Module) -> HashMap<String, (Vec<usize>, Vec<f32>)> {
    let list = model.collect(None, None, true).into_iter();
    list.map(|tensor| {
        let (name, dtype, shape, _, bytes) = tensor.into_parts().expect("the tensor is readable");
        let dims = shape.to_vec();
        let values = TensorData::from_bytes(bytes, shape, dtype).try_into_vec().expect("f32 on the CPU");
        (name, (dims, values))
    })
    .collect()
}
