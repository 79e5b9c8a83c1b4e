//! What a person detector finds.

use super::BBox;

/// A person box with its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// In pixels of the picture.
    pub bbox: BBox,
    /// The detector's confidence, 0 to 1.
    pub score: f32,
}
