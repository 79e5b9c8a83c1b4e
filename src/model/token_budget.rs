//! How many visual tokens a network may spend on a person, and which.

use super::{KeepRatio, MaskKind, PositionMode, keep_count, kept_tokens};
use crate::pose::Size;

/// Which visual tokens a network sees. What a family of networks makes of it is its own business: a mask drops the same
/// tokens before the first layer for everybody, a network that prunes decides from layer to layer by what it sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenBudget {
    /// How the kept tokens are chosen.
    pub mask: MaskKind,
    /// The share of the tokens that is kept.
    pub keep_ratio: KeepRatio,
    /// Seed of the random mask; the other masks ignore it.
    pub seed: u64,
    /// Positions of the kept tokens: their own, or the reference's prefix (docs/METHOD.md, "Masks").
    pub positions: PositionMode,
}

impl TokenBudget {
    /// Every token in its own position.
    pub const ALL: TokenBudget = TokenBudget {
        mask: MaskKind::None,
        keep_ratio: KeepRatio::ALL,
        seed: 0,
        positions: PositionMode::Gathered,
    };

    /// The first tokens of the progressive order: the mask that is meant for use.
    pub const fn progressive(keep_ratio: KeepRatio) -> TokenBudget {
        TokenBudget { mask: MaskKind::Progressive, keep_ratio, ..TokenBudget::ALL }
    }

    /// How many of `tokens` tokens a mask keeps, at least 1.
    pub fn keep_count(&self, tokens: usize) -> usize {
        keep_count(self.mask, self.keep_ratio, tokens)
    }

    /// The tokens of a grid that a mask keeps, ascending.
    pub fn kept_tokens(&self, grid: Size) -> Vec<usize> {
        kept_tokens(self.mask, self.keep_ratio, grid, self.seed)
    }
}

impl Default for TokenBudget {
    /// Every token; a smaller ratio would keep those of the progressive mask.
    fn default() -> TokenBudget {
        TokenBudget::progressive(KeepRatio::ALL)
    }
}
