//! PyTorch checkpoints as named tensors, without PyTorch.

use std::collections::BTreeMap;
use std::path::Path;

use burn_store::pytorch_reader::{DType, PytorchReader, Tensor};
use half::{bf16, f16};

use super::WeightsError;

/// Under which key of the saved dictionary the weights may lie, best first.
const NESTS: [&str; 3] = ["state_dict.", "model_state_dict.", "model."];

/// The float tensors of a state dict under their bare names, read from the file one by one.
pub(super) struct PyTorchCheckpoint {
    tensors: BTreeMap<String, Tensor>,
}

impl PyTorchCheckpoint {
    /// Opens a `.pth` file: a bare state dict, or one nested beside optimiser state; `module.` is stripped.
    pub(super) fn open(path: &Path) -> Result<PyTorchCheckpoint, WeightsError> {
        // Opened apart from the reader to tell a file that cannot be read from one that makes no sense.
        std::fs::File::open(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
        let reader = PytorchReader::new(path).map_err(|error| WeightsError::Damaged {
            path: path.to_owned(),
            reason: format!("it is no PyTorch checkpoint: {error}"),
        })?;
        let all = reader.into_tensors();
        let nest = NESTS.into_iter().find(|nest| all.keys().any(|key| key.starts_with(nest))).unwrap_or("");
        let tensors = all
            .into_iter()
            .filter_map(|(key, tensor)| {
                let name = key.strip_prefix(nest)?;
                let name = name.strip_prefix("module.").unwrap_or(name);
                let counter = name.ends_with("num_batches_tracked");
                (!counter).then(|| (name.to_owned(), tensor))
            })
            .collect();
        Ok(PyTorchCheckpoint { tensors })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(Tensor::shape)
    }

    /// Row-major values in f32; the error says why there are none.
    pub(super) fn values(&self, name: &str) -> Result<Vec<f32>, String> {
        let tensor = self.tensors.get(name).ok_or_else(|| format!("it lacks `{name}`"))?;
        let bytes = tensor.read().map_err(|error| error.to_string())?;
        let values: Vec<f32> = match tensor.dtype() {
            DType::F32 => bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_ne_bytes(b)).collect(),
            DType::F64 => bytes.as_chunks::<8>().0.iter().map(|&b| f64::from_ne_bytes(b) as f32).collect(),
            DType::F16 => bytes.as_chunks::<2>().0.iter().map(|&b| f16::from_ne_bytes(b).to_f32()).collect(),
            DType::BF16 => {
                bytes.as_chunks::<2>().0.iter().map(|&b| bf16::from_ne_bytes(b).to_f32()).collect()
            }
            other => return Err(format!("`{name}` holds {other:?} where numbers are needed")),
        };
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => Err(format!("`{name}` is not finite at element {place}")),
            None => Ok(values),
        }
    }
}
