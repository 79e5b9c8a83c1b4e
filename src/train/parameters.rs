//! A network's trained parameters as one flat vector, and back.

use crate::cpu::train::NormStatistics;
use crate::data::features::Fingerprint;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::prelude::*;
use burn::tensor::Gradients;
use std::collections::HashMap;
use std::ops::Range;

/// One trained parameter of a model, and where it lies in the flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct FlatParam {
    /// Path as `model::list_params` gives it.
    pub path: String,
    /// Index of its first number in the flat vector.
    pub start: usize,
    /// Its shape in the model.
    pub shape: Vec<usize>,
}

/// Where each trained parameter lies in the flat vector. Only parameters that require a gradient are
/// in it.
pub struct ParamLayout {
    params: Vec<FlatParam>,
    index: HashMap<ParamId, usize>,
    decays: Vec<bool>,
}

impl FlatParam {
    /// Its numbers in the flat vector.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.shape.iter().product::<usize>()
    }
}

impl ParamLayout {
    /// The layout of a model on an autodiff device.
    pub fn of(model: &impl Module) -> ParamLayout {
        let mut collector = Collector::default();
        model.visit(&mut collector);
        let Collector { params, index, .. } = collector;
        // Weight decay is for matrices; biases and the gammas of norms are left free.
        let decays = params.iter().flat_map(|s| vec![s.shape.len() > 1; s.shape.iter().product()]).collect();
        ParamLayout { params, index, decays }
    }

    /// The trained parameters, in the order of the flat vector.
    pub fn params(&self) -> &[FlatParam] {
        &self.params
    }

    /// Length of the flat vector.
    pub fn count(&self) -> usize {
        self.decays.len()
    }

    /// For each number whether weight decay applies.
    pub fn decays(&self) -> &[bool] {
        &self.decays
    }

    /// The model's trained parameters as a flat vector.
    pub fn read(&self, model: &impl Module) -> Vec<f32> {
        let mut reader = Reader { layout: self, out: vec![0.0; self.count()] };
        model.visit(&mut reader);
        reader.out
    }

    /// The model with the flat vector `values` for its trained parameters.
    pub fn write<M: Module>(&self, model: M, values: &[f32]) -> M {
        model.map(&mut Writer { layout: self, values })
    }

    /// The model whose batch norms' running statistics go on with what they saw of a batch.
    pub fn with_statistics<M: Module>(&self, model: M, seen: &[NormStatistics]) -> M {
        let path_of = |gamma: u64| {
            let param = &self.params[*self.index.get(&ParamId::from(gamma))?];
            Some(param.path.trim_end_matches("gamma").to_owned())
        };
        let mut of_path = HashMap::new();
        for norm in seen {
            let Some(path) = path_of(norm.gamma) else { continue };
            of_path.insert(format!("{path}running_mean"), &norm.mean[..]);
            of_path.insert(format!("{path}running_var"), &norm.variance[..]);
        }
        model.map(&mut StatisticsWriter { path: Vec::new(), of_path })
    }

    /// Adds a backward pass's gradients to `out`.
    pub fn gather(&self, model: &impl Module, gradients: Gradients, out: &mut [f32]) {
        model.visit(&mut Gatherer { layout: self, gradients, out });
    }

    /// Where the parameter with this identifier, a number, begins in the flat vector; `None` for one that is not trained.
    pub fn start(&self, id: u64) -> Option<usize> {
        self.range(ParamId::from(id)).map(|range| range.start)
    }

    /// Where each parameter begins in the flat vector, by its identifier as a number.
    pub fn starts(&self) -> HashMap<u64, usize> {
        self.index.iter().map(|(id, &at)| (id.val(), self.params[at].start)).collect()
    }

    /// The numbers of a parameter in the flat vector; `None` for one that is not trained.
    pub fn range(&self, id: ParamId) -> Option<Range<usize>> {
        Some(self.params[*self.index.get(&id)?].range())
    }
}

