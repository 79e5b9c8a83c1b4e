//! The settings of an ablation over masks, and numbers over mask seeds.

use crate::model::{KeepRatio, MaskKind, PositionMode, TokenBudget, keep_count};
use serde::Serialize;

/// One line of the table: everything but the seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AblationSetting {
    /// Which visual tokens are kept.
    pub mask: MaskKind,
    /// The share of them that is asked for.
    pub keep_ratio: KeepRatio,
    /// Visual tokens kept.
    pub tokens: usize,
    /// The positions that they get.
    pub positions: PositionMode,
    /// Seeds of the random mask; a single one for the others, which have none.
    pub seeds: Vec<u64>,
}

impl AblationSetting {
    /// The tokens that the network sees with one of the seeds.
    pub fn budget(&self, seed: u64) -> TokenBudget {
        TokenBudget { mask: self.mask, keep_ratio: self.keep_ratio, seed, positions: self.positions }
    }
}

/// All combinations of `masks`, `ratios` and `positions` that differ, behind the one with every token, which
/// each is compared with. A random mask is repeated over `seeds` seeds.
///
/// A mask that keeps every token is that first one. The block mask keeps the first tokens, so that both
/// position modes give them the same positions; it appears once.
pub fn ablation_settings(
    masks: &[MaskKind],
    ratios: &[KeepRatio],
    positions: &[PositionMode],
    seeds: u64,
    tokens: usize,
) -> Vec<AblationSetting> {
    let none = AblationSetting {
        mask: MaskKind::None,
        keep_ratio: KeepRatio::ALL,
        tokens,
        positions: PositionMode::Gathered,
        seeds: vec![0],
    };
    let mut ablation_settings = vec![none];
    for &positions in positions {
        for &mask in masks {
            for &keep_ratio in ratios {
                let kept = keep_count(mask, keep_ratio, tokens);
                let seeds = if mask == MaskKind::Random { (0..seeds.max(1)).collect() } else { vec![0] };
                let is_same = |c: &AblationSetting| {
                    c.mask == mask
                        && c.keep_ratio == keep_ratio
                        && (c.positions == positions || mask == MaskKind::Block)
                };
                if kept < tokens && !ablation_settings.iter().any(is_same) {
                    ablation_settings.push(AblationSetting {
                        mask,
                        keep_ratio,
                        tokens: kept,
                        positions,
                        seeds,
                    });
                }
            }
        }
    }
    ablation_settings
}

/// A number over several seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedStats {
    /// Over the seeds.
    pub mean: f64,
    /// Standard deviation of a sample (divided by n - 1); none for a single value.
    pub deviation: Option<f64>,
    /// One for each seed.
    pub values: Vec<f64>,
}

impl SeedStats {
    /// None without values.
    pub fn of(values: Vec<f64>) -> Option<SeedStats> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        (!values.is_empty()).then_some(SeedStats { mean, deviation, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MaskKind::{Block, None as NoMask, Progressive, Random};
    use PositionMode::{Gathered, Prefix};

    fn ratio(share: f64) -> KeepRatio {
        KeepRatio::new(share).unwrap()
    }

    #[test]
    fn every_difference_is_one_line_and_no_line_comes_twice() {
        let found =
            ablation_settings(&[Random, Block], &[1.0, 0.6, 0.4].map(ratio), &[Gathered, Prefix], 3, 256);
        let lines: Vec<_> = found.iter().map(|c| (c.mask, c.tokens, c.positions, c.seeds.len())).collect();
        assert_eq!(
            lines,
            [
                (NoMask, 256, Gathered, 1),
                (Random, 153, Gathered, 3),
                (Random, 102, Gathered, 3),
                (Block, 152, Gathered, 1),
                (Block, 100, Gathered, 1),
                (Random, 153, Prefix, 3),
                (Random, 102, Prefix, 3),
            ]
        );
        assert_eq!(
            ablation_settings(
                &[Progressive, Progressive, NoMask],
                &[0.5, 0.5].map(ratio),
                &[Gathered],
                0,
                256
            )
            .len(),
            2
        );
    }

    #[test]
    fn spread_is_that_of_a_sample() {
        let spread = SeedStats::of(vec![1.0, 2.0, 3.0]).unwrap();
        assert_eq!((spread.mean, spread.deviation), (2.0, Some(1.0)));
        assert_eq!(SeedStats::of(vec![4.0]).unwrap().deviation, None);
        assert_eq!(SeedStats::of(vec![]), None);
    }
}
