//! What the weight tests share: the fixtures' number generator and a reader of reference files.
#![allow(dead_code)] // each test binary uses its own part

use std::collections::HashMap;
use std::path::PathBuf;

use burn::tensor::TensorData;
use burn_store::ModuleSnapshot;
use safetensors::SafeTensors;
use tmpose::model::TmPose;

/// FNV-1a, 64 bit.
pub fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The closed-form tensor values of the fixtures: FNV-1a of the name seeds a SplitMix64 sequence, whose top
/// 24 bits become a number in [-1, 1), times `amp` in f32.
pub fn closed_form(name: &str, count: usize, center: f64, amp: f64) -> Vec<f32> {
    let hash = fnv1a(name);
    (1..=count as u64)
        .map(|i| {
            let mut z = hash.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            let t = (z >> 40) as f32 * 2.0_f32.powi(-23) - 1.0;
            if center == 0.0 { amp as f32 * t } else { center as f32 + amp as f32 * t }
        })
        .collect()
}

pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A folder outside the repository that the workplace may have; tests that want it say so and pass without.
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
pub fn params(model: &TmPose) -> HashMap<String, (Vec<usize>, Vec<f32>)> {
    let list = model.collect(None, None, true).into_iter();
    list.map(|tensor| {
        let (name, dtype, shape, _, bytes) = tensor.into_parts().expect("the tensor is readable");
        let dims = shape.to_vec();
        let values = TensorData::from_bytes(bytes, shape, dtype).try_into_vec().expect("f32 on the CPU");
        (name, (dims, values))
    })
    .collect()
}
