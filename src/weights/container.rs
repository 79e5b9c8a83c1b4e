//! What all weight files share: safetensors with text fields in the header, written whole or not at all.
//!
//! `__metadata__`: `format` = "tmpose", `version`, and `kind` = "detector" for a person detector's file; a pose
//! network's has no `kind`. The other fields are its kind's own. Tensors are named by their path in the network, in
//! Burn's layout.

use crate::files;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::TensorData;
use burn_store::ModuleSnapshot;
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::WeightsError;
use crate::model::{ParamInfo, fill_params, list_params};

/// The newest format version that this program reads, and the one that it writes.
pub const FORMAT: u32 = 1;
const MAGIC: &str = "tmpose";
/// Files without the field are of this kind: the only one there was.
const UNNAMED: NetworkKind = NetworkKind::Pose;

/// How numbers are kept on disk; in memory they are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Kernels and matrices in half precision (about 3 digits), vectors in f32: biases are few, and the
    /// variances of a batch norm can exceed half precision's largest number, 65,504.
    #[default]
    F16,
    /// 4 bytes a number.
    F32,
}

/// What a weight file's network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkKind {
    /// A pose network.
    Pose,
    /// A person detector.
    Detector,
}

impl NetworkKind {
    const ALL: [NetworkKind; 2] = [NetworkKind::Pose, NetworkKind::Detector];

    fn name(self) -> &'static str {
        match self {
            NetworkKind::Pose => "pose",
            NetworkKind::Detector => "detector",
        }
    }

    /// The file that the program ships with.
    fn example(self) -> &'static str {
        match self {
            NetworkKind::Pose => super::DEFAULT_FILE,
            NetworkKind::Detector => super::DETECTOR_FILE,
        }
    }
}

impl std::fmt::Display for NetworkKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NetworkKind::Pose => "a pose network",
            NetworkKind::Detector => "a person detector",
        })
    }
}

/// One tensor of a network, in memory.
pub struct NamedTensor {
    /// Path in the network ([`crate::model::ParamInfo::path`]).
    pub name: String,
    /// Its dimensions, slowest first.
    pub shape: Vec<usize>,
    /// Its numbers, row-major.
    pub values: Vec<f32>,
}

/// All float tensors of `network`; `path` is where they will go, for messages.
///
/// # Errors
/// A tensor cannot be read from its device.
pub fn collect(network: &impl Module, path: &Path) -> Result<Vec<NamedTensor>, WeightsError> {
    let list = network.collect(None, None, true).into_iter().map(|tensor| {
        let (name, shape) = (tensor.name.clone(), tensor.shape.to_vec());
        let (dtype, dims) = (tensor.dtype, tensor.shape.clone());
        let bytes = tensor.into_bytes().map_err(|error| error.to_string())?;
        let data = TensorData::from_bytes(bytes, dims, dtype);
        let values = data.convert::<f32>().try_into_vec::<f32>().map_err(|error| error.to_string())?;
        Ok(NamedTensor { name, shape, values })
    });
    list.collect::<Result<_, String>>().map_err(|reason| WeightsError::Write {
        path: path.to_owned(),
        source: std::io::Error::other(reason),
    })
}

/// Whether the tensors have the names and shapes of `network`'s.
pub fn are_of(tensors: &[NamedTensor], network: &impl Module) -> bool {
    let wanted = list_params(network);
    tensors.iter().map(|t| (&t.name, &t.shape)).eq(wanted.iter().map(|p| (&p.path, &p.shape)))
}

