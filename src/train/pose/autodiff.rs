//! The gradient of a step's loss through Burn's autodiff: for whatever has no hand-written pass.

use super::loss::{Goal, LossNormalizer, PoseLoss, TargetBatch, loss_and_gradient};
use super::loss_spec::LossSpec;
use crate::model::{EncoderTrace, KeptTokens, TmPose};
use crate::train::distill::{TeacherTargetsBatch, autodiff_terms, squared_error};
use crate::train::parameters::ParamLayout;
use burn::prelude::*;

/// A batch's input for autodiff.
pub enum Input {
    /// Normalised features token by token, [B, N, patch values].
    Features(Vec<f32>),
    /// Normalised pictures, [B, 3, H, W].
    Pictures(Vec<f32>),
}

/// What autodiff is given of a batch.
pub struct Batch {
    pub input: Input,
    /// Kept tokens of each person, all of one length.
    pub keep: Vec<Vec<usize>>,
    /// What a teacher says about the batch.
    pub teacher_targets: Option<TeacherTargetsBatch>,
}

/// Loss of a step of several batches and its gradient, written to `out`. Batches are made one by one, so
/// that several need no more memory than one; `targets` has those of each.
pub fn autodiff_step(
    model: &TmPose,
    layout: &ParamLayout,
    batches: impl Iterator<Item = Batch>,
    targets: &[TargetBatch],
    loss_spec: &LossSpec,
    out: &mut [f32],
) -> PoseLoss {
    out.fill(0.0);
    let by = LossNormalizer::of(targets);
    let mut sum = PoseLoss::default();
    for (batch, targets) in batches.zip(targets) {
        sum += batch_gradient(model, layout, batch, Goal { targets, by }, loss_spec, out);
    }
    sum
}

/// Loss of a batch; the gradient is added to `out`. The backbone runs once, what follows it once for each
/// pass. A person whose targets teach nothing learns nothing from a teacher either.
fn batch_gradient(
    model: &TmPose,
    layout: &ParamLayout,
    batch: Batch,
    goal: Goal,
    loss_spec: &LossSpec,
    out: &mut [f32],
) -> PoseLoss {
    let Batch { input, keep, teacher_targets } = batch;
    let config = model.config();
    let (batch, joints) = (keep.len(), config.joints);
    let device = model.patch.weight.val().device().without_autodiff();
    let patches = match input {
        Input::Pictures(values) => {
            let shape = [batch, 3, config.input[0], config.input[1]];
            let images = Tensor::<4>::from_data(TensorData::new(values, shape), &device).autodiff();
            model.patches(model.backbone(images))
        }
        Input::Features(values) => {
            let shape = [batch, config.tokens(), config.patch_values()];
            Tensor::<3>::from_data(TensorData::new(values, shape), &device).autodiff()
        }
    };
    let taught: Vec<f32> = (0..batch).map(|p| f32::from(u8::from(goal.targets.teaches(p)))).collect();
    let taught = Tensor::<4>::from_data(TensorData::new(taught, [batch, 1, 1, 1]), &device);
    let passes = loss_spec.passes.of_batch(&keep);
    let by = goal.by.shared_by(passes.len());
    let distill = loss_spec.distill.factors(by.persons, config);

    let (mut parts, mut total, mut full) = (PoseLoss::default(), None::<Tensor<1>>, None::<Tensor<4>>);
    for keep in &passes {
        let kept = KeptTokens::per_person(keep, &device);
        let mut trace = EncoderTrace::new(joints, distill.attention > 0.0);
        let maps = if distill.looks_inside() {
            model.forward_patches_traced(patches.clone(), &kept, &mut trace)
        } else {
            model.forward_patches(patches.clone(), &kept)
        };
        let drawn = maps.clone().inner();
        let (truth, mut gradient) = loss_and_gradient(drawn.clone(), goal.targets, by, &loss_spec.loss);
        parts += truth;
        if let Some(full) = &full {
            let (loss, more) = squared_error(&drawn, full.clone(), &taught, distill.sandwich);
            parts.sandwich += loss;
            gradient = gradient + more;
        }
        if let Some(goal) = teacher_targets.as_ref().and_then(TeacherTargetsBatch::maps) {
            let (loss, more) = squared_error(&drawn, goal, &taught, distill.heatmaps);
            parts.teacher += loss;
            gradient = gradient + more;
        }
        // The sum of maps x gradient has exactly that gradient with respect to the maps.
        let mut sum = (maps * gradient.autodiff()).sum();
        let taught = taught.clone().reshape([batch, 1, 1]);
        let inside =
            teacher_targets.as_ref().and_then(|l| autodiff_terms(&trace, l, &kept, &taught, &distill));
        if let Some(inside) = inside {
            parts.teacher += f64::from(inside.clone().inner().into_scalar::<f32>());
            sum = sum + inside;
        }
        total = Some(total.map_or(sum.clone(), |total| total + sum));
        full.get_or_insert(drawn);
    }
    if let Some(total) = total {
        layout.gather(model, total.backward(), out);
    }
    parts
}
