//! A network's trained parameters as one flat vector, and back.

use crate::data::features::Fingerprint;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::prelude::*;
use burn::tensor::Gradients;
use std::collections::HashMap;

/// One parameter of a model: where it lies in the flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSlot {
    /// Path as `model::list_params` gives it.
    pub path: String,
    pub start: usize,
    pub shape: Vec<usize>,
}

/// Where each trained parameter lies in the flat vector. Only parameters that require a gradient are
/// in it.
pub struct ParamLayout {
    slots: Vec<ParamSlot>,
    index: HashMap<ParamId, usize>,
    decays: Vec<bool>,
}

impl ParamLayout {
    /// The layout of a model on an autodiff device.
    pub fn of(model: &impl Module) -> ParamLayout {
        let mut collector = Collector::default();
        model.visit(&mut collector);
        let Collector { slots, index, .. } = collector;
        // Weight decay holds matrices down; a bias or a norm's gain must be free.
        let decays = slots.iter().flat_map(|s| vec![s.shape.len() > 1; s.shape.iter().product()]).collect();
        ParamLayout { slots, index, decays }
    }

    pub fn slots(&self) -> &[ParamSlot] {
        &self.slots
    }

    /// Numbers in the flat vector.
    pub fn count(&self) -> usize {
        self.decays.len()
    }

    /// For each number whether weight decay applies.
    pub fn decays(&self) -> &[bool] {
        &self.decays
    }

    /// The model's parameters.
    pub fn read(&self, model: &impl Module) -> Vec<f32> {
        let mut reader = Reader { layout: self, out: vec![0.0; self.count()] };
        model.visit(&mut reader);
        reader.out
    }

    /// The model with `values` for its parameters.
    pub fn write<M: Module>(&self, model: M, values: &[f32]) -> M {
        model.map(&mut Writer { layout: self, values })
    }

    /// Adds a backward pass's gradients to `out`.
    pub fn gather(&self, model: &impl Module, gradients: Gradients, out: &mut [f32]) {
        model.visit(&mut Gatherer { layout: self, gradients, out });
    }

    /// Where a parameter lies; none for one that is not trained.
    pub fn place(&self, id: ParamId) -> Option<std::ops::Range<usize>> {
        let slot = &self.slots[*self.index.get(&id)?];
        Some(slot.start..slot.start + slot.shape.iter().product::<usize>())
    }
}

#[derive(Default)]
struct Collector {
    path: Vec<Option<String>>,
    slots: Vec<ParamSlot>,
    index: HashMap<ParamId, usize>,
    end: usize,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        // The names are those of `model::list_params`, which leaves out enum variants.
        self.path.push((!container.starts_with("Enum:")).then(|| name.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.val().is_require_grad() {
            return;
        }
        let path = self.path.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(".");
        let shape: Vec<usize> = param.lazy_shape().iter().copied().collect();
        self.index.insert(param.id, self.slots.len());
        let count: usize = shape.iter().product();
        self.slots.push(ParamSlot { path, start: self.end, shape });
        self.end += count;
    }
}

struct Reader<'a> {
    layout: &'a ParamLayout,
    out: Vec<f32>,
}

impl ModuleVisitor for Reader<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(range) = self.layout.place(param.id) {
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
        if let Some(range) = self.layout.place(param.id)
            && let Some(gradient) = param.val().grad_remove(&mut self.gradients)
        {
            copy_numbers(gradient, |i, v| self.out[range.start + i] += v);
        }
    }
}

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
        let Some(range) = self.layout.place(param.id) else { return param };
        let values = self.values[range].to_vec();
        // A new leaf, not an operation on the old one: each part of a batch records its own graph.
        param.map(|old| {
            let tensor = Tensor::from_data(TensorData::new(values, old.dims()), &old.device());
            tensor.set_require_grad(old.is_require_grad())
        })
    }
}

/// Adds every number of a network's parameters to a fingerprint.
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
