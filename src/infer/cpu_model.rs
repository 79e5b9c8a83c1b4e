//! A model on the CPU, by its engine: from crops to heatmaps without a tensor in between.

use super::cpu_transformer::{EnteringTokens, TransformerWeights};
use crate::cpu::profile::OperationTime;
use crate::cpu::{Net, NetBuilder, Packs, Plan, Workspace, Workspaces, simd, team};
use crate::gpu::ComputeDevice;
use crate::model::PoseNet;
use crate::vision::Heatmaps;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Plans that are kept: one for each number of tokens, the latest last.
const KEPT_PLANS: usize = 8;

/// Backbone and transformer of a model, ready for crops.
pub struct CpuModel {
    backbone: Net,
    transformer: TransformerWeights,
    packs: Packs,
    plans: Mutex<Vec<Arc<StagePlan>>>,
    workspaces: Workspaces,
}

/// Which part of a model a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stages {
    /// From crops to features.
    Backbone,
    /// From features to heatmaps, with so many visual tokens.
    Transformer(usize),
    /// From crops to heatmaps, with so many visual tokens.
    Whole(usize),
}

struct StagePlan {
    stages: Stages,
    plan: Plan,
}

/// How long the stages of a model took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// The backbone, if it ran.
    pub backbone: Duration,
    /// Tokens from the feature.
    pub tokens: Duration,
    /// The transformers.
    pub transformer: Duration,
    /// From keypoint tokens to heatmaps.
    pub head: Duration,
}

impl CpuTimes {
    /// All stages.
    pub fn sum(&self) -> Duration {
        self.backbone + self.tokens + self.transformer + self.head
    }

    /// From the times of a run's last stages, the head's the last.
    fn of_stages(stages: &[Duration]) -> CpuTimes {
        let of = |from_end: usize| {
            stages.len().checked_sub(from_end).and_then(|i| stages.get(i)).copied().unwrap_or_default()
        };
        CpuTimes { backbone: of(4), tokens: of(3), transformer: of(2), head: of(1) }
    }
}

impl std::ops::AddAssign for CpuTimes {
    fn add_assign(&mut self, other: CpuTimes) {
        self.backbone += other.backbone;
        self.tokens += other.tokens;
        self.transformer += other.transformer;
        self.head += other.head;
    }
}

/// Heatmaps of some persons.
pub struct CpuHeatmaps {
    /// Of each person.
    pub maps: Vec<Heatmaps>,
    /// Of all persons; those who ran beside each other count each.
    pub times: CpuTimes,
}

impl CpuModel {
    /// Takes the weights of a folded `model` if the CPU computes it and the engine knows its family; elsewhere Burn runs
    /// it.
    pub fn on(device: &ComputeDevice, model: &PoseNet) -> Option<CpuModel> {
        if device.is_gpu() { None } else { CpuModel::new(model) }
    }

    /// Takes the weights of a folded `model`, wherever it lives, if the engine knows its family.
    pub fn new(model: &PoseNet) -> Option<CpuModel> {
        let transformer = TransformerWeights::new(model.as_tmpose()?);
        let [height, width] = model.config().input().hw();
        let mut net = NetBuilder::new();
        let picture = net.input(height, width, 3);
        let feature = model.backbone().build(&mut net, picture);
        Some(CpuModel {
            backbone: net.finish(&[feature]),
            transformer,
            packs: Packs::default(),
            plans: Mutex::default(),
            workspaces: Workspaces::default(),
        })
    }

    /// Bytes of the memory of runs, which is used again and again.
    pub fn workspace_bytes(&self) -> usize {
        self.workspaces.bytes()
    }

    /// From normalised crops, pixel by pixel with three channels together, to their features, likewise.
    ///
    /// # Panics
    /// When a crop has another size than the model's input.
    pub fn features(&self, crops: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let StagePlan { plan, .. } = &*self.plan(Stages::Backbone);
        let (input, output) = (plan.inputs[0], plan.outputs[0]);
        self.workspaces.run(
            plan,
            crops.len(),
            |person, workspace| workspace.map(plan, input).copy_from_slice(&crops[person]),
            |workspace| workspace.map(plan, output).to_vec(),
        )
    }