#[derive(Default)]
struct Collector {
    path: Vec<Option<String>>,
    params: Vec<FlatParam>,
    index: HashMap<ParamId, usize>,
    end: usize,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(part_of_path(name, container));
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.val().is_require_grad() {
            return;
        }
        let path = joined(&self.path);
        let shape: Vec<usize> = param.lazy_shape().iter().copied().collect();
        self.index.insert(param.id, self.params.len());
        let count: usize = shape.iter().product();
        self.params.push(FlatParam { path, start: self.end, shape });
        self.end += count;
    }
}

struct Reader<'a> {
    layout: &'a ParamLayout,
    out: Vec<f32>,
}

impl ModuleVisitor for Reader<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(range) = self.layout.range(param.id) {
            copy_numbers(param.val().inner(), |i, v| self.out[range.start + i] = v);
        }
    }
}

struct Gatherer<'a> {
    layout: &'a ParamLayout,
    gradients: Gradients,
    out: &'a mut [f32],
}

impl ModuleVisitor for Gatherer<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(range) = self.layout.range(param.id)
            && let Some(gradient) = param.val().grad_remove(&mut self.gradients)
        {
            copy_numbers(gradient, |i, v| self.out[range.start + i] += v);
        }
    }
}

/// Calls `put` with index and value of every number of a tensor.
fn copy_numbers<const D: usize>(tensor: Tensor<D>, mut put: impl FnMut(usize, f32)) {
    for (i, v) in tensor.into_data().iter::<f32>().enumerate() {
        put(i, v);
    }
}

struct Writer<'a> {
    layout: &'a ParamLayout,
    values: &'a [f32],
}

impl ModuleMapper for Writer<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(range) = self.layout.range(param.id) else { return param };
        let values = self.values[range].to_vec();
        // A new leaf, not an operation on the old one: each shard of a batch has its own autodiff graph.
        param.map(|old| {
            let tensor = Tensor::from_data(TensorData::new(values, old.dims()), &old.device());
            tensor.set_require_grad(old.is_require_grad())
        })
    }
}

/// How far a batch norm's running statistics go towards those of a batch: what Burn's and PyTorch's norms do by default.
const MOMENTUM: f32 = 0.1;

struct StatisticsWriter<'a> {
    path: Vec<Option<String>>,
    /// By the statistic's path.
    of_path: HashMap<String, &'a [f32]>,
}

impl ModuleMapper for StatisticsWriter<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(part_of_path(name, container));
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(seen) = self.of_path.get(&joined(&self.path)) else { return param };
        param.map(|old| {
            let mut values = vec![0.0; seen.len()];
            let mut put = |i: usize, v: f32| values[i] = v * (1.0 - MOMENTUM) + seen[i] * MOMENTUM;
            copy_numbers(old.clone().inner(), &mut put);
            // A new leaf, as above.
            Tensor::from_data(TensorData::new(values, old.dims()), &old.device())
        })
    }
}

/// A module's part of a path, as in `model::list_params`, which leaves out enum variants.
fn part_of_path(name: &str, container: &str) -> Option<String> {
    (!container.starts_with("Enum:")).then(|| name.to_owned())
}

fn joined(path: &[Option<String>]) -> String {
    path.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(".")
}

/// Adds every number of a network's float parameters to a fingerprint.
pub fn hash_params(network: &impl Module, print: &mut Fingerprint) {
    struct ParamHasher<'a>(&'a mut Fingerprint);
    impl ModuleVisitor for ParamHasher<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            for value in param.val().inner().into_data().iter::<f32>() {
                self.0.add(&value.to_le_bytes());
            }
        }
    }
    network.visit(&mut ParamHasher(print));
}

/// The running statistics of a network's batch norms, one after the other.
#[cfg(test)]
pub fn running_statistics(network: &impl Module) -> Vec<f32> {
    #[derive(Default)]
    struct Statistics {
        path: Vec<Option<String>>,
        found: Vec<f32>,
    }
    impl ModuleVisitor for Statistics {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.push(part_of_path(name, container));
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if joined(&self.path).contains(".running_") {
                self.found.extend(param.val().inner().into_data().iter::<f32>());
            }
        }
    }
    let mut statistics = Statistics::default();
    network.visit(&mut statistics);
    statistics.found
}
