//! The gradient of a batch's losses: by the CPU's engine, or through Burn's autodiff where a GPU trains.

use super::assign::{Anchor, assign};
use super::config::DetectorLossSection;
use super::cpu::CpuDetector;
use super::loss::{AnchorTargets, losses};
use crate::cpu::train::{StepWeights, TrainPlan, TrainWorkspace};
use crate::data::BoxSample;
use crate::detect::{DetectorNet, Level, STRIDES};
use crate::model::numbers;
use crate::train::meter::LossTerms;
use crate::train::parameters::ParamLayout;
use crate::vision::planes_to_pixels;
use burn::prelude::*;
use rayon::prelude::*;
use std::ops::AddAssign;

/// A step's losses, each with its factor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DetectorLoss {
    pub scores: f64,
    pub boxes: f64,
    /// Anchors that learnt a person.
    pub positives: f64,
}

/// What the pictures of a part of the batch add up to, before it is divided by what the whole batch weighs.
struct PartSum {
    loss: DetectorLoss,
    /// Sum of the pictures' qualities.
    weight: f64,
    /// Of the engine's numbers.
    gradient: Vec<f32>,
}

impl LossTerms for DetectorLoss {
    fn sum(&self) -> f64 {
        self.scores + self.boxes
    }

    fn scaled(self, by: f64) -> DetectorLoss {
        DetectorLoss { scores: self.scores * by, boxes: self.boxes * by, positives: self.positives * by }
    }
}

impl AddAssign for DetectorLoss {
    fn add_assign(&mut self, other: DetectorLoss) {
        self.scores += other.scores;
        self.boxes += other.boxes;
        self.positives += other.positives;
    }
}

/// How gradients come about.
pub enum DetectorEngine {
    /// A picture at a time on each thread.
    Cpu(Box<CpuDetector>),
    /// Autodiff over a whole batch.
    Recorded,
}

impl DetectorEngine {
    /// The faster one for square pictures of `side` pixels.
    pub fn of(net: &DetectorNet, layout: &ParamLayout, side: usize, on_gpu: bool) -> DetectorEngine {
        if on_gpu {
            DetectorEngine::Recorded
        } else {
            DetectorEngine::Cpu(Box::new(CpuDetector::new(net, layout, side)))
        }
    }

    /// In words.
    pub fn name(&self) -> &'static str {
        match self {
            DetectorEngine::Cpu(_) => "the CPU's engine",
            DetectorEngine::Recorded => "autodiff",
        }
    }
}

/// What stays the same from step to step.
pub struct DetectorGradient<'a> {
    pub engine: &'a DetectorEngine,
    /// The network, whose trained numbers are replaced.
    pub net: &'a DetectorNet,
    pub layout: &'a ParamLayout,
    pub anchors: &'a [Anchor],
    /// Parts that a batch is cut into, worked on at once on the CPU.
    pub shards: usize,
    pub loss: DetectorLossSection,
    /// Without autodiff.
    pub device: &'a Device,
}

