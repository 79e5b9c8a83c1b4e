//! When a frame is shown, and whether it follows the one before.

use std::time::Duration;

/// What the tracker must know of a frame beside its pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FrameInfo {
    /// Media time of the frame: the time since the beginning of its source.
    pub timestamp: Duration,
    /// The frame does not follow the one before: a seek, another source, a feed that was interrupted. Nobody is
    /// known any more.
    pub discontinuous: bool,
    /// A picture by itself: everybody is looked for in it, and nothing is smoothed.
    pub still: bool,
}
