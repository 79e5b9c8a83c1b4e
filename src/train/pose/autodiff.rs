//! The gradient of a step's loss by Burn's autodiff, where the CPU's engine does not compute it: on a GPU.

use super::cached::CachedSet;
use super::loss::{LossNormalizer, PoseLoss, TargetBatch, loss_and_gradient};
use super::loss_spec::LossSpec;
use super::pictures::PictureBatch;
use super::plan::BatchPlan;
use crate::model::{EncoderTrace, PoseNet, TokenSelection};
use crate::pose::Size;
use crate::train::distill::{DistillWeights, Teacher, TeacherTargetsBatch, autodiff_terms, squared_error};
use crate::train::parameters::ParamLayout;
use burn::prelude::*;

/// A batch's input for autodiff.
pub enum AutodiffInput {
    /// Normalised features token by token, [B, N, patch values].
    Features(Vec<f32>),
    /// Normalised pictures, [B, 3, H, W].
    Pictures(Vec<f32>),
}

/// A batch for autodiff; its targets stand apart.
pub struct AutodiffBatch {
    /// Features or pictures.
    pub input: AutodiffInput,
    /// Kept tokens of each person, the same number for all.
    pub kept: Vec<Vec<usize>>,
    /// A teacher's targets for the batch.
    pub teacher_targets: Option<TeacherTargetsBatch>,
}

impl AutodiffBatch {
    /// A batch of cached features.
    pub fn of_features(plan: BatchPlan, sets: &[CachedSet], device: &Device) -> AutodiffBatch {
        let (values, teacher_targets) = plan.features(sets, device);
        AutodiffBatch { input: AutodiffInput::Features(values), kept: plan.kept, teacher_targets }
    }

    /// A batch of pictures of `size`, for which `teacher` computes its targets.
    pub fn of_pictures(
        batch: PictureBatch,
        teacher: Option<&Teacher>,
        size: Size,
        device: &Device,
    ) -> AutodiffBatch {
        let teacher_targets = teacher.map(|teacher| {
            let rows = batch.teacher_rows(teacher, size, device);
            TeacherTargetsBatch::new(rows, teacher.shape.clone(), device)
        });
        AutodiffBatch { input: AutodiffInput::Pictures(batch.pixels), kept: batch.plan.kept, teacher_targets }
    }
}

/// Computes the gradients of steps by autodiff.
pub struct AutodiffStep<'a> {
    /// The network, on a device with autodiff.
    pub model: &'a PoseNet,
    /// Where its parameters lie in the flat vector.
    pub layout: &'a ParamLayout,
    /// What is minimised.
    pub loss_spec: &'a LossSpec,
}

impl AutodiffStep<'_> {
    /// Loss of a step of several batches and its gradient, written to `out`. Batches are made one by one, so that
    /// several need no more memory than one; `targets` has those of each.
    pub fn gradient(
        &self,
        batches: impl Iterator<Item = AutodiffBatch>,
        targets: &[TargetBatch],
        out: &mut [f32],
    ) -> PoseLoss {
        out.fill(0.0);
        let normalizer = LossNormalizer::of(targets);
        let mut sum = PoseLoss::default();
        for (batch, targets) in batches.zip(targets) {
            sum += self.batch_gradient(batch, targets, normalizer, out);
        }
        sum
    }

    /// Loss of a batch; the gradient is added to `out`. The backbone runs once, what follows it once for each pass. A
    /// person without targets is left out of the distillation too.
    fn batch_gradient(
        &self,
        batch: AutodiffBatch,
        targets: &TargetBatch,
        normalizer: LossNormalizer,
        out: &mut [f32],
    ) -> PoseLoss {
        let AutodiffBatch { input, kept, teacher_targets } = batch;
        let config = self.model.config();
        let device = self.model.device().without_autodiff();
        let patches = self.patches(input, kept.len(), &device);
        let passes = self.loss_spec.passes.of_batch(&kept);
        let normalizer = normalizer.shared_by(passes.len());
        let pass = AutodiffPass {
            model: self.model,
            loss_spec: self.loss_spec,
            patches,
            targets,
            person_weights: person_weights(targets, kept.len(), &device),
            teacher_targets: teacher_targets.as_ref(),
            normalizer,
            distill: self.loss_spec.distill.factors(normalizer.persons, &config),
        };
        let (mut loss, mut total, mut full) = (PoseLoss::default(), None::<Tensor<1>>, None::<Tensor<4>>);
        for kept in &passes {
            let kept = TokenSelection::per_person(kept, &device);
            let (sum, maps) = pass.run(&kept, full.as_ref(), &mut loss);
            total = Some(total.map_or(sum.clone(), |total| total + sum));
            full.get_or_insert(maps);
        }
        if let Some(total) = total {
            self.layout.gather(self.model, total.backward(), out);
        }
        loss
    }

    /// The tokens' patches of a batch of `batch` persons, [B, N, patch values].
    fn patches(&self, input: AutodiffInput, batch: usize, device: &Device) -> Tensor<3> {
        let config = self.model.config();
        match input {
            AutodiffInput::Pictures(values) => {
                let [height, width] = config.input().hw();
                let shape = [batch, 3, height, width];
                let images = Tensor::<4>::from_data(TensorData::new(values, shape), device).autodiff();
                self.model.patches(self.model.features(images))
            }
            AutodiffInput::Features(values) => {
                let shape = [batch, config.tokens(), config.patch_values()];
                Tensor::<3>::from_data(TensorData::new(values, shape), device).autodiff()
            }
        }
    }
}