impl DetectorGradient<'_> {
    /// Losses of a batch at `weights` and their gradient, which is added to `out`. The sums do not depend on which
    /// part is done first.
    pub fn gradient(&self, weights: &[f32], batch: &[BoxSample], out: &mut [f32]) -> DetectorLoss {
        match self.engine {
            DetectorEngine::Cpu(network) => self.on_cpu(network, weights, batch, out),
            DetectorEngine::Recorded => self.recorded(weights, batch, out),
        }
    }

    fn on_cpu(
        &self,
        network: &CpuDetector,
        weights: &[f32],
        batch: &[BoxSample],
        out: &mut [f32],
    ) -> DetectorLoss {
        let plan = &network.plan;
        let packed = plan.pack(weights);
        let size = batch.len().div_ceil(self.shards.max(1)).max(1);
        let part = |part: &[BoxSample]| {
            let mut gradient = network.gradient();
            let (mut loss, mut weight) = (DetectorLoss::default(), 0.0);
            network.with_workspace(|workspace| {
                for sample in part {
                    let (own, qualities) = self.picture(plan, &packed, sample, workspace, &mut gradient);
                    loss += own;
                    weight += qualities;
                }
            });
            PartSum { loss, weight, gradient }
        };
        let parts: Vec<PartSum> = batch.par_chunks(size).map(part).collect();
        // The losses are divided by what the whole batch weighs, which is known only now.
        let weight = parts.iter().map(|part| part.weight).sum::<f64>().max(1.0);
        let mut sum = DetectorLoss::default();
        for PartSum { loss, gradient, .. } in parts {
            sum += DetectorLoss { positives: loss.positives, ..loss.scaled(1.0 / weight) };
            plan.add_gradient(&gradient, (1.0 / weight) as f32, out);
            network.give_back(gradient);
        }
        sum
    }

    /// Losses of one picture, not divided yet, and the sum of its qualities; the gradient of the network's numbers is added.
    fn picture(
        &self,
        plan: &TrainPlan,
        packed: &[StepWeights],
        sample: &BoxSample,
        workspace: &mut TrainWorkspace,
        gradient: &mut [f32],
    ) -> (DetectorLoss, f64) {
        planes_to_pixels(&sample.pixels, 3, workspace.input(plan, 0));
        plan.forward_one(packed, workspace);
        let (mut logits, mut distances) = (Vec::new(), Vec::new());
        for (level, stride) in STRIDES.into_iter().enumerate() {
            logits.extend_from_slice(workspace.output(plan, 2 * level));
            // Below zero the network's own gradient passes too (`detect::net`).
            let cells = workspace.output(plan, 2 * level + 1).iter();
            distances.extend(cells.map(|d| (d * stride as f32).max(0.0)));
        }
        let a = self.anchors.len();
        let targets = self.targets(std::slice::from_ref(sample), &logits, &distances);
        let leaf = |values: Vec<f32>| {
            let count = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [count]), self.device).autodiff().require_grad()
        };
        let (logits, distances) = (leaf(logits), leaf(distances));
        let (rows, reaches) = (logits.clone().reshape([1, a]), distances.clone().reshape([1, a, 4]));
        let [scores, boxes] = losses(rows, reaches, &targets, self.device);
        let (scores, boxes) = (scores * self.loss.scores, boxes * self.loss.boxes);
        let loss = DetectorLoss {
            scores: number(&scores),
            boxes: number(&boxes),
            positives: targets.positives() as f64,
        };
        let gradients = (scores + boxes).backward();
        let of = |leaf: &Tensor<1>| leaf.grad(&gradients).map(numbers).unwrap_or_default();
        let (logits, distances) = (of(&logits), of(&distances));
        let mut at = 0;
        for (level, stride) in STRIDES.into_iter().enumerate() {
            let given = workspace.given(plan, 2 * level);
            let cells = given.len();
            given.copy_from_slice(&logits[at..at + cells]);
            let given = workspace.given(plan, 2 * level + 1).iter_mut();
            given.zip(&distances[4 * at..]).for_each(|(to, g)| *to = g * stride as f32);
            at += cells;
        }
        plan.backward_one(packed, workspace, gradient);
        (loss, targets.weight())
    }

    fn recorded(&self, weights: &[f32], batch: &[BoxSample], out: &mut [f32]) -> DetectorLoss {
        let net = self.layout.write(self.net.clone(), weights);
        let n = batch.len();
        let pixels: Vec<f32> = batch.iter().flat_map(|sample| sample.pixels.iter().copied()).collect();
        let side = (pixels.len() / (3 * n)).isqrt();
        let images = TensorData::new(pixels, [n, 3, side, side]);
        let images = Tensor::<4>::from_data(images, self.device).autodiff();
        let (scores, distances) = joined(net.forward(images));
        let targets =
            self.targets(batch, &numbers(scores.clone().inner()), &numbers(distances.clone().inner()));
        let weight = targets.weight().max(1.0);
        let [scores, boxes] = losses(scores, distances, &targets, self.device);
        let (scores, boxes) = (scores * (self.loss.scores / weight), boxes * (self.loss.boxes / weight));
        let loss = DetectorLoss {
            scores: number(&scores),
            boxes: number(&boxes),
            positives: targets.positives() as f64,
        };
        self.layout.gather(&net, (scores + boxes).backward(), out);
        loss
    }

    /// What the anchors of some pictures have to learn, from what the network says about them: `logits` `[N, A]` and
    /// `distances` `[N, A, 4]`.
    fn targets(&self, pictures: &[BoxSample], logits: &[f32], distances: &[f32]) -> AnchorTargets {
        let all = self.anchors.len();
        let reaches = distances.as_chunks::<4>().0;
        let labels: Vec<_> = pictures
            .par_iter()
            .enumerate()
            .map(|(i, sample)| {
                let of = i * all..(i + 1) * all;
                assign(self.anchors, &logits[of.clone()], &reaches[of], &sample.people, &sample.ignored)
            })
            .collect();
        let mut targets = AnchorTargets::default();
        for (labels, sample) in labels.iter().zip(pictures) {
            targets.push(self.anchors, labels, &sample.people);
        }
        targets
    }
}