/// Writes the tensors of `network` under a header with `fields`. A temporary file beside `path` takes its place at
/// the end, so that a reader never sees half a file and a full disk leaves the old one.
///
/// # Errors
/// A number exceeds half precision, or the file cannot be written.
pub fn write(
    path: &Path,
    kind: NetworkKind,
    network: &str,
    tensors: Vec<NamedTensor>,
    fields: impl IntoIterator<Item = (&'static str, String)>,
    precision: Precision,
) -> Result<(), WeightsError> {
    let stored = tensors
        .into_iter()
        .map(|tensor| {
            let (dtype, bytes) = encode(&tensor, precision).ok_or_else(|| {
                mismatch(path, network, format!("`{}` exceeds half precision", tensor.name))
            })?;
            Ok((tensor.name, tensor.shape, dtype, bytes))
        })
        .collect::<Result<Vec<_>, WeightsError>>()?;
    let views = stored.iter().map(|(name, shape, dtype, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes);
        view.map(|view| (name.as_str(), view))
    });
    let damaged = |error: safetensors::SafeTensorError| damaged(path, error.to_string());
    let views = views.collect::<Result<Vec<_>, _>>().map_err(damaged)?;
    let mut header: HashMap<String, String> =
        fields.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    header.insert("format".into(), MAGIC.into());
    header.insert("version".into(), FORMAT.to_string());
    if kind != UNNAMED {
        header.insert("kind".into(), kind.name().into());
    }
    let bytes = safetensors::serialize(views, Some(header)).map_err(damaged)?;
    write_whole(path, &bytes)
}

/// `value` as a header's field.
///
/// # Errors
/// The value cannot be written as JSON.
pub fn json(path: &Path, value: &impl Serialize) -> Result<String, WeightsError> {
    serde_json::to_string(value)
        .map_err(|error| WeightsError::Write { path: path.to_owned(), source: error.into() })
}

/// The whole file.
///
/// # Errors
/// There is no such file, or it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, WeightsError> {
    std::fs::read(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })
}

/// `fresh` with all of its tensors from the file's `bytes`. Both must have the same ones.
///
/// # Errors
/// The file lacks a tensor, has another one besides, or has one of another shape or with numbers that are not finite.
pub fn fill<M: Module>(path: &Path, bytes: &[u8], fresh: M, network: &str) -> Result<M, WeightsError> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| not_ours(path, bytes, error))?;
    let refuse = |reason: String| mismatch(path, network, reason);
    let wanted = list_params(&fresh);
    let mut given = HashMap::with_capacity(wanted.len());
    for ParamInfo { path: name, shape } in &wanted {
        let view = tensors.tensor(name).map_err(|_| refuse(format!("it lacks the tensor `{name}`")))?;
        if view.shape() != shape {
            return Err(refuse(format!("`{name}` is {:?}, {shape:?} is needed", view.shape())));
        }
        let values =
            decode(&view).ok_or_else(|| refuse(format!("`{name}` is neither f16 nor f32, or not finite")))?;
        given.insert(name.clone(), values);
    }
    if let Some(extra) = tensors.names().into_iter().find(|&name| !given.contains_key(name)) {
        return Err(refuse(format!("it has the tensor `{extra}` besides")));
    }
    Ok(fill_params(fresh, |param| given.remove(&param.path)))
}

/// The fields of a header.
pub struct WeightsHeader {
    path: PathBuf,
    texts: HashMap<String, String>,
    /// Format version of the file.
    pub format: u32,
}

/// The part of safetensors' JSON header that is ours; the places of the tensors are the library's business.
#[derive(serde::Deserialize)]
struct SafetensorsHeader {
    #[serde(rename = "__metadata__", default)]
    fields: HashMap<String, String>,
}

impl WeightsHeader {
    /// Reads the header of the file at `path` only; the tensors are neither read nor checked.
    ///
    /// # Errors
    /// The file cannot be read, or [`WeightsHeader::parse`] refuses it.
    pub fn read(path: &Path, wanted: NetworkKind) -> Result<WeightsHeader, WeightsError> {
        use std::io::Read;
        let failed = |source| WeightsError::Read { path: path.to_owned(), source };
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut first = [0; 8];
        if length < 8 {
            return Err(damaged(path, "it is shorter than a header".into()));
        }
        file.read_exact(&mut first).map_err(failed)?;
        // The claimed length is bounded by the file's before anything is allocated for it.
        let claimed = u64::from_le_bytes(first).min(length - 8);
        let mut bytes = first.to_vec();
        file.take(claimed).read_to_end(&mut bytes).map_err(failed)?;
        WeightsHeader::parse(path, &bytes, wanted)
    }

