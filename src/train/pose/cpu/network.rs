//! The network as the engine learns it.

use crate::cpu::train::plan::MapGradients;
use crate::cpu::train::{StepWeights, TrainPlan};
use crate::cpu::{Activation, Epilogue, Filter, NetBuilder, NormOrigin, simd};
use crate::infer::TransformerWeights;
use crate::model::{PoseNet, PoseNetConfig, TmPoseConfig, numbers, scale_and_shift};
use crate::pose::Size;
use crate::train::distill::DistillWeights;
use crate::train::parameters::ParamLayout;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Which gradients a pass needs beside those of the network's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassGradients {
    /// That of the feature: the backbone learns.
    pub feature: bool,
    /// Those of the keypoint tokens behind each layer, and of each attention, are given: a teacher shows its own.
    pub teacher: TeacherGradients,
}

/// What a teacher compares beside heatmaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TeacherGradients {
    /// The keypoint tokens behind each layer.
    pub keypoints: bool,
    /// Each layer's attention.
    pub attention: bool,
}

impl TeacherGradients {
    /// What these weights of a teacher's terms ask for.
    pub fn of(weights: &DistillWeights) -> TeacherGradients {
        TeacherGradients { keypoints: weights.tokens > 0.0, attention: weights.attention > 0.0 }
    }
}

/// Everything behind the backbone.
pub struct CpuNetwork {
    pub(super) weights: TransformerWeights,
    pub(super) config: TmPoseConfig,
    /// Where the keypoint tokens lie in the flat vector, if they are trained.
    pub(super) keypoint_tokens: Option<Range<usize>>,
    pub(super) gradients: PassGradients,
    /// Where each trained parameter begins in the flat vector, by its number.
    starts: HashMap<u64, usize>,
    /// One for each number of tokens. Steps and their numbers are the same in all.
    plans: Mutex<HashMap<usize, Arc<TrainPlan>>>,
}

/// The backbone, and the norm behind it.
pub struct BackbonePlan {
    /// Its input is a crop, its output the normalised feature, whose gradient is given.
    pub plan: TrainPlan,
}

impl CpuNetwork {
    /// Everything behind the backbone of `model`, whose trained numbers `layout` orders; `None` for a family that the engine
    /// does not know.
    pub fn new(model: &PoseNet, layout: &ParamLayout, gradients: PassGradients) -> Option<CpuNetwork> {
        let net = model.as_tmpose()?;
        let keypoint_tokens = layout.range(net.keypoint_token.id);
        Some(CpuNetwork {
            weights: TransformerWeights::new(net),
            config: net.config().clone(),
            keypoint_tokens,
            gradients,
            starts: layout.starts(),
            plans: Mutex::default(),
        })
    }

    /// The plan for passes with so many visual tokens. Its inputs are those of [`TransformerWeights::build`]: feature,
    /// tokens, positions.
    pub fn plan(&self, tokens: usize) -> Arc<TrainPlan> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.entry(tokens).or_insert_with(|| Arc::new(self.new_plan(tokens))).clone()
    }

    fn new_plan(&self, tokens: usize) -> TrainPlan {
        let PassGradients { feature, teacher } = self.gradients;
        let mut net = NetBuilder::new();
        let input = self.weights.feature_input(&mut net);
        let net = self.weights.build(net, input, tokens, teacher.keypoints);
        let given: Vec<usize> = (0..net.outputs.len()).collect();
        let wanted: &[usize] = if feature { &[Self::TOKENS, Self::FEATURE] } else { &[Self::TOKENS] };
        let gradients = MapGradients { given: &given, probabilities: teacher.attention, wanted };
        TrainPlan::new(&net, simd::kernels(), &|id| self.starts.get(&id).copied(), &gradients)
    }

    /// Number of the feature among a plan's inputs.
    pub const FEATURE: usize = 0;
    /// Number of the tokens.
    pub const TOKENS: usize = 1;
    /// Number of the positions.
    pub const POSITIONS: usize = 2;

    /// The network's numbers, of which `numbers` are the trained ones, for plans of any number of tokens.
    pub fn pack(&self, numbers: &[f32]) -> Vec<StepWeights> {
        self.any_plan().pack(numbers)
    }

    /// A plan whose numbers are those of all.
    pub fn any_plan(&self) -> Arc<TrainPlan> {
        self.plan(self.config.grid.area())
    }

    /// Where the keypoint tokens lie in the flat vector, if they are trained.
    pub fn keypoint_token_range(&self) -> Option<Range<usize>> {
        self.keypoint_tokens.clone()
    }

    /// The grid of the visual tokens.
    pub fn grid(&self) -> Size {
        self.config.grid
    }

    /// Height and width of a token's patch in the feature.
    pub fn patch(&self) -> Size {
        self.config.patch
    }

    /// Whether a pass reads the whole feature, however many tokens are kept.
    pub fn reads_whole_feature(&self) -> bool {
        self.config.feature_head
    }
}

impl BackbonePlan {
    /// The backbone of `model` and the norm behind it, whose trained numbers `layout` orders.
    pub fn new(model: &PoseNet, layout: &ParamLayout) -> BackbonePlan {
        let config: PoseNetConfig = model.config();
        let [height, width] = config.input().hw();
        let mut net = NetBuilder::new();
        let picture = net.input(height, width, 3);
        let mut feature = model.backbone().build(&mut net, picture);
        if let Some(norm) = model.feature_norm() {
            let (scale, shift) = scale_and_shift(norm);
            let origin = NormOrigin {
                gamma: norm.gamma.id.val(),
                beta: norm.beta.id.val(),
                epsilon: norm.epsilon as f32,
            };
            let filter = Filter::of_norm(&numbers(scale), numbers(shift), origin);
            feature = net.convolution(&[feature], filter, 1, Epilogue::new(Activation::None));
        }
        let net = net.finish(&[feature]);
        let gradients = MapGradients { given: &[0], ..MapGradients::default() };
        BackbonePlan { plan: TrainPlan::new(&net, simd::kernels(), &|id| layout.start(id), &gradients) }
    }
}