fn number(tensor: &Tensor<1>) -> f64 {
    f64::from(tensor.clone().inner().into_scalar::<f32>())
}

/// All maps as one list of anchors: scores `[N, A]` and distances `[N, A, 4]`.
fn joined(levels: Vec<Level>) -> (Tensor<2>, Tensor<3>) {
    let (mut scores, mut distances) = (Vec::new(), Vec::new());
    for level in levels {
        let [n, _, h, w] = level.scores.dims();
        scores.push(level.scores.reshape([n, h * w]));
        distances.push(level.distances.reshape([n, 4, h * w]).swap_dims(1, 2));
    }
    (Tensor::cat(scores, 1), Tensor::cat(distances, 1))
}

#[cfg(test)]
mod tests {
    use super::super::assign::anchors;
    use super::*;
    use crate::detect::DetectorConfig;
    use burn::module::Module;
    use rand::RngExt;

    const SIDE: usize = 64;

    /// Pictures without a pattern, with people, a crowd, and nobody.
    fn batch() -> Vec<BoxSample> {
        let mut rng = crate::data::generator(5, 0, 0, 0);
        let people =
            [vec![[6.0, 5.0, 30.0, 52.0], [22.0, 14.0, 58.0, 60.0]], vec![[10.0, 20.0, 50.0, 44.0]], vec![]];
        let ignored = [vec![], vec![[0.0, 44.0, 64.0, 64.0]], vec![[30.0, 30.0, 50.0, 50.0]]];
        let sample = |(people, ignored)| BoxSample {
            pixels: (0..3 * SIDE * SIDE).map(|_| rng.random::<f32>() * 4.0 - 2.0).collect(),
            people,
            ignored,
            bad: Vec::new(),
        };
        people.into_iter().zip(ignored).map(sample).collect()
    }

    fn network() -> DetectorNet {
        let device = Device::flex().autodiff();
        device.seed(11);
        let config = DetectorConfig {
            input: SIDE,
            stem: 8,
            widths: [8, 16, 16, 32],
            head: 16,
            ..DetectorConfig::default()
        };
        let images: Vec<f32> = batch().iter().flat_map(|s| s.pixels.clone()).collect();
        let images = TensorData::new(images, [3, 3, SIDE, SIDE]);
        config.init(&device).settled(Tensor::from_data(images, &Device::flex()).autodiff())
    }

    fn both_agree(net: &DetectorNet) {
        let layout = ParamLayout::of(net);
        let weights = layout.read(net);
        let (anchors, device) = (anchors(SIDE, &STRIDES), Device::flex());
        let engines = [false, true].map(|on_gpu| DetectorEngine::of(net, &layout, SIDE, on_gpu));
        let [own, recorded] = engines.map(|engine| {
            let work = DetectorGradient {
                engine: &engine,
                net,
                layout: &layout,
                anchors: &anchors,
                shards: 2,
                loss: DetectorLossSection::default(),
                device: &device,
            };
            let mut gradient = vec![0.0; layout.count()];
            (work.gradient(&weights, &batch(), &mut gradient), gradient)
        });
        for (a, b) in [(own.0.scores, recorded.0.scores), (own.0.boxes, recorded.0.boxes)] {
            assert!((a - b).abs() < 1e-4 * b.abs().max(1e-3), "{:?} {:?}", own.0, recorded.0);
        }
        assert_eq!(own.0.positives, recorded.0.positives);
        for slot in layout.params() {
            let range = slot.start..slot.start + slot.shape.iter().product::<usize>();
            let (a, b) = (&own.1[range.clone()], &recorded.1[range]);
            let size = b.iter().fold(0f32, |m, v| m.max(v.abs()));
            let off = a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(off <= 2e-3 * size + 1e-6, "{}: off by {off} where the largest is {size}", slot.path);
        }
    }

    #[test]
    fn a_random_network_learns_whole() {
        let net = network();
        assert_eq!(ParamLayout::of(&net).count(), net.num_params());
    }

    #[test]
    fn the_engine_agrees_with_autodiff() {
        both_agree(&network());
    }

    #[test]
    fn they_agree_where_parts_are_frozen() {
        let mut net = network();
        net.backbone = net.backbone.freeze();
        both_agree(&net);
        // A new one: what a frozen weight of the first was made of has been gone back through already.
        let mut net = network();
        net.backbone = net.backbone.freeze();
        net.neck = net.neck.freeze();
        both_agree(&net);
    }
}
