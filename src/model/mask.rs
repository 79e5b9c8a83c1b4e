//! Which visual tokens a mask keeps (docs/METHOD.md, "Masks"). Everything here is deterministic.

use super::KeepRatio;
use crate::pose::{Size, UnknownName, find_by_name};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How the kept tokens are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskKind {
    /// All tokens, whatever the ratio.
    None,
    /// A random subset, the same for the same seed.
    Random,
    /// Equal steps through the row-major token order.
    Uniform,
    /// The first tokens: what the reference's "block" keeps.
    Block,
    /// The first ranks of one fixed, well spread, mirror-symmetric order: a larger ratio only adds
    /// tokens.
    #[default]
    Progressive,
}

impl MaskKind {
    /// Every kind.
    pub const ALL: [MaskKind; 5] =
        [MaskKind::None, MaskKind::Random, MaskKind::Uniform, MaskKind::Block, MaskKind::Progressive];

    /// The name used in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            MaskKind::None => "none",
            MaskKind::Random => "random",
            MaskKind::Uniform => "uniform",
            MaskKind::Block => "block",
            MaskKind::Progressive => "progressive",
        }
    }

    /// What it keeps, for people.
    pub fn description(self) -> &'static str {
        match self {
            MaskKind::None => "all tokens, whatever the keep ratio",
            MaskKind::Random => "a random set of tokens",
            MaskKind::Uniform => "every n-th token of the rows laid end to end",
            MaskKind::Block => "the first tokens: the top of the crop; their number is rounded down to fours",
            MaskKind::Progressive => {
                "a fixed, well spread, mirror-symmetric order; more tokens only add to fewer"
            }
        }
    }
}

impl std::fmt::Display for MaskKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for MaskKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<MaskKind, UnknownName> {
        find_by_name("mask", &MaskKind::ALL, MaskKind::name, text)
    }
}

/// Number of kept tokens, 1 to `tokens`.
///
/// `floor(tokens * ratio)` in double precision like the reference; `block` in whole fours.
pub fn keep_count(kind: MaskKind, ratio: KeepRatio, tokens: usize) -> usize {
    let share = |n: f64| (n * ratio.get()).floor() as usize;
    let count = match kind {
        MaskKind::None => tokens,
        MaskKind::Block => 4 * ((tokens as f64 * ratio.get() / 4.0).floor() as usize),
        MaskKind::Random | MaskKind::Uniform | MaskKind::Progressive => share(tokens as f64),
    };
    count.min(tokens).max(1)
}

/// The kept tokens of a grid in ascending order. `seed` matters to `random` only.
pub fn kept_tokens(kind: MaskKind, ratio: KeepRatio, grid: Size, seed: u64) -> Vec<usize> {
    let tokens = grid.area();
    let count = keep_count(kind, ratio, tokens);
    let mut kept = match kind {
        MaskKind::None => (0..tokens).collect(),
        MaskKind::Block => (0..count).collect(),
        MaskKind::Uniform => uniform(count, tokens),
        MaskKind::Random => {
            let mut all: Vec<usize> = (0..tokens).collect();
            all.partial_shuffle(&mut ChaCha8Rng::seed_from_u64(seed), count).0.to_vec()
        }
        MaskKind::Progressive => progressive_ranking(grid)[..count].to_vec(),
    };
    kept.sort_unstable();
    kept
}

/// The same cells seen in a mirror, ascending: what the flipped pass of the flip test keeps.
pub fn mirrored_tokens(kept: &[usize], grid: Size) -> Vec<usize> {
    let mut mirrored: Vec<usize> = kept.iter().map(|&token| mirror(token, grid.width as usize)).collect();
    mirrored.sort_unstable();
    mirrored
}

fn mirror(token: usize, columns: usize) -> usize {
    token / columns * columns + (columns - 1 - token % columns)
}

fn uniform(count: usize, tokens: usize) -> Vec<usize> {
    if count == 1 {
        return vec![0];
    }
    (0..count).map(|i| i * (tokens - 1) / (count - 1)).collect()
}

/// All cells of the grid from the most to the least wanted.
///
/// Cells come in pairs of a cell and its mirror image, so that every even count of an even-columned
/// grid is mirror-symmetric (the middle column of an odd grid comes cell by cell). Each pair is the one
/// farthest from everything ranked before it; a pair's two cells count as neighbours of each other too.
/// "Farthest" is the least sum of d^-4 over the ranked cells d cells away: its nearest neighbour decides,
/// as in farthest-point sampling, and the further ones break the many ties of a regular grid.
/// The picture's border is treated as if half a cell outside of it were taken: persons stand in the
/// middle of the crop.
pub fn progressive_ranking(grid: Size) -> Vec<usize> {
    let [rows, columns] = grid.hw();
    // Only the left half (with the middle column) is searched; the other half follows by mirroring.
    let half = columns.div_ceil(2);
    let repulsion = |a: [usize; 2], b: [usize; 2]| {
        let [dy, dx] = [a[0].abs_diff(b[0]), a[1].abs_diff(b[1])];
        ((dy * dy + dx * dx) as f64).powi(-2)
    };
    let mut crowding: Vec<f64> = (0..rows * half)
        .map(|i| {
            let cell = [i / half, i % half];
            let twin = [cell[0], columns - 1 - cell[1]];
            let edge = |t: usize, n: usize| (t as f64 + 1.0).powi(-4) + ((n - t) as f64).powi(-4);
            let border = edge(cell[0], rows) + edge(cell[1], columns);
            if twin == cell { border } else { border + repulsion(cell, twin) }
        })
        .collect();
    let mut ranking = Vec::with_capacity(rows * columns);
    for _ in 0..rows * half {
        let Some((best, _)) = crowding.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)) else { break };
        let cell = [best / half, best % half];
        let twin = [cell[0], columns - 1 - cell[1]];
        for taken in if twin == cell { vec![cell] } else { vec![cell, twin] } {
            ranking.push(taken[0] * columns + taken[1]);
            for (i, sum) in crowding.iter_mut().enumerate() {
                let other = [i / half, i % half];
                if other != taken {
                    *sum += repulsion(other, taken);
                }
            }
        }
        // Infinity, and every later addition to it, keeps a ranked cell from being chosen again.
        crowding[best] = f64::INFINITY;
    }
    ranking
}
