//! What may change from one frame to the next without loading anything.

use crate::model::{MaskKind, PositionMode};
use crate::vision::Decoding;

/// How to run the network on a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Which visual tokens are kept.
    pub mask: MaskKind,
    /// The share of visual tokens that is kept, in (0, 1].
    pub keep_ratio: f64,
    /// Seed of the random mask; the other masks ignore it.
    pub seed: u64,
    /// Positions of the kept tokens: their own, or the reference's prefix (docs/METHOD.md, "Positions of kept
    /// tokens").
    pub positions: PositionMode,
    /// Average with the mirrored picture's heatmaps: twice the time, a little more accurate.
    pub flip_test: bool,
    pub decoding: Decoding,
}

impl Default for Settings {
    /// Every token, one pass, DARK decoding.
    fn default() -> Self {
        Settings {
            mask: MaskKind::default(),
            keep_ratio: 1.0,
            seed: 0,
            positions: PositionMode::Gathered,
            flip_test: false,
            decoding: Decoding::default(),
        }
    }
}