    /// Reads the header from the beginning of a file: its length in 8 bytes, then as much JSON.
    ///
    /// # Errors
    /// The file is damaged, not of this program, of a newer format, or of another kind of network than `wanted`.
    pub fn parse(path: &Path, bytes: &[u8], wanted: NetworkKind) -> Result<WeightsHeader, WeightsError> {
        let json = bytes.split_first_chunk::<8>().and_then(|(length, rest)| {
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            rest.get(..length)
        });
        let json = json.ok_or_else(|| not_ours(path, bytes, "its header is cut short"))?;
        let SafetensorsHeader { fields } =
            serde_json::from_slice(json).map_err(|error| not_ours(path, bytes, error))?;
        if fields.get("format").map(String::as_str) != Some(MAGIC) {
            return Err(WeightsError::Foreign { path: path.to_owned() });
        }
        let mut fields = WeightsHeader { path: path.to_owned(), texts: fields, format: 0 };
        fields.format = fields.text("version")?.parse().map_err(|error| fields.wrong("version", error))?;
        if fields.format > FORMAT {
            return Err(WeightsError::Newer { path: path.to_owned(), found: fields.format, known: FORMAT });
        }
        let found = match fields.texts.get("kind") {
            None => UNNAMED,
            Some(name) => NetworkKind::ALL
                .into_iter()
                .find(|kind| kind.name() == name)
                .ok_or_else(|| fields.wrong("kind", format!("`{name}` is no kind of network")))?,
        };
        if found != wanted {
            let example = wanted.example();
            return Err(WeightsError::OtherKind { path: path.to_owned(), found, wanted, example });
        }
        Ok(fields)
    }

    /// A field that holds JSON.
    ///
    /// # Errors
    /// The header lacks the field, or it holds something else.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, WeightsError> {
        serde_json::from_str(self.text(name)?).map_err(|error| self.wrong(name, error))
    }

    /// The file is damaged: what it says under `name` makes no sense.
    pub fn wrong(&self, name: &str, error: impl std::fmt::Display) -> WeightsError {
        damaged(&self.path, format!("its header's `{name}` is wrong: {error}"))
    }

    /// The text of a field that a file may lack.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// The file is of a family of networks that this program does not know.
    pub fn unknown_family(&self, family: &str) -> WeightsError {
        WeightsError::UnknownFamily { path: self.path.clone(), family: family.to_owned() }
    }

    /// The text of a field.
    ///
    /// # Errors
    /// The header lacks it.
    pub fn text(&self, name: &str) -> Result<&str, WeightsError> {
        self.get(name).ok_or_else(|| damaged(&self.path, format!("its header lacks `{name}`")))
    }
}

fn encode(tensor: &NamedTensor, precision: Precision) -> Option<(Dtype, Vec<u8>)> {
    if precision == Precision::F32 || tensor.shape.len() < 2 {
        return Some((Dtype::F32, tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect()));
    }
    let halves: Vec<f16> = tensor.values.iter().map(|&v| f16::from_f32(v)).collect();
    let kept = halves.iter().zip(&tensor.values).all(|(half, value)| half.is_finite() || !value.is_finite());
    kept.then(|| (Dtype::F16, halves.iter().flat_map(|half| half.to_le_bytes()).collect()))
}

fn decode(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => view.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Dtype::F16 => {
            view.data().as_chunks::<2>().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect()
        }
        _ => return None,
    };
    values.iter().all(|value| value.is_finite()).then_some(values)
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), WeightsError> {
    files::write_whole(path, bytes).map_err(|source| WeightsError::Write { path: path.to_owned(), source })
}

fn damaged(path: &Path, reason: String) -> WeightsError {
    WeightsError::Damaged { path: path.to_owned(), reason }
}

/// A file that is no safetensors: a published checkpoint is told apart, since there is a way to use it.
fn not_ours(path: &Path, bytes: &[u8], error: impl std::fmt::Display) -> WeightsError {
    let pickled = bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02");
    if pickled { WeightsError::Foreign { path: path.to_owned() } } else { damaged(path, error.to_string()) }
}

fn mismatch(path: &Path, network: &str, reason: String) -> WeightsError {
    WeightsError::Mismatch { path: path.to_owned(), network: network.into(), reason }
}
