//! Which samples and tokens a step uses: a pure function of the seed and the step's number, so that a resumed training
//! makes the same steps as one that was never stopped.

use crate::data::generator;
use crate::model::{KeepRatio, MaskKind, keep_count, kept_tokens};
use crate::pose::Size;
use crate::train::config::MaskSection;
use crate::train::order::{BatchSamples, SampleOrder};
use rand::RngExt;
use rand::seq::SliceRandom;

/// The purpose that seeds the random generator; crops use 1, the order of the samples 2.
const MASK: u64 = 3;

/// The samples and tokens of one batch; a step is one batch, or several whose gradients are added.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchPlan {
    /// Number of the batch, counted from the training's start.
    pub step: u64,
    /// Numbers of the samples.
    pub samples: Vec<usize>,
    /// The epoch of each sample, from 0; each epoch draws another crop of it.
    pub epochs: Vec<u64>,
    /// Kept tokens of each sample, ascending; the same number for all.
    pub kept: Vec<Vec<usize>>,
}

impl BatchPlan {
    /// Several batches as one.
    pub fn joined(plans: Vec<BatchPlan>) -> BatchPlan {
        let mut all = BatchPlan { step: 0, samples: Vec::new(), epochs: Vec::new(), kept: Vec::new() };
        all.step = plans.first().map_or(0, |plan| plan.step);
        for plan in plans {
            all.samples.extend(plan.samples);
            all.epochs.extend(plan.epochs);
            all.kept.extend(plan.kept);
        }
        all
    }
}

/// Makes the plans of all batches.
pub struct BatchPlanner {
    seed: u64,
    batch: usize,
    /// Rows and columns of visual tokens.
    grid: Size,
    masks: MaskSection,
    order: SampleOrder,
}

impl BatchPlanner {
    /// For batches of `batch` of `samples` samples, whose visual tokens lie in this grid.
    pub fn new(seed: u64, batch: usize, grid: Size, masks: MaskSection, samples: usize) -> BatchPlanner {
        BatchPlanner { seed, batch, grid, masks, order: SampleOrder::new(seed, samples) }
    }

    /// The `accumulate` batches of a step.
    pub fn batches(&mut self, step: u64, accumulate: usize) -> Vec<BatchPlan> {
        let first = step * accumulate as u64;
        (first..first + accumulate as u64).map(|batch| self.plan(batch)).collect()
    }

    /// Batch number `step`.
    pub fn plan(&mut self, step: u64) -> BatchPlan {
        let BatchSamples { samples, epochs } = self.order.batch(step, self.batch);
        BatchPlan { step, kept: self.kept_tokens(step), samples, epochs }
    }

    /// The kept tokens of each sample of batch number `step`.
    fn kept_tokens(&self, step: u64) -> Vec<Vec<usize>> {
        let tokens = self.grid.area();
        let mut rng = generator(self.seed, MASK, step, 0);
        let [full, fixed, ratio]: [f64; 3] = std::array::from_fn(|_| rng.random());
        if full < self.masks.full {
            return vec![(0..tokens).collect(); self.batch];
        }
        let [low, high] = self.masks.ratio;
        let ratio = KeepRatio::between(low, high, ratio);
        if fixed < self.masks.fixed_share {
            return vec![kept_tokens(self.masks.fixed, ratio, self.grid, 0); self.batch];
        }
        let count = keep_count(MaskKind::Random, ratio, tokens);
        let mut draw = || {
            let mut all: Vec<usize> = (0..tokens).collect();
            let mut kept = all.partial_shuffle(&mut rng, count).0.to_vec();
            kept.sort_unstable();
            kept
        };
        if self.masks.shared {
            return vec![draw(); self.batch];
        }
        (0..self.batch).map(|_| draw()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{Recipe, TrainConfig};

    fn planner() -> BatchPlanner {
        BatchPlanner::new(4, 10, Size::square(16), MaskSection::default(), 25)
    }

    #[test]
    fn a_plan_depends_on_the_step_alone() {
        let mut on = planner();
        let plans: Vec<BatchPlan> = (0..8).map(|s| on.plan(s)).collect();
        for plan in plans.iter().rev() {
            assert_eq!(planner().plan(plan.step), *plan);
        }
        assert_ne!(plans[0].kept, plans[1].kept);
    }

    #[test]
    fn an_epoch_shows_every_sample_once() {
        let mut p = planner();
        let mut seen: Vec<usize> = (0..5).flat_map(|s| p.plan(s).samples).take(25).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..25).collect::<Vec<_>>());
        assert_eq!(p.plan(2).epochs, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn the_papers_masks_keep_60_percent_at_random_the_same_for_a_whole_batch() {
        let masks = TrainConfig::recipe(Recipe::Tmpose).masks;
        let mut p = BatchPlanner::new(4, 10, Size::square(16), masks, 25);
        let (a, b) = (p.plan(0).kept, p.plan(1).kept);
        assert!(a.iter().chain(&b).all(|k| k.len() == 153));
        assert!(a.iter().all(|k| *k == a[0]) && a[0] != b[0]);
    }

    #[test]
    fn full_fixed_and_random_masks_all_occur() {
        let mut p = planner();
        let (mut full, mut shared, mut own) = (0, 0, 0);
        for step in 0..200 {
            let keep = p.plan(step).kept;
            assert!(keep.iter().all(|k| k.len() == keep[0].len() && k.is_sorted()));
            match keep[0].len() {
                256 => full += 1,
                n => {
                    assert!((51..=204).contains(&n), "{n}");
                    if keep[0] == keep[1] { shared += 1 } else { own += 1 }
                }
            }
        }
        assert!(full > 10 && shared > 50 && own > 50, "{full} {shared} {own}");
    }
}
