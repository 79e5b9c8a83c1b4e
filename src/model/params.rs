//! Walking over a model's parameters by name, for files in other formats.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;

/// One float tensor of a model: a parameter or a batch norm's running statistic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamInfo {
    /// Field names joined by dots, without the names of enum variants:
    /// `encoders.0.layers.3.fc1.weight`.
    pub path: String,
    /// Our shape. PyTorch's is the same except for rank 2: those are linear weights, which PyTorch keeps
    /// as `[outputs, inputs]` and Burn as `[inputs, outputs]`.
    pub shape: Vec<usize>,
}

/// Keeps the dotted path while a module is walked.
#[derive(Default)]
struct Path(Vec<Option<String>>);

impl Path {
    fn enter(&mut self, name: &str, container: &str) {
        // A backbone's enum variant says nothing that the configuration does not say.
        let skipped = container.starts_with("Enum:");
        self.0.push((!skipped).then(|| name.to_owned()));
    }

    fn exit(&mut self) {
        self.0.pop();
    }

    fn joined(&self) -> String {
        self.0.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(".")
    }
}

#[derive(Default)]
struct Lister {
    path: Path,
    found: Vec<ParamInfo>,
}

impl ModuleVisitor for Lister {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.lazy_shape().iter().copied().collect();
        self.found.push(ParamInfo { path: self.path.joined(), shape });
    }
}

/// Every float tensor of the model, in the order of its fields.
pub fn list_params(model: &impl Module) -> Vec<ParamInfo> {
    let mut lister = Lister::default();
    model.visit(&mut lister);
    lister.found
}

struct Filler<F> {
    path: Path,
    values: F,
}

impl<F: FnMut(&ParamInfo) -> Option<Vec<f32>>> ModuleMapper for Filler<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape();
        let info = ParamInfo { path: self.path.joined(), shape: shape.iter().copied().collect() };
        match (self.values)(&info) {
            None => param,
            Some(values) => {
                let tensor = Tensor::from_data(TensorData::new(values, shape), &param.lazy_device());
                let id = param.id;
                param.transform_for_load(tensor, id)
            }
        }
    }
}

/// The model with the tensors replaced for which `values` returns numbers, row-major in *our* shape.
///
/// # Panics
/// When `values` returns another count than the shape holds; check against [`ParamInfo::shape`] first.
pub fn fill_params<M: Module>(model: M, values: impl FnMut(&ParamInfo) -> Option<Vec<f32>>) -> M {
    model.map(&mut Filler { path: Path::default(), values })
}
