//! Published checkpoints (PyTorch, safetensors) as named tensors, without PyTorch.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use burn_store::pytorch_reader::{DType, PytorchReader, Tensor};
use half::{bf16, f16};

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use super::WeightsError;

/// Tensors that tell where in a file a network's names begin: whole networks, then backbones alone.
const LANDMARKS: [&str; 3] =
    ["features.conv1.weight", "pre_feature.conv1.weight", "stage3.0.branches.0.0.conv1.weight"];
/// Layers that training programs wrap around others; they stand anywhere in a name.
const WRAPPERS: [&str; 3] = ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."];
/// Parts of the names of averaged weights.
const AVERAGED: [&str; 4] = ["ema", "averaged", "swa", "shadow"];

/// The float tensors of a state dict under their bare names, read from the file one by one.
pub(super) struct PublishedCheckpoint {
    tensors: BTreeMap<String, StoredTensor>,
    /// What stood before their names in the file.
    pub prefix: String,
    /// What stands before the names of another copy of the network whose weights are averaged (EMA), or that are not
    /// where these are.
    pub other_copy: Option<String>,
}

impl PublishedCheckpoint {
    /// Opens a `.pth` or safetensors file: a bare state dict, or one nested beside optimiser state, with any prefix before its names. Of two
    /// copies the one that is `averaged`, or that is not, is taken.
    pub(super) fn open(path: &Path, averaged: bool) -> Result<PublishedCheckpoint, WeightsError> {
        // Opened apart from the reader to tell a file that cannot be read from one that makes no sense.
        let damaged = |reason: String| WeightsError::Damaged { path: path.to_owned(), reason };
        let kind = other_kind(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
        if let Some(kind) = kind {
            return Err(damaged(format!("it is {kind}; save the network's state_dict() with torch.save")));
        }
        let all = if is_safetensors(path) { safetensors_of(path)? } else { pytorch_of(path)? };
        let all: BTreeMap<String, StoredTensor> =
            all.into_iter().map(|(key, tensor)| (without_wrappers(key), tensor)).collect();
        let prefixes = prefixes(all.keys().map(String::as_str));
        let chosen = prefixes.iter().find(|prefix| is_averaged(prefix) == averaged);
        let prefix = chosen.or(prefixes.first()).cloned().unwrap_or_default();
        let other = prefixes.iter().find(|other| is_averaged(other) != is_averaged(&prefix));
        let tensors = all.into_iter().filter_map(|(key, tensor)| {
            let name = key.strip_prefix(&prefix)?;
            let counter = name.ends_with("num_batches_tracked");
            (!counter).then(|| (name.to_owned(), tensor))
        });
        Ok(PublishedCheckpoint { tensors: tensors.collect(), other_copy: other.cloned(), prefix })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(StoredTensor::shape)
    }

    /// Row-major values in f32; the error says why there are none.
    pub(super) fn values(&self, name: &str) -> Result<Vec<f32>, String> {
        let tensor = self.tensors.get(name).ok_or_else(|| format!("it lacks `{name}`"))?;
        let (bytes, dtype) = tensor.read()?;
        let values: Vec<f32> = match dtype {
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

/// A tensor that is read when it is needed.
enum StoredTensor {
    PyTorch(Tensor),
    Safetensors { shape: Vec<usize>, dtype: DType, bytes: Vec<u8> },
}

impl StoredTensor {
    fn shape(&self) -> &[usize] {
        match self {
            StoredTensor::PyTorch(tensor) => tensor.shape(),
            StoredTensor::Safetensors { shape, .. } => shape,
        }
    }

    /// Its numbers in this machine's byte order, and what they are.
    fn read(&self) -> Result<(Cow<'_, [u8]>, DType), String> {
        match self {
            StoredTensor::PyTorch(tensor) => {
                let bytes = tensor.read().map_err(|error| error.to_string())?;
                Ok((Cow::Owned(bytes.to_vec()), tensor.dtype()))
            }
            StoredTensor::Safetensors { dtype, bytes, .. } => Ok((Cow::Borrowed(bytes), *dtype)),
        }
    }
}

fn pytorch_of(path: &Path) -> Result<Vec<(String, StoredTensor)>, WeightsError> {
    let reader = PytorchReader::new(path).map_err(|error| WeightsError::Damaged {
        path: path.to_owned(),
        reason: format!("it is no PyTorch checkpoint with a state_dict, which is all that is read: {error}"),
    })?;
    let tensors = reader.into_tensors().into_iter();
    Ok(tensors.map(|(name, tensor)| (name, StoredTensor::PyTorch(tensor))).collect())
}

/// Whether a file begins as safetensors does: the length of its header, then the header.
fn is_safetensors(path: &Path) -> bool {
    let mut head = [0; 9];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && matches!(head, [_, _, _, _, _, 0, 0, 0, b'{'])
}

/// The tensors of a state dict that was saved as safetensors; those that hold no floats are left out.
fn safetensors_of(path: &Path) -> Result<Vec<(String, StoredTensor)>, WeightsError> {
    let bytes = std::fs::read(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| WeightsError::Damaged { path: path.to_owned(), reason: error.to_string() })?;
    let stored = |(name, view): (String, TensorView)| {
        let dtype = match view.dtype() {
            safetensors::Dtype::F32 => DType::F32,
            safetensors::Dtype::F64 => DType::F64,
            safetensors::Dtype::F16 => DType::F16,
            safetensors::Dtype::BF16 => DType::BF16,
            _ => return None,
        };
        let (shape, bytes) = (view.shape().to_vec(), view.data().to_vec());
        Some((name, StoredTensor::Safetensors { shape, dtype, bytes }))
    };
    Ok(file.tensors().into_iter().filter_map(stored).collect())
}

fn without_wrappers(key: String) -> String {
    WRAPPERS.iter().fold(key, |key, wrapper| key.replace(wrapper, ""))
}

/// What stands before a network's names, the shortest first: there may be several copies.
fn prefixes<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let before = |landmark: &'static str| {
        let found = names.clone().filter_map(move |name| name.strip_suffix(landmark));
        let mut found: Vec<String> =
            found.filter(|prefix| prefix.is_empty() || prefix.ends_with('.')).map(str::to_owned).collect();
        found.sort_by_key(|prefix| (prefix.len(), prefix.clone()));
        found
    };
    LANDMARKS.into_iter().map(before).find(|found| !found.is_empty()).unwrap_or_default()
}

fn is_averaged(prefix: &str) -> bool {
    let words = prefix.split(['.', '_']);
    words.into_iter().any(|word| AVERAGED.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// What else a file is that people take for a checkpoint, with its article.
fn other_kind(path: &Path) -> std::io::Result<Option<&'static str>> {
    /// Where a zip file lists what is in it.
    const LIST: u64 = 1 << 20;
    let mut file = File::open(path)?;
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    file.by_ref().take(16).read_to_end(&mut head)?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(LIST)))?;
    file.take(LIST).read_to_end(&mut tail)?;
    let lists = |name: &[u8]| tail.windows(name.len()).any(|window| window == name);
    Ok(match head.as_slice() {
        [b'P', b'K', 3, 4, ..] if lists(b"/code/__torch__") || lists(b"/constants.pkl") => {
            Some("a TorchScript program")
        }
        [0x89, b'H', b'D', b'F', ..] => Some("an HDF5 file of Keras or another program"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_prefix_is_found_and_averaged_copies_are_told_apart() {
        let of = |names: &[&str]| prefixes(names.iter().copied());
        assert_eq!(of(&["features.conv1.weight", "features.bn1.weight"]), [""]);
        assert_eq!(of(&["state_dict.model.net.features.conv1.weight"]), ["state_dict.model.net."]);
        assert_eq!(of(&["my_features.conv1.weight"]), [""; 0]);
        let both = ["module.pre_feature.conv1.weight", "ema.module.pre_feature.conv1.weight"];
        assert_eq!(of(&both), ["module.", "ema.module."]);
        let backbone = ["backbone.stage3.0.branches.0.0.conv1.weight", "backbone.conv1.weight"];
        assert_eq!(of(&backbone), ["backbone."]);
        for averaged in ["ema.", "state_dict_ema.", "model_ema.module.", "EMA."] {
            assert!(is_averaged(averaged), "{averaged}");
        }
        assert!(!is_averaged("schema.") && !is_averaged("module."));
        assert_eq!(without_wrappers("_orig_mod.features._fsdp_wrapped_module.x".into()), "features.x");
    }

    #[test]
    fn a_state_dict_may_be_safetensors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("net.safetensors");
        let numbers: Vec<u8> = [1.0f32, -2.5].iter().flat_map(|v| v.to_le_bytes()).collect();
        let halves: Vec<u8> = [f16::from_f32(0.5)].iter().flat_map(|v| v.to_le_bytes()).collect();
        let view = |dtype, shape: Vec<usize>, bytes| TensorView::new(dtype, shape, bytes).unwrap();
        let tensors = [
            ("net.features.conv1.weight", view(safetensors::Dtype::F32, vec![2, 1], &numbers)),
            ("net.features.bn1.weight", view(safetensors::Dtype::F16, vec![1], &halves)),
        ];
        safetensors::serialize_to_file(tensors, None, &path).unwrap();
        let checkpoint = PublishedCheckpoint::open(&path, false).unwrap();
        assert_eq!(checkpoint.prefix, "net.");
        assert_eq!(checkpoint.shape("features.conv1.weight"), Some(&[2, 1][..]));
        assert_eq!(checkpoint.values("features.conv1.weight").unwrap(), [1.0, -2.5]);
        assert_eq!(checkpoint.values("features.bn1.weight").unwrap(), [0.5]);
    }

    #[test]
    fn what_is_no_checkpoint_is_named_for_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |bytes: &[u8]| {
            let path = dir.path().join("a.pth");
            std::fs::write(&path, bytes).unwrap();
            PublishedCheckpoint::open(&path, false).err().unwrap().to_string()
        };
        assert!(refused(b"PK\x03\x04 model/code/__torch__.py").contains("TorchScript"));
        assert!(refused(b"\x89HDF\r\n\x1a\n").contains("HDF5"));
        assert!(
            refused(b"\x09\0\0\0\0\0\0\0{}      ").contains("a.pth"),
            "a safetensors file that is cut short"
        );
        assert!(refused(b"nothing").contains("no PyTorch checkpoint"));
    }
}