    /// From [`CpuModel::features`] to heatmaps.
    ///
    /// # Panics
    /// When no token enters, one that there is not, or a feature has another size.
    pub fn heatmaps_of_features(&self, features: &[Vec<f32>], entering: EnteringTokens) -> CpuHeatmaps {
        self.heatmaps_by(&self.plan(Stages::Transformer(entering.kept.len())).plan, features, entering)
    }

    /// From normalised crops to heatmaps.
    ///
    /// # Panics
    /// As [`CpuModel::features`] and [`CpuModel::heatmaps_of_features`].
    pub fn heatmaps(&self, crops: &[Vec<f32>], entering: EnteringTokens) -> CpuHeatmaps {
        self.heatmaps_by(&self.plan(Stages::Whole(entering.kept.len())).plan, crops, entering)
    }

    fn heatmaps_by(&self, plan: &Plan, pictures: &[Vec<f32>], entering: EnteringTokens) -> CpuHeatmaps {
        let tokens: Vec<u32> = entering.kept.iter().map(|&token| token as u32).collect();
        let rows = self.transformer.position_rows(entering);
        let [picture, x, positions] = plan.inputs[..] else { unreachable!("inputs of a transformer") };
        let fill = |person: usize, workspace: &mut Workspace| {
            workspace.tokens.clone_from(&tokens);
            workspace.map(plan, picture).copy_from_slice(&pictures[person]);
            let keypoints = self.transformer.keypoint_tokens();
            workspace.map(plan, x)[..keypoints.len()].copy_from_slice(keypoints);
            workspace.map(plan, positions).copy_from_slice(&rows);
        };
        let read = |workspace: &mut Workspace| {
            let times = CpuTimes::of_stages(&workspace.stages);
            (workspace.map(plan, plan.outputs[0]).to_vec(), times)
        };
        let made = self.workspaces.run(plan, pictures.len(), fill, read);
        let mut found = CpuHeatmaps { maps: Vec::with_capacity(made.len()), times: CpuTimes::default() };
        for (values, times) in made {
            found.maps.push(self.transformer.heatmaps(values));
            found.times += times;
        }
        found
    }

    /// The plan for these stages; made when it is first asked for. All plans share their packed weights.
    fn plan(&self, stages: Stages) -> Arc<StagePlan> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = team::threads();
        let known = plans.iter().position(|plan| plan.stages == stages && plan.plan.members == threads);
        let plan = match known {
            Some(at) => plans.remove(at),
            None => {
                let plan = Plan::with_packs(&self.net(stages), simd::kernels(), threads, &self.packs);
                Arc::new(StagePlan { stages, plan })
            }
        };
        if plans.len() == KEPT_PLANS {
            plans.remove(0);
        }
        plans.push(plan.clone());
        plan
    }

    fn net(&self, stages: Stages) -> Net {
        match stages {
            Stages::Backbone => self.backbone.clone(),
            Stages::Transformer(tokens) => {
                let mut net = NetBuilder::new();
                let feature = self.transformer.feature_input(&mut net);
                self.transformer.build(net, feature, tokens, false)
            }
            Stages::Whole(tokens) => {
                let feature = self.backbone.outputs[0];
                let mut net = NetBuilder::behind(self.backbone.clone());
                net.mark_stage();
                self.transformer.build(net, feature, tokens, false)
            }
        }
    }

    /// How long the backbone's operations take on one thread, the fastest of `runs` runs.
    pub fn profile_backbone(&self, runs: usize) -> Vec<OperationTime> {
        profile(&self.plan(Stages::Backbone).plan, 0, runs)
    }

    /// How long the operations behind the backbone take for so many visual tokens, likewise.
    ///
    /// # Panics
    /// When there are not so many tokens.
    pub fn profile_transformer(&self, tokens: usize, runs: usize) -> Vec<OperationTime> {
        profile(&self.plan(Stages::Transformer(tokens)).plan, tokens, runs)
    }
}

fn profile(plan: &Plan, tokens: usize, runs: usize) -> Vec<OperationTime> {
    let mut workspace = Workspace::new(plan, 1);
    workspace.tokens = (0..tokens as u32).collect();
    plan.profile(&mut workspace, runs)
}

#[cfg(test)]
mod tests;
