//! When a frame is, and how it hangs together with the one before.

use std::time::Duration;

/// A frame's place in time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FrameInfo {
    /// Media time of the frame ([`Frame::timestamp`](crate::source::Frame::timestamp)).
    pub timestamp: Duration,
    /// The frame does not follow the one before: a seek, another source, a feed that was interrupted.
    /// Everybody is forgotten.
    pub jump: bool,
    /// A picture that follows no other: everybody is looked for in it, and nothing is smoothed.
    pub still: bool,
}
