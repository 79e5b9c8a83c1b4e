//! What may change from one frame to the next without loading anything.

use crate::model::TokenBudget;
use crate::vision::Decoding;

/// How to run the network on a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Which visual tokens the network sees. Default: every one.
    pub budget: TokenBudget,
    /// Average with the mirrored picture's heatmaps: twice the time, a little more accurate.
    pub flip_test: bool,
    /// From heatmaps to keypoints.
    pub decoding: Decoding,
}
