//! The weight file: safetensors whose header carries the configuration, the skeleton and the history.
//!
//! `__metadata__`: `format` = "tmpose", `version`, and as JSON `config`, `skeleton`, `training`. Tensors are
//! named by their path in [`TmPose`], in Burn's layout, always with unfolded batch norms.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use burn::prelude::*;
use burn::tensor::TensorData;
use burn_store::ModuleSnapshot;
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::record::WeightsInfo;
use super::{TrainingRecord, WeightsError};
use crate::model::{ModelConfig, ParamInfo, TmPose, fill_params, list_params};
use crate::pose::Skeleton;

/// The newest format version that this program reads, and the one that it writes.
pub const FORMAT: u32 = 1;
const MAGIC: &str = "tmpose";

/// How numbers are kept on disk; in memory they are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Kernels and matrices in half precision (about 3 digits), vectors in f32: biases are few, and the
    /// variances of a batch norm can exceed half precision's largest number, 65,504.
    #[default]
    F16,
    F32,
}

/// Writes `model` under `info`'s header. A temporary file beside `path` takes its place at the end, so that a
/// reader never sees half a file and a full disk leaves the old one.
pub fn save(
    path: &Path,
    model: &TmPose,
    info: &WeightsInfo,
    precision: Precision,
) -> Result<(), WeightsError> {
    let tensors = collect(model, path)?;
    let fresh = list_params(&info.config.init(&Device::flex()));
    if !tensors.iter().map(|t| (&t.name, &t.shape)).eq(fresh.iter().map(|p| (&p.path, &p.shape))) {
        let other = *model.config() != info.config;
        let reason = "the network has other tensors than its header says".into();
        return Err(if other {
            mismatch(path, &info.config, reason)
        } else {
            WeightsError::Folded { path: path.to_owned() }
        });
    }
    let stored = tensors
        .into_iter()
        .map(|tensor| {
            let (dtype, bytes) = encode(&tensor, precision).ok_or_else(|| {
                mismatch(path, &info.config, format!("`{}` exceeds half precision", tensor.name))
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
    let bytes = safetensors::serialize(views, Some(header(path, info)?)).map_err(damaged)?;
    write_whole(path, &bytes)
}

/// Reads the network and its header.
pub fn load(path: &Path, device: &Device) -> Result<(TmPose, WeightsInfo), WeightsError> {
    let bytes = read(path)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| not_ours(path, &bytes, error))?;
    let info = parse_header(path, &bytes)?;
    let model = info.config.init(device);
    let wanted = list_params(&model);
    let mut given = HashMap::with_capacity(wanted.len());
    for ParamInfo { path: name, shape } in &wanted {
        let view = tensors
            .tensor(name)
            .map_err(|_| mismatch(path, &info.config, format!("it lacks the tensor `{name}`")))?;
        if view.shape() != shape {
            let reason = format!("`{name}` is {:?}, {shape:?} is needed", view.shape());
            return Err(mismatch(path, &info.config, reason));
        }
        let values = decode(&view).ok_or_else(|| {
            mismatch(path, &info.config, format!("`{name}` is neither f16 nor f32, or not finite"))
        })?;
        given.insert(name.clone(), values);
    }
    if let Some(extra) = tensors.names().into_iter().find(|&name| !given.contains_key(name)) {
        return Err(mismatch(path, &info.config, format!("it has the tensor `{extra}` besides")));
    }
    Ok((fill_params(model, |param| given.remove(&param.path)), info))
}

/// Reads the header only; the tensors are neither read nor checked.
pub fn read_info(path: &Path) -> Result<WeightsInfo, WeightsError> {
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
    parse_header(path, &bytes)
}

struct Named {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

fn collect(model: &TmPose, path: &Path) -> Result<Vec<Named>, WeightsError> {
    let list = model.collect(None, None, true).into_iter().map(|tensor| {
        let (name, shape) = (tensor.name.clone(), tensor.shape.to_vec());
        let (dtype, dims) = (tensor.dtype, tensor.shape.clone());
        let bytes = tensor.into_bytes().map_err(|error| error.to_string())?;
        let data = TensorData::from_bytes(bytes, dims, dtype);
        let values = data.convert::<f32>().try_into_vec::<f32>().map_err(|error| error.to_string())?;
        Ok(Named { name, shape, values })
    });
    list.collect::<Result<_, String>>().map_err(|reason| WeightsError::Write {
        path: path.to_owned(),
        source: std::io::Error::other(reason),
    })
}

fn encode(tensor: &Named, precision: Precision) -> Option<(Dtype, Vec<u8>)> {
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

fn header(path: &Path, info: &WeightsInfo) -> Result<HashMap<String, String>, WeightsError> {
    let failed =
        |error: serde_json::Error| WeightsError::Write { path: path.to_owned(), source: error.into() };
    Ok(HashMap::from([
        ("format".into(), MAGIC.into()),
        ("version".into(), FORMAT.to_string()),
        ("config".into(), serde_json::to_string(&info.config).map_err(failed)?),
        ("skeleton".into(), serde_json::to_string(&info.skeleton).map_err(failed)?),
        ("training".into(), serde_json::to_string(&info.record).map_err(failed)?),
    ]))
}

/// The part of safetensors' JSON header that is ours; the places of the tensors are the library's business.
#[derive(serde::Deserialize)]
struct Header {
    #[serde(rename = "__metadata__", default)]
    fields: HashMap<String, String>,
}

/// Reads the header from the beginning of a file: its length in 8 bytes, then as much JSON.
fn parse_header(path: &Path, bytes: &[u8]) -> Result<WeightsInfo, WeightsError> {
    let json = bytes.split_first_chunk::<8>().and_then(|(length, rest)| {
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        rest.get(..length)
    });
    let json = json.ok_or_else(|| not_ours(path, bytes, "its header is cut short"))?;
    let Header { fields } = serde_json::from_slice(json).map_err(|error| not_ours(path, bytes, error))?;
    if fields.get("format").map(String::as_str) != Some(MAGIC) {
        return Err(WeightsError::Foreign { path: path.to_owned() });
    }
    let field = |name: &str| {
        fields
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| damaged(path, format!("its header lacks `{name}`")))
    };
    let wrong = |name: &str, error: String| damaged(path, format!("its header's `{name}` is wrong: {error}"));
    let format: u32 = field("version")?.parse().map_err(|error| wrong("version", format!("{error}")))?;
    if format > FORMAT {
        return Err(WeightsError::Newer { path: path.to_owned(), found: format, known: FORMAT });
    }
    let json_error = |name| move |error: serde_json::Error| wrong(name, error.to_string());
    let config: ModelConfig = serde_json::from_str(field("config")?).map_err(json_error("config"))?;
    let skeleton: Skeleton = serde_json::from_str(field("skeleton")?).map_err(json_error("skeleton"))?;
    let record: TrainingRecord = serde_json::from_str(field("training")?).map_err(json_error("training"))?;
    if skeleton.len() != config.joints {
        let joints = format!("{} joints where the network has {}", skeleton.len(), config.joints);
        return Err(wrong("skeleton", joints));
    }
    Ok(WeightsInfo { config, skeleton, record, format })
}

fn read(path: &Path) -> Result<Vec<u8>, WeightsError> {
    std::fs::read(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), WeightsError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::Builder::new().prefix(".tmpose-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        make_readable(file.as_file())?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map(drop).map_err(|source| WeightsError::Write { path: path.to_owned(), source })
}

/// Temporary files are private to their owner; weights are for everyone on the machine, as other files are.
#[cfg(unix)]
fn make_readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

fn damaged(path: &Path, reason: String) -> WeightsError {
    WeightsError::Damaged { path: path.to_owned(), reason }
}

/// A file that is no safetensors: a published checkpoint is told apart, since there is a way to use it.
fn not_ours(path: &Path, bytes: &[u8], error: impl std::fmt::Display) -> WeightsError {
    let pickled = bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02");
    if pickled { WeightsError::Foreign { path: path.to_owned() } } else { damaged(path, error.to_string()) }
}

fn mismatch(path: &Path, config: &ModelConfig, reason: String) -> WeightsError {
    WeightsError::Mismatch { path: path.to_owned(), network: config.variant.to_string(), reason }
}