/// 1 for each person with targets, 0 for the others, [B, 1, 1, 1].
fn person_weights(targets: &TargetBatch, batch: usize, device: &Device) -> Tensor<4> {
    let person_weights: Vec<f32> = (0..batch).map(|p| f32::from(u8::from(targets.has_targets(p)))).collect();
    Tensor::<4>::from_data(TensorData::new(person_weights, [batch, 1, 1, 1]), device)
}

/// What all passes of a batch have in common.
struct AutodiffPass<'a> {
    model: &'a PoseNet,
    loss_spec: &'a LossSpec,
    /// The visual tokens' patches, [B, N, patch values].
    patches: Tensor<3>,
    targets: &'a TargetBatch,
    /// 1 for each person with targets, 0 for the others, [B, 1, 1, 1].
    person_weights: Tensor<4>,
    teacher_targets: Option<&'a TeacherTargetsBatch>,
    normalizer: LossNormalizer,
    /// Factors of the distillation's sums.
    distill: DistillWeights,
}

impl AutodiffPass<'_> {
    /// One pass: a number whose gradient is that of the loss, and the heatmaps [B, J, H, W] without autodiff. `full` are the
    /// heatmaps of the pass with all tokens, the targets of this one. The terms are added to `loss`.
    fn run(
        &self,
        kept: &TokenSelection,
        full: Option<&Tensor<4>>,
        loss: &mut PoseLoss,
    ) -> (Tensor<1>, Tensor<4>) {
        let AutodiffPass { model, person_weights, distill, .. } = self;
        let mut trace = EncoderTrace::new(model.config().joints(), distill.attention > 0.0);
        let wanted = distill.needs_trace().then_some(&mut trace);
        let maps = model.heatmaps_of_patches(self.patches.clone(), kept, wanted);
        let values = maps.clone().inner();
        let (annotated, mut gradient) =
            loss_and_gradient(values.clone(), self.targets, self.normalizer, &self.loss_spec.loss);
        *loss += annotated;
        if let Some(full) = full {
            let (term, term_gradient) =
                squared_error(&values, full.clone(), person_weights, distill.sandwich);
            loss.sandwich += term;
            gradient = gradient + term_gradient;
        }
        if let Some(target) = self.teacher_targets.and_then(TeacherTargetsBatch::maps) {
            let (term, term_gradient) = squared_error(&values, target, person_weights, distill.heatmaps);
            loss.teacher += term;
            gradient = gradient + term_gradient;
        }
        // The sum of maps x gradient has exactly that gradient with respect to the maps.
        let mut sum = (maps * gradient.autodiff()).sum();
        let batch = person_weights.dims()[0];
        let person_weights = person_weights.clone().reshape([batch, 1, 1]);
        let layer_terms =
            self.teacher_targets.and_then(|t| autodiff_terms(&trace, t, kept, &person_weights, distill));
        if let Some(terms) = layer_terms {
            loss.teacher += f64::from(terms.clone().inner().into_scalar::<f32>());
            sum = sum + terms;
        }
        (sum, values)
    }
}
