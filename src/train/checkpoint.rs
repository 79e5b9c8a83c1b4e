//! Everything that a training needs to go on, in one file that is replaced as a whole.

use super::TrainError;
use super::optimizer::Optimizer;
use super::parameters::ParamLayout;
use crate::files;
use crate::model::fill_params;
use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The file's name in a run's folder.
pub const FILE: &str = "checkpoint.safetensors";

/// How far a training has come. What a step uses follows from the seed and the step's number, so the state of no random
/// generator is needed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainState {
    /// Steps made.
    pub step: u64,
    /// Wall-clock seconds of training so far.
    pub seconds: f64,
    /// Best AP of a validation, 0 to 1; `None` before the first one and without a validation set.
    pub best_ap: Option<f64>,
    /// Steps made when the best weights were written.
    pub best_step: u64,
    /// Validations since then.
    #[serde(default, rename = "without_better")]
    pub without_improvement: u64,
}

/// What a checkpoint holds.
pub struct Checkpoint<M> {
    /// How far the training has come.
    pub state: TrainState,
    /// Weights and the state of their optimizer.
    pub optimizer: Optimizer,
    /// The network with the buffers that are not trained, such as the running statistics of batch norms.
    pub model: M,
}

/// Writes a checkpoint into the run's folder.
///
/// # Errors
/// The file cannot be written.
pub fn save(
    folder: &Path,
    state: &TrainState,
    optimizer: &Optimizer,
    model: &impl Module,
    layout: &ParamLayout,
) -> Result<(), TrainError> {
    let path = folder.join(FILE);
    let mut tensors: Vec<(String, Vec<f32>)> = vec![
        ("weights".into(), optimizer.weights.clone()),
        ("first".into(), optimizer.first_moment.clone()),
        ("second".into(), optimizer.second_moment.clone()),
        ("average".into(), optimizer.average.clone()),
    ];
    tensors.extend(buffers(model, layout).into_iter().map(|(name, v)| (format!("buffer.{name}"), v)));
    let failed = |source: std::io::Error| TrainError::Write { path: path.display().to_string(), source };
    let views: Result<Vec<_>, _> = tensors
        .iter()
        .map(|(name, values)| {
            let bytes = bytemuck::cast_slice(values);
            TensorView::new(Dtype::F32, vec![values.len()], bytes).map(|view| (name.as_str(), view))
        })
        .collect();
    let position = serde_json::to_string(state).map_err(|e| failed(e.into()))?;
    let about = HashMap::from([
        ("position".to_string(), position),
        ("updates".to_string(), optimizer.updates.to_string()),
    ]);
    let bytes = views
        .and_then(|views| safetensors::serialize(views, Some(about)))
        .map_err(|e| failed(std::io::Error::other(e)))?;
    write_whole(&path, &bytes)
}

/// Reads a checkpoint back; `model` gets the buffers that are not trained.
///
/// # Errors
/// There is no checkpoint, or it belongs to another network.
pub fn load<M: Module>(folder: &Path, model: M, layout: &ParamLayout) -> Result<Checkpoint<M>, TrainError> {
    let path = folder.join(FILE);
    let wrong = |reason: String| TrainError::Checkpoint { path: path.display().to_string(), reason };
    let bytes = std::fs::read(&path).map_err(|e| wrong(e.to_string()))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| wrong(e.to_string()))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| wrong(e.to_string()))?;
    let about = header.metadata().clone().unwrap_or_default();
    let text = |key: &str| about.get(key).cloned().ok_or_else(|| wrong(format!("{key} is missing")));
    let state = serde_json::from_str(&text("position")?).map_err(|e| wrong(e.to_string()))?;
    let updates = text("updates")?.parse().map_err(|_| wrong("updates is no number".into()))?;
    let numbers = |name: &str| -> Result<Vec<f32>, TrainError> {
        let view = tensors.tensor(name).map_err(|e| wrong(e.to_string()))?;
        Ok(view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    };
    let vector = |name: &str| -> Result<Vec<f32>, TrainError> {
        let values = numbers(name)?;
        if values.len() == layout.count() {
            Ok(values)
        } else {
            Err(wrong(format!("it has {} parameters, the settings make {}", values.len(), layout.count())))
        }
    };
    let optimizer = Optimizer {
        weights: vector("weights")?,
        first_moment: vector("first")?,
        second_moment: vector("second")?,
        average: vector("average")?,
        updates,
    };
    let mut kept = HashMap::new();
    for (name, values) in buffers(&model, layout) {
        let stored = numbers(&format!("buffer.{name}"))?;
        if stored.len() != values.len() {
            return Err(wrong(format!("{name} has another size")));
        }
        kept.insert(name, stored);
    }
    let model = fill_params(model, |info| kept.remove(&info.path));
    Ok(Checkpoint { state, optimizer, model })
}

/// Writes a temporary file and renames it, so that a crash or a full disk leaves the old file.
///
/// # Errors
/// The file cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    files::write_whole(path, bytes).map_err(|source| {
        let shown = path.display().to_string();
        if files::is_full(&source) && path.exists() {
            TrainError::DiskFull { path: shown, megabytes: bytes.len() as f64 / 1e6, kind: source.kind() }
        } else {
            TrainError::Write { path: shown, source }
        }
    })
}

/// Every float tensor of the model that is not trained, with its path.
fn buffers(model: &impl Module, layout: &ParamLayout) -> Vec<(String, Vec<f32>)> {
    struct BufferCollector<'a> {
        layout: &'a ParamLayout,
        path: Vec<Option<String>>,
        found: Vec<(String, Vec<f32>)>,
    }
    impl ModuleVisitor for BufferCollector<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.push((!container.starts_with("Enum:")).then(|| name.to_owned()));
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let path = self.path.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(".");
            if !self.layout.params().iter().any(|param| param.path == path) {
                let values = param.val().inner().into_data().iter::<f32>().collect();
                self.found.push((path, values));
            }
        }
    }
    let mut walk = BufferCollector { layout, path: Vec::new(), found: Vec::new() };
    model.visit(&mut walk);
    walk.found
}
